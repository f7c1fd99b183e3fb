//! Rollback: what was done is taken back, newest first, one at a time (decision 0023).

use std::sync::Arc;

use super::effect::NoticeKind;
use super::end::{End, REASON_MAX};
use super::ids::StateId;
use super::input::{Event, EventKind};
use super::instance::{Instance, RunningSequence, Status, Stuck, StuckKind};
use super::invoked::CallFailure;
use super::progress::{Phase, Role, Rollback, StepStatus, Then, Undoable};
use super::work::{Failure, Origin, Overrun, Work};
use crate::definition::model::{CallSpec, SeqStep};
use crate::value::{Map, Value};

impl Instance {
    /// What the rollback that is under way has still to take back, in the order in which it does:
    /// newest first, what is being taken back included.
    pub fn still_to_undo(&self) -> impl Iterator<Item = &Undoable> {
        let progress = self.progress.as_deref();
        let rollback = progress.and_then(|it| Some((it, it.rollback.as_deref()?)));
        rollback.into_iter().flat_map(move |(progress, rollback)| {
            progress.undo.iter().rev().filter(move |entry| self.is_to_undo(rollback, entry))
        })
    }

    /// Is this undo entry in the hands of a transaction?
    pub(super) fn is_transactions(&self, undo: u32) -> bool {
        self.membership().is_some_and(|it| it.standing.is_bound() && undo >= it.since)
    }

