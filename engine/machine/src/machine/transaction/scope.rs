//! A transaction: what operators and instances say to it, and what it makes of that.

use std::sync::Arc;

use super::super::commands::rejected;
use super::super::decide::{unchanged, user};
use super::super::effect::NoticeKind;
use super::super::ids::{Generation, InstanceKey, Timestamp};
use super::super::input::{Command, Input, Principal};
use super::super::instance::Instance;
use super::super::outcome::{Decision, Outcome};
use super::super::start::{Beginning, prepared};
use super::super::work::Work;
use super::drive::Phase;
use super::model::{
    Asked, Asker, ENTRIES_MAX, Entry, MEMBERS_MAX, Member, Scope, Stand, Transaction,
};
use super::word::{Ask, Refusal, Word};
use crate::definition::model::Definition;
use crate::value::{Map, Value};

/// A transaction begins, by an operator's order or by the word of an instance.
pub(in super::super) fn begin_scope(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Decision {
    let nobody = Principal::default();
    let asked = if let Input::Command { command: Command::Begin { timeout_ms }, by, .. } = input {
        Some((*timeout_ms, by))
    } else if let Input::Transaction { word: Word::Begin { timeout_ms, .. }, .. } = input {
        Some((*timeout_ms, &nobody))
    } else {
        None
    };
    let Some((timeout_ms, by)) = asked else {
        return unchanged(rejected("a transaction is begun by `transaction begin`"));
    };
    let options = options(timeout_ms);
    let beginning = Beginning::asked(&options, None, by, None);
    let mut work = prepared(old, key, definition, beginning, now);
    work.instance.transaction = Some(Box::new(Transaction::Scope(Scope::default())));
    work.enter_initial(None);
    let outcome = if let Input::Transaction { from, word } = input {
        work.word(from, word)
    } else {
        Outcome::Started { to: work.leaves() }
    };
    work.drive_transaction();
    work.finish(outcome)
}

/// What a transaction is started with: its options.
fn options(timeout_ms: u64) -> Value {
    Map::from_iter([("timeout_ms", Value::Uint(timeout_ms))]).into()
}

/// An order or a word to a transaction that is there, open or not.
pub(in super::super) fn on_order(
    old: &Instance,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Decision {
    let begin = |what: &str| Work::new(definition, old.clone(), None, now, what.into());
    let (mut work, outcome) = if let Input::Command { command, by, reason } = input {
        let mut work = begin(command.words());
        work.entry.by = user(by);
        let outcome = work.ordered(command, &by.user, reason);
        (work, outcome)
    } else if let Input::Transaction { from, word } = input {
        let mut work = begin(&format!("{} {from}", word.as_str()));
        let outcome = work.word(from, word);
        (work, outcome)
    } else {
        return unchanged(rejected("a transaction is committed or rolled back"));
    };
    if let Outcome::Rejected { .. } | Outcome::Duplicate { .. } | Outcome::Ignored { .. } = outcome
        && work.effects.is_empty()
    {
        return unchanged(outcome);
    }
    work.drive_transaction();
    work.finish(outcome)
}

impl Work<'_> {
    /// An operator's order.
    fn ordered(&mut self, command: &Command, by: &str, reason: &str) -> Outcome {
        let phase = self.phase();
        match (command, phase) {
            (Command::Begin { timeout_ms }, Phase::Open) => {
                if self.instance.input == options(*timeout_ms) {
                    Outcome::Duplicate { at: 1 }
                } else {
                    rejected(self.exists())
                }
            }
            (Command::Begin { .. }, Phase::RollingBack) => rejected(self.closed(phase)),
            (Command::Commit, Phase::Open) => {
                self.commit_transaction();
                Outcome::Done
            }
            (Command::RollBack { from: None }, Phase::Open) => {
                let by = if by.is_empty() { "by hand".to_owned() } else { format!("by {by}") };
                let why = if reason.is_empty() { by } else { format!("{by}: {reason}") };
                self.begin_to_roll_back(why.into());
                Outcome::Done
            }
            (Command::RollBack { from: None }, Phase::RollingBack) => Outcome::Duplicate { at: 1 },
            (Command::Commit | Command::RollBack { from: None } | Command::Begin { .. }, _) => {
                rejected(self.closed(phase))
            }
            (
                Command::RollBack { from: Some(_) }
                | Command::Decide { .. }
                | Command::Cancel
                | Command::Kill
                | Command::Retry
                | Command::Skip
                | Command::Migrate { .. }
                | Command::Extend { .. }
                | Command::Pause { .. }
                | Command::Resume
                | Command::Set { .. }
                | Command::Checkpoint { .. }
                | Command::Timer { .. }
                | Command::Fork(_)
                | Command::StartIn { .. },
                _,
            ) => rejected("a transaction is committed or rolled back, and nothing else"),
        }
    }

    /// A word of an instance.
    fn word(&mut self, from: &InstanceKey, word: &Word) -> Outcome {
        match word {
            Word::Begin { life, ask, timeout_ms } => {
                if self.phase() == Phase::Open && self.instance.input != options(*timeout_ms) {
                    let message = self.exists();
                    return self.refuse_asker(from, *life, Some(*ask), (Refusal::Exists, message));
                }
                self.join(from, *life, Some(*ask))
            }
            Word::Join { life, ask } => self.join(from, *life, *ask),
            Word::Commit { life, ask } => match self.phase() {
                Phase::Open => {
                    self.commit_transaction();
                    self.answer(from, *life, *ask)
                }
                // Its answer may have been too late for the call.
                Phase::Committed => self.answer(from, *life, *ask),
                phase @ (Phase::RollingBack | Phase::RolledBack) => {
                    let message = self.closed(phase);
                    self.refuse_asker(from, *life, Some(*ask), (Refusal::Closed, message))
                }
            },
            Word::RollBack { life, ask, reason } => self.asked_back(from, *life, *ask, reason),
            Word::Did { undo, what } => self.did(from, *undo, what),
            Word::Undone { undo } => self.undone(from, *undo),
            Word::Held => {
                self.out_of_trouble(from);
                self.stands(from, Stand::Held)
            }
            Word::Gone => {
                self.out_of_trouble(from);
                // What it was asked to take back is not there either.
                self.scope_mut().asked = Asked::Nothing;
                self.stands(from, Stand::Gone)
            }
            Word::Troubled { reason } => {
                let reason: Arc<str> = format!("`{from}`: {reason}").into();
                self.note(Arc::clone(&reason));
                self.scope_mut().trouble = Some(reason);
                Outcome::Done
            }
            Word::Aborted { reason } => {
                if self.phase() != Phase::Open || self.place_of(from).is_none() {
                    return self.ignored("late");
                }
                self.begin_to_roll_back(Arc::clone(reason));
                Outcome::Done
            }
            Word::Joined { .. }
            | Word::Refused { .. }
            | Word::Answered { .. }
            | Word::Hold { .. }
            | Word::TakeBack { .. }
            | Word::TakeBackRun { .. }
            | Word::Settled { .. } => self.ignored("no word for a transaction"),
        }
    }

    fn place_of(&mut self, key: &InstanceKey) -> Option<usize> {
        self.scope_mut().members.iter().position(|member| member.key == *key)
    }

    fn join(&mut self, from: &InstanceKey, life: Generation, ask: Option<Ask>) -> Outcome {
        let phase = self.phase();
        if phase != Phase::Open {
            let message = self.closed(phase);
            let refusal = match ask.is_none() && phase == Phase::Committed {
                true => Refusal::Committed,
                false => Refusal::Closed,
            };
            return self.refuse_asker(from, life, ask, (refusal, message));
        }
        match self.place_of(from) {
            Some(at) => {
                // The same life asks again; another one cannot begin before the transaction ends.
                if let Some(member) = self.scope_mut().members.get_mut(at) {
                    member.life = life;
                }
            }
            None if self.scope_mut().members.len() >= MEMBERS_MAX => {
                let name = self.instance.key.key().to_owned();
                let message =
                    format!("transaction `{name}` has {MEMBERS_MAX} members, which is the limit");
                return self.refuse_asker(from, life, ask, (Refusal::Full, message));
            }
            None => {
                let member = Member { key: from.clone(), life, stand: Stand::Open };
                self.scope_mut().members.push(member);
            }
        }
        self.say(from.clone(), Word::Joined { life, ask });
        Outcome::Done
    }

    fn asked_back(
        &mut self,
        from: &InstanceKey,
        life: Generation,
        ask: Ask,
        reason: &Arc<str>,
    ) -> Outcome {
        let phase = self.phase();
        // A member could not wait for its own rollback.
        let waits = self.place_of(from).is_none();
        match phase {
            Phase::Committed => {
                let message = self.closed(phase);
                return self.refuse_asker(from, life, Some(ask), (Refusal::Closed, message));
            }
            Phase::RolledBack => return self.answer(from, life, ask),
            Phase::Open => {
                let mut words = format!("`{from}` asked for it");
                if !reason.is_empty() {
                    words.extend([": ", &**reason]);
                }
                self.begin_to_roll_back(words.into());
            }
            Phase::RollingBack => {}
        }
        if !waits {
            return self.answer(from, life, ask);
        }
        let askers = &mut self.scope_mut().askers;
        askers.retain(|known| known.key != *from);
        askers.push(Asker { key: from.clone(), life, ask });
        Outcome::Done
    }

    /// A member did what can be taken back. The order in which it is told is the order of it.
    fn did(&mut self, from: &InstanceKey, undo: u32, what: &Arc<str>) -> Outcome {
        let phase = self.phase();
        if matches!(phase, Phase::Committed | Phase::RolledBack) {
            return self.ignored("late");
        }
        let Some(at) = self.place_of(from) else { return self.ignored("not a member") };
        let member = u32::try_from(at).unwrap_or(u32::MAX);
        let what = Arc::clone(what);
        self.scope_mut().entries.push(Entry { member, undo, what });
        if phase == Phase::Open && self.scope_mut().entries.len() > ENTRIES_MAX {
            let reason = format!("more than {ENTRIES_MAX} calls to take back, which is the limit");
            self.begin_to_roll_back(reason.into());
        }
        Outcome::Done
    }

    fn undone(&mut self, from: &InstanceKey, undo: u32) -> Outcome {
        let Some(at) = self.place_of(from) else { return self.ignored("not a member") };
        self.out_of_trouble(from);
        let member = u32::try_from(at).unwrap_or(u32::MAX);
        let scope = self.scope_mut();
        let is_it = |entry: &Entry| entry.member == member && entry.undo == undo;
        let was_newest = scope.entries.last().is_some_and(is_it);
        scope.entries.retain(|entry| !is_it(entry));
        if scope.asked != Asked::Nothing && was_newest {
            let goes_on = scope.asked == Asked::Run
                && scope.entries.last().is_some_and(|entry| entry.member == member);
            if !goes_on {
                scope.asked = Asked::Nothing;
            }
        }
        Outcome::Done
    }

    /// What the member was stuck with is behind it.
    fn out_of_trouble(&mut self, member: &InstanceKey) {
        if self.scope_mut().troubled().is_some_and(|it| it.key == *member) {
            self.scope_mut().trouble = None;
        }
    }

    fn stands(&mut self, from: &InstanceKey, stand: Stand) -> Outcome {
        let Some(at) = self.place_of(from) else { return self.ignored("not a member") };
        if let Some(member) = self.scope_mut().members.get_mut(at) {
            member.stand = stand;
        }
        Outcome::Done
    }

    fn commit_transaction(&mut self) {
        let calls = self.scope_mut().entries.len();
        self.note(format!("{calls} calls are not taken back any more"));
        self.notice(NoticeKind::Committed, vec![("calls", Value::from(calls as u64))]);
        self.move_by("transaction.commit");
    }

    fn begin_to_roll_back(&mut self, reason: Arc<str>) {
        self.tell_rolling_back(&reason);
        self.scope_mut().reason = reason;
        self.move_by("transaction.rollback");
    }

    fn answer(&mut self, to: &InstanceKey, life: Generation, ask: Ask) -> Outcome {
        self.say(to.clone(), Word::Answered { life, ask });
        Outcome::Done
    }

    fn refuse_asker(
        &mut self,
        to: &InstanceKey,
        life: Generation,
        ask: Option<Ask>,
        (refusal, message): (Refusal, String),
    ) -> Outcome {
        let message: Arc<str> = message.into();
        self.say(to.clone(), Word::Refused { life, ask, refusal, message });
        Outcome::Done
    }

    fn exists(&self) -> String {
        let name = self.instance.key.key();
        let timeout = self.stays_open();
        format!("transaction `{name}` is open already, with a timeout of {timeout}")
    }

    fn closed(&self, phase: Phase) -> String {
        let name = self.instance.key.key();
        match phase {
            Phase::Open => format!("transaction `{name}` is open"),
            Phase::RollingBack => format!("transaction `{name}` is being rolled back"),
            Phase::Committed => {
                format!("transaction `{name}` is committed: what its members did stays")
            }
            Phase::RolledBack => format!("transaction `{name}` is rolled back"),
        }
    }
}
