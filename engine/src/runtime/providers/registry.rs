//! Registry: where each operation is asked, learned from discovery and kept while calls happen.
//!
//! A hint, never a decision, but for one thing: whether an operation may be asked only once is
//! known before it is asked first, and kept on the bus for engines that start while its plugin is
//! away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dashmap::DashMap;
use gearshift_bus::{Bucket, Bus, Error as BusError, Subject};
use gearshift_protocol::OperationRef;
use tokio::sync::OnceCell;

use super::catalogue::Catalogue;
use super::holds::Holds;
use crate::runtime::clock::monotonic;

/// How old a catalogue may be while calls happen.
const FRESH: Duration = Duration::from_secs(5);

/// The bucket with operations that may be asked only once: `<plugin>.v<major>.<operation>`.
const BUCKET: &str = "plugins";

/// Where an operation is asked, and how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) subject: Subject,
    /// It is not idempotent: the attempt is recorded before it is sent.
    pub(crate) once: bool,
    /// Did somebody say so? Else nobody that can be discovered offers it.
    offered: bool,
}

/// Why an operation cannot be asked.
#[derive(Debug)]
pub(crate) enum Unroutable {
    /// The definition's word for it is none.
    Name(String),
    /// The bus did not tell.
    Bus(BusError),
}

/// The plugins that are known.
#[derive(Debug)]
pub(crate) struct Providers {
    bus: Bus,
    bucket: OnceCell<Bucket>,
    routes: DashMap<Arc<str>, Arc<Route>>,
    /// Held while discovering: who waits for it uses what was found meanwhile.
    discovering: tokio::sync::Mutex<()>,
    seen: Mutex<Option<Arc<Catalogue>>>,
    refreshing: AtomicBool,
    pub(super) holds: Holds,
}

impl Providers {
    pub(crate) fn new(bus: Bus) -> Self {
        Self {
            bus,
            bucket: OnceCell::new(),
            routes: DashMap::new(),
            discovering: tokio::sync::Mutex::new(()),
            seen: Mutex::new(None),
            refreshing: AtomicBool::new(false),
            holds: Holds::default(),
        }
    }

    /// Where the operation is asked, where that is known without asking anybody.
    pub(crate) fn known(&self, operation: &str) -> Option<Arc<Route>> {
        self.routes.get(operation).map(|route| Arc::clone(&route))
    }

    /// Finds out where the operation is asked.
    pub(crate) async fn find(&self, operation: &Arc<str>) -> Result<Arc<Route>, Unroutable> {
        let wanted = operation.parse::<OperationRef>();
        let wanted = wanted.map_err(|error| Unroutable::Name(error.to_string()))?;
        let since = monotonic();
        let seen = self.catalogue();
        let offers = |seen: &Catalogue| seen.once(&subject_of(&wanted, seen)).is_some();
        let catalogue = match seen.filter(|seen| offers(seen)) {
            Some(seen) => seen,
            None => self.discover(since).await.map_err(Unroutable::Bus)?,
        };
        let route = self.route(&wanted, &catalogue).await?;
        // What nobody offers is looked for again before the next attempt, unless somebody answers.
        if route.offered {
            self.routes.insert(Arc::clone(operation), Arc::clone(&route));
        }
        Ok(route)
    }

    async fn route(
        &self,
        wanted: &OperationRef,
        catalogue: &Catalogue,
    ) -> Result<Arc<Route>, Unroutable> {
        let text = subject_of(wanted, catalogue);
        let told = catalogue.once(&text);
        let subject = Subject::parse(&text).map_err(|error| Unroutable::Name(error.to_string()))?;
        let once = self.once(key_of(&text), told == Some(true)).await.map_err(Unroutable::Bus)?;
        Ok(Arc::new(Route { subject, once, offered: told.is_some() }))
    }

    /// Once not idempotent, an operation stays so for its major version: another instance of the
    /// plugin may be an older one.
    async fn once(&self, key: &str, told: bool) -> Result<bool, BusError> {
        let bucket = self.bucket().await?;
        if bucket.get(key).await?.is_some() {
            return Ok(true);
        }
        if told {
            bucket.put(key, Bytes::from_static(b"once")).await?;
        }
        Ok(told)
    }

    pub(super) async fn bucket(&self) -> Result<&Bucket, BusError> {
        self.bucket.get_or_try_init(|| self.bus.bucket(BUCKET)).await
    }

    /// An operation that nobody offers was answered: it needs no further search.
    pub(crate) fn answered(&self, operation: &Arc<str>, route: &Arc<Route>) {
        if !route.offered {
            self.routes.insert(Arc::clone(operation), Arc::clone(route));
        }
    }

    /// Nobody answers the operation: it is looked for again before the next attempt.
    pub(crate) fn forget(&self, operation: &str) {
        self.routes.remove(operation);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Is it time for [`Providers::refresh`]? True for one caller at a time.
    pub(crate) fn is_stale(&self) -> bool {
        let fresh = self.catalogue().is_some_and(|seen| seen.asked.elapsed() < FRESH);
        !fresh && !self.refreshing.swap(true, Ordering::AcqRel)
    }

    /// Looks who runs now, and forgets where it was wrong.
    pub(crate) async fn refresh(&self) {
        match self.discover(monotonic()).await {
            Ok(seen) => self.routes.retain(|operation, route| agrees(operation, route, &seen)),
            Err(error) => tracing::debug!(%error, "plugins could not be discovered"),
        }
        self.refreshing.store(false, Ordering::Release);
    }

    /// A catalogue not older than `since`.
    async fn discover(&self, since: Instant) -> Result<Arc<Catalogue>, BusError> {
        let _turn = self.discovering.lock().await;
        if let Some(seen) = self.catalogue().filter(|seen| seen.asked >= since) {
            return Ok(seen);
        }
        let asked = monotonic();
        let services = self.bus.requests().discover().await?;
        let seen = Arc::new(Catalogue::new(asked, &services));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&seen));
        Ok(seen)
    }

    fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A definition that asks for no version gets the newest major that runs; 1 where none does, so
/// that the answer is `plugin_not_found` and not silence.
fn subject_of(wanted: &OperationRef, catalogue: &Catalogue) -> String {
    wanted.subject(wanted.major().or_else(|| catalogue.newest(wanted)).unwrap_or(1))
}

/// `<plugin>.v<major>.<operation>` of an operation's subject.
fn key_of(subject: &str) -> &str {
    subject.strip_prefix(gearshift_protocol::subjects::PLUGIN).unwrap_or(subject)
}

/// Does the catalogue say nothing else of the route? A plugin that is away says nothing.
fn agrees(operation: &str, route: &Route, catalogue: &Catalogue) -> bool {
    let Ok(wanted) = operation.parse::<OperationRef>() else { return false };
    let subject = subject_of(&wanted, catalogue);
    match catalogue.once(&subject) {
        None => true,
        Some(once) => route.offered && subject == route.subject.as_str() && (route.once || !once),
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
