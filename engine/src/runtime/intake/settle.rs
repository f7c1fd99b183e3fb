//! Settle: who really gets an event of the inbox, where several engines see it.
//!
//! Each engine tells the targets that are on its own partitions. Where an event has several targets
//! and none of them takes it, the owner of the first (newest) target's partition keeps it as a dead
//! letter; for that it asks the others whether they have an instance. Who cannot be asked has none:
//! a dead letter too many can be dropped, a silent loss cannot be mended.

use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::InstanceKey;

use super::route::Targets;
use super::stands::{Stands, look};
use crate::runtime::shared::Shared;

/// Who gets an event, of the partitions that are served here.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Key, and what to do where no instance has it.
    pub(super) list: Vec<(InstanceKey, Early)>,
    /// Partitions of instances that do not exist, left out of the list.
    pub(super) missed: Vec<u16>,
}

/// A target, and whether it takes the event; `None`: that is not ours to say.
struct Target {
    key: InstanceKey,
    partition: u16,
    early: Option<Early>,
    takes: Option<bool>,
}

/// Settles who gets the event at `sequence`.
pub(super) async fn settle(
    shared: &Shared,
    stands: &Stands,
    targets: Targets,
    sequence: u64,
) -> Settled {
    let is_ours = |partition| stands.wanting(partition, sequence).is_some();
    if targets.list.len() == 1 {
        let list = targets.list.into_iter().map(|(key, early)| {
            // What only an older version's `correlate` found never starts anything (01 §4).
            (key, early.unwrap_or(Early::DeadLetter))
        });
        let list = list.filter(|(key, _)| is_ours(shared.partition_of(key))).collect();
        return Settled { list, missed: Vec::new() };
    }
    let mut known = Vec::with_capacity(targets.list.len());
    for (key, early) in targets.list {
        let partition = shared.partition_of(&key);
        let takes = if is_ours(partition) {
            let sure = matches!(early, Some(Early::Start | Early::Buffer { .. }));
            let wanted = key.clone();
            let contains = look(shared, partition, move |partition| partition.contains(&wanted));
            Some(sure || contains.await.unwrap_or(false))
        } else {
            None
        };
        known.push(Target { key, partition, early, takes });
    }
    let first = known.iter().position(|target| target.early.is_some()).unwrap_or(0);
    let letter = is_first_ours(&known, first) && !is_taken(shared, &known).await;
    let mut settled = Settled::default();
    for (place, Target { key, partition, early, takes }) in known.into_iter().enumerate() {
        match takes {
            Some(true) => settled.list.push((key, early.unwrap_or(Early::DeadLetter))),
            Some(false) if letter && place == first => settled.list.push((key, Early::DeadLetter)),
            Some(false) => settled.missed.push(partition),
            None => {}
        }
    }
    settled
}

fn is_first_ours(targets: &[Target], first: usize) -> bool {
    targets.get(first).is_some_and(|target| target.takes == Some(false))
}

/// Does any of the targets take the event, here or elsewhere?
async fn is_taken(shared: &Shared, targets: &[Target]) -> bool {
    if targets.iter().any(|target| target.takes == Some(true)) {
        return true;
    }
    for target in targets.iter().filter(|target| target.takes.is_none()) {
        let sure = matches!(target.early, Some(Early::Start | Early::Buffer { .. }));
        if sure || shared.contains(&target.key).await.unwrap_or(false) {
            return true;
        }
    }
    false
}
