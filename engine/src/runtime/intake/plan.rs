//! [`Intake`]: what is to be read from where, as all engines agreed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gearshift_bus::{Bucket, Bus, Held, Inbox, SubjectPattern};
use tokio::sync::watch;

use super::health::IntakeHealth;
use super::misses::Misses;
use super::places::Places;
use super::sources::Sources;
use crate::runtime::error::Error;
use crate::runtime::shared::Shared;

/// The inbox that captures what nobody else holds.
pub(super) const INBOX: &str = "events";
/// The key that says which subjects somebody else's streams hold.
const HELD: &str = "held";

/// Somebody else's streams, and the patterns that are read of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(super) foreign: BTreeMap<String, Vec<SubjectPattern>>,
}

/// What the engine's intake shares.
pub(crate) struct Intake {
    pub(super) bucket: Bucket,
    pub(super) sources: Sources,
    pub(super) places: Places,
    pub(super) misses: Misses,
    pub(super) plan: watch::Sender<Arc<Plan>>,
    /// Counted up when a stream may not be the one it was: its reader looks again.
    pub(super) doubt: watch::Sender<u64>,
    /// Counts the rounds of all readers.
    rounds: AtomicU64,
    health: Mutex<BTreeMap<String, IntakeHealth>>,
}

impl Intake {
    pub(crate) async fn open(bus: &Bus) -> Result<Self, Error> {
        Ok(Self {
            bucket: bus.bucket("sources").await?,
            sources: Sources::open(bus).await?,
            places: Places::default(),
            misses: Misses::default(),
            plan: watch::Sender::default(),
            doubt: watch::Sender::default(),
            rounds: AtomicU64::new(0),
            health: Mutex::default(),
        })
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.borrow())
    }

    /// A number that is higher than that of any round before.
    pub(super) fn next_round(&self) -> u64 {
        self.rounds.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// How the sources are doing, by name.
    pub(super) fn health(&self) -> MutexGuard<'_, BTreeMap<String, IntakeHealth>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn of(held: Vec<Held>) -> Self {
        let mut plan = Self::default();
        for Held { pattern, stream } in held {
            plan.foreign.entry(stream).or_default().push(pattern);
        }
        plan
    }

    fn text(&self) -> Bytes {
        let texts = |patterns: &Vec<SubjectPattern>| {
            patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect::<Vec<_>>()
        };
        let streams = self.foreign.iter().map(|(stream, patterns)| (stream, texts(patterns)));
        // A map of texts cannot fail to become JSON.
        Bytes::from(serde_json::to_vec(&streams.collect::<BTreeMap<_, _>>()).unwrap_or_default())
    }

    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let streams = serde_json::from_slice::<BTreeMap<String, Vec<String>>>(bytes);
        let streams = streams.map_err(|error| {
            Error::Unavailable(format!("the list of foreign streams cannot be read: {error}"))
        })?;
        let mut plan = Self::default();
        for (stream, texts) in streams {
            let patterns = texts.iter().map(|text| SubjectPattern::parse(text));
            plan.foreign.insert(stream, patterns.collect::<Result<_, _>>()?);
        }
        Ok(plan)
    }
}

impl Shared {
    /// The inbox of a source.
    pub(crate) async fn inbox_of(&self, stream: Option<&str>) -> Result<Inbox, Error> {
        let Some(stream) = stream else { return Ok(self.bus.inbox(INBOX).await?) };
        let plan = self.intake.plan();
        let patterns = plan.foreign.get(stream).map_or(&[][..], Vec::as_slice);
        Ok(self.bus.foreign_inbox(stream, patterns).await?)
    }

    /// Tells all engines which streams are to be read besides the inbox.
    pub(super) async fn agree_on_plan(&self, held: Vec<Held>) -> Result<(), Error> {
        let plan = Plan::of(held);
        for (stream, patterns) in &plan.foreign {
            let tail = self.bus.foreign_inbox(stream, patterns).await?.tail().await?;
            self.intake.sources.admit(Some(stream), &tail).await?;
        }
        let known = self.intake.bucket.get(HELD).await?;
        let text = plan.text();
        if known.map_or_else(|| !plan.foreign.is_empty(), |known| known.value != text) {
            self.intake.bucket.put(HELD, text).await?;
        }
        self.follow(plan).await
    }

    /// Loads what another engine may have found out.
    pub(super) async fn load_plan(&self) -> Result<(), Error> {
        let plan = match self.intake.bucket.get(HELD).await? {
            Some(value) => Plan::read(&value.value)?,
            None => Plan::default(),
        };
        self.intake.sources.load().await?;
        self.follow(plan).await
    }

    /// Readers begin and end as `plan` says; the index knows their sources before.
    async fn follow(&self, plan: Plan) -> Result<(), Error> {
        self.definitions.set_sources(self.intake.sources.begins()).await?;
        self.intake.plan.send_if_modified(|known| {
            let differs = **known != plan;
            if differs {
                *known = Arc::new(plan);
            }
            differs
        });
        Ok(())
    }
}
