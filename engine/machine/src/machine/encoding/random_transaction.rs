//! Random transactions for the tests of the codecs.

use super::random::Random;
use crate::machine::transaction::{
    Ask, Asked, Asker, Entry, Member, Membership, Refusal, Scope, Stand, Standing, Transaction,
    Word,
};
use crate::machine::{Generation, Instance, Status};

impl Random {
    pub(super) fn transaction(&mut self) -> Option<Box<Transaction>> {
        Some(Box::new(match self.below(6) {
            0 => Transaction::Member(self.membership()),
            1 => Transaction::Scope(self.scope()),
            _ => return None,
        }))
    }

    /// Another part in it, or the same with lists that lost and got items.
    pub(super) fn change_transaction(&mut self, instance: &mut Instance) {
        if self.below(3) == 0 {
            instance.transaction = self.transaction();
        } else if let Some(Transaction::Scope(scope)) = instance.transaction.as_deref_mut() {
            scope.entries.pop();
            scope.entries.extend(self.list(Self::entry));
            scope.members.push(self.member());
            scope.asked = self.asked();
            scope.trouble = self.maybe(Self::text);
        }
    }

    fn membership(&mut self) -> Membership {
        let standings = [
            Standing::Joining,
            Standing::Open,
            Standing::Holding,
            Standing::Held,
            Standing::Committed,
            Standing::RolledBack,
        ];
        Membership {
            name: self.text(),
            standing: self.pick(&standings),
            since: self.int(),
            waits: self.chance(),
            ended: self.maybe(|random| random.pick(&[Status::Done, Status::Cancelled])),
            reason: self.text(),
        }
    }

    fn scope(&mut self) -> Scope {
        Scope {
            members: self.list(Self::member),
            entries: self.list(Self::entry),
            asked: self.asked(),
            trouble: self.maybe(Self::text),
            reason: self.text(),
            askers: self.list(|random| Asker {
                key: random.key(),
                life: Generation(random.int()),
                ask: random.ask(),
            }),
        }
    }

    fn asked(&mut self) -> Asked {
        self.pick(&[Asked::Nothing, Asked::Newest, Asked::Run])
    }

    fn member(&mut self) -> Member {
        let stands = [Stand::Open, Stand::Asked, Stand::Held, Stand::Gone];
        Member { key: self.key(), life: Generation(self.int()), stand: self.pick(&stands) }
    }

    fn entry(&mut self) -> Entry {
        Entry { member: self.int(), undo: self.int(), what: self.text() }
    }

    fn ask(&mut self) -> Ask {
        Ask::new(self.id(), self.int())
    }

    pub(super) fn word(&mut self) -> Word {
        let life = Generation(self.int());
        let refusals =
            [Refusal::Unknown, Refusal::Exists, Refusal::Closed, Refusal::Full, Refusal::Committed];
        match self.below(17) {
            0 => Word::Begin { life, ask: self.ask(), timeout_ms: self.next() },
            1 => Word::Join { life, ask: self.maybe(Self::ask) },
            2 => Word::Commit { life, ask: self.ask() },
            3 => Word::RollBack { life, ask: self.ask(), reason: self.text() },
            4 => Word::Did { undo: self.int(), what: self.text() },
            5 => Word::Undone { undo: self.int() },
            6 => Word::Held,
            7 => Word::Troubled { reason: self.text() },
            8 => Word::Aborted { reason: self.text() },
            9 => Word::Gone,
            10 => Word::Joined { life, ask: self.maybe(Self::ask) },
            11 => Word::Refused {
                life,
                ask: self.maybe(Self::ask),
                refusal: self.pick(&refusals),
                message: self.text(),
            },
            12 => Word::Answered { life, ask: self.ask() },
            13 => Word::Hold { life, reason: self.text() },
            14 => Word::TakeBack { life, undo: self.int() },
            15 => Word::TakeBackRun { life, undo: self.int(), down_to: self.int() },
            _ => Word::Settled { life, committed: self.chance() },
        }
    }
}
