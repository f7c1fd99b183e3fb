//! [`Misses`]: the targets of events that had no instance when it was their turn.
//!
//! An event with several targets is kept as a dead letter where none of them takes it, by the owner
//! of one of them, who asks the others. They may have met the event long before: what counts is
//! whether the instance was there *then*. An instance that began later did not get it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::machine::{InstanceKey, Timestamp};
use gearshift_machine::partition::{Partition, Position};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::sources::Source;
use super::stands::Stands;
use crate::runtime::shared::Shared;

/// Misses that are remembered of each source, the newest; of what is older it is guessed by when
/// the instance began.
const REMEMBERED_MAX: usize = 4_096;
/// How long an event may be in hand: its targets are looked at one after the other.
const IN_HAND_MAX: Duration = Duration::from_secs(1);

/// An event of a source, and one of its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Which instance.
    pub(crate) key: InstanceKey,
    /// Which message.
    pub(crate) position: Position,
    /// Which event: a message may be several.
    pub(crate) event: Arc<str>,
    /// When the message was stored.
    pub(crate) stored: Timestamp,
}

/// What is known of all sources, by number.
#[derive(Debug, Default)]
pub(super) struct Misses(watch::Sender<BTreeMap<u16, Known>>);

/// What is known of one source.
#[derive(Debug, Default)]
struct Known {
    /// The message whose targets are looked at now.
    in_hand: Option<u64>,
    missed: BTreeSet<(u64, Arc<str>, InstanceKey)>,
    /// From which sequence on each partition's targets are looked at here, and in which session.
    from: BTreeMap<u16, (u64, u64)>,
    /// Up to which sequence what was missed is forgotten.
    forgotten: u64,
}

/// The look at the targets of one message; over when it is dropped.
pub(super) struct InHand<'a> {
    misses: &'a Misses,
    source: u16,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.misses.change(self.source, |known| known.in_hand = None);
    }
}

impl Misses {
    fn change(&self, source: u16, change: impl FnOnce(&mut Known)) {
        self.0.send_modify(|all| change(all.entry(source).or_default()));
    }

    /// The targets of the message at `position` are looked at from now on.
    pub(super) fn begin(&self, position: Position) -> InHand<'_> {
        self.change(position.source, |known| known.in_hand = Some(position.sequence));
        InHand { misses: self, source: position.source }
    }

    /// The partitions that are told of a source from now on, and from where on.
    pub(super) fn follow(&self, source: &Source, stands: &Stands) {
        self.change(source.number, |known| known.from = stands.begins());
    }

    /// Remembers whether targets of an event had an instance.
    pub(super) fn remember(&self, targets: impl Iterator<Item = (Target, bool)>, source: u16) {
        self.change(source, |known| {
            for (Target { key, position, event, .. }, is_missed) in targets {
                let miss = (position.sequence, event, key);
                // It may be read again, when the instance is there.
                let _was_known = match is_missed {
                    true => known.missed.insert(miss),
                    false => known.missed.remove(&miss),
                };
            }
            while known.missed.len() > REMEMBERED_MAX
                && let Some((sequence, ..)) = known.missed.pop_first()
            {
                known.forgotten = known.forgotten.max(sequence);
            }
        });
    }

    /// Was the target missed here? `None`: nobody knows, or not since the session `now` began.
    async fn is_missed(&self, partition: u16, now: u64, target: &Target) -> Option<bool> {
        let Position { source, sequence } = target.position;
        let mut known = self.0.subscribe();
        let is_over = |all: &BTreeMap<u16, Known>| {
            all.get(&source).is_none_or(|known| known.in_hand != Some(sequence))
        };
        let over = tokio::time::timeout(IN_HAND_MAX, known.wait_for(is_over)).await;
        let all = over.ok()?.ok()?;
        let known = all.get(&source)?;
        let miss = (sequence, Arc::clone(&target.event), target.key.clone());
        if known.missed.contains(&miss) {
            return Some(true);
        }
        let (session, since) = *known.from.get(&partition)?;
        let is_known = session == now && since <= sequence && known.forgotten < sequence;
        is_known.then_some(false)
    }
}

/// How a target stands in its partition.
struct Look {
    /// When the instance began, where there is one.
    began: Option<Timestamp>,
    /// Has the partition passed the message for good?
    passed: bool,
}

impl Look {
    fn on(partition: &Partition, target: &Target) -> Self {
        let began = partition.instance(&target.key).map(|instance| instance.started_at);
        let Position { source, sequence } = target.position;
        let mut cursors = partition.cursors().filter(|(number, _)| *number == source);
        let passed = cursors.next().is_some_and(|(_, cursor)| cursor.next() > sequence);
        Self { began, passed }
    }
}

impl Shared {
    /// Did the target take the event, or will it? Where nobody knows any more, an instance that
    /// began after the message was stored, or in the same millisecond, has not: a dead letter too
    /// many can be dropped, a silent loss cannot be mended. `None`: the partition is not here.
    pub(crate) async fn takes_here(&self, partition: u16, target: Target) -> Option<bool> {
        let wanted = target.clone();
        let look = self.look_here(partition, move |partition| Look::on(partition, &wanted));
        let Look { began, passed } = look.await?;
        let Some(began) = began else { return Some(false) };
        // After the look: who is looked at later than that is found.
        let session = self.seat(partition).session();
        Some(match self.intake.misses.is_missed(partition, session, &target).await {
            Some(is_missed) => !is_missed,
            None => !passed || began < target.stored,
        })
    }
}
