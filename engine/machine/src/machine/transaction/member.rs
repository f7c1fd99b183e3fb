//! A member: how it comes to a transaction, what it tells it, and how it hears the end.

use std::sync::Arc;

use super::super::answers::on_reply;
use super::super::commands::rejected;
use super::super::decide::unchanged;
use super::super::effect::Effect;
use super::super::end::End;
use super::super::ids::{Generation, InstanceKey, Timestamp};
use super::super::input::{CallOutcome, ErrorKind, Input};
use super::super::instance::{Instance, RunningSequence, Status, TimerKind};
use super::super::invoked::call_at;
use super::super::letter::{Letter, LetterBody};
use super::super::macrostep::{Again, Cause};
use super::super::outcome::{Decision, Outcome};
use super::super::progress::{Paused, Role, Rollback, Then, Undoable};
use super::super::start::begun;
use super::super::timers::RETENTION_MS;
use super::super::work::Work;
use super::call::{Verb, verb_of};
use super::model::{Membership, Standing, TRANSACTION, Transaction};
use super::word::{Ask, Refusal, Word};
use crate::definition::model::Definition;
use crate::value::Value;

/// A life begins in a transaction: it stands still until the transaction has it as a member.
pub(in super::super) fn begin_within(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    (start, transaction): (&Input, &Arc<str>),
    now: Timestamp,
) -> Decision {
    if key.workflow() == TRANSACTION {
        return unchanged(rejected("a transaction belongs to no other one"));
    }
    let to = match InstanceKey::new(TRANSACTION, transaction) {
        Ok(to) => to,
        Err(reason) => return unchanged(rejected(reason)),
    };
    let Some((mut work, (event, held))) = begun(old, key, definition, start, now) else {
        return unchanged(rejected("that begins no life"));
    };
    let waits = held.is_none();
    work.instance.transaction = Some(Box::new(Transaction::Member(Membership {
        name: Arc::clone(transaction),
        standing: Standing::Joining,
        since: 0,
        waits,
        ended: None,
        reason: Arc::default(),
    })));
    let (by, reason) = held.unwrap_or_else(|| {
        ("".into(), format!("until transaction `{transaction}` has it as a member").into())
    });
    work.instance.status = Status::Paused;
    work.instance.progress.get_or_insert_default().paused = Some(Box::new(Paused {
        since: now,
        clocks: super::super::progress::Clocks::Freeze,
        by,
        reason,
        replies: Vec::new(),
        start: event,
    }));
    let life = work.instance.generation;
    work.say(to, Word::Join { life, ask: None });
    work.finish(Outcome::Started { to: Vec::new() })
}

/// A transaction told its member something.
pub(in super::super) fn on_word(
    old: &Instance,
    definition: &Definition,
    (from, word): (&InstanceKey, &Word),
    now: Timestamp,
) -> Decision {
    let late = || unchanged(Outcome::Ignored { reason: "late_transaction".into() });
    let Some(life) = life_of(word) else { return late() };
    if life != old.generation {
        return late();
    }
    // Who only asked for something is no member and hears the answer like any reply.
    let member = old.membership().filter(|known| *known.name == *from.key());
    match (word, member) {
        (Word::Joined { ask: Some(ask), .. }, Some(member)) => {
            let joined = with_standing(old, member, Some(Standing::Open));
            answered(&joined, definition, *ask, &done(from), now)
        }
        (Word::Refused { ask: Some(ask), refusal, message, .. }, member) => {
            let outcome = CallOutcome::Failure {
                kind: ErrorKind::Permanent,
                code: refusal.as_str().into(),
                message: Arc::clone(message),
                retry_after_ms: None,
            };
            match member.filter(|it| it.standing == Standing::Joining) {
                Some(_) if old.status.is_ended() || old.is_revived() => {
                    let input = format!("transaction {} refused", from.key());
                    let mut work = Work::new(definition, old.clone(), None, now, input.into());
                    work.break_off_killed();
                    work.instance.transaction = None;
                    work.forget_transaction();
                    work.finish(Outcome::Done)
                }
                Some(member) => {
                    let old = with_standing(old, member, None);
                    answered(&old, definition, *ask, &outcome, now)
                }
                None => answered(old, definition, *ask, &outcome, now),
            }
        }
        // It stands still before it could go on: what it asked for is said to it next.
        (Word::Answered { ask, .. }, Some(member))
            if member.standing == Standing::Open && is_own_rollback(old, definition, *ask) =>
        {
            unchanged(Outcome::Deferred)
        }
        (Word::Answered { ask, .. }, _) => answered(old, definition, *ask, &done(from), now),
        (_, None) => late(),
        (_, Some(_)) => {
            let input = format!("transaction {} {}", from.key(), word.as_str());
            let mut work = Work::new(definition, old.clone(), None, now, input.into());
            let outcome = work.hear(word);
            work.finish(outcome)
        }
    }
}

