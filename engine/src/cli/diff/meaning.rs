//! What changes mean: what is lost, new or different of what instances live by.

use std::fmt::Debug;
use std::sync::Arc;

use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{
    Approval, Definition, Early, EventDecl, OnError, State, StateKind, Unhandled,
};
use serde::Serialize;

use super::{calls, edges, schedules};

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Only the former definition has it.
    Lost,
    /// Only the new definition has it.
    New,
    /// Both have it, and not alike.
    Changed,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::New => "new",
            Self::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Meaning {
    /// How it differs.
    pub(super) kind: Kind,
    /// `state`, `history`, `approval`, `call`, `child`, `transition`, `guard`, `timer`, `variable`,
    /// `event`, `schedule`, `limit` or `policy`.
    pub(super) about: &'static str,
    /// What, in words.
    pub(super) what: String,
    /// What it was, where that says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
    /// What that means for instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// Collects differences of one sort.
pub(super) struct Found {
    all: Vec<Meaning>,
}

impl Found {
    pub(super) fn only(&mut self, kind: Kind, about: &'static str, what: String) -> &mut Meaning {
        self.all.push(Meaning { kind, about, what, from: None, to: None, note: None });
        let last = self.all.len() - 1;
        &mut self.all[last]
    }

    /// A difference, if it is one.
    pub(super) fn changed(&mut self, about: &'static str, what: &str, from: String, to: String) {
        if from != to {
            let one = self.only(Kind::Changed, about, what.to_owned());
            (one.from, one.to) = (Some(from), Some(to));
        }
    }

    /// The same of what is too long to show.
    pub(super) fn other(
        &mut self,
        about: &'static str,
        what: &str,
        from: &dyn Debug,
        to: &dyn Debug,
    ) {
        if format!("{from:?}") != format!("{to:?}") {
            self.only(Kind::Changed, about, what.to_owned());
        }
    }
}

/// All of it.
pub(super) fn of(from: &Definition, to: &Definition) -> Vec<Meaning> {
    let mut found = Found { all: Vec::new() };
    states(from, to, &mut found);
    for (before, after) in shared(from, to) {
        approval(&before.id, before.approval.as_ref(), after.approval.as_ref(), &mut found);
        policies(before, after, &mut found);
    }
    calls::compare(from, to, &mut found);
    edges::compare(from, to, &mut found);
    variables(from, to, &mut found);
    events(from, to, &mut found);
    schedules::compare(from, to, &mut found);
    limits(from, to, &mut found);
    found.all
}

/// Is it one machine, written in two ways? Their version and where things stand count nothing.
pub(super) fn is_none(from: &Definition, to: &Definition) -> bool {
    let machine = |definition: &Definition| {
        let mut machine = definition.clone();
        (machine.version, machine.hash) = (from.version, from.hash);
        machine.derived_from = None;
        machine.canonical = Arc::from("");
        machine.transitions.iter_mut().for_each(|transition| transition.line = 0);
        let steps = machine.graphs.iter_mut().flat_map(|graph| &mut graph.steps);
        steps.for_each(|step| step.line = 0);
        format!("{machine:?}")
    };
    machine(from) == machine(to)
}

/// States that an instance may rest in: history states are never active.
pub(super) fn lost_states(from: &Definition, to: &Definition) -> Vec<String> {
    let gone = from.states.iter().skip(1).filter(|state| {
        state.kind.is_leaf() && state.hidden_for.is_none() && !rests_in(to, &state.id)
    });
    gone.map(|state| state.id.to_string()).collect()
}

fn rests_in(definition: &Definition, name: &str) -> bool {
    definition.state_named(name).is_some_and(|id| definition.state(id).kind.is_leaf())
}

pub(super) fn lost_vars(from: &Definition, to: &Definition) -> Vec<String> {
    let gone = from.vars.iter().filter(|var| to.var_index(&var.name).is_none());
    gone.map(|var| var.name.to_string()).collect()
}

/// The states that the author wrote in both, the root among them.
fn shared<'d>(
    from: &'d Definition,
    to: &'d Definition,
) -> impl Iterator<Item = (&'d State, &'d State)> {
    let own = from.states.iter().enumerate().filter(|(_, state)| state.hidden_for.is_none());
    own.filter_map(|(at, state)| {
        let other = if at == 0 { to.states.first() } else { named(to, &state.id) };
        Some((state, other?))
    })
}

