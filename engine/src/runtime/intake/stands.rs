//! [`Stands`]: where the partitions that this engine serves stand in one source.

use std::collections::BTreeMap;

use gearshift_machine::partition::Partition;

use super::sources::Source;
use crate::runtime::seat::SeatState;
use crate::runtime::shared::Shared;

/// Where one partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    /// The drive that was told everything before `next`, as far as it did not know it.
    pub(super) session: u64,
    /// The first sequence that it is to be told.
    pub(super) next: u64,
    /// Up to here, exclusive, it knows that there is nothing else for it.
    pub(super) passed: u64,
    /// Where it stood when its session was taken up.
    began: u64,
}

/// The partitions that are served here, with where they stand.
#[derive(Debug, Default)]
pub(super) struct Stands(BTreeMap<u16, Stand>);

impl Stands {
    /// Drops what is served no more, and takes up what is served now, at its durable cursor. True
    /// where something was taken up, which may need what was read before.
    pub(super) async fn update(&mut self, shared: &Shared, source: &Source) -> bool {
        let mut gained = false;
        for partition in 0..shared.config.partitions {
            let seat = shared.seat(partition);
            if !seat.serves() {
                self.0.remove(&partition);
                continue;
            }
            // Before the cursor: one that ends meanwhile takes nothing that is told for it.
            let session = seat.session();
            if self.0.get(&partition).is_some_and(|stand| stand.session == session) {
                continue;
            }
            self.0.remove(&partition);
            let number = source.number;
            let cursor = move |partition: &Partition| {
                let mut cursors = partition.cursors();
                cursors.find(|(source, _)| *source == number).map_or(0, |(_, cursor)| cursor.next())
            };
            // One that was lost again is found by the next update.
            let Some(cursor) = look(shared, partition, cursor).await else { continue };
            let next = cursor.max(source.from);
            self.0.insert(partition, Stand { session, next, passed: next, began: next });
            gained = true;
        }
        gained
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The session of each of them, and where it stood when that was taken up.
    pub(super) fn begins(&self) -> BTreeMap<u16, (u64, u64)> {
        let begin = |stand: &Stand| (stand.session, stand.began);
        self.0.iter().map(|(partition, stand)| (*partition, begin(stand))).collect()
    }

    /// The first sequence that one of them is to be told.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.0.values().map(|stand| stand.next).min()
    }

    /// The stand of a partition that is to be told the message at `sequence`.
    pub(super) fn wanting(&self, partition: u16, sequence: u64) -> Option<Stand> {
        self.0.get(&partition).filter(|stand| stand.next <= sequence).copied()
    }

    /// All were told what is before `next`.
    pub(super) fn told(&mut self, next: u64) {
        for stand in self.0.values_mut() {
            stand.next = stand.next.max(next);
        }
    }

    /// The partition did not take what is at `sequence`: it is told again from there on.
    pub(super) fn back(&mut self, partition: u16, sequence: u64) {
        if let Some(stand) = self.0.get_mut(&partition) {
            stand.next = stand.next.min(sequence);
        }
    }

    /// Those that were told everything before `next`, but do not know that there is nothing else
    /// for them in at least `behind` sequences.
    pub(super) fn unaware(&mut self, next: u64, behind: u64) -> Vec<u16> {
        let mut list = Vec::new();
        for (partition, stand) in &mut self.0 {
            if stand.next >= next && next.saturating_sub(stand.passed) >= behind {
                stand.passed = next;
                list.push(*partition);
            }
        }
        list
    }

    /// Was the partition told everything before `next`, and took it?
    pub(super) fn is_beyond(&self, partition: u16, next: u64) -> bool {
        self.0.get(&partition).is_some_and(|stand| stand.next >= next)
    }

    /// The partitions that still have to pass `sequence`, in order.
    pub(super) fn before(&self, sequence: u64) -> Vec<(u16, Stand)> {
        let before = self.0.iter().filter(|(_, stand)| stand.next <= sequence);
        before.map(|(partition, stand)| (*partition, *stand)).collect()
    }
}

/// Looks at the durable state of a partition that is served here; `None` where it was lost.
pub(crate) async fn look<T, F>(shared: &Shared, partition: u16, look: F) -> Option<T>
where
    T: Send + 'static,
    F: FnOnce(&Partition) -> T + Send + 'static,
{
    let asked = shared.read_local(partition, look);
    tokio::select! {
        biased;
        seen = asked => seen.ok(),
        () = lost(shared, partition) => None,
    }
}

/// Resolves when the partition is not served here.
pub(super) async fn lost(shared: &Shared, partition: u16) {
    let mut state = shared.seat(partition).subscribe();
    // The seat lives as long as the engine.
    drop(state.wait_for(|state| *state != SeatState::Serving).await);
}
