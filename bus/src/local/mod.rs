//! What every backend of this process shares: nothing here is stored.

mod answer;
mod captures;
mod exchange;
mod keys;
mod lifecycle;
mod listener;
mod told;

pub(crate) use answer::Answer;
pub(crate) use captures::{Captures, minimal};
pub(crate) use exchange::{Exchange, Registered, Served, timed_out};
pub(crate) use keys::{KeyEntry, KeyOp, KeyWatch, Keys, Planned};
pub(crate) use lifecycle::{Lifecycle, lock};
pub(crate) use listener::{Listener, ListenerQueue};
pub(crate) use told::Told;
