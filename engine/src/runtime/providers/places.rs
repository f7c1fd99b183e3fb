//! Places: how many calls of one operation this engine has under way at once. Each operation has
//! its own, so that a plugin that hangs keeps no call of another one waiting (decision 0059).

use std::sync::Arc;

use dashmap::DashMap;

use super::line::{InLine, Line, Seat};
use super::registry::{Route, key_of};

/// The places of each operation.
#[derive(Debug)]
pub(super) struct Places {
    most: u32,
    /// By `<plugin>.v<major>.<operation>`.
    lines: DashMap<String, Arc<Line>>,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        Self { most, lines: DashMap::new() }
    }

    /// Those of an operation.
    pub(super) fn of(&self, key: &str) -> Arc<Line> {
        if let Some(known) = self.lines.get(key) {
            return Arc::clone(&known);
        }
        let made = || Arc::new(Line::new(self.most));
        Arc::clone(&self.lines.entry(key.to_owned()).or_insert_with(made))
    }
}

impl Route {
    /// A place among the calls under way, if there is one now.
    pub(crate) fn place_at_once(&self) -> Option<Seat> {
        self.places.at_once()
    }

    /// Waits for a place among the calls under way, `again` before all that are not; who has to is
    /// `told`.
    pub(super) async fn place(
        &self,
        again: bool,
        told: &(dyn Fn(InLine) + Send + Sync),
    ) -> Option<Seat> {
        let limit = || {
            let (most, key) = (self.places.places(), key_of(self.subject.as_str()));
            format!("{most} calls of `{key}` that one engine has under way")
        };
        self.places.join(again, limit, told).await
    }
}
