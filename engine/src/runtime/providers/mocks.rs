//! Operations that mocks answer to this engine: they are asked in this process, whoever runs on the
//! bus (decision 0052).

use std::sync::Arc;

use gearshift_bus::Subject;
use gearshift_machine::definition::model::{CallSpec, Definition, SeqStep};
use gearshift_machine::machine::{CallOutcome, ContentHash, ErrorKind};
use gearshift_protocol::{OperationRef, subjects};

use super::breaker::Breaker;
use super::breakers;
use super::counts::Counted;
use super::prefer::Prefer;
use super::registry::{Providers, Route, Unroutable, key_of};
use super::reply::failure;

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
        match self.is_mocked(operation) {
            true => self.mocked.apart(under),
            false => under,
        }
    }

    /// Does a mock answer what a definition calls so, as far as is known without asking?
    fn is_mocked(&self, operation: &str) -> bool {
        let by_route =
            || Prefer::ALL.iter().any(|it| self.known(operation, *it).is_some_and(|it| it.mocked));
        let by_name = |it: OperationRef| self.mocked.answers(&it.plugin, &it.operation);
        operation.parse().is_ok_and(by_name) || by_route()
    }

    /// The operation that `operation` takes back in this definition and that a mock answers, where
    /// none answers `operation` itself: nothing was done, so no plugin may take it back.
    pub(crate) fn takes_back_mocked(&self, of: &Definition, operation: &str) -> Option<Arc<str>> {
        if self.mocked.is_idle() {
            return None;
        }
        let steps = of.sequences.iter().flat_map(|sequence| &sequence.steps);
        let undo_of = |call: &&Arc<CallSpec>| {
            call.undo.as_ref().is_some_and(|undo| *undo.operation == *operation)
        };
        let mut done = steps.filter_map(SeqStep::call).filter(undo_of);
        let mocked = done.find(|call| self.is_mocked(&call.operation))?;
        (!self.is_mocked(operation)).then(|| Arc::clone(&mocked.operation))
    }
}

/// What becomes of a call that would really take back what a mock did.
pub(super) fn not_mocked(operation: &str, mocked: &str) -> CallOutcome {
    let text = format!(
        "`{operation}` takes back `{mocked}`, which a mock answers: no plugin is asked to take \
         back what none may have done; mock `{operation}` as well"
    );
    failure(ErrorKind::Permanent, "undo_not_mocked", text)
}

fn mocked_key(key: &str) -> String {
    [key, MOCKED].concat()
}
