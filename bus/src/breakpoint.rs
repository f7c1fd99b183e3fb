//! [`Breakpoint`]: lets a test stop the writers of logs exactly where it wants to.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::local::lock;

/// Stops the logs of a bus at a chosen append, so that a test can drop their writer there.
///
/// An append that is stopped never answers, and neither does any after it. A clone is another
/// handle to the same one; a new one stops nothing.
#[derive(Debug, Clone)]
pub struct Breakpoint(Arc<State>);

#[derive(Debug)]
struct State {
    count: Mutex<Count>,
    stopped: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Count {
    /// Appends that came since [`Breakpoint::stop_at`].
    seen: u64,
    stop: Option<(u64, Stop)>,
}

/// On which side of the store an append is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is not stored.
    Before,
    /// It is stored, and its writer does not learn of it.
    After,
}

impl Default for Breakpoint {
    fn default() -> Self {
        let stopped = watch::Sender::new(false);
        Self(Arc::new(State { count: Mutex::default(), stopped }))
    }
}

impl Breakpoint {
    /// Stops the append that is the `append`th from now on, counted from 1.
    pub fn stop_at(&self, append: u64, stop: Stop) {
        *lock(&self.0.count) = Count { seen: 0, stop: Some((append, stop)) };
    }

    /// Appends that came since the last [`Breakpoint::stop_at`], or ever.
    #[must_use]
    pub fn seen(&self) -> u64 {
        lock(&self.0.count).seen
    }

    /// Returns once an append was stopped; what it stores is durable then.
    pub async fn stopped(&self) {
        // The sender lives as long as this value.
        drop(self.0.stopped.subscribe().wait_for(|stopped| *stopped).await);
    }

    /// An append comes by: on which side of the store it is stopped, if at all.
    pub(crate) fn meet(&self) -> Option<Stop> {
        let mut count = lock(&self.0.count);
        count.seen += 1;
        let (at, stop) = count.stop?;
        match count.seen.cmp(&at) {
            Ordering::Less => None,
            Ordering::Equal => Some(stop),
            Ordering::Greater => Some(Stop::Before),
        }
    }

    /// Stops an append for good.
    pub(crate) async fn hold(&self, side: Stop) -> Infallible {
        // One that comes later does not say that the chosen one is stored.
        if matches!(&lock(&self.0.count).stop, Some((_, chosen)) if *chosen == side) {
            self.0.stopped.send_replace(true);
        }
        std::future::pending().await
    }
}
