//! NATS servers of tests: clusters of them, and what stands between them and engines.

mod cluster;
mod proxy;
mod raw;

pub use cluster::{Cluster, Nodes, single};
pub use proxy::{Proxy, Weather};
pub use raw::{journal, journals, stored};
