//! Registry: where each operation is asked, learned from discovery and kept while calls happen.
//!
//! A hint, never a decision, but for one thing: whether an operation may be asked only once is
//! known before it is asked first, and kept on the bus for engines that start while its plugin is
//! away.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dashmap::{DashMap, DashSet};
use gearshift_bus::{Bucket, Bus, Error as BusError, ServiceStats, Subject};
use gearshift_machine::definition::model::Balance;
use gearshift_protocol::{Announcement, AnnouncementKind, Load, OperationRef, PluginStatus};
use tokio::sync::OnceCell;

use super::breaker::{Breaker, Tripped};
use super::busy::Busy;
use super::catalogue::{Catalogue, Target};
use super::counts::{Counted, Counts};
use super::holds::Holds;
use super::instances::{Picked, Pool};
use super::limits::Limits;
use super::line::Line;
use super::lost::Losses;
use super::places::Places;
use super::prefer::Prefer;
use super::shapes::{Shape, Shapes};
use super::waits::Waits;
use crate::runtime::clock::monotonic;
use crate::runtime::mocked::Mocked;

/// How old a catalogue may be while calls happen.
const FRESH: Duration = Duration::from_secs(5);

/// The bucket with operations that may be asked only once: `<plugin>.v<major>.<operation>`; with
/// what is held, and with breakers.
const BUCKET: &str = "plugins";

/// Where an operation is asked, and how.
#[derive(Debug)]
pub(crate) struct Route {
    /// The bus that it is asked over.
    pub(super) bus: Bus,
    /// Does a mock answer, and no plugin?
    pub(crate) mocked: bool,
    /// [`Mocked::turn`] when it was found out: it holds as long as that does.
    pub(super) turn: u64,
    pub(crate) subject: Subject,
    /// It is not idempotent: the attempt is recorded before it is sent.
    pub(crate) once: bool,
    /// Did somebody say so? Else nobody that can be discovered offers it.
    pub(super) offered: bool,
    /// May whichever member of the group be asked?
    pub(super) group: bool,
    /// May the input come as an object?
    pub(crate) objects: bool,
    /// What whoever of the group answers says that it gives.
    pub(super) gives: Option<Arc<Shape>>,
    /// The instances that can be asked alone.
    pub(super) pool: Option<Arc<Pool>>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) counts: Arc<Counts>,
    /// The places of those under way.
    pub(super) places: Arc<Line>,
}

impl Route {
    /// The instance to ask where the group must not be.
    pub(super) fn alone(&self) -> Option<Picked> {
        self.pool.as_ref().filter(|_| !self.group)?.pick(Balance::RoundRobin)
    }
}

/// Why an operation cannot be asked.
#[derive(Debug)]
pub(crate) enum Unroutable {
    /// The definition's word for it is none.
    Name(String),
    /// The plugin runs, but in no version that is meant.
    Version(String),
    /// The bus did not tell.
    Bus(BusError),
}

/// The plugins that are known.
#[derive(Debug)]
pub(crate) struct Providers {
    pub(super) bus: Bus,
    pub(super) mocked: Mocked,
    bucket: OnceCell<Bucket>,
    /// By what is preferred, then by operation.
    routes: [DashMap<Arc<str>, Arc<Route>>; Prefer::COUNT],
    /// Held while discovering: who waits for it uses what was found meanwhile.
    discovering: tokio::sync::Mutex<()>,
    seen: Mutex<Option<Arc<Catalogue>>>,
    refreshing: AtomicBool,
    /// Somebody answered who was not found: he may be by now, and be asked alone.
    surprised: AtomicBool,
    pub(super) holds: Holds,
    /// By `<plugin>.v<major>.<operation>`.
    pub(super) breakers: DashMap<String, Arc<Breaker>>,
    /// By the same.
    pub(super) counts: DashMap<String, Arc<Counts>>,
    pub(super) limits: Limits,
    pub(super) places: Places,
    pub(crate) waits: Waits,
    pub(super) losses: Losses,
    pub(super) shapes: Shapes,
    /// Subjects that were answered, and that nobody who can be discovered offers.
    pub(super) undiscoverable: DashSet<Subject>,
    /// By service id.
    pub(super) busy: DashMap<String, Arc<Busy>>,
}

impl Providers {
    /// `most`: calls of each operation that are under way at once.
    pub(crate) fn new(bus: Bus, mocked: Mocked, most: usize) -> Self {
        Self {
            bus,
            mocked,
            bucket: OnceCell::new(),
            routes: std::array::from_fn(|_| DashMap::new()),
            discovering: tokio::sync::Mutex::new(()),
            seen: Mutex::new(None),
            refreshing: AtomicBool::new(false),
            surprised: AtomicBool::new(false),
            holds: Holds::default(),
            breakers: DashMap::new(),
            counts: DashMap::new(),
            limits: Limits::default(),
            places: Places::new(most),
            waits: Waits::default(),
            losses: Losses::default(),
            shapes: Shapes::default(),
            undiscoverable: DashSet::new(),
            busy: DashMap::new(),
        }
    }