fn named<'d>(definition: &'d Definition, name: &str) -> Option<&'d State> {
    definition.state_named(name).map(|id| definition.state(id))
}

fn kind(state: &State) -> &'static str {
    match state.kind {
        StateKind::Atomic => "atomic",
        StateKind::Compound => "compound",
        StateKind::Parallel => "parallel",
        StateKind::Final => "final",
        StateKind::History { deep: true } => "deep history",
        StateKind::History { deep: false } => "shallow history",
    }
}

/// `history state` or `state`, and its name.
fn title(state: &State) -> (&'static str, String) {
    match state.kind {
        StateKind::History { .. } => ("history", format!("history state `{}`", state.id)),
        StateKind::Atomic | StateKind::Compound | StateKind::Parallel | StateKind::Final => {
            ("state", format!("state `{}`", state.id))
        }
    }
}

fn states(from: &Definition, to: &Definition, found: &mut Found) {
    let own = |definition: &'_ Definition| {
        let all = definition.states.iter().skip(1).filter(|state| state.hidden_for.is_none());
        all.cloned().collect::<Vec<_>>()
    };
    for state in own(from).iter().filter(|state| named(to, &state.id).is_none()) {
        let (about, what) = title(state);
        let name = &state.id;
        let one = found.only(Kind::Lost, about, what);
        one.note = match state.kind {
            StateKind::History { .. } => Some("what it remembers is dropped".to_owned()),
            StateKind::Atomic | StateKind::Final | StateKind::Compound | StateKind::Parallel => {
                Some(format!("instances in it need `--map {name}=STATE`"))
            }
        };
    }
    for state in own(to).iter().filter(|state| named(from, &state.id).is_none()) {
        let (about, what) = title(state);
        found.only(Kind::New, about, what);
    }
    for (before, after) in shared(from, to).skip(1) {
        let (about, what) = title(before);
        if kind(before) != kind(after) {
            found.changed(about, &what, kind(before).to_owned(), kind(after).to_owned());
        }
        let parent = |definition: &Definition, state: &State| match state.parent {
            Some(parent) if parent.index() > 0 => format!("in `{}`", definition.state(parent).id),
            Some(_) | None => "at the top".to_owned(),
        };
        found.changed(about, &what, parent(from, before), parent(to, after));
    }
}

fn approval(state: &str, from: Option<&Approval>, to: Option<&Approval>, found: &mut Found) {
    let what = format!("approval of `{state}`");
    let (from, to) = match (from, to) {
        (None, None) => return,
        (Some(_), None) => {
            found.only(Kind::Lost, "approval", what).note = Some("its votes are void".to_owned());
            return;
        }
        (None, Some(_)) => {
            found.only(Kind::New, "approval", what);
            return;
        }
        (Some(from), Some(to)) => (from, to),
    };
    let mut tell = |field: &str, from: String, to: String| {
        found.changed("approval", &format!("{what}: {field}"), from, to);
    };
    let list = |list: &[Arc<str>]| list.join(" | ");
    let roles = |approval: &Approval| match approval.roles.as_slice() {
        [] => "everybody".to_owned(),
        roles => roles.join(", "),
    };
    tell("choices", list(&from.choices), list(&to.choices));
    tell("roles", roles(from), roles(to));
    tell("need", from.need.to_string(), to.need.to_string());
    let initiator =
        |approval: &Approval| if approval.not_initiator { "barred" } else { "admitted" };
    tell("initiator", initiator(from).to_owned(), initiator(to).to_owned());
    tell("event", from.event.to_string(), to.event.to_string());
    found.other("approval", &format!("{what}: title"), &from.title, &to.title);
    found.other("approval", &format!("{what}: assign"), &from.assign, &to.assign);
}

