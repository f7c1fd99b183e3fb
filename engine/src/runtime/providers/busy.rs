//! [`Busy`]: how an instance is, as far as this engine knows.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use gearshift_bus::Subject;
use gearshift_protocol::{Load, PluginState, PluginStatus};

use super::order::Stirred;

/// What is known of one instance, kept while it can be discovered.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// Calls of this engine: those that were handed to it in the upper half, those of them that are
    /// under way in the lower.
    calls: AtomicU64,
    /// The same when it was looked at last.
    looked: AtomicU64,
    /// What it told last: calls in flight in the upper half, capacity in the lower; 0: nothing.
    told: AtomicU64,
    state: AtomicU8,
    /// Nobody answered at its subject.
    gone: AtomicBool,
    /// It left the bus without a word, and does not come back.
    lost: AtomicBool,
    /// Where it was called first.
    place: OnceLock<Subject>,
    /// The orders that it has a place in, and which.
    pub(super) orders: Mutex<Vec<(Weak<Stirred>, usize)>>,
}

/// States in the order of their numbers.
const STATES: [PluginState; 6] = [
    PluginState::Unknown,
    PluginState::Initializing,
    PluginState::Active,
    PluginState::Degraded,
    PluginState::Deactivating,
    PluginState::Stopped,
];

/// The lower half.
fn under_way(calls: u64) -> u32 {
    u32::try_from(calls & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

impl Busy {
    /// It told how it is.
    pub(super) fn tell(&self, status: PluginStatus) {
        let at = STATES.iter().position(|state| *state == status.state).unwrap_or(0);
        let at = u8::try_from(at).unwrap_or(0);
        if self.state.swap(at, Ordering::Relaxed) != at {
            self.changed();
        }
        self.tell_load(status.load);
    }

    /// It told how busy it is.
    pub(super) fn tell_load(&self, load: Load) {
        let told = (u64::from(load.in_flight) << 32) | u64::from(load.capacity);
        if self.told.swap(told, Ordering::Relaxed) != told {
            self.changed();
        }
    }

    /// What it told last.
    pub(super) fn load(&self) -> Option<Load> {
        let told = self.told.load(Ordering::Relaxed);
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        (told != 0).then(|| Load::new(half(told >> 32), half(told)))
    }

    /// How far it is in its life.
    pub(super) fn state(&self) -> PluginState {
        let at = usize::from(self.state.load(Ordering::Relaxed));
        STATES.get(at).copied().unwrap_or_default()
    }

    /// Calls of this engine under way.
    pub(super) fn own(&self) -> u32 {
        under_way(self.calls.load(Ordering::Relaxed))
    }

    /// Has it had calls since this was asked last, and ended none of them?
    pub(super) fn is_quiet(&self) -> bool {
        let now = self.calls.load(Ordering::Relaxed);
        let before = self.looked.swap(now, Ordering::Relaxed);
        let ended =
            |calls: u64| u32::try_from(calls >> 32).unwrap_or(0).wrapping_sub(under_way(calls));
        under_way(before) > 0 && under_way(now) > 0 && ended(now) == ended(before)
    }

    /// Nobody answered at its subject, until it is discovered again.
    pub(super) fn set_gone(&self, gone: bool) {
        if !gone {
            self.lost.store(false, Ordering::Relaxed);
        }
        if self.gone.swap(gone, Ordering::Relaxed) != gone {
            self.changed();
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// It left the bus without a word: nobody answers what it has.
    pub(super) fn set_lost(&self) {
        self.set_gone(true);
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// It is called there, among others.
    pub(super) fn is_called_at(&self, place: &Subject) {
        self.place.get_or_init(|| place.clone());
    }

    /// One of the subjects that are its own, where it was ever called by one.
    pub(super) fn place(&self) -> Option<&Subject> {
        self.place.get()
    }

    /// One call more is under way, until [`Busy::leave`].
    pub(super) fn enter(&self) {
        self.calls.fetch_add((1 << 32) | 1, Ordering::Relaxed);
        self.changed();
    }

    pub(super) fn leave(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.changed();
    }

    /// Changes are marked there from now on.
    pub(super) fn stir(&self, order: &Arc<Stirred>, at: usize) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.retain(|(order, _)| order.strong_count() > 0);
        orders.push((Arc::downgrade(order), at));
    }

    fn changed(&self) {
        for (order, at) in &*self.orders.lock().unwrap_or_else(PoisonError::into_inner) {
            if let Some(order) = order.upgrade() {
                order.mark(*at);
            }
        }
    }

    pub(super) fn takes_calls(&self) -> bool {
        !self.is_gone() && self.state().takes_calls()
    }
}

#[cfg(test)]
mod tests {
    use super::Busy;

    #[test]
    fn decision_51_quiet_is_who_had_calls_for_a_while_and_ended_none() {
        let busy = Busy::default();
        assert!(!busy.is_quiet(), "it has none");
        busy.enter();
        assert!(!busy.is_quiet(), "it may have come just now");
        assert!(busy.is_quiet() && busy.is_quiet());
        busy.enter();
        assert!(busy.is_quiet(), "that it was handed more says nothing");
        busy.leave();
        assert!(!busy.is_quiet(), "one has ended");
        assert!(busy.is_quiet());
        busy.leave();
        busy.enter();
        assert!(!busy.is_quiet(), "one for one");
        busy.leave();
        assert!(!busy.is_quiet() && busy.own() == 0);
    }
}
