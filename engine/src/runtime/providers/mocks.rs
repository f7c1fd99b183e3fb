//! Operations that mocks answer to this engine: they are asked in this process, whoever runs on the
//! bus (decision 0052).

use std::sync::Arc;

use gearshift_bus::Subject;
use gearshift_machine::machine::ContentHash;
use gearshift_protocol::{OperationRef, subjects};

use super::breaker::Breaker;
use super::breakers;
use super::counts::Counted;
use super::prefer::Prefer;
use super::registry::{Providers, Route, Unroutable, key_of};

/// What follows the key of an operation where its mock is counted, and not its plugin.
const MOCKED: &str = " mocked";

impl Providers {
    /// Where the mock of the operation at `subject` is asked.
    pub(super) async fn mock(&self, subject: &str, turn: u64) -> Result<Arc<Route>, Unroutable> {
        let key = key_of(subject);
        let at = Subject::parse(subject).map_err(|error| Unroutable::Name(error.to_string()))?;
        // As its plugin is asked, where that was ever known.
        let once = self.once(key, false).await.map_err(Unroutable::Bus)?;
        Ok(Arc::new(Route {
            bus: self.mocked.bus().clone(),
            mocked: true,
            turn,
            subject: at,
            once,
            offered: true,
            group: true,
            objects: false,
            // Whoever writes a mock says what it gives.
            gives: None,
            pool: None,
            // Not the one that engines share: what a mock says is no news of the plugin.
            breaker: Arc::new(Breaker::never(key)),
            counts: self.counts(&mocked_key(key)),
            places: self.places.of(&mocked_key(key)),
        }))
    }

    /// Does a mock answer at the subject of this operation?
    pub(super) fn is_mocked_at(&self, subject: &str) -> bool {
        let Some(rest) = subject.strip_prefix(subjects::PLUGIN) else { return false };
        let mut parts = rest.splitn(3, '.');
        match (parts.next(), parts.nth(1)) {
            (Some(plugin), Some(operation)) => self.mocked.answers(plugin, operation),
            (None | Some(_), _) => false,
        }
    }

    /// Where what was counted at this subject is: of its plugin, or of its mock.
    pub(super) fn counted_at(&self, subject: &str) -> String {
        let key = key_of(subject);
        if self.is_mocked_at(subject) { mocked_key(key) } else { key.to_owned() }
    }

    /// Where a mock was asked most, and what was counted of that.
    pub(super) fn mock_counted(&self, plugin: &str, operation: &str) -> Option<(String, Counted)> {
        let is_its = |key: &str| breakers::is_of(key, plugin, Some(operation));
        let counted = self.counts.iter().filter_map(|counts| {
            let key = counts.key().strip_suffix(MOCKED).filter(|key| is_its(key))?;
            Some((format!("{}{key}", subjects::PLUGIN), counts.read()))
        });
        counted.max_by_key(|(_, counted)| counted.calls)
    }

    /// Keeps a route. Of many that look at once the first one's counts, so that instances take
    /// turns; but not one of before the mocks changed.
    pub(super) fn found(
        &self,
        operation: &Arc<str>,
        prefer: Prefer,
        route: Arc<Route>,
    ) -> Arc<Route> {
        let routes = self.routes(prefer);
        let mut kept = routes.entry(Arc::clone(operation)).or_insert_with(|| Arc::clone(&route));
        if kept.turn < route.turn {
            *kept = route;
        }
        Arc::clone(&kept)
    }

    /// Where the result of a call is kept: what a mock gave is nobody else's, and not this engine's
    /// once the mocks change.
    pub(crate) fn kept_under(&self, operation: &str, under: ContentHash) -> ContentHash {
        let by_route =
            || Prefer::ALL.iter().any(|it| self.known(operation, *it).is_some_and(|it| it.mocked));
        let by_name = |it: OperationRef| self.mocked.answers(&it.plugin, &it.operation);
        match operation.parse().is_ok_and(by_name) || by_route() {
            true => self.mocked.apart(under),
            false => under,
        }
    }
}

fn mocked_key(key: &str) -> String {
    [key, MOCKED].concat()
}
