//! Limits: how much one engine asks of a plugin, where a definition says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use gearshift_machine::definition::model::{PluginRules, Rate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What is limited. Definitions that say the same number of the same plugin share it.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// By plugin and number.
    concurrency: DashMap<(Arc<str>, u32), Arc<Semaphore>>,
    /// By plugin, number and time.
    rates: DashMap<(Arc<str>, u32, u64), Arc<Window>>,
}

/// The calls that were sent last, or have a moment at which they will be.
#[derive(Debug, Default)]
struct Window(Mutex<VecDeque<Instant>>);

/// A call may be sent; it counts as under way until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(
    #[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>,
);

/// There is no room in time.
#[derive(Debug, PartialEq)]
pub(super) struct NoRoom {
    /// Which limit it is, in words.
    pub(super) limit: String,
    /// When there may be.
    pub(super) after: Option<Duration>,
}

impl Limits {
    /// Waits for room, at most `limit`.
    pub(super) async fn room(&self, rules: &PluginRules, limit: Duration) -> Result<Room, NoRoom> {
        let end = Instant::now() + limit;
        let room = match rules.concurrency {
            None => Room::default(),
            Some(calls) => {
                let semaphore = self.semaphore(&rules.name, calls);
                let permit = tokio::time::timeout_at(end, semaphore.acquire_owned()).await;
                let Ok(Ok(permit)) = permit else {
                    let limit = format!("{calls} calls of `{}` at once", rules.name);
                    return Err(NoRoom { limit, after: None });
                };
                Room(Some(permit))
            }
        };
        if let Some(rate) = rules.rate {
            let slot = self.window(&rules.name, rate).slot(rate, Instant::now(), end);
            let slot = slot.map_err(|after| NoRoom {
                limit: format!("{} calls of `{}` in {} ms", rate.count, rules.name, rate.period_ms),
                after: Some(after),
            })?;
            tokio::time::sleep_until(slot).await;
        }
        Ok(room)
    }

    fn semaphore(&self, plugin: &Arc<str>, calls: u32) -> Arc<Semaphore> {
        let made = || Arc::new(Semaphore::new(usize::try_from(calls).unwrap_or(usize::MAX >> 4)));
        Arc::clone(&self.concurrency.entry((Arc::clone(plugin), calls)).or_insert_with(made))
    }

    fn window(&self, plugin: &Arc<str>, rate: Rate) -> Arc<Window> {
        let key = (Arc::clone(plugin), rate.count, rate.period_ms);
        Arc::clone(&self.rates.entry(key).or_default())
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(concurrency: Option<u32>, rate: Option<Rate>) -> PluginRules {
        PluginRules { concurrency, rate, ..PluginRules::new("p".into()) }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_rate_are_sent_in_any_such_time() {
        let limits = Limits::default();
        let rules = rules(None, Some(Rate { count: 3, period_ms: 1_000 }));
        let began = Instant::now();
        let mut sent = Vec::new();
        for _ in 0..7 {
            limits.room(&rules, Duration::from_secs(60)).await.unwrap();
            sent.push(began.elapsed().as_millis() / 1_000);
        }
        assert_eq!(sent, [0, 0, 0, 1, 1, 1, 2]);
        let refused = limits.room(&rules, Duration::ZERO).await;
        assert!(refused.is_ok(), "two more have room in this second");
        limits.room(&rules, Duration::ZERO).await.unwrap();
        let refused = limits.room(&rules, Duration::from_millis(10)).await.unwrap_err();
        assert!(refused.after.is_some_and(|after| after <= Duration::from_secs(1)), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_are_under_way_at_once() {
        let limits = Limits::default();
        let rules = rules(Some(2), None);
        let soon = Duration::from_millis(10);
        let first = limits.room(&rules, soon).await.unwrap();
        let _second = limits.room(&rules, soon).await.unwrap();
        let refused = limits.room(&rules, soon).await.unwrap_err();
        assert_eq!(refused.limit, "2 calls of `p` at once");
        drop(first);
        limits.room(&rules, soon).await.unwrap();
    }
}
