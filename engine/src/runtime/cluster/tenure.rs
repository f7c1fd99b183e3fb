//! Tenure: what a drive has to know of its lease, between two frames.

use std::sync::Arc;

use tokio::sync::watch;

use super::membership::{Cluster, Right};

/// The right to drive one partition; for ever where the engine has all partitions.
pub(crate) struct Tenure(Option<Shared>);

struct Shared {
    cluster: Arc<Cluster>,
    right: watch::Receiver<Right>,
    partition: u16,
}

/// How the right stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It holds.
    Held,
    /// The partition is to be given up soon.
    Yielding,
    /// Another engine has the partition.
    Lost,
}

impl Tenure {
    pub(crate) fn new(cluster: Option<&Arc<Cluster>>, partition: u16) -> Self {
        Self(cluster.map(|cluster| Shared {
            cluster: Arc::clone(cluster),
            right: cluster.right(partition),
            partition,
        }))
    }

    /// Are there others who may have the partition next?
    pub(crate) const fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// Are there others now?
    pub(crate) fn has_company(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.cluster.has_company())
    }

    pub(crate) fn standing(&mut self) -> Standing {
        let Some(shared) = &mut self.0 else { return Standing::Held };
        match *shared.right.borrow_and_update() {
            Right::Held => Standing::Held,
            Right::Yielding => Standing::Yielding,
            Right::Elsewhere(_) | Right::RefusedBy(..) => Standing::Lost,
        }
    }

    /// Is memory certain to be what the journal says, so that it may be answered from?
    pub(crate) fn is_certain(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| shared.cluster.is_certain(shared.partition))
    }

    /// Resolves when another engine has the partition; never where there is none.
    pub(crate) async fn lost(&self) {
        let Some(shared) = &self.0 else { return std::future::pending().await };
        let is_lost = |right: &Right| match right {
            Right::Held | Right::Yielding => false,
            Right::Elsewhere(_) | Right::RefusedBy(..) => true,
        };
        // The cluster lives as long as this value.
        drop(shared.right.clone().wait_for(is_lost).await);
    }

    /// Resolves when the right has changed since it was last looked at.
    pub(crate) async fn changed(&mut self) {
        match &mut self.0 {
            // The cluster lives as long as this value.
            Some(shared) => drop(shared.right.changed().await),
            None => std::future::pending().await,
        }
    }
}
