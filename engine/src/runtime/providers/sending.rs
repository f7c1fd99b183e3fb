//! [`Sending`]: where an attempt went, and when.

use std::sync::Arc;
use std::time::Instant;

use gearshift_bus::{Bus, Subject};

use super::breakers::Pass;
use super::instances::Picked;
use super::registry::Route;
use crate::runtime::clock::monotonic;

/// How an attempt is sent.
pub(crate) struct Sending {
    pub(super) route: Arc<Route>,
    /// The one instance that is asked; else whichever member of the group the bus picks.
    pub(super) picked: Option<Picked>,
    pub(super) pass: Pass,
    pub(super) began: Instant,
}

impl Sending {
    pub(super) fn new(route: &Arc<Route>, picked: Option<Picked>, pass: Pass) -> Self {
        route.counts.is_sent();
        Self { route: Arc::clone(route), picked, pass, began: monotonic() }
    }

    /// The bus that it goes over.
    pub(crate) fn bus(&self) -> &Bus {
        &self.route.bus
    }

    /// Where it goes.
    pub(crate) fn subject(&self) -> &Subject {
        self.picked.as_ref().map_or(&self.route.subject, |picked| &picked.subject)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.route.counts.is_back();
    }
}