    fn is_to_undo(&self, rollback: &Rollback, entry: &Undoable) -> bool {
        let only = match &rollback.then {
            Then::Raise { graph, .. } => Some(*graph),
            Then::Fail
            | Then::Cancel { .. }
            | Then::Hold { .. }
            | Then::Orphaned
            | Then::Transaction => None,
        };
        // What a transaction may have to take back is not this instance's to take back alone, but
        // for a graph of its own.
        let others = only.is_none() && self.is_transactions(entry.id);
        if rollback.then == Then::Transaction {
            return rollback.down_to.is_some_and(|least| entry.id >= least);
        }
        rollback.down_to.is_none_or(|least| entry.id >= least)
            && !others
            && only.is_none_or(|graph| entry.step.is_some_and(|(run, _)| run == graph))
    }
}

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
        self.wait_for_adrift();
        self.tell_children_that_stay();
        self.go_on_undoing()
    }

    /// The newest of what is still to be taken back.
    fn newest_undo(&self) -> Option<Undoable> {
        self.still_to_undo().next().cloned()
    }

    /// What is still to be taken back, newest first.
    pub(super) fn still_to_undo(&self) -> impl Iterator<Item = &Undoable> {
        self.instance.still_to_undo()
    }

    /// Starts the next undo, or ends the rollback.
    pub(super) fn next_undo(&mut self) -> Result<(), Overrun> {
        loop {
            let Some(entry) = self.newest_undo() else {
                if self.is_given_up() {
                    self.come_to_rest();
                    return Ok(());
                }
                return self.rolled_all_back();
            };
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
            reply: None,
            role: Role::Undo { undo: entry.id },
        });
        match self.undo_input(entry, spec) {
            Ok(input) => {
                let call = self.next_effect_id();
                self.send_call(id, spec, call, 1, input, None)
            }
            Err(Failure::Overrun(overrun)) => Err(overrun),
            Err(Failure::Error(error)) => {
                let sequence = self.instance.sequences.last().cloned();
                let what = self.undo_words(entry.id, &spec.operation);
                self.undo_stuck(sequence, &format!("{what}: `with`: {}", error.message));
                Ok(())
            }
        }
    }

    /// What an undo gets: its `with:`, in which `data` is what the call was given and `output`
    /// what it gave, and an item of a `foreach` has its names; both in a map where there is none.
    fn undo_input(&mut self, entry: &Undoable, spec: &CallSpec) -> Result<Value, Failure> {
        let Some(with) = &spec.with else {
            let fields = [("input", entry.input.clone()), ("output", entry.output.clone())];
            return Ok(Map::from_iter(fields).into());
        };
        let event: Event = self.made("undo".into(), EventKind::Internal, Some(entry.input.clone()));
        self.output = Some(entry.output.clone());
        if let Some((graph, step)) = entry.step {
            self.bind_item(Role::Step { graph, step, item: entry.item });
        }
        let input = self.value(with, Some(&event), "error.execution.undo");
        self.output = None;
        self.locals.clear();
        input
    }

    /// An undo succeeded, or was left behind by a person.
    pub(super) fn undo_through(&mut self, undo: u32, done: bool) -> Result<(), Overrun> {
        self.instance.sequences.retain(|sequence| sequence.role != Role::Undo { undo });
        let entry = self.drop_undo(undo);
        if let Some((item, (graph, step))) = entry.and_then(|it| Some((it.item, it.step?)))
            && self.part_undone((graph, step), item, done)
            && let Some(spec) = self.step_of(graph, step)
        {
            let now = self.now;
            if let Some(state) = self.step_state_mut(graph, step) {
                state.status = StepStatus::Undone;
                state.ended_at.get_or_insert(now);
            }
            self.step_notice(NoticeKind::StepUndone, spec, None);
            self.undone_with_fallback(graph, step);
        }
        self.go_on_undoing()
    }

    /// What the end of the rollback is to tell beside what it is for.
    pub(super) fn add_to_reason(&mut self, words: &str) {
        let progress = self.instance.progress.as_deref_mut();
        let Some(rollback) = progress.and_then(|it| it.rollback.as_deref_mut()) else { return };
        let told = format!("{}; {words}", rollback.reason);
        if told.len() > REASON_MAX {
            return;
        }
        rollback.reason = told.into();
        if let Then::Raise { event, .. } = &mut rollback.then
            && let Some(Value::Map(data)) = &event.data
        {
            let message = data.get("message").and_then(Value::as_str).unwrap_or_default();
            let message = Value::from(format!("{message}; {words}"));
            let mut data = Map::clone(data);
            data.insert("message", message);
            event.data = Some(data.into());
        }
    }

    pub(super) fn drop_undo(&mut self, id: u32) -> Option<Undoable> {
        self.tell_undone(id);
        let progress = self.instance.progress.as_deref_mut()?;
        progress.undo.remove_last(|entry| entry.id == id)
    }

    /// An undo failed for good: only a person can help (row H6).
    pub(super) fn undo_failed(&mut self, sequence: RunningSequence, failed: &CallFailure<'_>) {
        let operation = self.call_of(&sequence).map(|(spec, _)| Arc::clone(&spec.operation));
        let undo = match sequence.role {
            Role::Undo { undo } => undo,
            Role::State | Role::Step { .. } | Role::Finally { .. } => 0,
        };
        let what = self.undo_words(undo, &operation.unwrap_or_default());
        let reason = format!("{what}: {}: {}", failed.kind.as_str(), failed.message);
        self.undo_stuck(Some(sequence), &reason);
    }

    /// `` `bank.refund` could not take back step `pay` ``.
    fn undo_words(&self, undo: u32, operation: &str) -> String {
        let step = self.step_undone(undo);
        let what = step.map_or_else(|| "what was done".to_owned(), |id| format!("step `{id}`"));
        format!("`{operation}` could not take back {what}")
    }

    fn undo_stuck(&mut self, sequence: Option<RunningSequence>, reason: &str) {
        let mut stuck = Stuck::new(StuckKind::UndoFailed, reason, self.now);
        stuck.state = sequence.as_ref().map(|sequence| sequence.state);
        stuck.sequence = sequence;
        self.trouble = Some(Box::new(stuck));
    }

    /// All is taken back: `finally:` comes next, then what the rollback was for.
    fn rolled_all_back(&mut self) -> Result<(), Overrun> {
        match self.finals_of_rollback().into_iter().next() {
            Some((graph, program, state)) => {
                if let Some(run) = self.run_mut(graph) {
                    run.phase = Phase::Finally;
                }
                self.start_finally(graph, program, state)
            }
            None => self.rollback_over(),
        }
    }

    /// Each `finally:` that is still to run behind the rollback.
    pub(super) fn finals_of_rollback(&self) -> Vec<(u32, u16, StateId)> {
        let rollback =
            self.instance.progress.as_deref().and_then(|progress| progress.rollback.as_deref());
        let only = match rollback.map(|rollback| &rollback.then) {
            Some(Then::Raise { graph, .. }) => Some(*graph),
            Some(Then::Fail | Then::Cancel { .. } | Then::Orphaned) => None,
            Some(Then::Hold { .. } | Then::Transaction) | None => return Vec::new(),
        };
        let mut finals = self.open_finals();
        finals.retain(|(graph, ..)| only.is_none_or(|it| it == *graph));
        finals
    }

    fn rollback_over(&mut self) -> Result<(), Overrun> {
        if self.held_after_rollback()? {
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
            Then::Fail => {
                let end = self.instance.progress.as_deref_mut().and_then(|it| it.end.take());
                let error = end.and_then(|end| end.error);
                self.failing = Some(Box::new(End { error, ..End::failed(reason) }));
            }
            Then::Cancel { by } => self.cancelling = Some((by, End::given(&reason))),
            Then::Orphaned => {
                self.orphaned = true;
                self.cancelling = Some((Arc::default(), reason));
            }
            Then::Hold { replies } => {
                let reason = format!("rolled back {reason}");
                let mut stuck = Stuck::new(StuckKind::RolledBack, reason, self.now);
                stuck.replies = replies;
                self.trouble = Some(Box::new(stuck));
            }
            // Its transaction says when it is over.
            Then::Transaction => {}
        }
        Ok(())
    }

    /// The end of an instance that failed, once `finally:` of its graphs ran.
    pub(super) fn fail_or_clean_up(&mut self, end: End) {
        if self.open_finals().is_empty() {
            return self.end_failed(end);
        }
        let reason = Arc::clone(&end.reason);
        self.keep_end(end.clone());
        // A transaction has to know whether what is under way is done.
        let dropped = match self.instance.is_bound() {
            true => self.stop_but_undoable(|_| true),
            false => self.drop_sequences(|_| true),
        };
        self.cut_off_steps();
        if !self.instance.is_bound() {
            self.forget_adrift();
        }
        // Nothing is taken back: no entry is that new. What failed in a `finally:` that needed no
        // call waits in the queue, and nothing else would take it out.
        let begun = dropped
            .and_then(|()| self.begin_rollback(Then::Fail, Some(u32::MAX), reason))
            .and_then(|()| self.run_to_completion(None));
        match begun {
            Err(_) => self.end_failed(end),
            Ok(()) => {
                // Where it needed no call, all is over already.
                if let Some(end) = self.failing.take() {
                    self.end_failed(*end);
                } else if let Some(stuck) = self.trouble.take() {
                    self.become_stuck(stuck);
                }
            }
        }
    }
}
