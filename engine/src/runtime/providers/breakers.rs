//! Breakers: all of them, kept on the bus, so that engines share them and a restart finds them.

use std::sync::Arc;

use bytes::Bytes;
use gearshift_bus::{Change, Error as BusError, Swapped};
use gearshift_machine::definition::model::BreakerRules;
use gearshift_machine::machine::NoticeKind;

use super::breaker::{Breaker, Tripped};
use super::registry::Providers;
use super::signs::Sign;
use crate::runtime::shared::Shared;

/// Keys of breakers in the bucket of plugins: `breaker/<plugin>.v<major>.<operation>`.
const PREFIX: &str = "breaker/";

/// How long the call of a half-open breaker may take before another one is tried.
pub(super) const PROBE_MS: u64 = 30_000;

/// How much longer than its own deadline is waited for it: whoever asked hears of that first.
const PROBE_LATE_MS: u64 = 2_000;

/// How soon another call is tried where one did not reach the plugin.
const AGAIN_MS: u64 = 1_000;

/// May a call be sent, as far as its breaker is concerned?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pass {
    /// As any other.
    #[default]
    Normal,
    /// It is the one that shows whether the operation is well again.
    Probe,
}

impl Providers {
    /// The breaker of an operation.
    pub(super) fn breaker(&self, key: &str) -> Arc<Breaker> {
        if let Some(known) = self.breakers.get(key) {
            return Arc::clone(&known);
        }
        let made = || Arc::new(Breaker::new(key));
        Arc::clone(&self.breakers.entry(key.to_owned()).or_insert_with(made))
    }

    /// Learns which breakers are open before anything is asked.
    pub(crate) async fn load_breakers(&self) -> Result<(), BusError> {
        let bucket = self.bucket().await?;
        for key in bucket.keys(PREFIX).await? {
            if let Some(value) = bucket.get(&key).await? {
                self.heard(&key, Some((&value.value, value.revision)));
            }
        }
        Ok(())
    }

    /// Hears what becomes of breakers through other engines, until the bus is closed.
    pub(crate) async fn keep_breakers(&self) -> Result<(), BusError> {
        let mut watch = self.bucket().await?.watch(PREFIX).await?;
        // What was closed while nobody watched is told by nothing else.
        let known = self.bucket().await?.keys(PREFIX).await?;
        for breaker in &self.breakers {
            let key = format!("{PREFIX}{}", breaker.key);
            if breaker.tripped().is_some_and(|it| it.revision > 0) && !known.contains(&key) {
                breaker.set(None);
            }
        }
        while let Some(change) = watch.next().await {
            match change {
                Change::Put { key, value, .. } => {
                    self.heard(&key, Some((&value.value, value.revision)));
                }
                Change::Deleted { key } => self.heard(&key, None),
            }
        }
        Ok(())
    }

    fn heard(&self, key: &str, value: Option<(&Bytes, u64)>) {
        let Some(name) = key.strip_prefix(PREFIX) else { return };
        let tripped = match value {
            None => None,
            Some((bytes, revision)) => match serde_json::from_slice::<Tripped>(bytes) {
                Ok(tripped) => Some(Tripped { revision, ..tripped }),
                Err(error) => {
                    tracing::error!(name, %error, "a breaker cannot be read and counts as closed");
                    None
                }
            },
        };
        self.breaker(name).set(tripped);
    }

    /// Every breaker that is not closed, by key.
    pub(super) fn tripped(&self) -> Vec<(String, Tripped)> {
        let open = |one: &Arc<Breaker>| Some((one.key.to_string(), one.tripped()?));
        let mut list: Vec<_> = self.breakers.iter().filter_map(|one| open(&one)).collect();
        list.sort_by(|left, right| left.0.cmp(&right.0));
        list
    }

    /// Writes how a breaker is if it is still as `was` known; false where somebody was faster.
    async fn write(&self, breaker: &Breaker, was: u64, now: &Tripped) -> Result<bool, BusError> {
        let value = Bytes::from(serde_json::to_vec(now).unwrap_or_default());
        let key = format!("{PREFIX}{}", breaker.key);
        match self.bucket().await?.compare_and_set(&key, was, value).await? {
            Swapped::Stored(revision) => {
                breaker.set(Some(Tripped { revision, ..now.clone() }));
                Ok(true)
            }
            Swapped::Conflict { .. } => Ok(false),
        }
    }
}

