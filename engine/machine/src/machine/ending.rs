//! How a life ends (rules 19, 20).

use std::sync::Arc;

use super::decide::unchanged;
use super::effect::{NoticeData, NoticeKind};
use super::end::End;
use super::ids::Timestamp;
use super::input::{CallOutcome, ErrorKind};
use super::instance::{Instance, Status, Stuck, StuckKind, TimerKind};
use super::macrostep::{Again, Cause, Taken, error_text, is_of_invoke};
use super::outcome::{Decision, Outcome};
use super::progress::{Phase, Role, Then};
use super::timers::RETENTION_MS;
use super::work::{Overrun, Work, is_error};
use crate::definition::model::Definition;

/// Why a child ends that its parent left.
pub(crate) const UNAWAITED: &str = "its parent does not wait for it any more";

/// Its parent does not wait for it any more: it takes back what it did and ends, and says nothing
/// more (rules 20, 36; decision 0028).
pub(super) fn on_orphaned(
    old: &Instance,
    definition: &Definition,
    kill: bool,
    now: Timestamp,
) -> Decision {
    if old.status.is_ended() {
        return unchanged(Outcome::Ignored { reason: "ended".into() });
    }
    // It ends when its transaction has taken back what it did, or is killed already.
    if old.is_held_by_transaction() || old.is_revived() {
        return unchanged(Outcome::Ignored { reason: "held".into() });
    }
    let input = if kill { "command kill" } else { "command cancel" };
    let mut work = Work::new(definition, old.clone(), None, now, input.into());
    let reason = Arc::from(UNAWAITED);
    let outcome = work.orphan(kill, reason);
    work.finish(outcome)
}

/// What the parent of a child hears that a person ended: a failure, with the person's word as code.
pub(crate) fn ended_by_hand(softly: bool, by: &str, reason: &str) -> CallOutcome {
    let (code, words) =
        if softly { ("cancelled", "was cancelled") } else { ("killed", "was killed") };
    let by = if by.is_empty() { String::new() } else { format!(" by `{by}`") };
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    CallOutcome::Failure {
        kind: ErrorKind::ChildFailed,
        code: code.into(),
        message: format!("child {words}{by}{why}").into(),
        retry_after_ms: None,
    }
}

