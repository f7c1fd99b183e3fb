//! What an input says about itself: whom it is for, where it comes from, what taking it uses up.

use std::sync::Arc;

use crate::machine::{Event, InstanceKey, LetterBody};

use super::frame::Item;
use super::input::{PartitionInput, Position};
use super::memory::Partition;

/// Does the partition do this by itself?
pub(super) const fn is_own(input: &PartitionInput) -> bool {
    match input {
        PartitionInput::TimerDue { .. }
        | PartitionInput::SelfEvent { .. }
        | PartitionInput::BufferExpired { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::CallResult { .. }
        | PartitionInput::Letter { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::CallPending { .. }
        | PartitionInput::Confirmed { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. } => true,
        PartitionInput::Schedule { order, .. } => !order.is_by_hand(),
        PartitionInput::Deliver { .. }
        | PartitionInput::Start { .. }
        | PartitionInput::Command { .. }
        | PartitionInput::Reject { .. }
        | PartitionInput::Replay { .. } => false,
    }
}

/// The instance an input names.
pub(super) const fn target(input: &PartitionInput) -> Option<&InstanceKey> {
    match input {
        PartitionInput::Deliver { key, .. }
        | PartitionInput::Start { key, .. }
        | PartitionInput::CallReply { key, .. }
        | PartitionInput::CallResult { key, .. }
        | PartitionInput::CallStarted { key, .. }
        | PartitionInput::CallPending { key, .. }
        | PartitionInput::TimerDue { key, .. }
        | PartitionInput::Command { key, .. }
        | PartitionInput::Schedule { key, .. }
        | PartitionInput::Replay { key, .. } => Some(key),
        PartitionInput::Letter { letter, .. } => Some(&letter.to),
        PartitionInput::Reject { key, .. } => key.as_ref(),
        PartitionInput::Confirmed { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. }
        | PartitionInput::SelfEvent { .. }
        | PartitionInput::BufferExpired { .. } => None,
    }
}

/// The event an input carries or stands for.
pub(super) fn event_of(input: &PartitionInput, partition: &Partition) -> Option<Event> {
    let queues = &partition.queues;
    match input {
        PartitionInput::Deliver { event, .. } | PartitionInput::Reject { event, .. } => {
            Some(event.clone())
        }
        PartitionInput::Replay { dead_letter, .. } => {
            queues.dead.items.get(dead_letter).map(|letter| letter.event.clone())
        }
        PartitionInput::SelfEvent { id } => {
            queues.self_events.items.get(id).map(|(_, event)| event.clone())
        }
        PartitionInput::BufferExpired { id } => {
            queues.buffered.items.get(id).map(|item| item.event.clone())
        }
        PartitionInput::Letter { letter, .. } => match &letter.body {
            LetterBody::Event { event, .. } | LetterBody::FromChild { event, .. } => {
                Some(event.clone())
            }
            LetterBody::Start { .. }
            | LetterBody::Cancel { .. }
            | LetterBody::Transaction(_)
            | LetterBody::Within { .. }
            | LetterBody::Reply { .. } => None,
        },
        PartitionInput::Start { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::CallResult { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::CallPending { .. }
        | PartitionInput::TimerDue { .. }
        | PartitionInput::Command { .. }
        | PartitionInput::Schedule { .. }
        | PartitionInput::Confirmed { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. } => None,
    }
}

/// Where an input stands in its source, and the hash that tells apart what shares a position.
pub(super) fn position(input: &PartitionInput) -> Option<(Position, u64)> {
    let hash = |text: &str| xxhash_rust::xxh3::xxh3_64(text.as_bytes());
    match input {
        PartitionInput::Deliver { key, source, .. } => {
            source.map(|source| (source, hash(key.raw())))
        }
        PartitionInput::Reject { key, source, event, .. } => source.map(|source| {
            (source, key.as_ref().map_or_else(|| hash(&event.name), |key| hash(key.raw())))
        }),
        PartitionInput::CallResult { key, source, .. } => Some((*source, hash(key.raw()))),
        PartitionInput::Start { .. }
        | PartitionInput::Letter { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::CallPending { .. }
        | PartitionInput::TimerDue { .. }
        | PartitionInput::Command { .. }
        | PartitionInput::Schedule { .. }
        | PartitionInput::Confirmed { .. }
        | PartitionInput::Replay { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. }
        | PartitionInput::SelfEvent { .. }
        | PartitionInput::BufferExpired { .. } => None,
    }
}

/// What taking the input records beside the decision, so that it is never taken again.
pub(super) fn consumed(input: &PartitionInput) -> Option<Item<'static>> {
    match input {
        PartitionInput::Deliver { .. }
        | PartitionInput::Reject { .. }
        | PartitionInput::CallResult { .. } => {
            let (Position { source, sequence }, key) = position(input)?;
            Some(Item::Took { source, sequence, key })
        }
        PartitionInput::Confirmed { effect } => Some(Item::Settled { effect: *effect }),
        PartitionInput::Replay { dead_letter, by, .. }
        | PartitionInput::Drop { dead_letter, by } => {
            Some(Item::DeadTaken { id: *dead_letter, by: Arc::clone(&by.user) })
        }
        PartitionInput::Advance { source, sequence } => {
            Some(Item::Advanced { source: *source, sequence: *sequence })
        }
        PartitionInput::SelfEvent { id } => Some(Item::SelfTaken { id: *id }),
        PartitionInput::BufferExpired { id } => Some(Item::BufferTaken { id: *id }),
        PartitionInput::Letter { from, letter, .. } => {
            Some(Item::Delivered { from: *from, number: letter.number })
        }
        PartitionInput::Start { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::CallPending { .. }
        | PartitionInput::TimerDue { .. }
        | PartitionInput::Schedule { .. }
        | PartitionInput::Command { .. } => None,
    }
}

/// The last place at or before `most` where `text` may be cut.
pub(super) fn char_boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
