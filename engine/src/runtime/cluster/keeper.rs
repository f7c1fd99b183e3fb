//! Keeper: the one task that gives signs of life, listens to the others, and makes the moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gearshift_bus::{ErrorKind, Watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::membership::Cluster;
use super::placement::{Board, Step, placement};
use crate::runtime::clock::monotonic;
use crate::runtime::outage::Outage;

/// Signs of life after which the whole bucket is read again: a watch may miss what expires.
const LOOK_EVERY: u32 = 15;
/// Between two looks at whether partitions are given up.
const YIELD_POLL: Duration = Duration::from_millis(20);

/// Keeps this engine among the others until `ended`, then takes its sign of life away.
pub(crate) async fn keep(cluster: Arc<Cluster>, ended: CancellationToken) {
    let mut free_since = BTreeMap::new();
    let mut deaf = Outage::default();
    while !ended.is_cancelled() {
        match cluster.bucket.watch("").await {
            Ok(watch) => {
                if deaf.ends() {
                    tracing::warn!("bucket `cluster` is watched again");
                }
                listen(&cluster, watch, &ended, &mut free_since).await;
            }
            Err(error) if matches!(error.kind(), ErrorKind::Closed) => return,
            Err(error) => {
                if deaf.begins() {
                    tracing::warn!(%error, "bucket `cluster` is not watched, trying again");
                } else {
                    tracing::debug!(%error, "bucket `cluster` is still not watched");
                }
                tokio::time::sleep(cluster.patience()).await;
                cluster.renew().await;
            }
        }
    }
    cluster.end().await;
}

/// Since when each free partition is known to be free.
type FreeSince = BTreeMap<u16, Instant>;

async fn listen(
    cluster: &Cluster,
    mut watch: Watch,
    ended: &CancellationToken,
    free_since: &mut FreeSince,
) {
    let mut sign = tokio::time::interval(cluster.lease / 3);
    sign.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut signs = 0_u32;
    loop {
        tokio::select! {
            biased;
            () = ended.cancelled() => return,
            _ = sign.tick() => {
                signs += 1;
                cluster.renew().await;
                if signs.is_multiple_of(LOOK_EVERY) {
                    look_again(cluster).await;
                }
            }
            () = cluster.wake.notified() => cluster.renew().await,
            change = watch.next() => match change {
                Some(change) => cluster.hear(&change),
                None => {
                    // The bus is closed, or the watch is to be begun anew.
                    tokio::time::sleep(YIELD_POLL).await;
                    return;
                }
            }
        }
        cluster.note_signs();
        cluster.assert_due().await;
        cluster.play(free_since).await;
    }
}

async fn look_again(cluster: &Cluster) {
    match tokio::time::timeout(cluster.patience(), cluster.look()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "bucket `cluster` was not read"),
        Err(_) => tracing::debug!("bucket `cluster` was not read in time"),
    }
}

impl Cluster {
    /// Makes this engine's moves.
    async fn play(&self, free_since: &mut FreeSince) {
        let steps = self.steps(free_since);
        let mut claims = Vec::new();
        for step in steps {
            match step {
                Step::Claim(partition) => claims.push(self.claim(partition)),
                Step::Release(partition) => {
                    self.locked().holds.give_up(partition);
                    self.tell();
                }
            }
        }
        join_all(claims).await;
    }

    fn steps(&self, free_since: &mut FreeSince) -> Vec<Step> {
        let now = monotonic();
        let state = self.locked();
        // Whoever is not sure to be seen himself knows too little of the others.
        if state.me.leaving || !state.session.is_confirmed() {
            return Vec::new();
        }
        let live = state.view.members.values().map(|known| &known.value);
        let live = live.filter(|member| !member.leaving).map(|member| member.node.as_str());
        let holder = |partition| match state.holds.has(partition) {
            true => Some(&*self.node),
            false => state.view.holder(partition).map(|member| member.node.as_str()),
        };
        let holders = (0..self.partitions()).map(holder).collect::<Vec<_>>();
        for (partition, holder) in (0_u16..).zip(&holders) {
            match holder {
                Some(_) => drop(free_since.remove(&partition)),
                None => drop(free_since.entry(partition).or_insert(now)),
            }
        }
        let left_lying = |since: &Instant| now.duration_since(*since) > self.lease / 4;
        let neglected = free_since.iter().filter(|(_, since)| left_lying(since));
        let neglected = neglected.map(|(partition, _)| *partition).collect::<BTreeSet<_>>();
        let board = Board { live: live.collect(), holders, neglected };
        let mut steps = placement(&board, &self.node);
        // Written by this engine without its knowing; or given up, and that was not written.
        let unknown = |partition: &u16| {
            let holder = state.view.holder(*partition);
            !state.holds.has(*partition) && holder.is_some_and(|holder| holder.node == *self.node)
        };
        steps.extend((0..self.partitions()).filter(unknown).map(Step::Claim));
        if now < state.claims_from {
            // Others may be back at any moment, as this engine is.
            let was_others = |partition: &u16| {
                let lease = state.view.leases.get(partition);
                lease.is_some_and(|lease| !["", &*self.node].contains(&&*lease.value.node))
            };
            steps.retain(|step| !matches!(step, Step::Claim(partition) if was_others(partition)));
        }
        steps
    }

    /// Hands all partitions to the others, each when it comes to a rest; false where some are
    /// still here after `limit`.
    pub(crate) async fn leave(&self, limit: Duration) -> bool {
        {
            let mut state = self.locked();
            state.me.leaving = true;
            state.holds.give_up_all();
        }
        // The others must know before the first partition is free.
        self.renew().await;
        self.tell();
        let mut heard = self.heard();
        let given_up = async {
            while !self.locked().holds.is_empty() {
                if heard.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, given_up).await.is_ok()
    }
}
