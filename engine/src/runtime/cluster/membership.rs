//! `Cluster`: this engine among the engines of a bus, as the rest of the runtime sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gearshift_bus::{Bucket, Bus, Swapped};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::leases::Holds;
use super::session::Session;
use super::view::{EngineInfo, Lease, Member, View, text_of};
use crate::runtime::clock::{Clock, monotonic};
use crate::runtime::config::{ClusterConfig, EngineConfig};
use crate::runtime::error::Error;
use crate::runtime::outage::Outage;

/// This engine among others.
pub(crate) struct Cluster {
    pub(super) node: Box<str>,
    pub(super) lease: Duration,
    pub(super) bucket: Bucket,
    /// What this engine may do with each partition.
    pub(super) rights: Vec<watch::Sender<Right>>,
    state: Mutex<State>,
    /// Makes the keeper look at once.
    pub(super) wake: Notify,
    /// Counts what was heard of others.
    pub(super) heard: watch::Sender<u64>,
}

/// What this engine may do with a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Nothing: it is another's, named where it is known.
    Elsewhere(Option<Box<str>>),
    /// Nothing: its holder refuses to serve it, for the reason given.
    RefusedBy(Box<str>, String),
    /// Serve it.
    Held,
    /// Bring to an end what is under way, then give it up.
    Yielding,
}

/// What the keeper and the owners know.
pub(super) struct State {
    pub(super) view: View,
    pub(super) me: Member,
    pub(super) session: Session,
    /// The time since signs of life are not confirmed.
    pub(super) silence: Outage,
    pub(super) holds: Holds,
    /// Not before that moment may what others had be claimed.
    pub(super) claims_from: Instant,
    /// Which sign of each other engine a look met, and when one did first.
    pub(super) looked: BTreeMap<String, (u64, Instant)>,
    /// Which sign of each engine was heard last, and when.
    pub(super) heard: BTreeMap<String, (u64, Instant)>,
}

/// What all engines of a bus must agree on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    partitions: u16,
}

/// Leases without a sign after which an engine is not listed any more.
const QUIET: u32 = 2;
const SETTINGS: &str = "settings";

impl Cluster {
    /// Joins the engines of `bus`.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Unavailable`] where the others have another number of partitions
    /// or one of them has this node's name.
    pub(crate) async fn join(
        bus: &Bus,
        config: &EngineConfig,
        cluster: &ClusterConfig,
    ) -> Result<Arc<Self>, Error> {
        let bucket = bus.bucket("cluster").await?;
        agree(&bucket, config.partitions).await?;
        let me = Member {
            name: config.name.clone(),
            node: cluster.node.clone(),
            started_ms: Clock::System.now().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Member::default()
        };
        let rights = (0..config.partitions).map(|_| watch::Sender::new(Right::Elsewhere(None)));
        let joined = Self {
            node: cluster.node.as_str().into(),
            lease: cluster.lease,
            bucket,
            rights: rights.collect(),
            state: Mutex::new(State {
                view: View::default(),
                me,
                session: Session::none(),
                silence: Outage::default(),
                holds: Holds::default(),
                claims_from: monotonic(),
                looked: BTreeMap::new(),
                heard: BTreeMap::new(),
            }),
            wake: Notify::new(),
            heard: watch::Sender::new(0),
        };
        joined.begin().await?;
        Ok(Arc::new(joined))
    }

    /// This engine's node.
    pub(crate) const fn node(&self) -> &str {
        &self.node
    }

    /// The engines that live, this one included.
    pub(crate) fn engines(&self) -> Vec<EngineInfo> {
        let (state, now) = (self.locked(), monotonic());
        // Servers that were killed may forget that the sign of one that is dead was to expire.
        let lives = |one: &EngineInfo| {
            let heard = state.heard.get(&one.node).map(|(_, at)| now.duration_since(*at));
            one.node == *self.node || heard.is_none_or(|ago| ago < self.lease * QUIET)
        };
        state.view.engines(self.partitions()).into_iter().filter(lives).collect()
    }

    /// Takes note of when each engine was heard of; while this one is not confirmed itself, nobody
    /// is missed.
    pub(super) fn note_signs(&self) {
        let (mut state, now) = (self.locked(), monotonic());
        let State { view, session, heard, .. } = &mut *state;
        let is_sure = session.is_confirmed();
        heard.retain(|node, _| view.members.contains_key(node));
        for (node, known) in &view.members {
            let last = heard.entry(node.clone()).or_insert((known.revision, now));
            if last.0 != known.revision || !is_sure {
                *last = (known.revision, now);
            }
        }
    }

