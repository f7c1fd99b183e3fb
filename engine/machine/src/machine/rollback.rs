//! Rollback: what was done is taken back, newest first, one at a time (decision 0023).

use std::sync::Arc;

use super::effect::NoticeKind;
use super::fork::reopen;
use super::input::{Event, EventKind};
use super::instance::{RunningSequence, Status, Stuck, StuckKind, TimerKind};
use super::invoked::CallFailure;
use super::macrostep::{Cause, Taken};
use super::progress::{Phase, Role, Rollback, StepStatus, Then, Undoable};
use super::work::{Failure, Origin, Overrun, Work};
use crate::definition::model::{CallSpec, SeqStep};
use crate::value::{Map, Value};

impl Work<'_> {
    /// Is anything to be taken back?
    pub(super) fn has_undo(&self) -> bool {
        self.instance.progress.as_deref().is_some_and(|progress| !progress.undo.is_empty())
    }

    pub(super) fn is_rolling_back(&self) -> bool {
        self.instance.progress.as_deref().is_some_and(|progress| progress.rollback.is_some())
    }

    /// Begins to take back; nothing but this happens to the instance until it is done.
    pub(super) fn begin_rollback(
        &mut self,
        then: Then,
        down_to: Option<u32>,
        reason: Arc<str>,
    ) -> Result<(), Overrun> {
        self.note(format!("rolling back: {reason}"));
        self.notice(NoticeKind::Compensating, vec![("reason", Value::String(Arc::clone(&reason)))]);
        self.instance.status = Status::Compensating;
        let rollback = Rollback { down_to, then, reason };
        self.instance.progress.get_or_insert_default().rollback = Some(Box::new(rollback));
        self.next_undo()
    }

    /// The newest of what is still to be taken back.
    fn newest_undo(&self) -> Option<Undoable> {
        let progress = self.instance.progress.as_deref()?;
        let rollback = progress.rollback.as_deref()?;
        let only = match &rollback.then {
            Then::Raise { graph, .. } => Some(*graph),
            Then::Fail | Then::Cancel { .. } | Then::Hold | Then::Transaction => None,
        };
        // What a transaction may have to take back is not this instance's to take back alone, but
        // for a graph of its own.
        let others = |entry: &Undoable| only.is_none() && self.is_transactions(entry.id);
        let meant = |entry: &&Undoable| {
            rollback.down_to.is_none_or(|least| entry.id >= least)
                && !others(entry)
                && only.is_none_or(|graph| entry.step.is_some_and(|(run, _)| run == graph))
        };
        progress.undo.iter().rev().find(meant).cloned()
    }

    /// Starts the next undo, or ends the rollback.
    pub(super) fn next_undo(&mut self) -> Result<(), Overrun> {
        if self.is_given_up() {
            self.end_revived();
            return Ok(());
        }
        loop {
            let Some(entry) = self.newest_undo() else { return self.rolled_all_back() };
            let Some(spec) = self.undo_spec(entry.sequence, entry.position) else {
                // The definition was migrated to one that has nothing to take it back with.
                self.drop_undo(entry.id);
                continue;
            };
            return self.start_undo(&entry, &spec);
        }
    }

    pub(super) fn undo_spec(&self, sequence: u16, position: u16) -> Option<Arc<CallSpec>> {
        let program = self.definition.sequences.get(usize::from(sequence))?;
        match program.steps.get(usize::from(position))? {
            SeqStep::Call { spec, .. } => spec.undo.clone(),
            SeqStep::Do(_)
            | SeqStep::Child { .. }
            | SeqStep::Wait { .. }
            | SeqStep::Approval { .. }
            | SeqStep::Name { .. }
            | SeqStep::JumpUnless { .. }
            | SeqStep::Jump { .. } => None,
        }
    }

    pub(super) fn start_undo(&mut self, entry: &Undoable, spec: &CallSpec) -> Result<(), Overrun> {
        let id = self.fresh_id();
        self.instance.sequences.push(RunningSequence {
            id,
            state: entry.state,
            sequence: entry.sequence,
            position: entry.position,
            event: None,
            call: None,
            role: Role::Undo { undo: entry.id },
        });
        match self.undo_input(entry, spec) {
            Ok(input) => {
                let call = self.next_effect_id();
                self.send_call(id, spec, call, 1, input)
            }
            Err(Failure::Overrun(overrun)) => Err(overrun),
            Err(Failure::Error(error)) => {
                let sequence = self.instance.sequences.last().cloned();
                self.undo_stuck(sequence, &format!("{}: {}", error.name, error.message));
                Ok(())
            }
        }
    }

    /// What an undo gets: its `with:`, in which `data` is what the call was given and `output`
    /// what it gave; both in a map where there is none.
    fn undo_input(&mut self, entry: &Undoable, spec: &CallSpec) -> Result<Value, Failure> {
        let Some(with) = &spec.with else {
            let fields = [("input", entry.input.clone()), ("output", entry.output.clone())];
            return Ok(Map::from_iter(fields).into());
        };
        let event: Event = self.made("undo".into(), EventKind::Internal, Some(entry.input.clone()));
        self.output = Some(entry.output.clone());
        let input = self.value(with, Some(&event), "error.execution.undo");
        self.output = None;
        input
    }

    /// An undo succeeded, or was left behind by a person.
    pub(super) fn undo_through(&mut self, undo: u32, done: bool) -> Result<(), Overrun> {
        self.instance.sequences.retain(|sequence| sequence.role != Role::Undo { undo });
        let progress = self.instance.progress.as_deref();
        let entry = progress.and_then(|it| it.undo.iter().find(|entry| entry.id == undo)).cloned();
        self.drop_undo(undo);
        if let Some((graph, step)) = entry.and_then(|entry| entry.step) {
            let rest = self.instance.progress.as_deref().is_some_and(|progress| {
                progress.undo.iter().any(|entry| entry.step == Some((graph, step)))
            });
            if let Some(spec) = self.step_of(graph, step)
                && done
                && !rest
            {
                if let Some(state) = self.step_state_mut(graph, step) {
                    state.status = StepStatus::Undone;
                }
                self.step_notice(NoticeKind::StepUndone, spec, None);
            }
        }
        self.next_undo()
    }

    pub(super) fn drop_undo(&mut self, id: u32) {
        self.tell_undone(id);
        if let Some(progress) = self.instance.progress.as_deref_mut() {
            progress.undo.retain(|entry| entry.id != id);
        }
    }

    /// An undo failed for good: only a person can help (row H6).
    pub(super) fn undo_failed(&mut self, sequence: RunningSequence, failed: &CallFailure<'_>) {
        let operation = self.call_of(&sequence).map(|(spec, _)| Arc::clone(&spec.operation));
        let reason = format!(
            "`{}` could not take back what was done: {}: {}",
            operation.unwrap_or_default(),
            failed.kind.as_str(),
            failed.message
        );
        self.undo_stuck(Some(sequence), &reason);
    }

    fn undo_stuck(&mut self, sequence: Option<RunningSequence>, reason: &str) {
        self.tell_trouble(&reason.into());
        let mut stuck = Stuck::new(StuckKind::UndoFailed, reason, self.now);
        stuck.state = sequence.as_ref().map(|sequence| sequence.state);
        stuck.sequence = sequence;
        self.trouble = Some(Box::new(stuck));
    }

    /// All is taken back: `finally:` comes next, then what the rollback was for.
    fn rolled_all_back(&mut self) -> Result<(), Overrun> {
        let rollback =
            self.instance.progress.as_deref().and_then(|progress| progress.rollback.as_deref());
        let only = match rollback.map(|rollback| &rollback.then) {
            Some(Then::Raise { graph, .. }) => Some(*graph),
            Some(Then::Fail | Then::Cancel { .. }) => None,
            Some(Then::Hold | Then::Transaction) | None => return self.rollback_over(),
        };
        let finals = self.open_finals();
        let next = finals.into_iter().find(|(graph, ..)| only.is_none_or(|it| it == *graph));
        match next {
            Some((graph, program, state)) => {
                if let Some(run) = self.run_mut(graph) {
                    run.phase = Phase::Finally;
                }
                self.start_finally(graph, program, state)
            }
            None => self.rollback_over(),
        }
    }

    fn rollback_over(&mut self) -> Result<(), Overrun> {
        if self.held_after_rollback() {
            return Ok(());
        }
        let Some(progress) = self.instance.progress.as_deref_mut() else { return Ok(()) };
        let Some(rollback) = progress.rollback.take() else { return Ok(()) };
        let Rollback { then, reason, .. } = *rollback;
        self.instance.status = Status::Running;
        self.notice(NoticeKind::RolledBack, vec![("reason", Value::String(Arc::clone(&reason)))]);
        self.note("rolled back");
        match then {
            Then::Raise { graph, event } => {
                self.cut_off(graph, Phase::Ended);
                let origin = Origin { fails: true, ..Origin::default() };
                self.queue.push_back(super::work::Queued {
                    event: *event,
                    origin: Some(Box::new(origin)),
                });
            }
            Then::Fail => self.failing = Some(reason),
            Then::Cancel { by } => self.cancelling = Some((by, reason)),
            Then::Hold => {
                let stuck = Stuck::new(StuckKind::RolledBack, reason, self.now);
                self.trouble = Some(Box::new(stuck));
            }
            // Its transaction says when it is over.
            Then::Transaction => {}
        }
        Ok(())
    }

    /// The order of a person: take back all, or all since `from`, then wait for the person.
    pub(super) fn roll_back_by_hand(
        &mut self,
        from: Option<&str>,
        reason: &Arc<str>,
    ) -> Result<(), String> {
        if self.is_rolling_back() {
            return Err("a rollback is under way already".to_owned());
        }
        if let Some(reason) = self.instance.transaction_forbids_rollback() {
            return Err(reason);
        }
        let down_to = match from {
            None => None,
            Some(step) => Some(self.undo_of_step(step)?),
        };
        self.remember_kept();
        if !self.has_undo() {
            return Err("nothing was done that can be taken back".to_owned());
        }
        self.instance.stuck = None;
        self.base = None;
        let words = if reason.is_empty() { "by hand".into() } else { Arc::clone(reason) };
        let taken = self.attempt(&|| super::macrostep::Again::Event(None), |work| {
            work.drop_sequences(|role| match role {
                Role::Step { .. } | Role::Finally { .. } => true,
                Role::State | Role::Undo { .. } => false,
            })?;
            work.hold_graphs();
            work.begin_rollback(Then::Hold, down_to, words)?;
            work.macrostep(Cause::Resume(None))
        });
        match taken {
            Taken::RolledBack => Err("the rollback could not begin".to_owned()),
            Taken::Yes | Taken::Deferred | Taken::Unhandled(_) => Ok(()),
        }
    }

    /// The oldest undo entry of the step `name`'s latest run.
    fn undo_of_step(&self, name: &str) -> Result<u32, String> {
        let Some((graph, step)) = self.definition.step_named(name) else {
            return Err(format!("no step `{}`", name.escape_debug()));
        };
        let progress = self.instance.progress.as_deref();
        let run = progress.and_then(|it| it.graphs.iter().find(|run| run.graph == graph));
        let Some(run) = run else { return Err(format!("step `{name}` did not run yet")) };
        let ended = run.steps.get(usize::from(step)).and_then(|state| state.ended_at);
        let Some(started) = run.steps.get(usize::from(step)).and_then(|state| state.started_at)
        else {
            return Err(format!("step `{name}` did not run yet"));
        };
        let own = |entry: &&Undoable| entry.step == Some((run.id, step));
        // Of itself it has nothing: then what needs it, which is exact, or what came after it.
        let needing = self.definition.graphs.get(usize::from(graph));
        let needing = needing.map(|graph| graph.needing(step)).unwrap_or_default();
        let needs_it = |entry: &&Undoable| {
            entry.step.is_some_and(|(of, at)| of == run.id && needing.contains(&at))
        };
        let later = |entry: &&Undoable| entry.at > ended.unwrap_or(started);
        let undo = progress.map(|it| it.undo.as_slice()).unwrap_or_default();
        let found = undo.iter().find(own).or_else(|| undo.iter().find(needs_it));
        let found = found.or_else(|| undo.iter().find(later));
        found.map(|entry| entry.id).ok_or_else(|| {
            format!("nothing that step `{name}` or a later one did can be taken back")
        })
    }

    /// Steps that run go back to waiting: a rollback by hand may be followed by `retry`.
    pub(super) fn hold_graphs(&mut self) {
        let Some(progress) = self.instance.progress.as_deref_mut() else { return };
        for run in progress.graphs.iter_mut().filter(|run| run.phase != Phase::Ended) {
            for at in 0..run.steps.len() {
                let runs = run.steps.get(at).is_some_and(|state| {
                    !state.is_settled() && state.status != StepStatus::Pending
                });
                if runs && let Some(state) = run.steps.get_mut(at) {
                    state.status = StepStatus::Pending;
                }
            }
        }
        self.instance.timers.retain(|timer| !matches!(timer.kind, TimerKind::Steps { .. }));
    }

    /// The end of an instance that failed, once `finally:` of its graphs ran.
    pub(super) fn fail_or_clean_up(&mut self, reason: &Arc<str>) {
        if self.open_finals().is_empty() {
            return self.end_failed(reason);
        }
        let dropped = self.drop_sequences(|_| true);
        // Nothing is taken back: no entry is that new.
        let begun = dropped
            .and_then(|()| self.begin_rollback(Then::Fail, Some(u32::MAX), Arc::clone(reason)));
        match begun {
            Err(_) => self.end_failed(reason),
            Ok(()) => {
                // Where it needed no call, all is over already.
                if let Some(reason) = self.failing.take() {
                    self.end_failed(&reason);
                } else if let Some(stuck) = self.trouble.take() {
                    self.become_stuck(stuck);
                }
            }
        }
    }

    /// `retry` after a rollback by hand: what was taken back is done again.
    pub(super) fn redo(&mut self) -> Result<Taken, Overrun> {
        let definition = self.definition;
        let Some(progress) = self.instance.progress.as_deref_mut() else {
            return self.macrostep(Cause::Resume(None));
        };
        progress.forget_weight();
        let (mut wakes, mut timeouts) = (Vec::new(), Vec::new());
        for run in &mut progress.graphs {
            let Some(graph) = definition.graphs.get(usize::from(run.graph)) else { continue };
            if self.instance.active.binary_search(&graph.state).is_err() {
                continue;
            }
            let undone = run.steps.iter().any(|state| state.status == StepStatus::Undone);
            if run.phase == Phase::Ended && !undone {
                continue;
            }
            reopen(run, graph, Vec::new());
            timeouts.extend(graph.timeout_ms.map(|timeout| (run.id, timeout)));
            wakes.extend((0_u16..).zip(run.steps.iter()).map(|(at, _)| (run.id, at)));
        }
        for (graph, timeout) in timeouts {
            self.arm(timeout, TimerKind::Steps { graph, step: None });
        }
        self.wakes.extend(wakes);
        self.macrostep(Cause::Resume(None))
    }
}
