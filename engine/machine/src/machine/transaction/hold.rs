//! A member whose transaction is rolled back: it stands still, and takes back what it is told to.

use std::sync::Arc;

use super::super::end::short;
use super::super::instance::Status;
use super::super::macrostep::{Again, Taken};
use super::super::outcome::Outcome;
use super::super::progress::{Rollback, Then};
use super::super::work::{Overrun, Work};
use super::model::Standing;
use super::word::Word;

impl Work<'_> {
    /// It stands still: once nothing is under way that could still be done, it says so.
    pub(super) fn hold(&mut self, reason: &Arc<str>) -> Outcome {
        if self.instance.is_held_by_transaction() {
            return self.ignored("held already");
        }
        self.set_standing(Standing::Holding);
        if let Some(member) = self.member_mut() {
            member.reason = short(reason).into();
        }
        if self.instance.status.is_ended() || self.instance.active.is_empty() {
            self.note(format!("its transaction is rolled back: {reason}"));
            self.stands_still();
            return Outcome::Done;
        }
        // What it takes back by itself comes first; the end of that says more.
        if self.is_rolling_back() {
            // It may stand there for long, until a person helps.
            if let Some(stuck) = &self.instance.stuck {
                let reason = Arc::clone(&stuck.reason);
                self.tell_trouble(&reason);
            }
            return Outcome::Deferred;
        }
        self.remember_kept(|_| true);
        self.leave_pause();
        self.instance.stuck = None;
        let reason = Arc::clone(reason);
        let taken = self.attempt(&|| Again::Event(None), |work| {
            work.stop_but_undoable(|_| true)?;
            work.cut_off_steps();
            work.note(format!("held: {reason}"));
            work.give_up_to_transaction(reason);
            Ok(Taken::Yes)
        });
        if taken == Taken::RolledBack { self.rolled_back() } else { self.hold_if_still() }
    }

    /// Why its transaction is rolled back.
    fn why_rolled_back(&self) -> Arc<str> {
        let known = self.instance.membership().map(|it| Arc::clone(&it.reason));
        let known = known.filter(|reason| !reason.is_empty());
        known.unwrap_or_else(|| "the transaction is rolled back".into())
    }

    /// From now on only what the transaction says happens to it.
    pub(super) fn give_up_to_transaction(&mut self, reason: Arc<str>) {
        self.instance.status = Status::Compensating;
        let rollback = Rollback { down_to: None, then: Then::Transaction, reason };
        self.instance.progress.get_or_insert_default().rollback = Some(Box::new(rollback));
        self.wait_for_adrift();
    }

    /// Is it in the hands of its transaction, and not in those of a rollback of its own?
    pub(in super::super) fn is_given_up(&self) -> bool {
        let progress = self.instance.progress.as_deref();
        let rollback = progress.and_then(|progress| progress.rollback.as_deref());
        rollback.is_some_and(|rollback| rollback.then == Then::Transaction)
    }

    pub(in super::super) fn hold_if_still(&mut self) -> Outcome {
        if self.instance.sequences.is_empty() {
            self.come_to_rest();
            Outcome::Done
        } else {
            self.note("waits for calls under way");
            Outcome::Deferred
        }
    }

    /// Nothing is under way any more: one that had ended is as it was before, and one that is to
    /// stand still does. A killed one that was not told to yet does once it is.
    pub(in super::super) fn come_to_rest(&mut self) {
        self.end_revived();
        self.stands_where_it_ended();
    }

    /// It ended while its transaction waits for it to stand still.
    pub(super) fn stands_where_it_ended(&mut self) {
        if self.instance.membership().map(|it| it.standing) == Some(Standing::Holding) {
            self.stands_still();
        }
    }

    fn stands_still(&mut self) {
        self.set_standing(Standing::Held);
        self.say_up(Word::Held);
    }

    /// Does it stand still until its transaction has it, or because that is rolled back?
    pub(in super::super) fn is_awaiting_transaction(&self) -> bool {
        let member = self.instance.membership();
        member.is_some_and(|it| it.standing == Standing::Joining || it.standing.is_held())
    }

    /// A rollback of its own is through, and the transaction wants it to stand still: so does what
    /// went on meanwhile in other regions.
    pub(in super::super) fn held_after_rollback(&mut self) -> Result<bool, Overrun> {
        if self.instance.membership().map(|it| it.standing) != Some(Standing::Holding) {
            return Ok(false);
        }
        // It ends now, by the word of a person or of its parent, and stands still with that.
        let progress = self.instance.progress.as_deref();
        let then = progress.and_then(|it| it.rollback.as_deref()).map(|it| &it.then);
        if matches!(then, Some(Then::Cancel { .. } | Then::Orphaned)) {
            return Ok(false);
        }
        self.stop_but_undoable(|_| true)?;
        self.cut_off_steps();
        self.give_up_to_transaction(self.why_rolled_back());
        self.hold_if_still();
        Ok(true)
    }

    /// The transaction asks for what it did to be taken back, from the newest on down to one.
    pub(super) fn take_back(&mut self, newest: u32, down_to: u32) -> Outcome {
        let progress = self.instance.progress.as_deref();
        if !progress.is_some_and(|it| it.undo.iter().rev().any(|entry| entry.id == newest)) {
            self.say_up(Word::Undone { undo: newest });
        }
        if self.instance.status.is_ended() {
            let status = self.instance.status;
            if let Some(member) = self.member_mut() {
                member.ended = Some(status);
            }
            self.give_up_to_transaction(self.why_rolled_back());
        }
        let progress = self.instance.progress.as_deref_mut();
        if let Some(rollback) = progress.and_then(|progress| progress.rollback.as_deref_mut()) {
            rollback.down_to = Some(down_to);
        }
        self.attempt(&|| Again::Event(None), |work| {
            work.next_undo()?;
            Ok(Taken::Yes)
        });
        self.standing()
    }

    /// What the transaction asked for is taken back: an ended member is as it was before.
    pub(super) fn end_revived(&mut self) {
        let Some(status) = self.member_mut().and_then(|member| member.ended.take()) else {
            return;
        };
        self.instance.status = status;
        if let Some(progress) = self.instance.progress.as_deref_mut() {
            progress.rollback = None;
        }
    }

    /// Only a person can take it back: the transaction waits, and shows why.
    pub(in super::super) fn tell_trouble(&mut self, reason: &Arc<str>) {
        if self.instance.is_held_by_transaction() {
            self.say_up(Word::Troubled { reason: Arc::clone(reason) });
        }
    }
}
