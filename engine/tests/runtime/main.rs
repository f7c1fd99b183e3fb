//! The runtime under faults: what was acknowledged is applied exactly once, or visibly refused.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fencing;
mod refusal;
mod simulated;
mod support;
