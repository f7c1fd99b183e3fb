//! What a transaction knows of its members, and a member of its transaction.

use std::sync::Arc;

use super::super::ids::{EffectId, Generation, InstanceKey};
use super::super::instance::Status;
use super::word::Ask;

/// The workflow whose instances are transactions: `transaction/NAME`.
pub const TRANSACTION: &str = "transaction";

/// Instances that belong to one transaction: each is told of its end.
pub const MEMBERS_MAX: usize = 1_000;

/// Calls that one transaction can take back: they are part of its state.
pub const ENTRIES_MAX: usize = 10_000;

/// How long a transaction stays open where nobody says, in milliseconds: one hour.
pub const TIMEOUT_MS: u64 = 60 * 60 * 1_000;

/// The longest that a transaction may stay open, in milliseconds: 30 days.
pub const TIMEOUT_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;

/// An instance's part in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// It belongs to one, or did.
    Member(Membership),
    /// It is one.
    Scope(Scope),
}

/// What a member knows of its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The transaction's name.
    pub name: Arc<str>,
    /// Where it stands.
    pub standing: Standing,
    /// Undo entries of this number and later ones are the transaction's.
    pub since: u32,
    /// It does nothing before the transaction has it: it was started in it.
    pub waits: bool,
    /// How it had ended, while what it did is being taken back, or while what was under way when it
    /// was killed is waited for.
    pub ended: Option<Status>,
    /// Why the transaction is rolled back; empty where it is not, or that is not known.
    pub reason: Arc<str>,
}

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It asked to belong to the transaction.
    Joining,
    /// It belongs to it.
    Open,
    /// It was told to stand still, and something is under way yet.
    Holding,
    /// It stands still.
    Held,
    /// What it did stays.
    Committed,
    /// What it did was taken back.
    RolledBack,
}

impl Standing {
    /// The word people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Open => "open",
            Self::Holding | Self::Held => "rolling_back",
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Does the transaction still decide about what the member did?
    #[must_use]
    pub const fn is_bound(self) -> bool {
        match self {
            Self::Joining | Self::Open | Self::Holding | Self::Held => true,
            Self::Committed | Self::RolledBack => false,
        }
    }

    /// Is the transaction being rolled back?
    #[must_use]
    pub const fn is_held(self) -> bool {
        match self {
            Self::Holding | Self::Held => true,
            Self::Joining | Self::Open | Self::Committed | Self::RolledBack => false,
        }
    }
}

/// What a transaction knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Its members, in the order they joined.
    pub members: Vec<Member>,
    /// What its members did and can be taken back, oldest first.
    pub entries: Vec<Entry>,
    /// What the newest entry's member was asked to take back.
    pub asked: Asked,
    /// Why it does not go on, where a member is stuck.
    pub trouble: Option<Arc<str>>,
    /// Why it is rolled back.
    pub reason: Arc<str>,
    /// Who waits to hear that it is rolled back.
    pub askers: Vec<Asker>,
}

impl Scope {
    /// The member that a person has to help.
    #[must_use]
    pub fn troubled(&self) -> Option<&Member> {
        let trouble = self.trouble.as_deref()?;
        let of = |member: &&Member| {
            let behind = trouble.strip_prefix(&*format!("`{}`", member.key));
            behind.is_some_and(|rest| rest.starts_with(':'))
        };
        self.members.iter().find(of)
    }
}

/// What a member was asked to take back, and has not yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// The newest entry.
    Newest,
    /// The newest entry, and all of the same member right before it.
    Run,
}

/// One member of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which instance.
    pub key: InstanceKey,
    /// Which life of it.
    pub life: Generation,
    /// What it was told.
    pub stand: Stand,
}

/// What a transaction told a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// That it belongs to the transaction.
    Open,
    /// To stand still; it did not answer yet.
    Asked,
    /// To stand still, and it does.
    Held,
    /// It is not there any more.
    Gone,
}

/// One call that can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The member's place.
    pub member: u32,
    /// Its number there.
    pub undo: u32,
    /// What it was: a step or an operation.
    pub what: Arc<str>,
}

/// An instance that asked for something in a call and waits for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Which instance.
    pub key: InstanceKey,
    /// Which life of it.
    pub life: Generation,
    /// Its call.
    pub ask: Ask,
}

impl Ask {
    /// The attempt `attempt` of the call `call`.
    #[must_use]
    pub const fn new(call: EffectId, attempt: u32) -> Self {
        Self { call, attempt }
    }
}

impl super::super::instance::Instance {
    /// Its part in a transaction that it belongs to, or did.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        match self.transaction.as_deref()? {
            Transaction::Member(membership) => Some(membership),
            Transaction::Scope(_) => None,
        }
    }

    /// What it knows as a transaction.
    #[must_use]
    pub fn transaction_scope(&self) -> Option<&Scope> {
        match self.transaction.as_deref()? {
            Transaction::Scope(scope) => Some(scope),
            Transaction::Member(_) => None,
        }
    }

    /// Does a transaction decide about what it did?
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.membership().is_some_and(|it| it.standing.is_bound())
    }

    /// Is it, or what it did, in the hands of a transaction that is rolled back?
    #[must_use]
    pub fn is_held_by_transaction(&self) -> bool {
        self.membership().is_some_and(|it| it.standing.is_held())
    }

    /// Why it is not taken back by hand: a transaction decides about what it did, or has decided.
    #[must_use]
    pub(crate) fn transaction_forbids_rollback(&self) -> Option<String> {
        let member = self.membership()?;
        let name = &member.name;
        let has_undo = self.progress.as_deref().is_some_and(|progress| !progress.undo.is_empty());
        match member.standing {
            Standing::Joining | Standing::Open | Standing::Holding | Standing::Held => {
                Some(format!("the instance belongs to the transaction `{name}`: roll that back"))
            }
            Standing::Committed if !has_undo => Some(format!(
                "transaction `{name}` is committed: what the instance did in it stays"
            )),
            Standing::Committed | Standing::RolledBack => None,
        }
    }

    /// Is it taken back, or waits for what is under way, although it had ended?
    #[must_use]
    pub fn is_revived(&self) -> bool {
        self.membership().is_some_and(|it| it.ended.is_some())
    }
}
