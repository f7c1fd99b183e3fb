//! Settle: who really gets an event of the inbox, where several engines see it.
//!
//! Each engine tells the targets that are on its own partitions. Where an event has several targets
//! and none of them takes it, the owner of the first (newest) target's partition keeps it as a dead
//! letter; for that it asks the others whether they took it, or have an instance that will. Who
//! cannot be asked has none: a dead letter too many can be dropped, a silent loss cannot be mended.

use std::sync::Arc;

use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::{InstanceKey, Timestamp};
use gearshift_machine::partition::Position;

use super::misses;
use super::route::Targets;
use super::stands::{Stands, look};
use crate::runtime::shared::Shared;

/// The event whose targets are settled.
pub(super) struct Settling {
    pub(super) position: Position,
    /// Its name: a message may be several events.
    pub(super) name: Arc<str>,
    /// When the message was stored.
    pub(super) stored: Timestamp,
}

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

/// Settles who gets an event.
pub(super) async fn settle(
    shared: &Shared,
    stands: &Stands,
    targets: Targets,
    event: &Settling,
) -> Settled {
    let is_ours = |partition| stands.wanting(partition, event.position.sequence).is_some();
    if targets.list.len() == 1 {
        let list = targets.list.into_iter().map(|(key, early)| {
            // What only an older version's `correlate` found never starts anything (01 §4).
            (key, early.unwrap_or(Early::DeadLetter))
        });
        let list = list.filter(|(key, _)| is_ours(shared.partition_of(key))).collect();
        return Settled { list, missed: Vec::new() };
    }
    let known = look_at(shared, stands, targets, event).await;
    let first = known.iter().position(|target| target.early.is_some()).unwrap_or(0);
    let letter = is_first_ours(&known, first) && !is_taken(shared, &known, event).await;
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

/// Looks which of the targets that are ours have an instance, and lets others know who has not.
async fn look_at(
    shared: &Shared,
    stands: &Stands,
    targets: Targets,
    event: &Settling,
) -> Vec<Target> {
    let misses = &shared.intake.misses;
    let in_hand = misses.begin(event.position);
    let mut known = Vec::with_capacity(targets.list.len());
    for (key, early) in targets.list {
        let partition = shared.partition_of(&key);
        let is_ours = stands.wanting(partition, event.position.sequence).is_some();
        let takes = if !is_ours {
            None
        } else if is_sure(early) {
            Some(true)
        } else {
            let wanted = key.clone();
            // Nothing is known of one that was lost: it is told again where it is next.
            look(shared, partition, move |partition| partition.contains(&wanted)).await
        };
        known.push(Target { key, partition, early, takes });
    }
    let looked = known.iter().filter_map(|target| {
        let is_missed = !target.takes?;
        Some((event.target(&target.key), is_missed))
    });
    misses.remember(looked, event.position.source);
    drop(in_hand);
    known
}

/// Does it take the event whether there is an instance or not?
const fn is_sure(early: Option<Early>) -> bool {
    matches!(early, Some(Early::Start | Early::Buffer { .. }))
}

fn is_first_ours(targets: &[Target], first: usize) -> bool {
    targets.get(first).is_some_and(|target| target.takes == Some(false))
}

/// Does any of the targets take the event, here or elsewhere?
async fn is_taken(shared: &Shared, targets: &[Target], event: &Settling) -> bool {
    if targets.iter().any(|target| target.takes == Some(true)) {
        return true;
    }
    for target in targets.iter().filter(|target| target.takes.is_none()) {
        let asked = event.target(&target.key);
        if is_sure(target.early) || shared.takes(asked).await.unwrap_or(false) {
            return true;
        }
    }
    false
}

impl Settling {
    fn target(&self, key: &InstanceKey) -> misses::Target {
        misses::Target {
            key: key.clone(),
            position: self.position,
            event: Arc::clone(&self.name),
            stored: self.stored,
        }
    }
}
