//! Leases: which partitions this engine holds, taken, kept and given up by comparison.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_bus::{Change, Error as BusError, Swapped};

use super::membership::{Cluster, State};
use super::session::Session;
use super::view::{Known, LEASE, Lease, Topic, text_of};

/// The partitions that this engine holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    by_partition: BTreeMap<u16, Hold>,
    /// Those that are to be given up.
    yielding: BTreeSet<u16>,
}

#[derive(Clone, Debug)]
struct Hold {
    revision: u64,
    /// The number of the session it was last written under.
    session: u64,
    epoch: u64,
    refused: Option<String>,
    /// Is the bucket to be told something?
    dirty: bool,
}

impl Holds {
    pub(super) fn has(&self, partition: u16) -> bool {
        self.by_partition.contains_key(&partition)
    }

    pub(super) fn is_yielding(&self, partition: u16) -> bool {
        self.yielding.contains(&partition)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_partition.is_empty()
    }

    /// Was the lease written under this session, so that it counts while the session does?
    pub(super) fn is_under(&self, partition: u16, session: &Session) -> bool {
        self.by_partition.get(&partition).is_some_and(|hold| hold.session == session.number)
    }

    pub(super) fn give_up(&mut self, partition: u16) {
        if self.has(partition) {
            self.yielding.insert(partition);
        }
    }

    pub(super) fn give_up_all(&mut self) {
        self.yielding = self.by_partition.keys().copied().collect();
    }

    fn lose(&mut self, partition: u16) {
        self.by_partition.remove(&partition);
        self.yielding.remove(&partition);
    }
}

/// How a write of a lease ended.
enum Written {
    Held,
    Lost,
    /// Nobody knows yet: the bucket did not answer.
    Open,
}

impl Cluster {
    /// Tries to take a partition that nobody has.
    pub(super) async fn claim(&self, partition: u16) {
        let expected = self.locked().view.lease_revision(partition);
        let (lease, session) = self.lease_to_write(0, None);
        match self.swap(partition, expected, &lease).await {
            Ok(Swapped::Stored(revision)) => {
                let mut state = self.locked();
                let hold = Hold { revision, session, epoch: 0, refused: None, dirty: false };
                state.holds.by_partition.insert(partition, hold);
                state.view.leases.insert(partition, Known { revision, value: lease });
                drop(state);
                tracing::info!(node = &*self.node, partition, "partition claimed");
                self.tell();
            }
            Ok(Swapped::Conflict { .. }) => self.find_out(partition).await,
            Err(error) => tracing::debug!(partition, %error, "partition was not claimed"),
        }
    }

    /// Writes a held lease again: under a new session, or because it says something new.
    async fn assert(&self, partition: u16) -> Written {
        let Some(hold) = self.locked().holds.by_partition.get(&partition).cloned() else {
            return Written::Lost;
        };
        let (lease, session) = self.lease_to_write(hold.epoch, hold.refused);
        match self.swap(partition, hold.revision, &lease).await {
            Ok(Swapped::Stored(revision)) => {
                let mut state = self.locked();
                if let Some(hold) = state.holds.by_partition.get_mut(&partition) {
                    hold.dirty = hold.epoch != lease.epoch || hold.refused != lease.refused;
                    (hold.revision, hold.session) = (revision, session);
                }
                state.view.leases.insert(partition, Known { revision, value: lease });
                Written::Held
            }
            Ok(Swapped::Conflict { .. }) => {
                self.find_out(partition).await;
                if self.locked().holds.has(partition) { Written::Open } else { Written::Lost }
            }
            Err(error) => {
                tracing::debug!(partition, %error, "lease was not written");
                Written::Open
            }
        }
    }

    /// Writes all leases that have to be written.
    pub(super) async fn assert_due(&self) {
        let due = {
            let state = self.locked();
            let is_due = |hold: &Hold| hold.dirty || hold.session != state.session.number;
            let due = state.holds.by_partition.iter().filter(|(_, hold)| is_due(hold));
            due.map(|(partition, _)| *partition).collect::<Vec<_>>()
        };
        futures_util::future::join_all(due.into_iter().map(|partition| self.assert(partition)))
            .await;
    }

    /// Another engine opened an epoch: does this one still have the lease?
    pub(crate) async fn still_holds(&self, partition: u16) -> bool {
        // The first answer may be to an earlier write of ours.
        for _ in 0..2 {
            match self.assert(partition).await {
                Written::Held => return true,
                Written::Lost => return false,
                Written::Open => {}
            }
        }
        self.locked().holds.has(partition)
    }