    /// The node of the engine that has `partition`, as far as is known.
    pub(crate) fn owner(&self, partition: u16) -> Option<String> {
        self.locked().view.holder(partition).map(|member| member.node.clone())
    }

    /// Resolves when another engine than `node` has `partition`.
    pub(crate) async fn replaced(&self, partition: u16, node: &str) {
        let mut heard = self.heard();
        while self.owner(partition).is_none_or(|owner| owner == node) {
            // The cluster lives as long as this call.
            drop(heard.changed().await);
        }
    }

    /// Lives another engine that stays?
    pub(crate) fn has_company(&self) -> bool {
        let state = self.locked();
        let mut members = state.view.members.values().map(|known| &known.value);
        members.any(|member| member.node != *self.node && !member.leaving)
    }

    /// Tells the others up to which revision the definitions are loaded here.
    pub(crate) fn set_definitions_revision(&self, revision: u64) {
        let mut state = self.locked();
        if state.me.definitions_revision != revision {
            state.me.definitions_revision = revision;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Changes whenever something was heard of another engine or of a lease.
    pub(crate) fn heard(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }

    /// What this engine may do with `partition`, now and from now on.
    pub(crate) fn right(&self, partition: u16) -> watch::Receiver<Right> {
        // Partition numbers come from loops over the configuration.
        let right = self.rights.get(usize::from(partition));
        right.unwrap_or_else(|| panic!("no partition {partition}")).subscribe()
    }

    /// Is it certain that no other engine has `partition`? Else nothing may be answered out of
    /// memory: this process may have been stopped for longer than it knows.
    pub(crate) fn is_certain(&self, partition: u16) -> bool {
        let state = self.locked();
        state.session.is_confirmed() && state.holds.is_under(partition, &state.session)
    }

    pub(super) fn partitions(&self) -> u16 {
        u16::try_from(self.rights.len()).unwrap_or(u16::MAX)
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells owners what they may do now, and everybody that something was heard.
    pub(super) fn tell(&self) {
        let state = self.locked();
        for (partition, right) in (0_u16..).zip(&self.rights) {
            let now = state.right(&self.node, partition);
            right.send_if_modified(|known| {
                let differs = *known != now;
                *known = now;
                differs
            });
        }
        drop(state);
        self.heard.send_modify(|count| *count += 1);
    }
}

impl State {
    fn right(&self, me: &str, partition: u16) -> Right {
        if self.holds.has(partition) {
            return if self.holds.is_yielding(partition) { Right::Yielding } else { Right::Held };
        }
        let Some(holder) = self.view.holder(partition).filter(|holder| holder.node != me) else {
            return Right::Elsewhere(None);
        };
        let node = holder.node.as_str().into();
        match self.view.leases.get(&partition).and_then(|lease| lease.value.refused.clone()) {
            Some(reason) => Right::RefusedBy(node, reason),
            None => Right::Elsewhere(Some(node)),
        }
    }

    /// The lease of a partition that this engine has.
    pub(super) fn lease(&self, epoch: u64, refused: Option<String>) -> Lease {
        let Member { node, session, .. } = self.me.clone();
        Lease { node, session, epoch, refused }
    }
}

/// The first engine of a bus says how many partitions there are; the others have to agree.
async fn agree(bucket: &Bucket, partitions: u16) -> Result<(), Error> {
    let wanted = text_of(&Settings { partitions });
    loop {
        let Swapped::Conflict { .. } = bucket.compare_and_set(SETTINGS, 0, wanted.clone()).await?
        else {
            return Ok(());
        };
        // Gone again where somebody removed it just now.
        let Some(known) = bucket.get(SETTINGS).await? else { continue };
        let known = serde_json::from_slice::<Settings>(&known.value).map_err(|error| {
            Error::Unavailable(format!("bucket `cluster` holds unreadable settings: {error}"))
        })?;
        if known.partitions == partitions {
            return Ok(());
        }
        let (place, found) = ("the cluster on this bus", known.partitions);
        return Err(Error::Partitions { place, found, configured: partitions });
    }
}