/// The life that a word is for.
const fn life_of(word: &Word) -> Option<Generation> {
    match word {
        Word::Joined { life, .. }
        | Word::Refused { life, .. }
        | Word::Answered { life, .. }
        | Word::Hold { life, .. }
        | Word::TakeBack { life, .. }
        | Word::TakeBackRun { life, .. }
        | Word::Settled { life, .. } => Some(*life),
        Word::Begin { .. }
        | Word::Join { .. }
        | Word::Commit { .. }
        | Word::RollBack { .. }
        | Word::Did { .. }
        | Word::Undone { .. }
        | Word::Held
        | Word::Troubled { .. }
        | Word::Aborted { .. }
        | Word::Gone => None,
    }
}

/// Did a member ask for the rollback of its own transaction, otherwise than to take something back
/// itself?
fn is_own_rollback(old: &Instance, definition: &Definition, ask: Ask) -> bool {
    let asked = |it: &&RunningSequence| it.call.as_ref().is_some_and(|call| call.id == ask.call);
    let Some(sequence) = old.sequences.iter().find(asked) else { return false };
    let spec = call_at(definition, sequence).map(|(spec, _)| spec);
    !matches!(sequence.role, Role::Undo { .. })
        && spec.is_some_and(|spec| verb_of(&spec.operation) == Some(Verb::RollBack))
}

/// What a call of a transaction gives.
fn done(from: &InstanceKey) -> CallOutcome {
    CallOutcome::Success(Value::from(from.key()))
}

fn with_standing(old: &Instance, member: &Membership, standing: Option<Standing>) -> Instance {
    let transaction = standing.map(|standing| {
        // One that is told to hold before it reads this stays so.
        let standing = if member.standing.is_held() { member.standing } else { standing };
        Box::new(Transaction::Member(Membership { standing, ..member.clone() }))
    });
    Instance { transaction, ..old.clone() }
}

fn answered(
    old: &Instance,
    definition: &Definition,
    ask: Ask,
    outcome: &CallOutcome,
    now: Timestamp,
) -> Decision {
    on_reply(old, definition, (ask.call, ask.attempt, outcome), now)
}

