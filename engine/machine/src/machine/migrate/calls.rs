//! Calls and children under way: the same operation, or the same child, at the mapped place.

use super::Moving;
use super::steps::programs;
use crate::definition::model::{Action, CallSpec, ChildSpec, Definition, SeqStep, StateKind};
use crate::machine::ids::StateId;
use crate::machine::instance::{RunningCall, RunningSequence};
use crate::machine::progress::Role;

/// A step that waits for something, and where it stands.
#[derive(Clone, Copy, Debug)]
struct Invoke<'d> {
    sequence: u16,
    position: u16,
    /// The author's id; none where the engine counts.
    id: Option<&'d str>,
    what: What<'d>,
}

#[derive(Clone, Copy, Debug)]
enum What<'d> {
    Call(&'d CallSpec),
    Child(&'d ChildSpec),
}

/// A place of a definition: its sequence, and the step in it.
type Place = (u16, u16);

impl What<'_> {
    /// Is the same asked? Another requirement on the plugin's version is not another operation.
    fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Call(one), Self::Call(other)) => {
                plain(&one.operation) == plain(&other.operation)
            }
            (Self::Child(one), Self::Child(other)) => workflow(one) == workflow(other),
            (Self::Call(_), Self::Child(_)) | (Self::Child(_), Self::Call(_)) => false,
        }
    }

    /// `asks `bank.pay``, `runs `child``.
    fn words(self) -> String {
        match self {
            Self::Call(spec) => format!("asks `{}`", spec.operation),
            Self::Child(spec) => format!("runs `{}`", workflow(spec)),
        }
    }
}

/// Does a step of a program wait for the same there?
pub(super) fn is_same_work(one: &SeqStep, other: &SeqStep) -> bool {
    match (one, other) {
        (SeqStep::Call { spec: one, .. }, SeqStep::Call { spec: other, .. }) => {
            What::Call(one).is_same(What::Call(other))
        }
        (SeqStep::Child { spec: one, .. }, SeqStep::Child { spec: other, .. }) => {
            What::Child(one).is_same(What::Child(other))
        }
        (SeqStep::Wait { events: one, .. }, SeqStep::Wait { events: other, .. }) => {
            format!("{one:?}") == format!("{other:?}")
        }
        (one, other) => format!("{one:?}") == format!("{other:?}"),
    }
}

/// `plugin.operation` without what is required of the version.
pub(super) fn plain(operation: &str) -> (&str, &str) {
    let (plugin, name) = operation.rsplit_once('.').unwrap_or((operation, ""));
    (plugin.split_once('@').map_or(plugin, |(plugin, _)| plugin), name)
}

/// The child's workflow without its version; the expression where it is computed.
fn workflow(spec: &ChildSpec) -> String {
    match spec.workflow.as_const().and_then(crate::value::Value::as_str) {
        Some(text) => text.split_once('@').map_or(text, |(name, _)| name).to_owned(),
        None => format!("{:?}", spec.workflow),
    }
}

/// What a state waits for, in the order written.
fn invokes<'d>(definition: &'d Definition, state: StateId) -> Vec<Invoke<'d>> {
    let of_steps = programs(definition);
    let own = (0_u16..).zip(&definition.sequences);
    let own = own.filter(|(at, it)| it.state == state && !of_steps.contains(at));
    let steps = own.flat_map(|(at, it)| (0_u16..).zip(&it.steps).map(move |step| (at, step)));
    let counted = format!("{}.", definition.state(state).id);
    let is_counted =
        |id: &str| id.strip_prefix(&counted).is_some_and(|number| number.parse::<u16>().is_ok());
    let invoke = |(sequence, (position, step)): (u16, (u16, &'d SeqStep))| {
        let (what, id) = match step {
            SeqStep::Call { spec, invoke_id } => (What::Call(spec), invoke_id),
            SeqStep::Child { spec, invoke_id } => (What::Child(spec), invoke_id),
            SeqStep::Do(_)
            | SeqStep::Wait { .. }
            | SeqStep::Approval { .. }
            | SeqStep::Name { .. }
            | SeqStep::JumpUnless { .. }
            | SeqStep::Jump { .. } => return None,
        };
        let id = (!is_counted(id)).then_some(&**id);
        Some(Invoke { sequence, position, id, what })
    };
    steps.filter_map(invoke).collect()
}

