//! The runtime under faults: what was acknowledged is applied exactly once, or visibly refused.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "a failing seed is printed")]

mod backpressure;
mod bodies;
mod cache;
mod calls_nats;
mod children;
mod cluster;
mod cluster_marks;
mod cluster_moves;
mod cluster_nats;
mod control;
mod fence_rounds;
mod fencing;
mod further;
mod inbox;
mod intake_damage;
mod intake_deploy;
mod intake_engines;
mod intake_hold;
mod intake_misses;
mod intake_nats;
mod intake_sources;
mod limits;
mod longwork;
mod longwork_faults;
mod longwork_sdk;
mod once;
mod order;
mod plugins;
mod promises;
mod refusal;
mod remote;
mod remote_loss;
mod remote_pause;
mod remote_reads;
mod restart;
mod schedules;
mod shutdown;
mod simulated;
mod snapshots;
mod support;
mod trace_context;
mod transactions;
mod waits;
mod waits_moves;