impl Work<'_> {
    /// Says something to the other side; not counted, because what is said answers what was.
    pub(in super::super) fn say(&mut self, to: InstanceKey, word: Word) {
        self.entry.effects.push(format!("{} {to}", word.as_str()).into());
        let body = LetterBody::Transaction(word);
        let letter = Letter { id: self.next_effect_id(), number: 0, to, body };
        self.effects.push(Effect::Letter(letter));
    }

    /// Says something to the transaction that decides about the instance, where there is one.
    pub(super) fn say_up(&mut self, word: Word) {
        let Some(member) = self.instance.membership() else { return };
        if let Ok(to) = InstanceKey::new(TRANSACTION, &member.name) {
            self.say(to, word);
        }
    }

    pub(super) fn member_mut(&mut self) -> Option<&mut Membership> {
        match self.instance.transaction.as_deref_mut()? {
            Transaction::Member(membership) => Some(membership),
            Transaction::Scope(_) => None,
        }
    }

    pub(super) fn set_standing(&mut self, to: Standing) {
        if let Some(member) = self.member_mut() {
            member.standing = to;
        }
    }

    /// Is this undo entry in the hands of a transaction?
    pub(in super::super) fn is_transactions(&self, undo: u32) -> bool {
        self.instance.is_transactions(undo)
    }

    /// A call that can be taken back succeeded.
    pub(in super::super) fn tell_done(&mut self, undo: u32, what: &Arc<str>) {
        if self.is_transactions(undo) {
            self.say_up(Word::Did { undo, what: Arc::clone(what) });
        }
    }

    /// It was taken back, or left behind by a person.
    pub(in super::super) fn tell_undone(&mut self, undo: u32) {
        if self.is_transactions(undo) {
            self.say_up(Word::Undone { undo });
        }
    }

    /// The instance ended badly: so does its transaction (decision 0024).
    pub(in super::super) fn abort_transaction(&mut self, end: &End) {
        let standing = self.instance.membership().map(|it| it.standing);
        if matches!(standing, Some(Standing::Joining | Standing::Open)) {
            let reason = format!("`{}` {}", self.instance.key, end.words()).into();
            self.say_up(Word::Aborted { reason });
        }
    }

    /// A child of a member begins in the same transaction.
    pub(in super::super) fn within(&self, start: LetterBody) -> LetterBody {
        match self.instance.membership() {
            Some(member) if member.standing == Standing::Open => {
                let transaction = Arc::clone(&member.name);
                LetterBody::Within { transaction, start: Box::new(start) }
            }
            Some(_) | None => start,
        }
    }

    /// A member hears its transaction.
    fn hear(&mut self, word: &Word) -> Outcome {
        match word {
            Word::Joined { ask: None, .. } => self.joined(),
            Word::Refused { ask: None, refusal: Refusal::Committed, .. }
                if self.instance.parent.is_some() =>
            {
                self.begins_outside()
            }
            Word::Refused { ask: None, message, .. } => self.not_joined(message),
            Word::Hold { reason, .. } => self.hold(reason),
            Word::TakeBack { undo, .. } => self.take_back(*undo, *undo),
            Word::TakeBackRun { undo, down_to, .. } => self.take_back(*undo, *down_to),
            Word::Settled { committed: true, .. } => self.committed(),
            Word::Settled { committed: false, .. } => self.all_taken_back(),
            Word::Joined { .. }
            | Word::Refused { .. }
            | Word::Answered { .. }
            | Word::Begin { .. }
            | Word::Join { .. }
            | Word::Commit { .. }
            | Word::RollBack { .. }
            | Word::Did { .. }
            | Word::Undone { .. }
            | Word::Held
            | Word::Troubled { .. }
            | Word::Aborted { .. }
            | Word::Gone => self.ignored("late_transaction"),
        }
    }

    /// What was started in the transaction begins.
    fn joined(&mut self) -> Outcome {
        let waits = self.member_mut().is_some_and(|member| std::mem::take(&mut member.waits));
        self.set_standing(Standing::Open);
        self.begin_joined(waits)
    }

    /// A child of a member, which goes on behind the commit: so does what it starts.
    fn begins_outside(&mut self) -> Outcome {
        let waits = self.member_mut().is_some_and(|member| std::mem::take(&mut member.waits));
        self.note("its transaction was committed meanwhile: it begins outside");
        self.instance.transaction = None;
        self.forget_transaction();
        self.begin_joined(waits)
    }

    fn begin_joined(&mut self, waits: bool) -> Outcome {
        if !waits || self.instance.status != Status::Paused {
            return Outcome::Done;
        }
        let paused = self.take_pause();
        self.instance.status = Status::Running;
        let Some(paused) = paused else { return Outcome::Done };
        if let Some(start) = &paused.start {
            self.cause = Some(Arc::clone(&start.name));
        }
        self.enter_initial(paused.start.as_deref());
        self.take_what_waited(paused.replies)
    }

    /// The transaction will not have it: it ends before it began.
    fn not_joined(&mut self, message: &Arc<str>) -> Outcome {
        self.set_standing(Standing::RolledBack);
        if self.instance.status.is_ended() {
            self.forget_transaction();
            return Outcome::Done;
        }
        self.take_pause();
        self.end_failed(End::failed(Arc::clone(message)));
        Outcome::Done
    }

    /// What was done stays: nothing of it can be taken back any more.
    fn committed(&mut self) -> Outcome {
        self.break_off_killed();
        let member = self.instance.membership();
        let (name, since) = member.map_or_else(Default::default, |it| (it.name.clone(), it.since));
        // A graph that takes back what it did goes on with that.
        let own = self.still_to_undo().filter(|entry| entry.id >= since).cloned();
        let own: Vec<_> = own.collect();
        if let Some(progress) = self.instance.progress.as_deref_mut() {
            // Newer ones have higher numbers.
            let stay = progress.undo.iter().rev().skip_while(|entry| entry.id >= since).count();
            let is_final = |entry: &&Undoable| own.iter().all(|it| it.id != entry.id);
            let entries: Vec<_> = progress.undo.tail(stay).filter(is_final).cloned().collect();
            progress.undo.truncate(stay);
            for entry in own.into_iter().rev() {
                progress.undo.push(entry);
            }
            self.commit_steps(&name, &entries);
        }
        self.set_standing(Standing::Committed);
        self.forget_transaction();
        Outcome::Done
    }

    /// All is taken back: a member that lives ends, one that had ended stays ended.
    fn all_taken_back(&mut self) -> Outcome {
        let Some(Membership { name, reason, .. }) = self.instance.membership().cloned() else {
            return self.ignored("late_transaction");
        };
        self.set_standing(Standing::RolledBack);
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let reason: Arc<str> = format!("transaction `{name}` was rolled back{why}").into();
        if self.instance.status.is_ended() {
            self.note(reason);
            self.forget_transaction();
            return Outcome::Done;
        }
        if self.instance.active.is_empty() {
            self.take_pause();
            self.end_failed(End::failed(reason));
            return Outcome::Done;
        }
        self.instance.status = Status::Compensating;
        // Nothing is left to be taken back: what is to run in any case does, then it ends.
        self.instance.progress.get_or_insert_default().rollback =
            Some(Box::new(Rollback { down_to: Some(u32::MAX), then: Then::Fail, reason }));
        self.attempt(&|| Again::Event(None), |work| {
            work.next_undo()?;
            work.macrostep(Cause::Resume(None))
        });
        self.standing()
    }

    /// An ended member waits for nothing any more: it is forgotten in time.
    fn forget_transaction(&mut self) {
        let armed = |work: &Self| {
            work.instance.timers.iter().any(|timer| timer.kind == TimerKind::Retention)
        };
        if self.instance.status.is_ended() && !armed(self) {
            self.arm(RETENTION_MS, TimerKind::Retention);
        }
    }
}
