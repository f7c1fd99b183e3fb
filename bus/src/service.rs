//! [`ServiceInfo`], [`Registration`]: who serves what.

use std::collections::BTreeMap;

use crate::Error;
use crate::local::Registered;
use crate::nats::Offered;

/// What a service tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInfo {
    /// Its name; several instances share one.
    pub name: String,
    /// This instance.
    pub id: String,
    /// Its version, as `major.minor.patch`.
    pub version: String,
    /// What else it tells.
    pub metadata: BTreeMap<String, String>,
    /// What it can be asked.
    pub endpoints: Vec<EndpointInfo>,
}

/// One thing a service can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointInfo {
    /// Its name within the service.
    pub name: String,
    /// Where it is asked.
    pub subject: String,
    /// What else is told about it.
    pub metadata: BTreeMap<String, String>,
}

/// Keeps a service discoverable; dropping it takes the service back.
#[derive(Debug)]
pub struct Registration(Kept);

#[derive(Debug)]
enum Kept {
    Local(#[expect(dead_code, reason = "held for its drop")] Registered),
    Nats(Offered),
}

impl Registration {
    pub(crate) const fn local(registered: Registered) -> Self {
        Self(Kept::Local(registered))
    }

    /// Ends with the refusal once a server says that this login may not serve an endpoint, which
    /// may be later than the service began: permissions change. Without one it never ends.
    pub async fn refused(&self) -> Error {
        match &self.0 {
            Kept::Local(_) => std::future::pending().await,
            Kept::Nats(offered) => offered.refused().await,
        }
    }

    pub(crate) const fn nats(offered: Offered) -> Self {
        Self(Kept::Nats(offered))
    }
}
