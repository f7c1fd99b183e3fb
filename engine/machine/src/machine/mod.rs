//! What happens: one input, one instance, one decision.

mod command;
mod delta;
mod doubt;
mod effect;
mod encoding;
mod ids;
mod input;
mod instance;
mod letter;
mod needs;
mod once;
mod outcome;
mod pending;
mod trace;

mod chunks;
mod progress;

mod actions;
mod adrift;
mod again;
mod aggregate;
mod answers;
mod attempts;
mod by_hand;
mod bytes;
mod cache;
mod calls;
mod checkpoint;
mod children;
mod children_stay;
mod commands;
mod control;
mod decide;
mod deferral;
mod done_again;
mod end;
mod ending;
mod entry;
mod fallback;
mod fan;
mod final_output;
mod fork;
mod gate;
mod graph;
mod graph_end;
mod held;
mod invoked;
mod last_replies;
mod late;
mod late_done;
mod left_behind;
mod legal;
mod limit_key;
mod macrostep;
mod microstep;
mod migrate;
mod outputs;
mod rollback;
mod room;
mod routes;
mod select;
mod send;
mod sequences;
mod start;
mod stays;
mod steps;
mod tasks;
mod timers;
mod trace_context;
mod transaction;
mod undecided;
mod unusable;
mod waits;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use cache::asking;
pub use cache::{CacheKey, result_hash};
pub use calls::{BREAKER_OPEN, ENGINE_AWAY, NOT_SENT, PLUGIN_GONE, PLUGIN_LIMITED, PLUGIN_PAUSED};
pub(crate) use checkpoint::checked_name;
pub use checkpoint::{CHECKPOINT_BYTES_MAX, CHECKPOINTS_BYTES_MAX, CHECKPOINTS_MAX};
pub use chunks::Chunks;
pub use decide::decide;
pub use deferral::{MARKS_MAX, event_weight};
pub use delta::Delta;
pub use done_again::Committed;
pub use effect::{CallRequest, Effect, Notice, NoticeData, NoticeKind, Purpose};
pub(crate) use encoding::{Codec, Out, Reader, is_newer_log, read_log};
pub use encoding::{DecodeError, TraceLog};
pub use end::{End, Ending, FatalError};
pub(crate) use ending::{UNAWAITED, ended_by_hand};
pub use fork::{NoFork, fork_of, fork_pin};
pub use held::{UNTIL_LET_GO, UNTIL_SENT_AGAIN};
pub use ids::{
    ContentHash, EffectId, Generation, InstanceKey, Pin, StateId, Timestamp, TransitionId,
};
pub use input::{
    CallOutcome, Command, ErrorKind, Event, EventKind, Fork, Input, Principal, TimerOrder,
};
pub use instance::{
    FailedBlock, Instance, Mark, Place, Reply, RunningCall, RunningSequence, Status, Stuck,
    StuckKind, Timer, TimerKind, Vote,
};
pub use invoked::HELD_BACK;
pub(crate) use legal::assert_legal;
pub use letter::{Address, Letter, LetterBody, Parent};
pub(crate) use macrostep::is_of_invoke;
pub(crate) use migrate::go_on;
pub use migrate::{Migrated, Renamed, migrate, migrate_extended};
pub use once::{CUT_OFF_BEFORE, NEXT_ATTEMPT};
pub use outcome::{Decision, Outcome};
pub(crate) use outputs::Weighed;
pub use pending::HEARTBEAT_LOST;
pub use progress::{
    Checkpoint, Clocks, FanState, ItemState, Paused, Phase, Progress, Role, Rollback, RunningGraph,
    StepError, StepState, StepStatus, Then, Undoable, Unkept,
};
pub(crate) use send::address;
pub use tasks::{Task, open_tasks};
pub use timers::{RETENTION_MS, TIMERS_MAX};
pub use trace::{Fired, GuardVerdict, TraceEntry};
pub use trace_context::TraceContext;
pub use transaction::{
    Ask, Asked, Asker, ENTRIES_MAX, Entry, MEMBERS_MAX, Member, Membership, Refusal, Scope, Stand,
    Standing, TIMEOUT_MS, TIMEOUT_MS_MAX, TRANSACTION, Transaction, Word, asks_transaction,
    transaction_definition,
};
pub(crate) use transaction::{Verb, verb_of};
pub use work::FUEL;
