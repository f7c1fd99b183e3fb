//! Operators' orders: what moves an instance that cannot move itself (rule 20, 01 §10).

use std::sync::Arc;

use super::decide::{unchanged, user};
use super::effect::NoticeKind;
use super::end::{End, UNSAID, by_whom};
use super::ids::Timestamp;
use super::input::{Command, Event, Principal};
use super::instance::{Instance, Reply, Status, Stuck, StuckKind};
use super::macrostep::{Again, Cause, Taken};
use super::outcome::{Decision, Outcome};
use super::progress::Then;
use super::work::Work;
use crate::definition::model::Definition;
use crate::value::Value;

/// The verdict on an order that does not apply.
pub(super) fn rejected(reason: impl Into<Arc<str>>) -> Outcome {
    Outcome::Rejected { reason: reason.into(), accepted: Vec::new() }
}

pub(super) fn on_command(
    old: &Instance,
    definition: &Definition,
    (command, by, reason): (&Command, &Principal, &Arc<str>),
    now: Timestamp,
) -> Decision {
    if old.status.is_ended() {
        if let Command::RollBack { .. } = command
            && let Some(reason) = old.transaction_forbids_rollback()
        {
            return unchanged(rejected(reason));
        }
        return unchanged(rejected("ended"));
    }
    let input = match command {
        Command::Decide { choice, .. } => format!("{} {choice}", command.words()).into(),
        Command::RollBack { from: Some(step) } => format!("{} from {step}", command.words()).into(),
        Command::Checkpoint { name } => format!("{} {name}", command.words()).into(),
        Command::RollBack { from: None }
        | Command::Cancel
        | Command::Kill
        | Command::Retry
        | Command::Skip
        | Command::Migrate { .. }
        | Command::Extend { .. }
        | Command::Pause { .. }
        | Command::Resume
        | Command::Set { .. }
        | Command::Timer { .. }
        | Command::Begin { .. }
        | Command::Commit
        | Command::StartIn { .. }
        | Command::Fork(_) => command.words().into(),
    };
    let mut work = Work::new(definition, old.clone(), Some(old), now, input);
    work.entry.by = user(by);
    if !reason.is_empty() {
        work.note(Arc::clone(reason));
    }
    let outcome = work.command(command, by, reason);
    if let Outcome::Denied { reason } | Outcome::Rejected { reason, .. } = &outcome {
        work.note(format!("refused: {reason}"));
    }
    work.offer_deferred();
    work.finish(outcome)
}