    pub(super) fn routes(&self, prefer: Prefer) -> &DashMap<Arc<str>, Arc<Route>> {
        let [first, ..] = &self.routes;
        self.routes.get(prefer.index()).unwrap_or(first)
    }

    /// Where the operation is asked, where that is known without asking anybody.
    pub(crate) fn known(&self, operation: &str, prefer: Prefer) -> Option<Arc<Route>> {
        let routes = self.routes(prefer);
        let route = routes.get(operation).map(|route| Arc::clone(&route))?;
        (route.turn == self.mocked.turn()).then_some(route)
    }

    /// Finds out where the operation is asked.
    pub(crate) async fn find(
        &self,
        operation: &Arc<str>,
        prefer: Prefer,
    ) -> Result<Arc<Route>, Unroutable> {
        let wanted = operation.parse::<OperationRef>();
        let wanted = wanted.map_err(|error| Unroutable::Name(error.to_string()))?;
        // Before it is asked what is mocked: what changes meanwhile is looked at again.
        let (since, turn) = (monotonic(), self.mocked.turn());
        if self.mocked.answers(&wanted.plugin, &wanted.operation) {
            let subject = wanted.subject(wanted.major().unwrap_or(1));
            return Ok(self.found(operation, prefer, self.mock(&subject, turn).await?));
        }
        let seen = self.catalogue();
        let offers =
            |seen: &Catalogue| seen.target(&wanted, prefer).is_ok_and(|target| target.offered);
        let catalogue = match seen.filter(|seen| offers(seen)) {
            Some(seen) => seen,
            None => self.discover(since).await.map_err(Unroutable::Bus)?,
        };
        let target = catalogue.target(&wanted, prefer).map_err(Unroutable::Version)?;
        // Asked for by an interface, the plugin that provides it may be the one that is mocked.
        let route = match self.is_mocked_at(&target.subject) {
            true => self.mock(&target.subject, turn).await?,
            false => self.route(&target, &catalogue, turn).await?,
        };
        // What nobody offers is looked for again before the next attempt, unless somebody answers.
        if !route.offered {
            return Ok(route);
        }
        Ok(self.found(operation, prefer, route))
    }

    async fn route(
        &self,
        target: &Target,
        catalogue: &Catalogue,
        turn: u64,
    ) -> Result<Arc<Route>, Unroutable> {
        let text = &target.subject;
        let told = catalogue.once(text);
        let subject = Subject::parse(text).map_err(|error| Unroutable::Name(error.to_string()))?;
        let key = key_of(text);
        let once = self.once(key, told == Some(true)).await.map_err(Unroutable::Bus)?;
        let (busy, shapes) = (|id: &str| self.busy(id), &self.shapes);
        let pool = Pool::new(&target.alone, busy, shapes).map_err(Unroutable::Bus)?;
        Ok(Arc::new(Route {
            bus: self.bus.clone(),
            mocked: false,
            turn,
            subject,
            once,
            offered: told.is_some(),
            group: target.group,
            objects: target.objects,
            gives: target.gives.as_ref().map(|text| shapes.of(text)),
            pool,
            breaker: self.breaker(key),
            counts: self.counts(key),
            places: self.places.of(key),
        }))
    }

