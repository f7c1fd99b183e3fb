//! [`Faults`]: what goes wrong, and how often.

use std::sync::{Arc, Mutex};

use crate::local::lock;

/// How often each fault strikes, in thousandths; above 1,000 counts as always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// An append answers `Unknown`; half of them landed.
    pub append_unknown_permille: u16,
    /// A publish to an inbox answers `Unknown`; half of them landed.
    pub inbox_unknown_permille: u16,
    /// A published message does not reach the subscribers.
    pub notice_lost_permille: u16,
    /// A request answers `NoResponders` and is not delivered.
    pub no_responders_permille: u16,
    /// A request answers `Timeout`; half of them were delivered.
    pub request_timeout_permille: u16,
    /// A request is delivered twice, so that two replies come; the first counts.
    pub request_twice_permille: u16,
    /// An operation first lets other tasks run, up to this many times.
    pub yields_max: u16,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything goes wrong now and then: each fault in one of twenty operations.
    #[must_use]
    pub const fn rough() -> Self {
        Self {
            append_unknown_permille: 50,
            inbox_unknown_permille: 50,
            notice_lost_permille: 50,
            no_responders_permille: 50,
            request_timeout_permille: 50,
            request_twice_permille: 50,
            yields_max: 8,
        }
    }
}

/// Draws the faults of one bus, in order, from its seed.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    faults: Faults,
    random: Arc<Mutex<fastrand::Rng>>,
}

/// How an operation whose outcome may get lost goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It happens and says so.
    Told,
    /// It happens and nobody learns.
    LandedUntold,
    /// It does not happen and nobody learns.
    Lost,
}

impl Dice {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self { faults, random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))) }
    }

    pub(super) fn append(&self) -> Fate {
        self.fate(self.faults.append_unknown_permille)
    }

    pub(super) fn inbox(&self) -> Fate {
        self.fate(self.faults.inbox_unknown_permille)
    }

    pub(super) fn request(&self) -> Fate {
        self.fate(self.faults.request_timeout_permille)
    }

    pub(super) fn loses_notice(&self) -> bool {
        self.strikes(self.faults.notice_lost_permille)
    }

    pub(super) fn has_no_responders(&self) -> bool {
        self.strikes(self.faults.no_responders_permille)
    }

    pub(super) fn delivers_twice(&self) -> bool {
        self.strikes(self.faults.request_twice_permille)
    }

    /// Lets other tasks run first, as a slow backend would.
    pub(super) async fn delay(&self) {
        let yields = lock(&self.random).u16(0..=self.faults.yields_max);
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
    }

    fn fate(&self, permille: u16) -> Fate {
        if !self.strikes(permille) {
            Fate::Told
        } else if lock(&self.random).bool() {
            Fate::LandedUntold
        } else {
            Fate::Lost
        }
    }

    fn strikes(&self, permille: u16) -> bool {
        lock(&self.random).u16(0..1000) < permille
    }
}
