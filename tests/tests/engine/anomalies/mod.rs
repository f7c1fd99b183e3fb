//! Named anomalies (06 §3.4), each a small script with its one allowed outcome.

mod approvals;
mod calls;
mod ends;
mod events;
mod storage;
