//! Gates: what a call waits for before it is sent, as long as it takes. What waits here was not
//! sent, and no attempt is counted.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::definition::model::{BreakerRules, WhileOpen};
use gearshift_machine::machine::{BREAKER_OPEN, CallOutcome, ErrorKind, PLUGIN_PAUSED};
use gearshift_machine::partition::PartitionInput;
use tokio::time::Instant;

use super::ask::{Asked, Attempt};
use super::breaker::{Breaker, Gate, Tripped};
use super::breakers::{self, Pass};
use super::limits::Room;
use super::line::Seat;
use super::registry::Route;
use super::reply::failure;
use super::signs::Sign;
use super::unsent::Passed;
use super::waits::{Holder, Waiter};

/// The part of an attempt's time in which room is waited for without a word.
const SOON: u64 = 8;

/// How soon a breaker that is due is tried again to be claimed, where nobody was heard to do so.
const CLAIM_AGAIN: Duration = Duration::from_secs(1);

/// An attempt may be sent.
pub(crate) struct Open {
    pub(super) route: Arc<Route>,
    pub(super) pass: Pass,
    pub(super) room: Room,
    /// Among those of its operation that are under way; a breaker is tried without.
    pub(super) place: Option<Seat>,
}

impl Attempt {
    /// Nothing is to be waited for, as far as rules and breaker are concerned?
    pub(crate) fn passes(&self, route: &Route) -> bool {
        self.rules
            .as_deref()
            .is_none_or(|rules| rules.concurrency.is_none() && rules.rate.is_none())
            && (route.breaker.is_closed() || self.breaker_rules().is_none())
    }

    /// When the breaker of the operation opens; `None` where it is off.
    pub(super) fn breaker_rules(&self) -> Option<BreakerRules> {
        let default = Some(BreakerRules::DEFAULT);
        self.rules.as_deref().map_or(default, |rules| rules.breaker)
    }