    /// The partition is served, in this epoch.
    pub(crate) fn opened(&self, partition: u16, epoch: u64) {
        self.note(partition, |hold| (hold.epoch, hold.refused) = (epoch, None));
    }

    /// The partition is held but not served; the others say why, too.
    pub(crate) fn refused(&self, partition: u16, reason: &str) {
        self.note(partition, |hold| hold.refused = Some(reason.to_owned()));
    }

    fn note(&self, partition: u16, change: impl FnOnce(&mut Hold)) {
        if let Some(hold) = self.locked().holds.by_partition.get_mut(&partition) {
            change(hold);
            hold.dirty = true;
        }
        self.wake.notify_one();
    }

    /// Gives the partition up, after the last frame: whoever is next claims it at once.
    pub(crate) async fn release(&self, partition: u16) {
        // The second time where an earlier write of ours was the last one.
        for _ in 0..2 {
            let held = self.locked().holds.by_partition.get(&partition).cloned();
            let Some(hold) = held else { break };
            let free = Lease { epoch: hold.epoch, ..Lease::default() };
            match self.swap(partition, hold.revision, &free).await {
                Ok(Swapped::Stored(revision)) => {
                    let mut state = self.locked();
                    state.holds.lose(partition);
                    state.view.leases.insert(partition, Known { revision, value: free });
                    tracing::info!(node = &*self.node, partition, "partition given up");
                }
                Ok(Swapped::Conflict { .. }) => self.find_out(partition).await,
                // The others see it held until the session ends; this engine claims it again.
                Err(error) => {
                    tracing::warn!(partition, %error, "lease was not given up");
                    break;
                }
            }
        }
        self.locked().holds.lose(partition);
        self.tell();
    }

    /// Takes in a change of the bucket.
    pub(super) fn hear(&self, change: &Change) {
        let mut state = self.locked();
        let (mut gone, mut was_yielding) = (false, false);
        match change {
            // This engine's own sign is known better here than by what a watch told later.
            Change::Deleted { key } if Topic::of(key) == Topic::Engine(self.node.to_string()) => {}
            Change::Deleted { .. } | Change::Put { .. } => state.view.hear(change),
        }
        let (Change::Put { key, .. } | Change::Deleted { key }) = change;
        if let Topic::Lease(partition) = Topic::of(key) {
            was_yielding = state.holds.is_yielding(partition);
            gone = state.compare(partition);
        }
        drop(state);
        if gone && was_yielding {
            // Its next owner was quicker than the answer to our own write.
            tracing::debug!(node = &*self.node, key, "the partition was taken over");
        } else if gone {
            tracing::warn!(node = &*self.node, key, "another engine has the partition");
        }
        self.tell();
    }

    /// Reads a lease that is not what it was thought to be.
    async fn find_out(&self, partition: u16) {
        let key = key_of(partition);
        let found = tokio::time::timeout(self.patience(), self.bucket.get(&key)).await;
        let Ok(Ok(found)) = found else { return };
        let change = match found {
            Some(value) => Change::Put { key, value },
            None => Change::Deleted { key },
        };
        self.hear(&change);
    }

    fn lease_to_write(&self, epoch: u64, refused: Option<String>) -> (Lease, u64) {
        let state = self.locked();
        (state.lease(epoch, refused), state.session.number)
    }

    async fn swap(
        &self,
        partition: u16,
        expected: u64,
        lease: &Lease,
    ) -> Result<Swapped, BusError> {
        let key = key_of(partition);
        let swapped = self.bucket.compare_and_set(&key, expected, text_of(lease));
        let late = |_| BusError::from(gearshift_bus::ErrorKind::Unknown);
        tokio::time::timeout(self.patience(), swapped).await.map_err(late)?
    }
}

impl State {
    /// Holds what this engine has against what was heard; true where another has it now.
    fn compare(&mut self, partition: u16) -> bool {
        let Some(hold) = self.holds.by_partition.get_mut(&partition) else { return false };
        match self.view.leases.get(&partition) {
            // Somebody removed it; the next write says that it is still held.
            None => (hold.revision, hold.dirty) = (0, true),
            Some(known) if known.revision <= hold.revision => {}
            // A write of ours whose answer was lost.
            Some(known) if known.value.node == self.me.node => {
                (hold.revision, hold.dirty) = (known.revision, true);
            }
            Some(_) => {
                self.holds.lose(partition);
                return true;
            }
        }
        false
    }
}

fn key_of(partition: u16) -> String {
    format!("{LEASE}{partition}")
}
