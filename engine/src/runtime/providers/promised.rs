//! Promises: what a plugin that answers later owes, and what its operation is told once that is
//! known.
//!
//! Until then an attempt says nothing of the operation: taking a call is no proof of doing it.

use std::sync::Arc;
use std::time::Instant;

use gearshift_machine::definition::model::{BreakerRules, PluginRules};
use gearshift_machine::machine::CallOutcome;
use gearshift_protocol::{Load, OperationRef};

use super::breakers::{self, Pass};
use super::gives::Gives;
use super::instances::Picked;
use super::limits::Room;
use super::prefer::Prefer;
use super::registry::Route;
use super::signs::{Sign, sign_of, words_of};
use crate::runtime::shared::Shared;

/// An attempt whose plugin answers later, until it is known what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Promised {
    /// How long its plugin may be silent, in milliseconds.
    pub(crate) heartbeat_ms: u64,
    rules: Option<Arc<PluginRules>>,
    pass: Pass,
    /// Where it was asked and since when, if this engine did.
    asked: Option<(Arc<Route>, Instant)>,
    /// Its place among the calls under way, which nobody else has before it is known what became
    /// of it.
    #[expect(dead_code, reason = "held for its drop")]
    room: Arc<Room>,
    /// The instance that has it, where this engine chose one: it is under way there.
    picked: Option<Arc<Picked>>,
}

impl PartialEq for Promised {
    fn eq(&self, other: &Self) -> bool {
        self.heartbeat_ms == other.heartbeat_ms && self.pass == other.pass
    }
}

impl Eq for Promised {}

impl Promised {
    /// This engine asked.
    pub(super) fn new(
        heartbeat_ms: u64,
        rules: Option<Arc<PluginRules>>,
        pass: Pass,
        (route, began): (&Arc<Route>, Instant),
    ) -> Self {
        let asked = Some((Arc::clone(route), began));
        Self { heartbeat_ms, rules, pass, asked, room: Arc::default(), picked: None }
    }

    /// The same, under way at this instance.
    pub(super) fn at(self, picked: Option<Picked>) -> Self {
        Self { picked: picked.map(Arc::new), ..self }
    }

    /// What its result is to be. Of one that another engine asked nobody knows who took it, and in
    /// which version.
    pub(crate) fn gives(&self) -> Option<Gives> {
        let (route, began) = self.asked.as_ref()?;
        route.gives(self.picked.as_deref(), *began)
    }

    /// Did this engine ask?
    pub(crate) const fn asked_here(&self) -> bool {
        self.asked.is_some()
    }

    /// The same with the place that its call has among those under way.
    pub(super) fn in_room(self, room: Room) -> Self {
        Self { room: Arc::new(room), ..self }
    }

    /// An owner before asked: since when is not known.
    pub(crate) fn taken_over(heartbeat_ms: u64, rules: Option<Arc<PluginRules>>) -> Self {
        let (pass, room) = (Pass::Normal, Arc::default());
        Self { heartbeat_ms, rules, pass, asked: None, room, picked: None }
    }

    /// The same, counted among the calls of this engine that are under way, as far as there is
    /// room: it was sent before this engine could be asked for any.
    pub(crate) fn counted(self, shared: &Shared, per: Option<&Arc<str>>) -> Self {
        let limits = &shared.providers.limits;
        let room = self.rules.as_deref().map(|rules| limits.room_at_once(rules, per));
        self.in_room(room.unwrap_or_default())
    }

    /// Is it of the operation `<plugin>.v<major>.<operation>`? The definition calls it `operation`.
    pub(crate) fn is_of(&self, key: &str, operation: &str) -> bool {
        if let Some((route, _)) = &self.asked {
            return *route.breaker.key == *key;
        }
        let Ok(it) = operation.parse::<OperationRef>() else { return false };
        let major = key.split('.').nth(1).and_then(|text| text.strip_prefix('v')?.parse().ok());
        breakers::is_of(key, &it.plugin, Some(&it.operation))
            && it.major().is_none_or(|wanted| Some(wanted) == major)
    }

    /// The instance that has it told how busy it is.
    pub(crate) fn tell_load(&self, load: Load) {
        if let Some(picked) = &self.picked {
            picked.tell_load(load);
        }
    }

    /// Its plugin was silent for too long.
    pub(crate) fn silent(self, shared: &Arc<Shared>, operation: &Arc<str>, outcome: &CallOutcome) {
        let sign = self.sign_of_silence();
        self.tell(shared, operation, sign, true, words_of(outcome));
    }

    /// What silence says of the operation: nothing where the instance is gone, or a call that was
    /// sent later was answered (decision 0046).
    fn sign_of_silence(&self) -> Sign {
        let is_gone = self.picked.as_ref().is_some_and(|picked| picked.is_gone());
        let is_old = self.asked.as_ref().is_some_and(|(route, began)| {
            self.pass == Pass::Normal && route.breaker.lately.has_answered_since(*began)
        });
        if is_gone || is_old { Sign::None } else { Sign::Bad }
    }

    /// What became of it.
    pub(crate) fn ended(self, shared: &Arc<Shared>, operation: &Arc<str>, outcome: &CallOutcome) {
        let failed = matches!(outcome, CallOutcome::Failure { .. });
        let sign = sign_of(outcome);
        if sign == Sign::None {
            return self.given_up(shared);
        }
        self.tell(shared, operation, sign, failed, words_of(outcome));
    }

    /// Its time was over before there was a result.
    pub(crate) fn overdue(self, shared: &Arc<Shared>, operation: &Arc<str>) {
        let sign = self.sign_of_silence();
        self.tell(shared, operation, sign, true, "no result in time".to_owned());
    }

    /// Nobody waits for it any more, so nothing will be known of it.
    pub(crate) fn given_up(self, shared: &Arc<Shared>) {
        if let Some((route, _)) = &self.asked {
            self.signed(shared, route, Sign::None, "");
        }
    }

    fn tell(
        self,
        shared: &Arc<Shared>,
        operation: &Arc<str>,
        sign: Sign,
        failed: bool,
        words: String,
    ) {
        if let Some((route, began)) = &self.asked {
            route.counts.add(Some(began.elapsed()), failed);
            if sign == Sign::Well {
                route.breaker.lately.answered(*began);
            }
            return self.signed(shared, route, sign, &words);
        }
        let (tasks, shared) = (shared.tasks.clone(), Arc::clone(shared));
        let operation = Arc::clone(operation);
        tasks.spawn(async move {
            let prefer = Prefer::of(self.rules.as_deref());
            let found = tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                found = shared.providers.find(&operation, prefer) => found,
            };
            match found {
                Ok(route) => {
                    route.counts.add(None, failed);
                    self.signed(&shared, &route, sign, &words);
                }
                Err(error) => tracing::debug!(%operation, ?error, "a result is not counted"),
            }
        });
    }

    fn signed(&self, shared: &Arc<Shared>, route: &Route, sign: Sign, words: &str) {
        let default = Some(BreakerRules::DEFAULT);
        if let Some(rules) = self.rules.as_deref().map_or(default, |rules| rules.breaker) {
            breakers::ended(shared, &route.breaker, rules, self.pass, (sign, words));
        }
    }
}