    /// Its place among those that wait.
    pub(crate) fn waits(&self) -> Waiter<'_> {
        let operation = (Arc::clone(&self.call.operation), self.prefer());
        self.shared.providers.waits.begin(&self.key, self.call.call, operation, self.first)
    }

    /// Waits until it may be sent: for the operator who paused the plugin, for the breaker, for
    /// room.
    ///
    /// # Errors
    /// How the attempt ended without being sent.
    pub(crate) async fn opens(&self, waits: &Waiter<'_>) -> Result<Open, Asked> {
        let providers = &self.shared.providers;
        loop {
            if let Some((what, hold)) = providers.hold_of(&self.call.operation) {
                // Counted by those who look: where it is asked may not be known yet.
                waits.by(Holder::Pause(what.clone(), hold));
                self.has_its_place();
                providers.released(&what).await;
                waits.is_free();
            }
            let route = Box::pin(self.route()).await?;
            self.refresh();
            let held = route.counts.waits();
            let pass = self.pass_breaker(&route, waits).await?;
            let passed = Passed::new(self, &route, pass);
            let room = match self.rules.as_deref() {
                None => Room::default(),
                Some(rules) => {
                    let told = |place| {
                        waits.by(Holder::Limit(place));
                        self.has_its_place();
                    };
                    let asks = (self.call.per.as_ref(), !self.first);
                    Box::pin(providers.limits.room(rules, asks, &told)).await
                }
            };
            self.has_its_place();
            // Last, so that what waits for anything else takes no place from what can be sent.
            let place = match pass {
                Pass::Probe => route.place_at_once(),
                Pass::Normal => {
                    let told = |place| waits.by(Holder::Limit(place));
                    route.place(!self.first, &told).await
                }
            };
            waits.is_free();
            // What was open when it got in line may be closed now.
            let still =
                pass == Pass::Probe || route.breaker.is_closed() || self.breaker_rules().is_none();
            if still && providers.hold_of(&self.call.operation).is_none() {
                passed.goes();
                drop(held);
                return Ok(Open { route, pass, room, place });
            }
        }
    }

    /// The same, as long as nobody needs to hear of it; `None`: it takes longer than that. Room is
    /// waited for an eighth of the attempt's time, as who finds it then has the rest.
    pub(crate) async fn opens_soon<F>(
        &self,
        waits: &Waiter<'_>,
        mut opens: Pin<&mut F>,
    ) -> Option<F::Output>
    where
        F: Future + Send,
    {
        let left = self.call.deadline.since_ms(self.shared.config.clock.now());
        // What is sent then has nearly all of its time still.
        let soon = Instant::now() + Duration::from_millis(left / SOON);
        loop {
            tokio::select! {
                biased;
                opened = opens.as_mut() => return Some(opened),
                () = waits.changed() => {}
                () = tokio::time::sleep_until(soon), if waits.is_limited() == Some(true) => {
                    return None;
                }
            }
            if waits.is_limited() == Some(false) {
                return None;
            }
        }
    }

    /// What the partition hears of an attempt that is held back; `None` where it is not any more.
    pub(crate) fn is_held(&self, waits: &Waiter<'_>) -> Option<PartitionInput> {
        let (key, call, attempt) = (self.key.clone(), self.call.call, self.call.attempt);
        let outcome = waits.outcome(self.first)?;
        Some(PartitionInput::CallReply { key, call, attempt, outcome })
    }

    /// What came of an attempt whose definition asks for something else since it was held back: it
    /// is decided anew, and was none.
    pub(crate) fn anew(&self) -> Asked {
        let message = format!("`{}` is not what is called any more", self.call.operation);
        Asked::Ended(CallOutcome::Failure {
            kind: ErrorKind::PluginNotFound,
            code: PLUGIN_PAUSED.into(),
            message: message.into(),
            retry_after_ms: Some(0),
        })
    }

    /// Lets another call be tried, unless it is sent.
    pub(crate) fn passed<'a>(&'a self, open: &'a Open) -> Passed<'a> {
        Passed::new(self, &open.route, open.pass)
    }

    /// What was let pass goes nowhere: another call may be the one that is tried.
    pub(super) fn not_sent(&self, route: &Route, pass: Pass) {
        if let Some(rules) = self.breaker_rules() {
            breakers::ended(&self.shared, &route.breaker, rules, pass, (Sign::None, ""));
        }
    }

    async fn pass_breaker(&self, route: &Route, waits: &Waiter<'_>) -> Result<Pass, Asked> {
        let Some(rules) = self.breaker_rules() else { return Ok(Pass::Normal) };
        let breaker = &route.breaker;
        loop {
            let (was, is_due) = match breaker.gate(self.shared.config.clock.now()) {
                Gate::Closed => return Ok(Pass::Normal),
                Gate::Due(was) if self.is_tried(breaker, &was, waits).await => {
                    return Ok(Pass::Probe);
                }
                // It was tried by an engine that is gone, and nobody else hears what becomes of it.
                Gate::Held(was)
                    if !self.first
                        && was.is_trying(&self.id)
                        && self.is_tried(breaker, &was, waits).await =>
                {
                    return Ok(Pass::Probe);
                }
                Gate::Due(was) => (was, true),
                Gate::Held(was) => (was, false),
            };
            if rules.open == WhileOpen::Fail {
                let words = was.words(&breaker.key);
                return Err(Asked::Ended(failure(ErrorKind::Permanent, BREAKER_OPEN, words)));
            }
            waits.by(Holder::Breaker(breaker.key.clone(), was.clone()));
            self.has_its_place();
            self.over(route, &was, is_due).await;
        }
    }

    /// Is it the one call by which the breaker is tried?
    async fn is_tried(&self, breaker: &Breaker, was: &Tripped, waits: &Waiter<'_>) -> bool {
        // What was held back has its time in full once it is sent, whatever its deadline was.
        let left = match self.call.deadline.since_ms(self.shared.config.clock.now()) {
            _ if waits.was_held() => breakers::PROBE_MS,
            0 => breakers::PROBE_MS,
            left => left,
        };
        breakers::claim(&self.shared, breaker, was, (&self.id, left)).await
    }

    /// Resolves once the breaker is not as it `was`, or its next call is due. One that is due, and
    /// was claimed by another call, is waited for until that is heard.
    async fn over(&self, route: &Route, was: &Tripped, is_due: bool) {
        let clock = &self.shared.config.clock;
        tokio::select! {
            biased;
            () = route.breaker.changed(was) => {}
            () = clock.sleep_until(was.until), if !is_due => {}
            () = tokio::time::sleep(CLAIM_AGAIN), if is_due => {}
        }
    }
}