    /// Once not idempotent, an operation stays so for its major version: another instance of the
    /// plugin may be an older one.
    pub(super) async fn once(&self, key: &str, told: bool) -> Result<bool, BusError> {
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

    /// What is known of an instance.
    pub(super) fn busy(&self, id: &str) -> Arc<Busy> {
        if let Some(known) = self.busy.get(id) {
            return Arc::clone(&known);
        }
        Arc::clone(&self.busy.entry(id.to_owned()).or_default())
    }

    /// The load that an instance told last, where it told any.
    pub(super) fn load_of(&self, id: &str) -> Option<Load> {
        self.busy.get(id)?.load()
    }

    /// What was counted of an operation.
    pub(super) fn counts(&self, key: &str) -> Arc<Counts> {
        if let Some(known) = self.counts.get(key) {
            return Arc::clone(&known);
        }
        Arc::clone(&self.counts.entry(key.to_owned()).or_default())
    }

    /// What was counted of an operation so far.
    pub(super) fn counted(&self, key: &str) -> Counted {
        self.counts.get(key).map(|counts| counts.read()).unwrap_or_default()
    }

    /// The breaker of an operation, where it is not closed.
    pub(super) fn tripped_at(&self, key: &str) -> Option<Tripped> {
        self.breakers.get(key)?.tripped()
    }

    /// An operation that nobody offers was answered: it needs no further search.
    pub(crate) fn answered(&self, operation: &Arc<str>, prefer: Prefer, route: &Arc<Route>) {
        if !route.offered {
            let known = self.routes(prefer).insert(Arc::clone(operation), Arc::clone(route));
            if known.is_none() {
                self.surprised.store(true, Ordering::Release);
            }
        }
    }

    /// Was it looked for who answers there, and nobody found?
    pub(super) fn is_undiscoverable(&self, subject: &Subject) -> bool {
        self.undiscoverable.contains(subject)
    }

    /// It was just now.
    pub(super) fn answers_undiscovered(&self, subject: &Subject) {
        self.undiscoverable.insert(subject.clone());
    }

    /// Nobody answers the operation: it is looked for again before the next attempt.
    pub(crate) fn forget(&self, operation: &str) {
        for routes in &self.routes {
            routes.remove(operation);
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Is it time for [`Providers::refresh`]? True for one caller at a time.
    pub(crate) fn is_stale(&self) -> bool {
        let is_young = |seen: Arc<Catalogue>| seen.asked.elapsed() < FRESH;
        let surprised = self.surprised.load(Ordering::Acquire);
        let fresh = !surprised && self.catalogue().is_some_and(is_young);
        !fresh && !self.refreshing.swap(true, Ordering::AcqRel)
    }

    /// Looks who runs now and how busy they are, and forgets where it was wrong.
    pub(crate) async fn refresh(&self) {
        self.surprised.store(false, Ordering::Release);
        let requests = self.bus.requests();
        let (seen, stats) = tokio::join!(self.discover(monotonic()), requests.stats());
        match seen {
            Ok(seen) => self.agree(&seen),
            Err(error) => tracing::debug!(%error, "plugins could not be discovered"),
        }
        for told in stats.unwrap_or_default() {
            if let Some(status) = status_of(&told) {
                self.busy(&told.id).tell(status);
            }
        }
        self.refreshing.store(false, Ordering::Release);
    }

    /// Forgets what the catalogue says otherwise.
    pub(super) fn agree(&self, seen: &Catalogue) {
        let turn = self.mocked.turn();
        for (routes, prefer) in self.routes.iter().zip(Prefer::ALL) {
            routes.retain(|operation, route| {
                let agrees = || route.mocked || agrees(operation, route, prefer, seen);
                route.turn == turn && agrees()
            });
        }
        self.undiscoverable.retain(|subject| seen.once(subject.as_str()).is_none());
        let ids: BTreeSet<_> = seen.instances().iter().map(|one| &*one.info.id).collect();
        self.busy.retain(|id, busy| ids.contains(&**id) || busy.own() > 0);
    }

    /// An instance told of itself.
    pub(super) fn heard_of(&self, announced: &Announcement) {
        let busy = self.busy(&announced.id);
        busy.tell(announced.status);
        busy.set_gone(announced.event == AnnouncementKind::Unregistered);
    }

    /// A catalogue not older than `since`.
    pub(super) async fn discover(&self, since: Instant) -> Result<Arc<Catalogue>, BusError> {
        let _turn = self.discovering.lock().await;
        if let Some(seen) = self.catalogue().filter(|seen| seen.asked >= since) {
            return Ok(seen);
        }
        let asked = monotonic();
        let services = self.bus.requests().discover().await?;
        let seen = Arc::new(Catalogue::new(asked, services));
        for instance in seen.instances() {
            if let Some(busy) = self.busy.get(&instance.info.id) {
                busy.set_gone(false);
            }
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&seen));
        Ok(seen)
    }

    pub(super) fn catalogue(&self) -> Option<Arc<Catalogue>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What an instance of a plugin tells of itself beside its numbers.
pub(super) fn status_of(told: &ServiceStats) -> Option<PluginStatus> {
    let data = told.endpoints.first()?.data.clone();
    serde_json::from_value(data).ok()
}

/// `<plugin>.v<major>.<operation>` of an operation's subject.
pub(super) fn key_of(subject: &str) -> &str {
    subject.strip_prefix(gearshift_protocol::subjects::PLUGIN).unwrap_or(subject)
}

/// Does the catalogue say nothing else of the route? A plugin that is away says nothing.
fn agrees(operation: &str, route: &Route, prefer: Prefer, catalogue: &Catalogue) -> bool {
    let Ok(wanted) = operation.parse::<OperationRef>() else { return false };
    let Ok(target) = catalogue.target(&wanted, prefer) else { return false };
    let same_alone = match &route.pool {
        None => target.alone.is_empty(),
        Some(pool) => pool.is_of(&target.alone),
    };
    match catalogue.once(&target.subject) {
        None => true,
        Some(once) => {
            route.offered
                && target.subject == route.subject.as_str()
                && (route.once || !once)
                && target.group == route.group
                && target.objects == route.objects
                && target.gives.as_deref() == route.gives.as_deref().map(Shape::text)
                && same_alone
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
