//! What can be taken back stays so, or the migration is refused; and the clocks of steps.

use super::Moving;
use super::calls::plain;
use super::steps::Run;
use crate::definition::duration;
use crate::definition::model::{CallSpec, Definition, SeqStep};
use crate::machine::chunks::Chunks;
use crate::machine::ids::{StateId, Timestamp};
use crate::machine::instance::{Instance, RunningSequence, Timer, TimerKind};
use crate::machine::progress::{Clocks, Phase, Progress, Role, StepState, StepStatus, Undoable};
use crate::value::Value;

/// The call at a place of a program.
fn call(definition: &Definition, sequence: u16, position: u16) -> Option<&CallSpec> {
    let program = definition.sequences.get(usize::from(sequence))?;
    match program.steps.get(usize::from(position))? {
        SeqStep::Call { spec, .. } => Some(spec),
        SeqStep::Do(_)
        | SeqStep::Approval { .. }
        | SeqStep::Child { .. }
        | SeqStep::Wait { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    }
}

/// The step whose program this is: its graph and its place.
fn step_of(definition: &Definition, program: u16) -> Option<(u16, u16)> {
    (0_u16..).zip(&definition.graphs).find_map(|(number, graph)| {
        let at = graph.steps.iter().position(|step| step.program == program)?;
        Some((number, u16::try_from(at).ok()?))
    })
}

/// Where an entry stands in the new version: the state, the program, the call's place in it, and
/// the step's place.
type Home = (StateId, u16, u16, Option<u16>);

impl Moving<'_> {
    /// What was done and can be taken back, each with its place there.
    pub(super) fn undo(&self, old: &Progress) -> Result<Chunks<Undoable>, String> {
        old.undo.iter().map(|entry| self.undoable(entry)).collect()
    }

    /// The same of calls that were cut off while under way.
    pub(super) fn adrift(&self, old: &Progress) -> Result<Vec<RunningSequence>, String> {
        let moved = old.adrift.iter().filter(|it| it.call.is_some()).map(|it| {
            let (step, item) = match it.role {
                Role::Step { graph, step, item } => (Some((graph, step)), item),
                Role::State | Role::Undo { .. } | Role::Finally { .. } => (None, None),
            };
            let (id, sequence, position, state) = (it.id, it.sequence, it.position, it.state);
            let (input, output, at) = (Value::Null, Value::Null, self.now);
            let unusable = None;
            let done =
                Undoable { id, sequence, position, state, step, item, input, output, at, unusable };
            let Undoable { sequence, position, state, step, .. } = self.undoable(&done)?;
            let role = step.map_or(it.role, |(graph, step)| Role::Step { graph, step, item });
            Ok(RunningSequence { sequence, position, state, role, ..it.clone() })
        });
        moved.collect()
    }

    fn undoable(&self, entry: &Undoable) -> Result<Undoable, String> {
        let before = call(self.from, entry.sequence, entry.position);
        let undo = before.and_then(|spec| spec.undo.as_deref());
        let step = step_of(self.from, entry.sequence);
        let home = match step {
            Some((graph, step)) => self.home_of_step(graph, step, entry.position),
            None => self.home_of_call(entry),
        };
        let same = home.filter(|(_, sequence, position, _)| {
            let after = call(self.to, *sequence, *position).and_then(|spec| spec.undo.as_deref());
            after
                .zip(undo)
                .is_some_and(|(after, before)| plain(&after.operation) == plain(&before.operation))
        });
        let Some((state, sequence, position, there)) = same else {
            let undo = undo.map(|spec| &*spec.operation).unwrap_or_default();
            let what = match step.and_then(|(graph, step)| self.from.step(graph, step)) {
                Some(step) => format!("step `{}`", step.id),
                None => {
                    let operation = before.map(|spec| &*spec.operation).unwrap_or_default();
                    format!("call `{operation}` of `{}`", self.from.state(entry.state).id)
                }
            };
            return Err(format!(
                "{what} did what `{undo}` takes back, and {} does not have it with that `undo`: \
                 keep it there, or roll it back first",
                self.there()
            ));
        };
        let step = entry.step.zip(there).map(|((run, _), step)| (run, step));
        Ok(Undoable { state, sequence, position, step, ..entry.clone() })
    }

    fn home_of_step(&self, graph: u16, step: u16, position: u16) -> Option<Home> {
        let id = &self.from.step(graph, step)?.id;
        let to = self.to.graphs.get(usize::from(self.graph(graph)?))?;
        let there = to.steps.iter().position(|step| step.id == *id)?;
        let program = to.steps.get(there)?.program;
        Some((to.state, program, position, Some(u16::try_from(there).ok()?)))
    }

    fn home_of_call(&self, entry: &Undoable) -> Option<Home> {
        let state = self.state(entry.state)?;
        let made = RunningSequence {
            id: entry.id,
            state: entry.state,
            sequence: entry.sequence,
            position: entry.position,
            event: None,
            call: None,
            reply: None,
            role: Role::State,
        };
        let (sequence, position) = self.place(&made, state).ok()?;
        Some((state, sequence, position, None))
    }

    /// The clocks of a graph and its steps: kept where there is one, begun where one is new.
    pub(super) fn step_timers(
        &self,
        run: &Run<'_>,
        steps: &Chunks<StepState>,
        instance: &mut Instance,
        notes: &mut Vec<String>,
    ) {
        if run.old.phase != Phase::Running {
            return;
        }
        let graph = run.old.id;
        let state = &self.to.state(run.to.state).id;
        let mut clocks = vec![(None, None, run.to.timeout_ms, format!("the steps of `{state}`"))];
        let begun = |state: &&StepState| !state.is_settled() && state.status != StepStatus::Pending;
        for ((at, spec), state) in (0_u16..).zip(&run.to.steps).zip(steps.iter()) {
            let before = run.from.steps.iter().position(|step| step.id == spec.id);
            if let (Some(_), Some(before)) = (Some(state).filter(begun), before) {
                let before = u16::try_from(before).ok();
                clocks.push((before, Some(at), spec.deadline_ms, format!("step `{}`", spec.id)));
            }
        }
        let mut kept = Vec::new();
        instance.timers.retain(|timer| {
            let TimerKind::Steps { graph: of, step } = timer.kind else { return true };
            if of == graph {
                kept.push((step, timer.clone()));
            }
            of != graph
        });
        for (before, step, limit, name) in clocks {
            let old = kept.iter().find(|(known, _)| *known == before).map(|(_, timer)| timer);
            let kind = TimerKind::Steps { graph, step };
            match (old, limit) {
                (Some(timer), Some(_)) => instance.timers.push(Timer { kind, ..timer.clone() }),
                (Some(timer), None) => {
                    notes.push(format!("the deadline of {name}, due {}, is dropped", timer.due));
                }
                (None, Some(limit)) => {
                    let due = self.clock().plus_ms(limit);
                    instance.timers.push(Timer { id: instance.next_id, due, kind });
                    instance.next_id = instance.next_id.wrapping_add(1);
                    let limit = duration::format(limit);
                    notes.push(format!("{name} may take {limit} from now on, until {due}"));
                }
                (None, None) => {}
            }
        }
        // In arm order, as timers stand.
        instance.timers.sort_by_key(|timer| timer.id);
    }

    /// The time that timers see: it stands still where a pause froze them.
    fn clock(&self) -> Timestamp {
        match self.old.paused() {
            Some(paused) if paused.clocks == Clocks::Freeze => paused.since,
            Some(_) | None => self.now,
        }
    }
}
