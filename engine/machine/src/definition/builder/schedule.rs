//! Schedule: when a workflow under construction starts by itself.

use super::data::Data;
use super::tree::Tree;

/// When a workflow starts by itself; say `cron` or `every`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule(pub(super) Tree);

impl Schedule {
    /// Minute, hour, day of month, month, day of week; seconds may stand before.
    #[must_use]
    pub fn cron(mut self, pattern: impl Into<String>) -> Self {
        self.0.text("cron", pattern);
        self
    }

    /// The time between two starts, counted from 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn every(mut self, duration: impl Into<String>) -> Self {
        self.0.text("every", duration);
        self
    }

    /// The time zone of `cron`, as `Europe/Berlin`; UTC by default.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.0.text("zone", zone);
        self
    }

    /// `skip`, `allow`, `queue` or `cancel_previous`: what a moment does while a start runs.
    #[must_use]
    pub fn overlap(mut self, overlap: impl Into<String>) -> Self {
        self.0.text("overlap", overlap);
        self
    }

    /// `none`, `one` or `all`: what becomes of moments that nobody was there for.
    #[must_use]
    pub fn catch_up(mut self, catch_up: impl Into<String>) -> Self {
        self.0.text("catch_up", catch_up);
        self
    }

    /// The key of the instance; the schedule and the moment by default.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.text("key", key);
        self
    }

    /// What the instance is started with; `{ schedule, due }` by default.
    #[must_use]
    pub fn input(mut self, input: impl Into<Data>) -> Self {
        self.0.data("input", input);
        self
    }
}
