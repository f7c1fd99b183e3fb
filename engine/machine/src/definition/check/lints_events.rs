//! Lints about events: declared, deferred, matched too widely, handled in two regions.

use std::collections::BTreeMap;

use super::lints::{Lint, descriptors, overlap};
use super::nearest::did_you_mean;
use crate::definition::codes;
use crate::definition::model::{Action, Definition, Descriptor, SeqStep, StateKind};
use crate::machine::{StateId, TransitionId};

/// More setters of one variable in one parallel state are not compared.
const SETTERS_MAX: usize = 64;

pub(super) fn lint(lint: &Lint<'_, '_>) {
    triggers(lint);
    for id in lint.ids().filter(|id| lint.is_reachable(*id)) {
        useless_defer(lint, id);
        undecided(lint, id);
        if lint.definition.state(id).kind == StateKind::Parallel {
            racing_sets(lint, id);
        }
    }
}

/// L7 and events that nobody declares.
fn triggers(lint: &Lint<'_, '_>) {
    let context = lint.context;
    let made = context.made.borrow();
    let declared: Vec<&str> = lint.definition.events.iter().map(|event| &*event.name).collect();
    let known: Vec<&str> =
        declared.iter().copied().chain(made.iter().map(|name| &**name)).collect();
    let mut reported: Vec<&str> = Vec::new();
    let triggers = context.triggers.borrow();
    for (text, span) in triggers.iter() {
        let Ok(descriptor) = Descriptor::parse(text) else { continue };
        let name = match &descriptor {
            Descriptor::Any => continue,
            Descriptor::Prefix(name) | Descriptor::Exact(name) => &**name,
        };
        let first = name.split('.').next().unwrap_or_default();
        let platform = matches!(first, "done" | "error" | "after" | "workflow");
        let matched = known.iter().any(|known| descriptor.matches(known));
        if !platform && !matched && !context.makes_any.get() && !reported.contains(&&**text) {
            let message = format!("event `{name}` is not in `events`, and nothing here makes it");
            let help = did_you_mean(name, declared.iter().copied())
                .or_else(|| Some(format!("declare it: `events: {{ {name}: {{}} }}`")));
            context.report.help(codes::UNDECLARED_EVENT, *span, message, help);
            reported.push(text);
        }
        let wide = known.iter().find(|known| **known != name && descriptor.matches(known));
        if let Some(wide) = wide
            && known.contains(&name)
            && name == &**text
        {
            let message = format!("it also takes `{wide}`");
            let help = format!("write `={name}` for this event only, `{name}.*` for all of them");
            context.report.help(codes::PREFIX_MATCH, *span, message, help);
        }
    }
}

/// L5: an event that is kept and never taken.
fn useless_defer(lint: &Lint<'_, '_>, id: StateId) {
    let definition = lint.definition;
    let state = definition.state(id);
    if state.hidden_for.is_some() {
        return;
    }
    for descriptor in state.defer.iter().filter(|descriptor| **descriptor != Descriptor::Any) {
        let taken = definition.transitions.iter().any(|transition| {
            lint.is_reachable(transition.source)
                && descriptors(transition).iter().any(|other| overlap(other, descriptor))
        });
        if !taken && !waited_for(definition, descriptor) {
            let node = lint.context.outline.places.get(&state.id).copied();
            let node = node.and_then(|place| lint.context.outline.state(place).node.get("defer"));
            let span = node.map_or_else(|| lint.state_span(id), |node| node.span);
            let message = format!("no state that can be reached takes `{descriptor}`");
            lint.context.report.add(codes::USELESS_DEFER, span, message);
        }
    }
}

/// Is there a step that waits for it?
fn waited_for(definition: &Definition, descriptor: &Descriptor) -> bool {
    let mut programs = definition.sequences.iter().flat_map(|sequence| &sequence.steps);
    programs.any(|step| {
        matches!(step, SeqStep::Wait { events, .. }
            if events.iter().any(|event| overlap(event, descriptor)))
    })
}

/// An approval whose decision nobody takes.
fn undecided(lint: &Lint<'_, '_>, id: StateId) {
    let definition = lint.definition;
    let Some(approval) = &definition.state(id).approval else { return };
    let taken = std::iter::once(id).chain(definition.ancestors(id)).any(|id| {
        let mut transitions = definition.state(id).transitions.iter();
        transitions.any(|transition| {
            let descriptors = descriptors(definition.transition(*transition));
            descriptors.iter().any(|descriptor| descriptor.matches(&approval.event))
        })
    });
    if taken {
        return;
    }
    let span = lint.state_span(id);
    let (event, id) = (&approval.event, &definition.state(id).id);
    let message = format!("no transition of `{id}`, or around it, takes `{event}`");
    let choice = approval.choices.first().map_or("", |choice| &**choice);
    let help = format!("`on: {{ {event}: {{ when: data.action == '{choice}', to: … }} }}`");
    lint.context.report.help(codes::UNDECIDED, span, message, help);
}

/// L6: one variable, two regions, one event.
fn racing_sets(lint: &Lint<'_, '_>, parallel: StateId) {
    let definition = lint.definition;
    let mut setters: BTreeMap<u16, Vec<(StateId, TransitionId)>> = BTreeMap::new();
    for (at, transition) in definition.transitions.iter().enumerate() {
        let Ok(at) = u16::try_from(at) else { continue };
        let region = definition.state(parallel).children.iter().find(|region| {
            transition.source == **region || definition.is_descendant(transition.source, **region)
        });
        let Some(region) = region else { continue };
        let mut vars = Vec::new();
        collect_sets(&transition.actions, &mut vars);
        vars.sort_unstable();
        vars.dedup();
        for var in vars {
            setters.entry(var).or_default().push((*region, TransitionId(at)));
        }
    }
    for (var, setters) in setters {
        let name = definition.vars.get(usize::from(var)).map_or("", |var| &*var.name);
        for (at, (region, second)) in setters.iter().enumerate().take(SETTERS_MAX) {
            let racing = setters.iter().take(at).find(|(other, first)| {
                let first = descriptors(definition.transition(*first));
                let second = descriptors(definition.transition(*second));
                other != region
                    && first.iter().any(|left| second.iter().any(|right| overlap(left, right)))
            });
            if let Some((other, first)) = racing {
                let message = format!(
                    "`{}` and `{}` both set `{name}` on this event",
                    definition.state(*other).id,
                    definition.state(*region).id
                );
                let also = vec![(lint.span(*first), "the other one".to_owned())];
                let span = lint.span(*second);
                lint.context.report.full(codes::RACING_SET, span, message, None, also);
            }
        }
    }
}

/// The variables that actions set.
fn collect_sets(actions: &[Action], vars: &mut Vec<u16>) {
    for action in actions {
        match action {
            Action::Set(entries) => vars.extend(entries.iter().filter_map(|(path, _)| path.var)),
            Action::If(branches) => {
                branches.iter().for_each(|(_, body)| collect_sets(body, vars));
            }
            Action::Each { body, .. } => collect_sets(body, vars),
            Action::Send { id_to, .. } => {
                vars.extend(id_to.iter().filter_map(|path| path.var));
            }
            Action::Raise { .. }
            | Action::Cancel { .. }
            | Action::Publish { .. }
            | Action::Log { .. }
            | Action::Sequence(_)
            | Action::Graph(_)
            | Action::Tell(_) => {}
        }
    }
}
