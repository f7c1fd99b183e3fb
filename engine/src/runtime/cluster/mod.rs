//! Cluster: several engines on one bus: who lives, who has which partition, who takes which next.

mod keeper;
mod leases;
mod membership;
mod placement;
mod session;
mod tenure;
mod view;

pub(crate) use keeper::keep;
pub(crate) use membership::{Cluster, Right};
pub(crate) use tenure::{Standing, Tenure};
pub use view::EngineInfo;