fn policies(from: &State, to: &State, found: &mut Found) {
    let name = &from.id;
    let defer = |state: &State| match state.defer.as_slice() {
        [] => "nothing".to_owned(),
        list => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    found.changed("policy", &format!("defer of `{name}`"), defer(from), defer(to));
    let ttl = |state: &State| match state.defer_ttl_ms {
        0 => "for ever".to_owned(),
        ms => duration::format(ms),
    };
    found.changed("policy", &format!("time that `{name}` defers for"), ttl(from), ttl(to));
    let policy = |state: &State| state.unhandled.map_or("as around it", unhandled).to_owned();
    found.changed("policy", &format!("unhandled of `{name}`"), policy(from), policy(to));
    found.other("state", &format!("output of `{name}`"), &from.output, &to.output);
}

const fn unhandled(policy: Unhandled) -> &'static str {
    match policy {
        Unhandled::Discard => "discard",
        Unhandled::Defer => "defer",
        Unhandled::DeadLetter => "dead_letter",
        Unhandled::Reject => "reject",
    }
}

const fn on_error(policy: OnError) -> &'static str {
    match policy {
        OnError::Suspend => "suspend",
        OnError::Ignore => "ignore",
        OnError::Fail => "fail",
    }
}

fn variables(from: &Definition, to: &Definition, found: &mut Found) {
    for var in &from.vars {
        let what = format!("variable `{}`", var.name);
        match to.vars.iter().find(|other| other.name == var.name) {
            None => {
                let one = found.only(Kind::Lost, "variable", what);
                one.note = Some("its values are dropped".to_owned());
            }
            Some(other) => {
                let what = format!("first value of {what}");
                found.other("variable", &what, &var.initial, &other.initial);
            }
        }
    }
    for var in to.vars.iter().filter(|var| from.var_index(&var.name).is_none()) {
        found.only(Kind::New, "variable", format!("variable `{}`", var.name));
    }
}

fn events(from: &Definition, to: &Definition, found: &mut Found) {
    let source = |expr: Option<&gearshift_machine::definition::expr::Expr>| {
        expr.map_or_else(|| "none".to_owned(), |expr| expr.source().to_owned())
    };
    let (before, after) = (source(from.correlate.as_ref()), source(to.correlate.as_ref()));
    found.changed("event", "correlate", before, after);
    let early = |event: &EventDecl| match event.early {
        Early::Start => "start".to_owned(),
        Early::Buffer { ttl_ms } => format!("buffer {}", duration::format(ttl_ms)),
        Early::DeadLetter => "dead_letter".to_owned(),
    };
    let subject = |event: &EventDecl| event.subject.as_ref().unwrap_or(&event.name).to_string();
    for event in &from.events {
        let what = format!("event `{}`", event.name);
        let Some(other) = to.event(&event.name) else {
            let note = "no longer listened to, once no version does".to_owned();
            found.only(Kind::Lost, "event", what).note = Some(note);
            continue;
        };
        found.changed("event", &format!("{what} without instance"), early(event), early(other));
        found.changed("event", &format!("subject of {what}"), subject(event), subject(other));
        let (before, after) = (source(event.correlate.as_ref()), source(other.correlate.as_ref()));
        found.changed("event", &format!("correlate of {what}"), before, after);
    }
    for event in to.events.iter().filter(|event| from.event(&event.name).is_none()) {
        found.only(Kind::New, "event", format!("event `{}`", event.name));
    }
}

fn limits(from: &Definition, to: &Definition, found: &mut Found) {
    let (one, other) = (from.limits, to.limits);
    for (name, before, after) in [
        ("microsteps", one.microsteps, other.microsteps),
        ("internal_events", one.internal_events, other.internal_events),
        ("actions", one.actions, other.actions),
        ("effects", one.effects, other.effects),
        ("vars", one.vars_bytes, other.vars_bytes),
        ("outputs", one.outputs_bytes, other.outputs_bytes),
    ] {
        let what = format!("limit `{name}`");
        found.changed("limit", &what, before.to_string(), after.to_string());
    }
    let (before, after) = (unhandled(from.unhandled), unhandled(to.unhandled));
    found.changed("policy", "unhandled", before.to_owned(), after.to_owned());
    let (before, after) = (on_error(from.on_error), on_error(to.on_error));
    found.changed("policy", "on_error", before.to_owned(), after.to_owned());
}
