//! [`Again`]: attempts that an owner before may have sent come before those that nobody can have.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::ask::Attempt;

/// How long they are waited for at most: finding out where they are asked may take a while.
const LIMIT: Duration = Duration::from_secs(5);

/// How many of this engine are in no line yet, and held back by nothing else.
#[derive(Debug, Default)]
pub(super) struct Again(watch::Sender<usize>);

/// One of them, until it is in line, or is held back, sent or over.
#[derive(Debug)]
pub(super) struct Ahead(Arc<Again>);

/// The same of an attempt; nothing of one that has no line to stand in.
#[derive(Debug, Default)]
pub(crate) struct GoesFirst(Mutex<Option<Ahead>>);

impl Again {
    pub(super) fn one(self: &Arc<Self>) -> Ahead {
        self.0.send_modify(|count| *count += 1);
        Ahead(Arc::clone(self))
    }

    /// Resolves once all of them have their place.
    pub(super) async fn is_in_line(&self) {
        if *self.0.borrow() == 0 {
            return;
        }
        let mut seen = self.0.subscribe();
        // The sender lives as long as this borrow.
        let all = seen.wait_for(|count| *count == 0);
        drop(tokio::time::timeout(LIMIT, all).await);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

impl Attempt {
    /// The same, decided by an owner before: who is asked for the first time waits until it is in
    /// line.
    pub(crate) fn that_goes_first(self) -> Self {
        let limited = |it: &gearshift_machine::definition::model::PluginRules| {
            it.concurrency.is_some() || it.rate.is_some()
        };
        if !self.first && self.rules.as_deref().is_some_and(limited) {
            let ahead = self.shared.providers.limits.ahead();
            *self.goes_first.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
        self
    }

    /// It has its place, or none to be had yet.
    pub(super) fn has_its_place(&self) {
        let ahead = self.goes_first.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ahead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_waits_until_all_have_their_place_but_not_for_ever() {
        let again = Arc::new(Again::default());
        again.is_in_line().await;
        let (one, other) = (again.one(), again.one());
        let soon = Duration::from_millis(10);
        assert!(tokio::time::timeout(soon, again.is_in_line()).await.is_err());
        drop(one);
        assert!(tokio::time::timeout(soon, again.is_in_line()).await.is_err());
        drop(other);
        assert!(tokio::time::timeout(soon, again.is_in_line()).await.is_ok());
        let _slow = again.one();
        assert!(tokio::time::timeout(2 * LIMIT, again.is_in_line()).await.is_ok());
    }
}
