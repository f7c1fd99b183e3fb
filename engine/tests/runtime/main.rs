//! The runtime under faults: what was acknowledged is applied exactly once, or visibly refused.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "a failing seed is printed")]

mod backpressure;
mod fencing;
mod inbox;
mod order;
mod refusal;
mod restart;
mod shutdown;
mod simulated;
mod snapshots;
mod support;
