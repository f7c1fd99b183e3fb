//! The checked definition: plain data, a file per noun, ids resolved, expressions compiled.

mod action;
mod cache;
mod definition;
mod event;
mod graph;
mod kinds;
mod plugin;
mod route;
mod schedule;
mod state;
mod transition;

pub use action::{
    Action, Backoff, CallSpec, ChildSpec, Delay, Recipient, RetryPolicy, SeqStep, Sequence, SetPath,
};
pub use cache::CacheRules;
pub use definition::{Definition, Limits, OnError, Unhandled, VarDecl};
pub(crate) use event::reserved_token;
pub use event::{Descriptor, Early, EventDecl, check_event_name};
pub use graph::{
    Aggregate, Collect, Fanout, Graph, GraphFailure, Mode, Need, NeedKind, Step, StepFailure,
};
pub use kinds::KindSet;
pub use plugin::{Balance, BreakerRules, Per, PluginRules, Rate, WhileOpen};
pub use route::{Route, RouteRule, Verdict};
pub use schedule::{CatchUp, Overlap, Recurrence, Schedule};
pub use state::{After, Approval, State, StateKind};
pub use transition::{Transition, Trigger};