/// Claims the one call of a breaker whose time has come, for the `call` that has so many
/// milliseconds `left`; false where somebody else has it.
pub(super) async fn claim(
    shared: &Shared,
    breaker: &Breaker,
    was: &Tripped,
    (call, left): (&str, u64),
) -> bool {
    let Some(_turn) = breaker.claims() else { return false };
    let now = shared.config.clock.now();
    let by = shared.config.name.clone();
    let until = now.plus_ms(left.saturating_add(PROBE_LATE_MS).min(PROBE_MS));
    let call = Some(call.to_owned());
    let half = Tripped { half_open: true, until, by, call, ..was.clone() };
    match shared.providers.write(breaker, was.revision, &half).await {
        Ok(true) => {
            announce(shared, NoticeKind::BreakerHalfOpen, &breaker.key, Some(&half), None);
            true
        }
        Ok(false) => false,
        Err(error) => {
            tracing::debug!(key = %breaker.key, %error, "no call is tried, the bus is away");
            false
        }
    }
}

/// What an attempt that ended says of the operation.
pub(super) fn ended(
    shared: &Arc<Shared>,
    breaker: &Arc<Breaker>,
    rules: BreakerRules,
    pass: Pass,
    (sign, error): (Sign, &str),
) {
    let now = shared.config.clock.now();
    let by = &shared.config.name;
    match (pass, sign) {
        (Pass::Normal, Sign::None) => {}
        (Pass::Normal, Sign::Well) => breaker.well(),
        (Pass::Normal, Sign::Bad) => {
            if let Some(opened) = breaker.bad(rules, now, error, by) {
                keep(shared, breaker, 0, opened);
            }
        }
        (Pass::Probe, Sign::Well) => {
            breaker.set(None);
            let (shared, breaker) = (Arc::clone(shared), Arc::clone(breaker));
            let tracker = shared.tasks.clone();
            tracker.spawn(async move { close(&shared, &breaker.key, None).await.ok() });
        }
        (Pass::Probe, Sign::Bad | Sign::None) => {
            let Some(was) = breaker.tripped() else { return };
            let wait = if sign == Sign::Bad { rules.reset_ms } else { AGAIN_MS };
            let (until, half_open) = (now.plus_ms(wait), false);
            let by = by.clone();
            let mut again = Tripped { half_open, until, by, call: None, ..was.clone() };
            if sign == Sign::Bad {
                again.failures = was.failures.saturating_add(1);
                error.clone_into(&mut again.error);
            }
            breaker.set(Some(again.clone()));
            keep(shared, breaker, was.revision, again);
        }
    }
}

/// Writes that a breaker is open, beside the calls.
fn keep(shared: &Arc<Shared>, breaker: &Arc<Breaker>, was: u64, opened: Tripped) {
    let (shared, breaker) = (Arc::clone(shared), Arc::clone(breaker));
    let tracker = shared.tasks.clone();
    tracker.spawn(async move {
        match shared.providers.write(&breaker, was, &opened).await {
            Ok(true) => {
                let kind = NoticeKind::BreakerOpened;
                announce(&shared, kind, &breaker.key, Some(&opened), None);
            }
            // Another engine wrote first, and its word comes by the watch.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(key = %breaker.key, %error, "that a breaker is open is not kept");
            }
        }
    });
}

/// Closes a breaker for all engines.
pub(super) async fn close(shared: &Shared, key: &str, by: Option<&str>) -> Result<(), BusError> {
    shared.providers.bucket().await?.delete(&format!("{PREFIX}{key}")).await?;
    shared.providers.breaker(key).set(None);
    announce(shared, NoticeKind::BreakerClosed, key, None, by);
    Ok(())
}

fn announce(
    shared: &Shared,
    kind: NoticeKind,
    key: &str,
    tripped: Option<&Tripped>,
    by: Option<&str>,
) {
    let plugin = key.split('.').next().unwrap_or_default();
    let mut fields = vec![("operation", key.to_owned())];
    if let Some(tripped) = tripped {
        fields.push(("failures", tripped.failures.to_string()));
        fields.push(("error", tripped.error.clone()));
        fields.push(("until", tripped.until.to_string()));
    }
    fields.extend(by.map(|by| ("by", by.to_owned())));
    super::notices::tell(shared, kind, plugin, fields);
}

/// Is it this operation's, or one of this plugin's?
pub(super) fn is_of(key: &str, plugin: &str, operation: Option<&str>) -> bool {
    let mut parts = key.splitn(3, '.');
    let of_plugin = parts.next() == Some(plugin);
    of_plugin && operation.is_none_or(|operation| parts.nth(1) == Some(operation))
}
