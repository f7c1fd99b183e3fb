//! What a transaction does in each of its states: who is told what, and in which order.

use std::sync::Arc;

use super::super::effect::NoticeKind;
use super::super::ids::{Generation, InstanceKey};
use super::super::input::EventKind;
use super::super::work::Work;
use super::model::{
    Asked, Asker, Entry, Member, Scope, Stand, TIMEOUT_MS, TRANSACTION, Transaction,
};
use super::word::Word;
use crate::definition::duration;
use crate::value::Value;

/// Where a transaction stands, by the name of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    RollingBack,
    Committed,
    RolledBack,
}

impl Work<'_> {
    pub(super) fn phase(&self) -> Phase {
        let leaf = self.leaves().first().map(|id| &*self.state(*id).id);
        match leaf {
            Some("rolling_back") => Phase::RollingBack,
            Some("committed") => Phase::Committed,
            Some("rolled_back") => Phase::RolledBack,
            Some(_) | None => Phase::Open,
        }
    }

    pub(super) fn scope_mut(&mut self) -> &mut Scope {
        let empty = || Box::new(Transaction::Scope(Scope::default()));
        let part = self.instance.transaction.get_or_insert_with(empty);
        if let Transaction::Member(_) = **part {
            *part = empty();
        }
        match &mut **part {
            Transaction::Scope(scope) => scope,
            Transaction::Member(_) => unreachable!("it was just made a scope"),
        }
    }

    /// Moves the transaction by an event of the engine's own.
    pub(super) fn move_by(&mut self, name: &'static str) {
        let event = self.made(name.into(), EventKind::Platform, None);
        self.cause.get_or_insert_with(|| Arc::clone(&event.name));
        self.offer(&event);
    }

    /// Does what comes next in the state it is in; nothing where it waits for an answer, or is no
    /// transaction.
    pub(in super::super) fn drive_transaction(&mut self) {
        if self.instance.key.workflow() != TRANSACTION {
            return;
        }
        match self.phase() {
            Phase::Open | Phase::RolledBack => {}
            Phase::Committed => self.settle_all(true),
            Phase::RollingBack => self.roll_on(),
        }
    }

    fn roll_on(&mut self) {
        let reason = self.why();
        for (key, life) in self.not_asked() {
            self.say(key, Word::Hold { life, reason: Arc::clone(&reason) });
        }
        let scope = self.scope_mut();
        if scope.asked != Asked::Nothing
            || scope.members.iter().any(|member| member.stand == Stand::Asked)
        {
            return;
        }
        while let Some(entry) = self.scope_mut().entries.last().cloned() {
            let Some(Member { key, life, stand }) = self.member_at(entry.member) else {
                self.scope_mut().entries.pop();
                continue;
            };
            if stand == Stand::Gone {
                self.note(format!("`{key}` is gone: {} is not taken back", entry.what));
                self.scope_mut().entries.pop();
                continue;
            }
            return self.ask_back(key, life, &entry);
        }
        self.settle_all(false);
        for Asker { key, life, ask } in std::mem::take(&mut self.scope_mut().askers) {
            self.say(key, Word::Answered { life, ask });
        }
        self.notice(NoticeKind::RolledBack, vec![("reason", Value::String(reason))]);
        self.move_by("transaction.done");
    }

    /// Asks for the newest call, and for all of the same member right before it: one letter for
    /// as long as nobody else has anything in between.
    fn ask_back(&mut self, key: InstanceKey, life: Generation, newest: &Entry) {
        let scope = self.scope_mut();
        let run = scope.entries.iter().rev().take_while(|entry| entry.member == newest.member);
        let (mut down_to, mut count) = (newest.undo, 0);
        for entry in run {
            (down_to, count) = (entry.undo, count + 1);
        }
        let (undo, what) = (newest.undo, &newest.what);
        if count > 1 {
            scope.asked = Asked::Run;
            self.note(format!("{what} of {key} is taken back, then {} more of it", count - 1));
            self.say(key, Word::TakeBackRun { life, undo, down_to });
        } else {
            scope.asked = Asked::Newest;
            self.note(format!("{what} of {key} is taken back"));
            self.say(key, Word::TakeBack { life, undo });
        }
    }

    /// Why it is rolled back; a transaction that nobody rolled back stayed open for too long.
    fn why(&mut self) -> Arc<str> {
        if self.scope_mut().reason.is_empty() {
            let reason: Arc<str> =
                format!("it was open for {}, its timeout", self.stays_open()).into();
            self.scope_mut().reason = Arc::clone(&reason);
            self.tell_rolling_back(&reason);
            return reason;
        }
        Arc::clone(&self.scope_mut().reason)
    }

    /// How long it may stay open, as people write it.
    pub(super) fn stays_open(&self) -> String {
        match self.instance.input.get("timeout_ms") {
            Some(Value::Int(timeout)) => duration::format(timeout.unsigned_abs()),
            Some(Value::Uint(timeout)) => duration::format(*timeout),
            _ => duration::format(TIMEOUT_MS),
        }
    }

    pub(super) fn tell_rolling_back(&mut self, reason: &Arc<str>) {
        self.note(format!("rolling back: {reason}"));
        let reason = Value::String(Arc::clone(reason));
        self.notice(NoticeKind::Compensating, vec![("reason", reason)]);
    }

    /// Members that were not told yet to stand still: from now on they were.
    fn not_asked(&mut self) -> Vec<(InstanceKey, Generation)> {
        let mut told = Vec::new();
        for member in &mut self.scope_mut().members {
            if member.stand == Stand::Open {
                member.stand = Stand::Asked;
                told.push((member.key.clone(), member.life));
            }
        }
        told
    }

    fn member_at(&mut self, at: u32) -> Option<Member> {
        self.scope_mut().members.get(usize::try_from(at).ok()?).cloned()
    }

    /// Every member hears the end; what can be taken back is nobody's business any more.
    fn settle_all(&mut self, committed: bool) {
        for Member { key, life, stand } in self.scope_mut().members.clone() {
            if stand != Stand::Gone {
                self.say(key, Word::Settled { life, committed });
            }
        }
        self.scope_mut().entries = Vec::<Entry>::new();
    }
}