impl Work<'_> {
    /// Is what is taken back the last that happens to it, because its parent waits no more?
    pub(super) fn is_orphan(&self) -> bool {
        let progress = self.instance.progress.as_deref();
        let rollback = progress.and_then(|progress| progress.rollback.as_deref());
        rollback.is_some_and(|rollback| rollback.then == Then::Orphaned)
    }

    /// Nobody waits for it any more.
    fn orphan(&mut self, kill: bool, reason: Arc<str>) -> Outcome {
        if !kill && self.is_rolling_back() {
            return self.orphan_in_rollback(reason);
        }
        if !kill && self.has_to_clean_up() {
            return self.undo_and_end(Then::Orphaned, reason);
        }
        self.note(Arc::clone(&reason));
        self.orphaned = true;
        self.remember_kept(|_| true);
        self.leave_pause();
        self.end_cancelled(!kill, &Arc::default(), &reason);
        Outcome::Done
    }

    /// What it takes back already is the last that happens to it, and is all that it did.
    fn orphan_in_rollback(&mut self, reason: Arc<str>) -> Outcome {
        let progress = self.instance.progress.as_deref();
        let Some(rollback) = progress.and_then(|it| it.rollback.as_deref()) else {
            return self.ignored("ended");
        };
        match rollback.then {
            Then::Raise { .. } | Then::Hold { .. } => {}
            // That ends it already.
            Then::Fail | Then::Cancel { .. } | Then::Orphaned | Then::Transaction => {
                return self.ignored("it ends already");
            }
        }
        let own = |role| matches!(role, Role::State | Role::Step { .. });
        self.remember_kept(own);
        if let Some(rollback) =
            self.instance.progress.as_deref_mut().and_then(|it| it.rollback.as_deref_mut())
        {
            rollback.then = Then::Orphaned;
            rollback.down_to = None;
            rollback.reason = Arc::clone(&reason);
        }
        self.note(reason);
        // An undo that failed waits for a person, and so does all that is behind it.
        let failed = |stuck: &Stuck| stuck.kind == StuckKind::UndoFailed;
        let waits = self.instance.stuck.as_deref().is_some_and(failed);
        if !waits && self.instance.stuck.take().is_some() {
            self.instance.status = Status::Compensating;
        }
        self.attempt(&|| Again::Event(None), |work| {
            work.stop_but_undoable(own)?;
            work.cut_off_steps();
            if waits {
                return Ok(Taken::Yes);
            }
            work.go_on_undoing()?;
            work.macrostep(Cause::Resume(None))
        });
        self.standing()
    }

    /// A top-level final state was reached (rule 19).
    pub(super) fn end_done(&mut self) {
        self.queue.clear();
        let spared = self.spare();
        self.run_exits();
        self.close(Status::Done);
        let output = self.instance.output.clone();
        self.tell_parent(CallOutcome::Success(output.clone()));
        let state = self.leaves();
        self.tell(NoticeKind::Completed, NoticeData::Completed { state, output });
        if spared.is_some() {
            self.outlast(spared, "done, but for calls that were cut off");
        }
    }

    /// `on_error: fail` met an error nobody handles (rule 38). What a transaction has to hear of
    /// goes on in a failed member (decision 0048).
    pub(super) fn end_failed(&mut self, end: End) {
        let spared = self.spare();
        let reason = self.with_left_out(&end.reason);
        self.note(format!("failed: {reason}"));
        self.run_exits();
        self.close(Status::Failed);
        let end = End { reason: Arc::clone(&reason), ..end };
        self.abort_transaction(&end);
        self.tell_parent(CallOutcome::Failure {
            kind: ErrorKind::ChildFailed,
            code: "".into(),
            message: reason,
            retry_after_ms: None,
        });
        self.notice(NoticeKind::Failed, end.fields());
        self.keep_end(end.clone());
        self.outlast(spared, &end.words());
    }

    /// An operator or the parent ends it: exit actions run after `cancel`, nothing after `kill`
    /// (rule 20). What exit actions say does not reach the parent; a parent that still waits hears
    /// that nothing comes any more. What a transaction has to hear of goes on in a killed member.
    pub(super) fn end_cancelled(&mut self, softly: bool, by: &Arc<str>, reason: &Arc<str>) {
        let spared = if softly { None } else { self.spare() };
        let mut reason = self.with_left_out(reason);
        if !softly {
            reason = self.with_broken_off(reason);
        }
        let reason = &reason;
        let is_awaited = !std::mem::replace(&mut self.orphaned, true) && !self.is_orphan();
        if softly {
            self.run_exits();
        } else {
            // Whose last word was waited for is cut off as well.
            if let Some(progress) = self.instance.progress.as_deref_mut() {
                progress.rollback = None;
            }
            for sequence in std::mem::take(&mut self.instance.sequences) {
                self.cancel_child(&sequence, true);
                if sequence.call.as_ref().is_some_and(|call| call.child.is_none()) {
                    self.instance.sequences.push(sequence);
                }
            }
            for id in self.instance.active.clone().into_iter().rev() {
                // Cancelling a call is best effort: the limit of effects may cut it short.
                let _cut_short = self.cancel_calls_of(id);
            }
        }
        self.close(Status::Cancelled);
        let end = End::ordered(softly, by, reason);
        // Whom its parent does not wait for any more is no failure of anybody.
        if is_awaited {
            self.tell_parent(ended_by_hand(softly, by, reason));
            self.abort_transaction(&end);
        }
        self.notice(NoticeKind::Cancelled, end.fields());
        self.keep_end(end.clone());
        self.outlast(spared, &end.words());
    }

    /// Runs all exit blocks in reverse document order; the active states stay readable.
    ///
    /// There is nobody left to handle an error: it is written down.
    fn run_exits(&mut self) {
        let active = self.instance.active.clone();
        let history = self.instance.history.clone();
        match self.exit_states(&active, None) {
            Ok(()) => {}
            Err(Overrun::Livelock(reason) | Overrun::StateTooLarge(reason)) => {
                self.note(format!("exit actions cut short: {reason}"));
            }
        }
        for queued in std::mem::take(&mut self.queue) {
            if is_error(&queued.event.name) {
                self.note(error_text(&queued.event));
            }
        }
        self.instance.active = active;
        self.instance.history = history;
    }

    /// Clears what an ended life has no use for; waiting events become dead letters, because
    /// nothing acknowledged is dropped silently (01 §1).
    fn close(&mut self, status: Status) {
        let parked = std::mem::take(&mut self.instance.parked);
        let deferred = std::mem::take(&mut self.instance.deferred);
        // The end of a child that nobody waits for any more is nobody's loss.
        for event in deferred.iter().chain(&parked).filter(|event| !is_of_invoke(event)) {
            self.dead_letter(event, "ended");
        }
        self.instance.status = status;
        self.instance.stuck = None;
        for sequence in std::mem::take(&mut self.instance.sequences) {
            self.cancel_child(&sequence, false);
        }
        let open: Vec<_> = self.instance.progress.iter().flat_map(|it| &it.graphs).collect();
        let open = open.iter().filter(|run| run.phase != Phase::Ended).map(|run| run.id);
        for id in open.collect::<Vec<_>>() {
            self.cut_off(id, Phase::Ended);
        }
        if let Some(progress) = self.instance.progress.as_deref_mut() {
            progress.rollback = None;
            progress.saves.clear();
        }
        self.forget_adrift();
        self.instance.votes.clear();
        self.instance.timers.clear();
        // What may have to be taken back is not forgotten before.
        if !self.instance.is_bound() {
            self.arm(RETENTION_MS, TimerKind::Retention);
        }
        self.running = false;
        self.moved = false;
        self.queue.clear();
        self.pending.clear();
        self.ready.clear();
    }
}