impl Work<'_> {
    /// Carries out an order to a living instance.
    pub(super) fn command(
        &mut self,
        command: &Command,
        by: &Principal,
        reason: &Arc<str>,
    ) -> Outcome {
        let is_stuck = self.instance.status == Status::Stuck;
        let is_paused = self.instance.status == Status::Paused;
        match command {
            Command::Cancel | Command::Kill if self.instance.is_held_by_transaction() => {
                rejected("its transaction is being rolled back: it ends with that")
            }
            Command::Cancel | Command::Kill if self.instance.is_revived() => {
                rejected("it has ended, but for what is under way and can be taken back")
            }
            Command::Cancel if self.is_rolling_back() => rejected(match is_stuck {
                false => "a rollback is under way: wait for it, or kill the instance",
                true => "a rollback is stuck: retry or skip its undo, or kill the instance",
            }),
            Command::Cancel if self.has_to_clean_up() => {
                let words = if reason.is_empty() { UNSAID.into() } else { Arc::clone(reason) };
                // Now, and not once it has cleaned up: it might be committed meanwhile.
                self.abort_transaction(&End::ordered(true, &by.user, reason));
                self.undo_and_end(Then::Cancel { by: Arc::clone(&by.user) }, words)
            }
            Command::Cancel | Command::Kill => {
                self.base = None;
                // What was answered was done, and its transaction may have to take it back.
                self.remember_kept(|_| true);
                self.leave_pause();
                self.end_cancelled(matches!(command, Command::Cancel), &by.user, reason);
                self.standing()
            }
            Command::Decide { .. } if is_stuck => {
                rejected("the instance is stuck: retry or skip first")
            }
            Command::Decide { .. } | Command::RollBack { .. } if is_paused => {
                rejected("the instance is paused: resume it first")
            }
            Command::Decide { choice, data } => self.decide_approval(choice, data.as_ref(), by),
            Command::Retry | Command::Skip if !is_stuck => rejected("the instance is not stuck"),
            // Partitions do it: it takes two definitions.
            Command::Migrate { .. } | Command::Extend { .. } => {
                rejected("the instance has one definition only")
            }
            Command::Retry => self.retry(),
            Command::Skip => self.skip(&by_whom(&by.user, reason)),
            Command::Pause { clocks } => self.pause(*clocks, by, reason),
            Command::Resume if self.instance.status == Status::Compensating => {
                rejected("what was done is being taken back")
            }
            Command::Resume if self.is_awaiting_transaction() => {
                rejected("it was started in a transaction, which does not have it yet")
            }
            Command::Resume => self.resume(),
            Command::RollBack { from } => match self.roll_back_by_hand(from.as_deref(), reason) {
                Ok(()) => Outcome::Done,
                Err(refusal) => rejected(refusal),
            },
            Command::Set { values } => self.set_vars(values, by, reason),
            Command::Checkpoint { name } => self.checkpoint(name),
            Command::Timer { timer, order } => self.order_timer(*timer, *order),
            Command::Fork(_) | Command::StartIn { .. } => {
                rejected("an instance with this key runs already")
            }
            Command::Begin { .. } | Command::Commit => rejected("it is no transaction"),
        }
    }

    /// Must something be taken back, or done in any case, before it may end?
    pub(super) fn has_to_clean_up(&self) -> bool {
        self.has_undo()
            || self.has_kept_undo()
            || self.has_undo_under_way(|_| true)
            || !self.open_finals().is_empty()
    }

    /// The end of an instance that has done what can be taken back: that comes first.
    pub(super) fn undo_and_end(&mut self, then: Then, words: Arc<str>) -> Outcome {
        self.base = None;
        self.remember_kept(|_| true);
        self.leave_pause();
        self.instance.stuck = None;
        let taken = self.attempt(&|| Again::Event(None), |work| {
            work.stop_but_undoable(|_| true)?;
            work.cut_off_steps();
            work.begin_rollback(then, None, words)?;
            work.macrostep(Cause::Resume(None))
        });
        if taken == Taken::RolledBack { self.rolled_back() } else { Outcome::Done }
    }

    /// Begins again with what made the instance stuck, then takes what waited meanwhile.
    fn retry(&mut self) -> Outcome {
        let Some(mut stuck) = self.unstick() else { return rejected("the instance is not stuck") };
        let replies = std::mem::take(&mut stuck.replies);
        let taken = match stuck.kind {
            StuckKind::Error
            | StuckKind::CallFailed
            | StuckKind::OutcomeUnknown
            | StuckKind::UndoFailed
            | StuckKind::Deadlock => {
                let again = || Again::Event(stuck.event.clone());
                self.attempt(&again, |work| work.run_again(&stuck))
            }
            StuckKind::RolledBack => self.attempt(&|| Again::Event(None), Self::redo),
            StuckKind::Livelock
            | StuckKind::Panic
            | StuckKind::StateTooLarge
            | StuckKind::DefinitionMissing => match &stuck.reply {
                Some(reply) => self.reply_again(reply),
                None => self.event_again(stuck.event.as_ref()),
            },
        };
        if taken == Taken::RolledBack {
            // The trouble is the same as before, but the latest reason says more.
            if let Some(latest) = self.instance.stuck.take() {
                stuck.reason = latest.reason;
            }
            stuck.replies = replies;
            self.instance.stuck = Some(stuck);
            return self.standing();
        }
        self.take_what_waited(replies)
    }

    /// Leaves what made the instance stuck behind, then takes what waited meanwhile. What is left
    /// out of what cleans up is told with `by` whom it was.
    fn skip(&mut self, by: &str) -> Outcome {
        if self.instance.active.is_empty() {
            return rejected("the start cannot be skipped: retry, cancel or kill");
        }
        if self.instance.stuck.as_ref().is_some_and(|stuck| stuck.kind == StuckKind::RolledBack) {
            return rejected("nothing failed that could be skipped: retry, cancel or kill");
        }
        let Some(mut stuck) = self.unstick() else { return rejected("the instance is not stuck") };
        let replies = std::mem::take(&mut stuck.replies);
        match stuck.kind {
            StuckKind::Error
            | StuckKind::CallFailed
            | StuckKind::OutcomeUnknown
            | StuckKind::UndoFailed
            | StuckKind::Deadlock
            | StuckKind::RolledBack => {
                self.attempt(&|| Again::Event(None), |work| work.leave_behind(&stuck, by));
            }
            StuckKind::Livelock
            | StuckKind::Panic
            | StuckKind::StateTooLarge
            | StuckKind::DefinitionMissing => {
                if let Some(event) = &stuck.event {
                    self.note(format!("dropped {}", event.name));
                } else if stuck.reply.is_none() {
                    self.drop_rolled_back(&stuck);
                }
            }
        }
        self.take_what_waited(replies)
    }

    /// Sets the instance going; the trouble is handed out.
    pub(super) fn unstick(&mut self) -> Option<Box<Stuck>> {
        let mut stuck = self.instance.stuck.take()?;
        self.base = None;
        // It was paused when nobody could decide about it any more.
        if let Some(paused) = self.take_pause() {
            stuck.replies.splice(0..0, paused.replies);
        }
        let back = self.is_rolling_back();
        self.instance.status = if back { Status::Compensating } else { Status::Running };
        let reason = Value::String(Arc::clone(&stuck.reason));
        self.notice(NoticeKind::Resumed, vec![("was", reason)]);
        Some(stuck)
    }

    /// Offers the event of a rolled back macrostep again, or enters the initial states again.
    fn event_again(&mut self, event: Option<&Event>) -> Taken {
        if self.instance.active.is_empty() {
            self.enter_initial(event);
        } else if let Some(event) = event {
            let outcome = self.offer(event);
            self.unheard(event, outcome);
        } else {
            return self.attempt(&|| Again::Event(None), Self::all_steps);
        }
        if self.instance.status == Status::Stuck { Taken::RolledBack } else { Taken::Yes }
    }

    fn reply_again(&mut self, reply: &Reply) -> Taken {
        let again = || Again::Reply(reply.clone());
        self.attempt(&again, |work| work.take_reply(reply))
    }

    /// Replies, then events, in arrival order, until there are none or the instance is stuck
    /// again: then the rest keeps waiting.
    pub(super) fn take_what_waited(&mut self, replies: Vec<Reply>) -> Outcome {
        let mut replies = std::collections::VecDeque::from(replies);
        while (self.goes_on() || self.is_rolling_back())
            && self.instance.stuck.is_none()
            && let Some(reply) = replies.pop_front()
        {
            self.reply_again(&reply);
        }
        if let Some(stuck) = &mut self.instance.stuck {
            stuck.replies.extend(replies);
        } else {
            self.runs_on();
        }
        self.take_parked();
        self.standing()
    }

    /// Events that arrived while nothing was taken, in arrival order.
    pub(super) fn take_parked(&mut self) {
        self.offer_deferred();
        while self.goes_on() && !self.instance.parked.is_empty() {
            let event = self.instance.parked.remove(0);
            let name = &event.name;
            match self.offer(&event) {
                refused @ (Outcome::Denied { .. } | Outcome::Rejected { .. }) => {
                    self.unheard(&event, refused);
                }
                Outcome::Transitioned { .. } | Outcome::Started { .. } | Outcome::Done => {
                    self.note(format!("took parked {name}"));
                }
                Outcome::Ignored { .. } => self.note(format!("nobody took parked {name}")),
                Outcome::Deferred => self.note(format!("parked {name} waits on")),
                // The incident has it now, or the dead letters have.
                Outcome::Stuck { .. } | Outcome::DeadLettered { .. } => {
                    self.note(format!("parked {name}"));
                }
                Outcome::Duplicate { .. }
                | Outcome::IdReuse { .. }
                | Outcome::NotFound { .. }
                | Outcome::Busy { .. } => {}
            }
        }
    }

    /// The verdict on an order after which the instance may be stuck again.
    pub(super) fn standing(&self) -> Outcome {
        match &self.instance.stuck {
            Some(stuck) => Outcome::Stuck { reason: Arc::clone(&stuck.reason) },
            None => Outcome::Done,
        }
    }
}
