//! Transactions of a partition: whom a word is for, and what becomes of one that finds nobody.

use std::sync::Arc;

use crate::machine::{
    Ask, Generation, Input, InstanceKey, Letter, LetterBody, Outcome, Parent, Refusal, Status,
    TRANSACTION, Timestamp, Word, transaction_definition,
};

use super::draft::Draft;
use super::frame::Item;
use super::letters::answer;
use super::plan::Run;

impl Run<'_> {
    /// A transaction and an instance tell each other something.
    pub(super) fn word(
        &mut self,
        sender: &InstanceKey,
        (letter, word): (&Letter, &Word),
        at: Timestamp,
    ) -> Draft {
        let key = &letter.to;
        let input = Input::Transaction { from: sender.clone(), word: word.clone() };
        let begins = matches!(word, Word::Begin { .. }) && key.workflow() == TRANSACTION;
        let ended = self.fetch(key).map(|old| old.status.is_ended());
        match ended {
            Some(true) | None if begins => self.consult(key, transaction_definition(), &input, at),
            Some(_) => {
                let life = self.fetch(key).map(|old| old.generation);
                let mut draft = self.existing(key, &input, at);
                draft.items.extend(never_began(word, &draft));
                if life.is_some_and(|life| is_other_life(word, life)) {
                    self.post_gone(&mut draft, letter, sender);
                }
                draft
            }
            None => {
                let mut draft = Draft::ignored(Some(key), "no_instance");
                if let Some((life, ask)) = asks(word) {
                    let message = format!("no transaction `{}` was begun", key.key()).into();
                    let refusal = Refusal::Unknown;
                    let word = Word::Refused { life, ask, refusal, message };
                    let body = LetterBody::Transaction(word);
                    draft.post(key, answer(letter, sender, body), &self.partition.queues);
                } else if matches!(
                    word,
                    Word::Hold { .. } | Word::TakeBack { .. } | Word::TakeBackRun { .. }
                ) {
                    self.post_gone(&mut draft, letter, sender);
                }
                draft
            }
        }
    }

    /// What nobody can decide about must not be lost, or its transaction would wait for ever: it is
    /// told again until the definition is back.
    pub(super) fn refuse_word(&self, letter: &Letter) -> Option<Draft> {
        let LetterBody::Transaction(_) = &letter.body else { return None };
        let key = &letter.to;
        let pin = match self.live.get(key) {
            Some(live) => live.known.instance.pin,
            None => self.partition.instances.load(key)?.0.pin,
        };
        let missing = self.definitions.pinned(key.workflow(), pin).is_none();
        let busy = || Outcome::Busy { what: "the definition of the instance".into() };
        missing.then(|| Draft::answer(Some(key), busy()))
    }

    /// The transaction hears that the member it means is not there.
    fn post_gone(&self, draft: &mut Draft, letter: &Letter, transaction: &InstanceKey) {
        let gone = answer(letter, transaction, LetterBody::Transaction(Word::Gone));
        draft.post(&letter.to, gone, &self.partition.queues);
    }

    /// A child begins in the transaction of its parent.
    pub(super) fn child_within(
        &mut self,
        (letter, transaction): (&Letter, &Arc<str>),
        (start, parent): (&Letter, &Parent),
        at: Timestamp,
    ) -> Draft {
        let LetterBody::Start { version, .. } = &start.body else {
            return Draft::ignored(Some(&letter.to), "no_start");
        };
        let Some(input) = self.letter_input(start) else {
            return Draft::ignored(Some(&letter.to), "no_start");
        };
        let draft = self.start_within(&letter.to, *version, (input, transaction), at);
        self.refused_start(draft, letter, parent)
    }

    /// A life begins in a transaction.
    pub(super) fn start_within(
        &mut self,
        key: &InstanceKey,
        version: Option<u32>,
        (start, transaction): (Input, &Arc<str>),
        at: Timestamp,
    ) -> Draft {
        let transaction = Arc::clone(transaction);
        self.start(key, version, Input::Within { start: Box::new(start), transaction }, at)
    }

    /// An operator's order to a transaction that begins with it.
    pub(super) fn begin_transaction(
        &mut self,
        key: &InstanceKey,
        order: &Input,
        at: Timestamp,
    ) -> Draft {
        if key.workflow() != TRANSACTION {
            let reason = format!("`{key}` is no transaction").into();
            return Draft::answer(Some(key), Outcome::Rejected { reason, accepted: Vec::new() });
        }
        match self.fetch(key).map(|old| old.status.is_ended()) {
            Some(false) => self.existing(key, order, at),
            Some(true) | None => self.consult(key, transaction_definition(), order, at),
        }
    }
}

/// What was to be started in a transaction that will not have it is not there at all. The parent
/// of a child was told that it failed, and can look at it.
fn never_began(word: &Word, draft: &Draft) -> Option<Item<'static>> {
    let Word::Refused { ask: None, .. } = word else { return None };
    let new = draft.change.as_ref().map(|change| &change.new)?;
    let began = !new.active.is_empty() || new.status != Status::Failed || new.parent.is_some();
    (!began).then(|| Item::Removed { key: new.key.clone(), generation: new.generation })
}

/// Is the word for a member's other life than this one? Such a member is gone.
fn is_other_life(word: &Word, here: Generation) -> bool {
    match word {
        Word::Hold { life, .. } | Word::TakeBack { life, .. } | Word::TakeBackRun { life, .. } => {
            *life != here
        }
        Word::Begin { .. }
        | Word::Join { .. }
        | Word::Commit { .. }
        | Word::RollBack { .. }
        | Word::Did { .. }
        | Word::Undone { .. }
        | Word::Held
        | Word::Troubled { .. }
        | Word::Aborted { .. }
        | Word::Gone
        | Word::Joined { .. }
        | Word::Refused { .. }
        | Word::Answered { .. }
        | Word::Settled { .. } => false,
    }
}

/// Who waits for an answer to the word, and with which call.
const fn asks(word: &Word) -> Option<(Generation, Option<Ask>)> {
    match word {
        Word::Begin { life, ask, .. }
        | Word::Commit { life, ask }
        | Word::RollBack { life, ask, .. } => Some((*life, Some(*ask))),
        Word::Join { life, ask } => Some((*life, *ask)),
        Word::Did { .. }
        | Word::Undone { .. }
        | Word::Held
        | Word::Troubled { .. }
        | Word::Aborted { .. }
        | Word::Gone
        | Word::Joined { .. }
        | Word::Refused { .. }
        | Word::Answered { .. }
        | Word::Hold { .. }
        | Word::TakeBack { .. }
        | Word::TakeBackRun { .. }
        | Word::Settled { .. } => None,
    }
}
