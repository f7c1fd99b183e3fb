//! Limits: how much one engine asks of a plugin, where a definition says so.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{PluginRules, Rate};
use tokio::time::Instant;

use super::ahead::{Again, Ahead};
use super::line::{InLine, Line, Seat};

/// So many windows are kept before it is looked which of them nobody needs.
const LOOK_AT: usize = 1_024;

/// What is limited. Definitions that say the same number of the same plugin share it; where they
/// count by a key, they share it for each key.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Those with a call under way or waiting, by plugin, number and key.
    concurrency: Arc<DashMap<At<u32>, Arc<Line>>>,
    /// By plugin, number, time and key.
    rates: DashMap<At<(u32, u64)>, Arc<Window>>,
    /// How many windows there may be before those that are over go.
    look_at: AtomicUsize,
    /// Those that an owner before may have sent, and that are in no line yet.
    again: Arc<Again>,
}

/// Plugin, limit and key.
type At<L> = (Arc<str>, L, Option<Arc<str>>);

/// The calls that were sent last, and who waits to be the next one.
#[derive(Debug)]
struct Window {
    sent: Mutex<VecDeque<Instant>>,
    line: Arc<Line>,
}

/// A call may be sent; it counts as under way until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(#[expect(dead_code, reason = "held for its drop")] Option<Place>);

/// A call's place among those under way, or waiting for one; it takes away what nobody else has.
#[derive(Debug)]
struct Place {
    /// `None` once it is dropped.
    permit: Option<Seat>,
    at: At<u32>,
    all: Arc<DashMap<At<u32>, Arc<Line>>>,
}

impl Limits {
    /// An attempt that an owner before may have sent: it is in line before those are that nobody
    /// can have.
    pub(super) fn ahead(&self) -> Ahead {
        self.again.one()
    }

    /// Waits for room, in the order in which it is asked for, but `again` first; `key` is what the
    /// rules count by. Who has to wait is `told` for what, with a place in its line.
    pub(super) async fn room(
        &self,
        rules: &PluginRules,
        (key, again): (Option<&Arc<str>>, bool),
        told: &(dyn Fn(InLine) + Send + Sync),
    ) -> Room {
        let whose = || match key {
            None => format!("`{}`", rules.name),
            Some(key) => format!("`{}` for `{key}`", rules.name),
        };
        if !again {
            self.again.is_in_line().await;
        }
        let room = match rules.concurrency {
            None => Room::default(),
            Some(calls) => {
                let (mut place, line) = self.seat((Arc::clone(&rules.name), calls, key.cloned()));
                let limit = || match calls {
                    1 => format!("one call of {} at once", whose()),
                    _ => format!("{calls} calls of {} at once", whose()),
                };
                place.permit = line.join(again, limit, told).await;
                Room(Some(place))
            }
        };
        if let Some(rate) = rules.rate {
            let period = duration::format(rate.period_ms);
            let limit = || match rate.count {
                1 => format!("one call of {} in {period}", whose()),
                count => format!("{count} calls of {} in {period}", whose()),
            };
            let at = (Arc::clone(&rules.name), (rate.count, rate.period_ms), key.cloned());
            self.turn((rate, again), at, limit, told).await;
        }
        room
    }

    /// The room that there is at once, for a call that is under way already.
    pub(super) fn room_at_once(&self, rules: &PluginRules, key: Option<&Arc<str>>) -> Room {
        Room(rules.concurrency.and_then(|calls| {
            let (mut place, line) = self.seat((Arc::clone(&rules.name), calls, key.cloned()));
            place.permit = Some(line.at_once()?);
            Some(place)
        }))
    }

    /// A place without a permit, and what gives permits.
    fn seat(&self, at: At<u32>) -> (Place, Arc<Line>) {
        let place = Place { permit: None, at, all: Arc::clone(&self.concurrency) };
        let made = || Arc::new(Line::new(place.at.1));
        let line = Arc::clone(&place.all.entry(place.at.clone()).or_insert_with(made));
        (place, line)
    }

    /// Waits for the moment of the next call. Only who is first in line has one to come, so that
    /// whoever gives up takes none away.
    async fn turn(
        &self,
        (rate, again): (Rate, bool),
        at: At<(u32, u64)>,
        limit: impl Fn() -> String,
        told: &(dyn Fn(InLine) + Send + Sync),
    ) {
        let window = Arc::clone(&self.rates.entry(at).or_default());
        let first = window.line.join(again, &limit, told).await;
        while let Err(after) = window.slot(rate, Instant::now()) {
            told(window.line.first(limit()));
            tokio::time::sleep(after).await;
        }
        drop((first, window));
        self.forget_windows(Instant::now());
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
        self.all.remove_if(&self.at, |_, line| Arc::strong_count(line) == 1 && line.is_idle());
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { sent: Mutex::default(), line: Arc::new(Line::new(1)) }
    }
}

impl Window {
    /// A call is sent now: there are never more than `rate` has in any such time. Else the answer
    /// is how long it is until one may be.
    fn slot(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let count = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let first = sent.len().checked_sub(count).and_then(|at| sent.get(at));
        let free = first.map_or(now, |first| *first + Duration::from_millis(rate.period_ms));
        if free > now {
            return Err(free.saturating_duration_since(now));
        }
        sent.push_back(now);
        while sent.len() > count {
            sent.pop_front();
        }
        Ok(())
    }

    /// Does none of its calls count any more?
    fn is_over(&self, period_ms: u64, now: Instant) -> bool {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.back().is_none_or(|last| *last + Duration::from_millis(period_ms) <= now)
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
