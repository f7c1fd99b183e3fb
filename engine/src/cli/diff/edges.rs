//! Transitions, their guards, and timers.

use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{Definition, Delay, State, Transition, Trigger};
use gearshift_machine::machine::StateId;

use super::meaning::{Found, Kind};

/// A transition as the author knows it.
struct Edge<'d> {
    /// The state it leaves from; the workflow where it is for every state.
    source: &'d str,
    name: Option<&'d str>,
    /// `order.paid`, `always`, `after 1h`.
    trigger: String,
    targets: String,
    guard: &'d str,
    internal: bool,
    timer: bool,
}

impl Edge<'_> {
    fn what(&self) -> String {
        let Self { source, trigger, timer, .. } = self;
        match (self.name, timer) {
            (Some(name), false) => format!("transition `{source}: {name}`"),
            (None, false) => format!("transition `{source}: {trigger}`"),
            (_, true) => format!("timer `{source} {trigger}`"),
        }
    }

    const fn about(&self) -> &'static str {
        if self.timer { "timer" } else { "transition" }
    }
}

/// Compares the transitions of states that both have, each with the one of the same name, else of
/// the same trigger; a timer else with the only one that leads to the same states.
pub(super) fn compare(from: &Definition, to: &Definition, found: &mut Found) {
    for (at, state) in from.states.iter().enumerate().filter(|(_, it)| it.hidden_for.is_none()) {
        let other = match at {
            0 => to.states.first(),
            _ => to.state_named(&state.id).map(|id| to.state(id)),
        };
        let Some(other) = other else { continue };
        let (mut old, mut new) = (edges(from, state), edges(to, other));
        let mut pairs = Vec::new();
        let mut pair = |alike: &dyn Fn(&Edge<'_>, &Edge<'_>) -> bool| {
            let mut rest = Vec::new();
            for before in std::mem::take(&mut old) {
                match new.iter().position(|after| alike(&before, after)) {
                    Some(at) => pairs.push((before, new.remove(at))),
                    None => rest.push(before),
                }
            }
            old = rest;
        };
        pair(&|old, new| old.name.is_some() && old.name == new.name && old.timer == new.timer);
        pair(&|old, new| old.trigger == new.trigger && old.guard == new.guard);
        pair(&|old, new| old.trigger == new.trigger);
        pair(&|old, new| old.timer && new.timer && old.targets == new.targets);
        for (before, after) in &pairs {
            changed(before, after, found);
        }
        for edge in &old {
            found.only(Kind::Lost, edge.about(), edge.what());
        }
        for edge in &new {
            found.only(Kind::New, edge.about(), edge.what());
        }
    }
}

fn changed(before: &Edge<'_>, after: &Edge<'_>, found: &mut Found) {
    let (about, what) = (before.about(), before.what());
    found.changed(about, &what, before.trigger.clone(), after.trigger.clone());
    let (guard, other) = (before.guard.to_owned(), after.guard.to_owned());
    found.changed("guard", &format!("guard of {what}"), guard, other);
    let (targets, other) = (before.targets.clone(), after.targets.clone());
    found.changed(about, &format!("target of {what}"), targets, other);
    let internal = |edge: &Edge<'_>| if edge.internal { "internal" } else { "external" }.to_owned();
    found.changed(about, &what, internal(before), internal(after));
}

fn edges<'d>(definition: &'d Definition, state: &'d State) -> Vec<Edge<'d>> {
    let events = state.transitions.iter().chain(&state.always).chain(&state.initial);
    let events = events.map(|id| edge(definition, state, definition.transition(*id)));
    let after =
        state.after.iter().map(|it| edge(definition, state, definition.transition(it.transition)));
    events.chain(after).collect()
}

fn edge<'d>(definition: &'d Definition, state: &'d State, edge: &'d Transition) -> Edge<'d> {
    let shown = |id: &StateId| {
        let state = definition.state(*id);
        definition.state(state.hidden_for.unwrap_or(*id)).id.to_string()
    };
    let targets: Vec<_> = edge.targets.iter().map(shown).collect();
    Edge {
        source: &state.id,
        name: edge.name.as_deref(),
        trigger: trigger(state, &edge.trigger),
        targets: if targets.is_empty() { "stays".to_owned() } else { targets.join(", ") },
        guard: edge.guard.as_ref().map_or("none", |guard| guard.source()),
        internal: edge.internal,
        timer: matches!(edge.trigger, Trigger::After { .. }),
    }
}

fn trigger(state: &State, trigger: &Trigger) -> String {
    match trigger {
        Trigger::Events(list) => {
            let names: Vec<_> = list.iter().map(ToString::to_string).collect();
            let done = format!("done.state.{}", state.id);
            if names.iter().any(|name| name.trim_start_matches('=') == done) {
                "done".to_owned()
            } else if names.contains(&format!("error.platform.invoke.{}", state.id)) {
                "failed".to_owned()
            } else {
                names.join(" | ")
            }
        }
        Trigger::Always => "always".to_owned(),
        Trigger::Initial => "initial".to_owned(),
        Trigger::After { index } => {
            match state.after.get(usize::from(*index)).map(|after| &after.delay) {
                Some(Delay::Fixed(ms)) => format!("after {}", duration::format(*ms)),
                Some(Delay::Computed(template)) => format!("after {}", computed(template)),
                None => "after".to_owned(),
            }
        }
    }
}

/// The expression of a delay.
fn computed(template: &gearshift_machine::definition::expr::Template) -> String {
    use gearshift_machine::definition::expr::Template;

    match template {
        Template::Expr(expr) => format!("${{ {} }}", expr.source()),
        Template::Const(_) | Template::Text(_) | Template::List(_) | Template::Map(_) => {
            "(computed)".to_owned()
        }
    }
}