impl Moving<'_> {
    /// What is under way, at its new places.
    pub(super) fn sequences(
        &self,
        active: &[StateId],
        notes: &mut Vec<String>,
    ) -> Result<Vec<RunningSequence>, String> {
        let mut all: Vec<RunningSequence> = Vec::new();
        let mut taken: Vec<(Place, Place)> = Vec::new();
        for running in &self.old.sequences {
            if running.role != Role::State {
                all.push(self.sequence_of_steps(running)?);
                continue;
            }
            let old = (running.sequence, running.position);
            let there = self.state_in(running.state, active);
            let found = there.map(|state| (state, self.place(running, state)));
            let (state, (sequence, position)) = match (&running.call, found) {
                (_, Some((state, Ok(place)))) => (state, place),
                (Some(_), Some((_, Err(reason)))) => return Err(reason),
                (Some(_), None) => return Err(self.homeless(running)),
                (None, _) => {
                    notes.push(self.left_behind(running));
                    continue;
                }
            };
            let new = (sequence, position);
            if taken.iter().any(|(other, place)| *place == new && *other != old) {
                let (asked, there) = (self.asked(running), self.there());
                return Err(format!(
                    "{asked}, and another one too, for which {there} has one place"
                ));
            }
            taken.push((old, new));
            all.push(RunningSequence { state, sequence, position, ..running.clone() });
        }
        self.tell_requirements(&all, notes);
        self.tell_unasked(active, &all, notes);
        Ok(all)
    }

    /// Has everything that is under way in `id` its place in `way`?
    pub(super) fn calls_fit(&self, id: StateId, way: StateId) -> bool {
        let running = self.old.sequences.iter().filter(|running| running.state == id);
        running.filter(|it| it.call.is_some()).all(|running| self.place(running, way).is_ok())
    }

    /// The place of `running` in the state `there`, by the author's id, else by what is asked.
    pub(super) fn place(&self, running: &RunningSequence, there: StateId) -> Result<Place, String> {
        let before = invokes(self.from, running.state);
        let own = before
            .iter()
            .find(|it| (it.sequence, it.position) == (running.sequence, running.position));
        let Some(own) = own else { return self.place_between(running, there) };
        let after = invokes(self.to, there);
        let place = |it: &Invoke<'_>| (it.sequence, it.position);
        if let (Some(id), true) = (own.id, after.iter().any(|it| it.id == own.id)) {
            let named: Vec<_> = after.iter().filter(|it| it.id == Some(id)).collect();
            let same = named.iter().find(|it| it.what.is_same(own.what));
            return same.map(|it| place(it)).ok_or_else(|| {
                let instead = named.first().map_or_else(String::new, |it| it.what.words());
                self.refusal(running, there, &format!("{instead} as `{id}`"))
            });
        }
        let alike = |list: &[Invoke<'_>]| -> Vec<Place> {
            list.iter().filter(|it| it.what.is_same(own.what)).map(place).collect()
        };
        let (old, new) = (alike(&before), alike(&after));
        let number = old.iter().position(|it| *it == place(own)).unwrap_or(0);
        match new.get(number) {
            Some(found) if new.len() == old.len() => Ok(*found),
            Some(_) | None if new.is_empty() => {
                Err(self.refusal(running, there, &self.asks(there)))
            }
            Some(_) | None => {
                let (old, new) = (old.len(), new.len());
                let words = format!("asks that {new} times instead of {old}: give each an `id`");
                Err(self.refusal(running, there, &words))
            }
        }
    }

    /// What failed between two calls has its place where the same step stands.
    fn place_between(&self, running: &RunningSequence, there: StateId) -> Result<Place, String> {
        let own = |definition: &Definition, state: StateId| {
            let all = (0_u16..).zip(&definition.sequences);
            let own = all.filter(|(_, it)| it.state == state);
            own.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let number = own(self.from, running.state).iter().position(|it| *it == running.sequence);
        let new = number.and_then(|number| own(self.to, there).get(number).copied());
        let step = |definition: &Definition, sequence: u16| {
            let sequence = definition.sequences.get(usize::from(sequence))?;
            sequence.steps.get(usize::from(running.position)).map(|step| format!("{step:?}"))
        };
        new.filter(|new| step(self.from, running.sequence) == step(self.to, *new))
            .map(|new| (new, running.position))
            .ok_or_else(|| self.refusal(running, there, "does something else there"))
    }

    fn refusal(&self, running: &RunningSequence, there: StateId, instead: &str) -> String {
        let (asked, version) = (self.asked(running), self.there());
        let place = match self.to.state(there) {
            state if state.hidden_for.is_some() => "there".to_owned(),
            state => format!("in `{}`", state.id),
        };
        let (end, state) = (self.end(running), &self.from.state(running.state).id);
        format!(
            "{asked}, and {version} {instead} {place}: wait for {end}, or say which state asks the \
             same (`--map {state}=STATE`)"
        )
    }

    /// Why what runs in a state without counterpart refuses.
    fn homeless(&self, running: &RunningSequence) -> String {
        let (asked, there) = (self.asked(running), self.there());
        let (end, state) = (self.end(running), &self.from.state(running.state).id);
        match self.state(running.state) {
            None => format!(
                "{asked}, and {there} has no such state: wait for {end}, or say which state takes \
                 its place (`--map {state}=STATE`)"
            ),
            Some(other) => {
                let other = &self.to.state(other).id;
                format!("{asked}, and `{other}` would not be active in {there}: wait for {end}")
            }
        }
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn end(&self, running: &RunningSequence) -> &'static str {
        match &running.call {
            Some(RunningCall { child: Some(_), .. }) => "its end",
            Some(RunningCall { child: None, .. }) | None => "the reply",
        }
    }

    /// `call `bank.pay` of `work` is under way`.
    fn asked(&self, running: &RunningSequence) -> String {
        let state = self.from.state(running.state);
        let what = self.what(running);
        match state.hidden_for {
            Some(_) => format!("{what} is under way"),
            None => format!("{what} of `{}` is under way", state.id),
        }
    }

    /// The same of what is asked in a hidden state.
    pub(super) fn asked_on(&self, hidden: StateId) -> String {
        let mut running = self.old.sequences.iter().filter(|running| running.state == hidden);
        let first = running.clone().find(|running| running.call.is_some());
        match first.or_else(|| running.next()) {
            Some(running) => self.asked(running),
            None => "the instance is".to_owned(),
        }
    }

    pub(super) fn what(&self, running: &RunningSequence) -> String {
        if let Some(RunningCall { child: Some(child), .. }) = &running.call {
            return format!("child `{child}`");
        }
        let sequence = self.from.sequences.get(usize::from(running.sequence));
        match sequence.and_then(|it| it.steps.get(usize::from(running.position))) {
            Some(SeqStep::Call { spec, .. }) => format!("call `{}`", spec.operation),
            Some(SeqStep::Child { spec, .. }) => format!("child `{}`", workflow(spec)),
            Some(
                SeqStep::Do(_)
                | SeqStep::Wait { .. }
                | SeqStep::Approval { .. }
                | SeqStep::Name { .. }
                | SeqStep::JumpUnless { .. }
                | SeqStep::Jump { .. },
            )
            | None => "a step between calls".to_owned(),
        }
    }

    /// What a state of the new version asks.
    pub(super) fn asks(&self, state: StateId) -> String {
        let all: Vec<_> = invokes(self.to, state).iter().map(|it| it.what.words()).collect();
        if all.is_empty() { "asks nothing".to_owned() } else { all.join(" and ") }
    }

    /// What failed is not under way: without its place it keeps nothing from being done.
    fn left_behind(&self, running: &RunningSequence) -> String {
        let state = &self.from.state(running.state).id;
        format!("{} of `{state}`, which failed, is left behind", self.what(running))
    }

    /// A retry asks what the new version requires.
    fn tell_requirements(&self, new: &[RunningSequence], notes: &mut Vec<String>) {
        let operation = |definition: &Definition, running: &RunningSequence| {
            let sequence = definition.sequences.get(usize::from(running.sequence))?;
            match sequence.steps.get(usize::from(running.position))? {
                SeqStep::Call { spec, .. } => Some(std::sync::Arc::clone(&spec.operation)),
                SeqStep::Do(_)
                | SeqStep::Wait { .. }
                | SeqStep::Approval { .. }
                | SeqStep::Child { .. }
                | SeqStep::Name { .. }
                | SeqStep::JumpUnless { .. }
                | SeqStep::Jump { .. } => None,
            }
        };
        for running in new.iter().filter(|running| running.call.is_some()) {
            let before = self.old.sequences.iter().find(|old| old.id == running.id);
            let before = before.and_then(|old| operation(self.from, old));
            if let (Some(before), Some(after)) = (before, operation(self.to, running))
                && before != after
            {
                notes.push(format!("call `{before}` goes on as `{after}`"));
            }
        }
    }

    /// States are not entered: what they ask then, and did not ask before, is not asked.
    fn tell_unasked(
        &self,
        active: &[StateId],
        running: &[RunningSequence],
        notes: &mut Vec<String>,
    ) {
        for id in active {
            let before = self.old.active.iter().filter(|old| self.state(**old) == Some(*id));
            let before: Vec<_> = before.flat_map(|old| invokes(self.from, *old)).collect();
            for new in invokes(self.to, *id) {
                let comes = running.iter().any(|it| {
                    it.call.is_some() && it.sequence == new.sequence && it.position <= new.position
                });
                let is_known = before.iter().any(|old| old.what.is_same(new.what));
                if !comes && !is_known && self.asks_on_entry(*id, new.sequence) {
                    let (state, words) = (self.to.state(*id), new.what.words());
                    let name = match state.hidden_for {
                        Some(target) => &self.to.state(target).id,
                        None => &state.id,
                    };
                    notes.push(format!("`{name}` {words} when it is entered: not done now"));
                }
            }
        }
    }

    fn asks_on_entry(&self, state: StateId, sequence: u16) -> bool {
        let state = self.to.state(state);
        let mut actions = state.entry.iter().flatten();
        state.kind != StateKind::Final
            && actions.any(|action| matches!(action, Action::Sequence(at) if *at == sequence))
    }
}
