//! [`ServiceInfo`], [`Offer`], [`Registration`]: who serves what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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

/// What a service tells beside its numbers, whenever it is asked for them.
pub(crate) type Data = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// How a service is offered; see [`Requests::offer_as`](crate::Requests::offer_as).
#[derive(Clone)]
pub struct Offer {
    pub(crate) group: String,
    pub(crate) alone: bool,
    pub(crate) keeps_id: bool,
    pub(crate) attended: bool,
    pub(crate) data: Option<Data>,
}

impl Offer {
    /// Each endpoint is served as a member of `group`.
    #[must_use]
    pub fn new(group: &str) -> Self {
        Self { group: group.to_owned(), alone: false, keeps_id: false, attended: false, data: None }
    }

    /// Each endpoint is also served by this instance alone, under its subject with the
    /// instance's id as last token.
    #[must_use]
    pub const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The instance keeps its id, which was made for an earlier offer of it.
    #[must_use]
    pub const fn keep_id(mut self) -> Self {
        self.keeps_id = true;
        self
    }

    /// Whoever takes requests does so all the time, or [holds](crate::Server::hold) them: then no
    /// task stands between the connection and the queue. Requests of a server that is neither
    /// asked for the next one nor held are not refused, however many there are.
    #[must_use]
    pub const fn attended(mut self) -> Self {
        self.attended = true;
        self
    }

    /// Who asks for the numbers of the service is told this beside those of each endpoint.
    #[must_use]
    pub fn data(mut self, data: impl Fn() -> serde_json::Value + Send + Sync + 'static) -> Self {
        self.data = Some(Arc::new(data));
        self
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, alone, keeps_id, attended, data: _ } = self;
        f.debug_struct("Offer")
            .field("group", group)
            .field("alone", alone)
            .field("keeps_id", keeps_id)
            .field("attended", attended)
            .finish_non_exhaustive()
    }
}

/// The subject of an endpoint that one instance alone serves.
pub(crate) fn alone(subject: &str, id: &str) -> String {
    format!("{subject}.{id}")
}

/// Keeps a service discoverable; dropping it takes the service back.
#[derive(Debug)]
pub struct Registration {
    id: String,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Local(#[expect(dead_code, reason = "held for its drop")] Registered),
    Nats(Offered),
}

impl Registration {
    pub(crate) const fn local(id: String, registered: Registered) -> Self {
        Self { id, kept: Kept::Local(registered) }
    }

    /// The id under which the instance is discovered.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends with the refusal once a server says that this login may not serve an endpoint, which
    /// may be later than the service began: permissions change. Without one it never ends.
    pub async fn refused(&self) -> Error {
        match &self.kept {
            Kept::Local(_) => std::future::pending().await,
            Kept::Nats(offered) => offered.refused().await,
        }
    }

    pub(crate) fn nats(offered: Offered) -> Self {
        Self { id: offered.id().to_owned(), kept: Kept::Nats(offered) }
    }
}
