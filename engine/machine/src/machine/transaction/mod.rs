//! Transactions: a named scope over several instances, committed or taken back as one
//! (decision 0024).

mod built_in;
mod call;
mod door;
mod drive;
mod hold;
mod killed;
mod member;
mod model;
mod scope;
mod word;

pub use built_in::transaction_definition;
pub use call::asks_transaction;
pub(crate) use call::{Verb, verb_of};
pub(super) use door::about_transaction;
pub use model::{
    Asked, Asker, ENTRIES_MAX, Entry, MEMBERS_MAX, Member, Membership, Scope, Stand, Standing,
    TIMEOUT_MS, TIMEOUT_MS_MAX, TRANSACTION, Transaction,
};
pub use word::{Ask, Refusal, Word};
