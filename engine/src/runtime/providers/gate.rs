//! Gates: what a call waits for before it is sent. What waits here was not sent, and no attempt is
//! counted.

use std::time::Duration;

use gearshift_machine::definition::model::{BreakerRules, WhileOpen};
use gearshift_machine::machine::{
    BREAKER_OPEN, CallOutcome, ErrorKind, PLUGIN_LIMITED, PLUGIN_PAUSED,
};

use super::ask::{Asked, Attempt};
use super::breaker::{Gate, Tripped};
use super::breakers::{self, Pass};
use super::limits::Room;
use super::registry::Route;
use super::reply::failure;
use super::signs::Sign;

/// An attempt that is held waits all of its time but this part of it, so that the machine hears of
/// it before its own timer calls it a timeout.
const HELD_PART: u64 = 5;

/// How soon a call that is still held is held again, in milliseconds.
const HELD_AGAIN_MS: u64 = 1_000;

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

    /// How long an attempt is held at most.
    fn patience(&self) -> Duration {
        let left = self.call.deadline.since_ms(self.shared.config.clock.now());
        Duration::from_millis(left / HELD_PART * (HELD_PART - 1))
    }

    /// Where an operator paused the plugin: waits until it is let go on, or until the attempt's
    /// time is nearly over. It was not sent, and the next attempt has all of its time again.
    pub(crate) async fn held(&self) -> Option<Asked> {
        let providers = &self.shared.providers;
        let (what, hold) = providers.hold_of(&self.call.operation)?;
        let route = self.known();
        let _waits = route.as_ref().map(|route| route.counts.waits());
        let released = tokio::time::timeout(self.patience(), providers.released(&what)).await;
        let again = if released.is_ok() { 0 } else { HELD_AGAIN_MS };
        Some(held(PLUGIN_PAUSED, hold.words(&what), again))
    }

    /// Waits for the breaker and for room.
    pub(super) async fn pass(&self, route: &Route) -> Result<(Pass, Room), Asked> {
        let pass = self.pass_breaker(route).await?;
        let Some(rules) = self.rules.as_deref() else { return Ok((pass, Room::default())) };
        // What found room late is sent all the same, so half of its time is left for that.
        let left = self.call.deadline.since_ms(self.shared.config.clock.now());
        let patience = Duration::from_millis(left / 2);
        let room = self.shared.providers.limits.room(rules, self.call.per.as_ref(), patience);
        match room.await {
            Ok(room) => Ok((pass, room)),
            Err(full) => {
                self.not_sent(route, pass);
                let after = full.after.map_or(0, |after| after.as_millis());
                let after = u64::try_from(after).unwrap_or(HELD_AGAIN_MS);
                Err(held(PLUGIN_LIMITED, format!("the limit of {} is reached", full.limit), after))
            }
        }
    }

    /// What was let pass goes nowhere: another call may be the one that is tried.
    pub(super) fn not_sent(&self, route: &Route, pass: Pass) {
        if let Some(rules) = self.breaker_rules() {
            breakers::ended(&self.shared, &route.breaker, rules, pass, (Sign::None, ""));
        }
    }

    async fn pass_breaker(&self, route: &Route) -> Result<Pass, Asked> {
        let Some(rules) = self.breaker_rules() else { return Ok(Pass::Normal) };
        let breaker = &route.breaker;
        let (was, is_due) = match breaker.gate(self.shared.config.clock.now()) {
            Gate::Closed => return Ok(Pass::Normal),
            Gate::Due(was) if breakers::claim(&self.shared, breaker, &was).await => {
                return Ok(Pass::Probe);
            }
            Gate::Due(was) => (was, true),
            Gate::Held(was) => (was, false),
        };
        let words = was.words(&breaker.key);
        if rules.open == WhileOpen::Fail {
            return Err(Asked::Ended(failure(ErrorKind::Permanent, BREAKER_OPEN, words)));
        }
        let over = tokio::time::timeout(self.patience(), self.over(route, &was, is_due)).await;
        // Whoever comes back at once finds it closed, or is the one that is tried.
        let again = if over.is_ok() { 0 } else { HELD_AGAIN_MS };
        Err(held(BREAKER_OPEN, words, again))
    }

    /// Resolves once the breaker is not as it `was`, or its next call is due. One that is due, and
    /// was claimed by another call, is waited for until that has ended.
    async fn over(&self, route: &Route, was: &Tripped, is_due: bool) {
        tokio::select! {
            biased;
            () = route.breaker.changed(was) => {}
            () = self.shared.config.clock.sleep_until(was.until), if !is_due => {}
        }
    }
}

/// It was not sent, and is no attempt.
fn held(code: &str, words: String, again_ms: u64) -> Asked {
    Asked::Ended(CallOutcome::Failure {
        kind: ErrorKind::PluginNotFound,
        code: code.into(),
        message: words.into(),
        retry_after_ms: Some(again_ms),
    })
}
