//! Limits: how much one engine asks of a plugin, where a definition says so.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use gearshift_machine::definition::model::{PluginRules, Rate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// So many windows are kept before it is looked which of them nobody needs.
const LOOK_AT: usize = 1_024;

/// What is limited. Definitions that say the same number of the same plugin share it; where they
/// count by a key, they share it for each key.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Those with a call under way or waiting, by plugin, number and key.
    concurrency: Arc<DashMap<At<u32>, Arc<Semaphore>>>,
    /// By plugin, number, time and key.
    rates: DashMap<At<(u32, u64)>, Arc<Window>>,
    /// How many windows there may be before those that are over go.
    look_at: AtomicUsize,
}

/// Plugin, limit and key.
type At<L> = (Arc<str>, L, Option<Arc<str>>);

/// The calls that were sent last, or have a moment at which they will be.
#[derive(Debug, Default)]
struct Window(Mutex<VecDeque<Instant>>);

/// A call may be sent; it counts as under way until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(#[expect(dead_code, reason = "held for its drop")] Option<Place>);

/// A call's place among those under way, or waiting for one; it takes away what nobody else has.
#[derive(Debug)]
struct Place {
    /// `None` once it is dropped.
    permit: Option<OwnedSemaphorePermit>,
    at: At<u32>,
    all: Arc<DashMap<At<u32>, Arc<Semaphore>>>,
}

/// There is no room in time.
#[derive(Debug, PartialEq)]
pub(super) struct NoRoom {
    /// Which limit it is, in words.
    pub(super) limit: String,
    /// When there may be.
    pub(super) after: Option<Duration>,
}

impl Limits {
    /// Waits for room, at most `limit`; `key` is what the rules count by.
    pub(super) async fn room(
        &self,
        rules: &PluginRules,
        key: Option<&Arc<str>>,
        limit: Duration,
    ) -> Result<Room, NoRoom> {
        let end = Instant::now() + limit;
        let whose = || match key {
            None => format!("`{}`", rules.name),
            Some(key) => format!("`{}` for `{key}`", rules.name),
        };
        let room = match rules.concurrency {
            None => Room::default(),
            Some(calls) => {
                let place = self.place((Arc::clone(&rules.name), calls, key.cloned()), end).await;
                let limit = || format!("{calls} calls of {} at once", whose());
                Room(Some(place.ok_or_else(|| NoRoom { limit: limit(), after: None })?))
            }
        };
        if let Some(rate) = rules.rate {
            let slot = self.slot(rules, rate, key, end).map_err(|after| NoRoom {
                limit: format!("{} calls of {} in {} ms", rate.count, whose(), rate.period_ms),
                after: Some(after),
            })?;
            tokio::time::sleep_until(slot).await;
        }
        Ok(room)
    }

    /// The room that there is at once, for a call that is under way already.
    pub(super) fn room_at_once(&self, rules: &PluginRules, key: Option<&Arc<str>>) -> Room {
        Room(rules.concurrency.and_then(|calls| {
            let (mut place, semaphore) = self.seat((Arc::clone(&rules.name), calls, key.cloned()));
            place.permit = Some(semaphore.try_acquire_owned().ok()?);
            Some(place)
        }))
    }

    /// A place among the calls under way, in the order in which it was asked for.
    async fn place(&self, at: At<u32>, end: Instant) -> Option<Place> {
        let (mut place, semaphore) = self.seat(at);
        let permit = tokio::time::timeout_at(end, semaphore.acquire_owned()).await;
        place.permit = Some(permit.ok()?.ok()?);
        Some(place)
    }

    /// A place without a permit, and what gives permits.
    fn seat(&self, at: At<u32>) -> (Place, Arc<Semaphore>) {
        let calls = usize::try_from(at.1).unwrap_or(usize::MAX >> 4);
        let made = || Arc::new(Semaphore::new(calls));
        let place = Place { permit: None, at, all: Arc::clone(&self.concurrency) };
        let semaphore = Arc::clone(&place.all.entry(place.at.clone()).or_insert_with(made));
        (place, semaphore)
    }

    /// The moment of the next call, where that is before `end`.
    fn slot(
        &self,
        rules: &PluginRules,
        rate: Rate,
        key: Option<&Arc<str>>,
        end: Instant,
    ) -> Result<Instant, Duration> {
        let (now, at) = (Instant::now(), (rate.count, rate.period_ms));
        let at = (Arc::clone(&rules.name), at, key.cloned());
        let window = Arc::clone(&self.rates.entry(at).or_default());
        let slot = window.slot(rate, now, end);
        drop(window);
        self.forget_windows(now);
        slot
    }

    /// Lets go of windows whose calls are all past, each time there are twice as many as stayed.
    fn forget_windows(&self, now: Instant) {
        let limit = self.look_at.load(Ordering::Relaxed).max(LOOK_AT);
        if self.rates.len() <= limit {
            return;
        }
        self.rates.retain(|(_, (_, period_ms), _), window| {
            // One that somebody is about to use is kept as well.
            Arc::strong_count(window) > 1 || !window.is_over(*period_ms, now)
        });
        self.look_at.store(self.rates.len().saturating_mul(2), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.permit.take());
        // Whoever has a call under way, or waits, has a hold of it.
        self.all.remove_if(&self.at, |_, semaphore| Arc::strong_count(semaphore) == 1);
    }
}

impl Window {
    /// The moment of the next call: there are never more than `rate` has in any such time. None
    /// is kept where that is behind `end`, and the answer is how long that would be.
    fn slot(&self, rate: Rate, now: Instant, end: Instant) -> Result<Instant, Duration> {
        let count = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = sent.len().checked_sub(count).and_then(|at| sent.get(at));
        let free = first.map_or(now, |first| *first + Duration::from_millis(rate.period_ms));
        let slot = free.max(now);
        if slot > end {
            return Err(slot.saturating_duration_since(now));
        }
        sent.push_back(slot);
        while sent.len() > count {
            sent.pop_front();
        }
        Ok(slot)
    }

    /// Does none of its calls count any more?
    fn is_over(&self, period_ms: u64, now: Instant) -> bool {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.back().is_none_or(|last| *last + Duration::from_millis(period_ms) <= now)
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
