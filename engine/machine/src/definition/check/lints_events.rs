//! Lints about events: declared, deferred, matched too widely.

use super::lints::{Lint, descriptors, overlap};
use super::lints_engine;
use super::nearest::did_you_mean;
use crate::definition::codes;
use crate::definition::model::{Definition, Descriptor, SeqStep, reserved_token};
use crate::machine::StateId;

pub(super) fn lint(lint: &Lint<'_, '_>) {
    triggers(lint);
    for id in lint.ids().filter(|id| lint.is_reachable(*id)) {
        useless_defer(lint, id);
        undecided(lint, id);
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
        let matched = known.iter().any(|known| descriptor.matches(known));
        if let Some(first) = reserved_token(name) {
            // What the engine never offers to anybody is refused elsewhere.
            if matches!(first, "done" | "error") && !reported.contains(&&**text) {
                lints_engine::lint(lint, &descriptor, *span);
                reported.push(text);
            }
        } else if !matched && !context.makes_any.get() && !reported.contains(&&**text) {
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
            let span = lint.key(id, "defer");
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
