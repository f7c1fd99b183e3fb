//! [`Life`]: a plugin's state and load, and who is told of them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearshift_bus::{Bus, Message, Subject};
use gearshift_protocol::{
    Announcement, AnnouncementKind, Load, PluginState, PluginStatus, subjects,
};
use tokio::sync::Notify;

/// How long a change of the load is kept back that follows another one.
const SETTLE: Duration = Duration::from_millis(250);

/// State and load; a clone is the same gauge.
#[derive(Clone, Debug)]
pub(crate) struct Gauge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<PluginState>,
    in_flight: AtomicU32,
    capacity: u32,
    /// Was it told last that the capacity is taken?
    overloaded: AtomicBool,
    /// Woken where the load is no longer what was told.
    crossed: Notify,
}

impl Gauge {
    pub(crate) fn new(capacity: u32) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(PluginState::Initializing),
            in_flight: AtomicU32::new(0),
            capacity,
            overloaded: AtomicBool::new(false),
            crossed: Notify::new(),
        }))
    }

    pub(crate) fn state(&self) -> PluginState {
        *self.lock()
    }

    /// Whether this changed anything; who has begun to end does not begin again.
    fn set(&self, state: PluginState) -> bool {
        let is_end = |state| matches!(state, PluginState::Deactivating | PluginState::Stopped);
        let mut held = self.lock();
        if is_end(*held) && !is_end(state) {
            return false;
        }
        std::mem::replace(&mut *held, state) != state
    }

    pub(crate) fn load(&self) -> Load {
        Load::new(self.0.in_flight.load(Ordering::Relaxed), self.0.capacity)
    }

    pub(crate) fn status(&self) -> PluginStatus {
        PluginStatus { state: self.state(), load: self.load() }
    }

    /// Counts a call until [`Gauge::leave`].
    pub(crate) fn enter(&self) {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        if !self.0.overloaded.load(Ordering::Relaxed) && self.load().is_overloaded() {
            self.0.crossed.notify_one();
        }
    }

    /// The load without the call that is answered now.
    pub(crate) fn leave(&self) -> Load {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        let load = self.load();
        if self.0.overloaded.load(Ordering::Relaxed) && load.is_available() {
            self.0.crossed.notify_one();
        }
        load
    }

    fn lock(&self) -> MutexGuard<'_, PluginState> {
        // A state is one word, so a panic cannot leave it half written.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) gauge: Gauge,
    bus: Bus,
    subject: Subject,
    version: String,
    id: String,
    missing: Vec<String>,
}

impl Life {
    /// Tells of the instance with this id, which is that of the service.
    pub(crate) fn new(
        gauge: Gauge,
        bus: &Bus,
        (name, version): (&str, &str),
        id: &str,
    ) -> Result<Self, gearshift_bus::Error> {
        Ok(Self {
            gauge,
            bus: bus.clone(),
            subject: Subject::parse(&subjects::announce(name))?,
            version: version.to_owned(),
            id: id.to_owned(),
            missing: Vec::new(),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Is in this state from now on; told where it is another one.
    pub(crate) fn become_state(&mut self, state: PluginState, missing: Vec<String>) {
        let other = self.gauge.set(state);
        if other || self.missing != missing {
            self.missing = missing;
            self.announce(AnnouncementKind::State);
        }
    }

    /// Is served from now on.
    pub(crate) fn register(&mut self, missing: Vec<String>) {
        let degraded = !missing.is_empty();
        self.missing = missing;
        let state = if degraded { PluginState::Degraded } else { PluginState::Active };
        self.announce_as(state, AnnouncementKind::Registered);
    }

    /// Is in this state from now on, and something else is told.
    pub(crate) fn announce_as(&self, state: PluginState, event: AnnouncementKind) {
        self.gauge.set(state);
        self.announce(event);
    }

    /// Tells whoever listens now; it may be lost, as engines look for themselves as well.
    fn announce(&self, event: AnnouncementKind) {
        let told = Announcement {
            event,
            id: self.id.clone(),
            version: self.version.clone(),
            status: self.gauge.status(),
            missing: self.missing.clone(),
        };
        // Texts and numbers are always JSON.
        let body = serde_json::to_vec(&told).unwrap_or_default();
        let message = Message::new(self.subject.clone(), body);
        if let Err(error) = self.bus.notify(message) {
            tracing::debug!(%error, event = event.as_str(), "not announced");
        }
    }

    /// Tells whenever the capacity is taken and when there is room again; never ends.
    pub(crate) async fn watch_load(self) {
        let Inner { overloaded, crossed, .. } = &*self.gauge.0;
        loop {
            crossed.notified().await;
            let load = self.gauge.load();
            let event = match overloaded.load(Ordering::Relaxed) {
                false if load.is_overloaded() => AnnouncementKind::Overloaded,
                true if load.is_available() => AnnouncementKind::Available,
                true | false => continue,
            };
            overloaded.store(event == AnnouncementKind::Overloaded, Ordering::Relaxed);
            self.announce(event);
            tokio::time::sleep(SETTLE).await;
            // It may have changed back before anybody could know that this was to be told.
            crossed.notify_one();
        }
    }
}
