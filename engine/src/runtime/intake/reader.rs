//! Reads the inbox and hands every captured message to the partition that owns its instance.

use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::{Delivered, ErrorKind, Inbox};
use gearshift_machine::machine::{Event, InstanceKey, Outcome, Timestamp};
use gearshift_machine::partition::{Done, PartitionInput, Position};
use tokio::sync::oneshot;

use super::decode::{Incoming, IntakeError, decode};
use super::route::route;
use crate::runtime::definitions::Index;
use crate::runtime::error::Error;
use crate::runtime::shared::Shared;

/// The inbox's number in cursors; other sources get others.
const SOURCE: u16 = 1;
/// The partition that keeps the dead letters of messages that name no instance.
const REJECTS: u16 = 0;
/// Messages read at once.
const READ_MAX: usize = 256;
/// Wait before a full partition is told again.
const BUSY_RETRY: Duration = Duration::from_millis(200);
/// Idle partitions are told how far the inbox was read after this many messages, so that a restart
/// does not read everything again.
const ADVANCE_EVERY: u64 = 4_096;

/// A message handed to partitions, and their decisions to come.
struct Handed {
    sequence: u64,
    decisions: Vec<oneshot::Receiver<Done>>,
    /// Partitions it was not for after all: no instance there has its key.
    missed: Vec<u16>,
}

/// Reads from the lowest cursor on, until the engine stops. A partition that has consumed a
/// sequence already says `duplicate`; nothing here has to remember.
pub(crate) async fn read_inbox(shared: Arc<Shared>, inbox: Inbox) -> Result<(), Error> {
    let Some(mut next) = lowest_cursor(&shared).await? else {
        shared.stop.cancelled().await;
        return Ok(());
    };
    let mut advanced = next;
    while !shared.stop.is_cancelled() {
        let held = shared.definitions.hold().await;
        let read = inbox.read_from(next, READ_MAX).await;
        let index = shared.definitions.index();
        drop(held);
        let delivered = match read {
            Ok(delivered) => delivered,
            Err(error) => {
                let ErrorKind::Trimmed { first } = error.kind() else { return Err(error.into()) };
                // Everything before was consumed by all partitions, or nobody asked for it.
                next = *first;
                continue;
            }
        };
        if delivered.is_empty() {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return Ok(()),
                newer = inbox.wait_beyond(next.saturating_sub(1)) => { newer?; }
            }
            continue;
        }
        let mut handed = Vec::with_capacity(delivered.len());
        for message in &delivered {
            handed.push(hand_over(&shared, &index, message).await?);
        }
        let missed = handed.iter_mut().flat_map(|one| std::mem::take(&mut one.missed)).collect();
        match first_refused(handed).await {
            None => {
                next = delivered.last().map_or(next, |message| message.sequence + 1);
                pass(&shared, missed, next).await?;
            }
            Some(refused) => {
                // Full: told again from there on, in order. Nothing is dropped meanwhile.
                next = refused;
                tokio::time::sleep(BUSY_RETRY).await;
            }
        }
        if next.saturating_sub(advanced) >= ADVANCE_EVERY {
            advanced = next;
            advance(&shared, &inbox, next).await?;
        }
    }
    Ok(())
}

/// Tells all partitions that everything before `next` was looked at, and trims what nobody needs.
async fn advance(shared: &Arc<Shared>, inbox: &Inbox, next: u64) -> Result<(), Error> {
    let partitions = || 0..shared.config.partitions;
    for partition in partitions().filter(|partition| !shared.is_refused(*partition)) {
        let input = PartitionInput::Advance { source: SOURCE, sequence: next - 1 };
        shared.tell(partition, input).await?;
    }
    // What a refused partition has not seen is kept for the day it is repaired.
    if !partitions().any(|partition| shared.is_refused(partition))
        && let Some(lowest) = lowest_cursor(shared).await?
    {
        inbox.trim(lowest).await?;
    }
    Ok(())
}

/// Partitions that had no instance for a message must not find one when it is read again.
async fn pass(shared: &Shared, mut missed: Vec<u16>, next: u64) -> Result<(), Error> {
    missed.sort_unstable();
    missed.dedup();
    for partition in missed {
        let input = PartitionInput::Advance { source: SOURCE, sequence: next.saturating_sub(1) };
        shared.tell(partition, input).await?;
    }
    Ok(())
}

/// The first sequence that some partition did not take.
async fn first_refused(handed: Vec<Handed>) -> Option<u64> {
    let mut first = None;
    for one in handed {
        for decision in one.decisions {
            let refused = match decision.await {
                Ok(done) => matches!(done.outcome, Outcome::Busy { .. }),
                // The partition was lost, or held the message behind a refused one.
                Err(_) => true,
            };
            if refused && first.is_none() {
                first = Some(one.sequence);
            }
        }
    }
    first
}

/// Where to go on reading: the lowest place that some partition has not seen whole. Partitions
/// that refuse are left out, so that the others are served; `None` where all do.
async fn lowest_cursor(shared: &Arc<Shared>) -> Result<Option<u64>, Error> {
    let mut lowest = None;
    for partition in 0..shared.config.partitions {
        if shared.is_refused(partition) {
            continue;
        }
        let next = shared.read(partition, |partition| {
            let mut cursors = partition.cursors();
            cursors.find(|(source, _)| *source == SOURCE).map_or(1, |(_, cursor)| cursor.next())
        });
        let next = next.await?;
        lowest = Some(lowest.map_or(next, |lowest: u64| lowest.min(next)));
    }
    Ok(lowest)
}

async fn hand_over(shared: &Shared, index: &Index, message: &Delivered) -> Result<Handed, Error> {
    let now = shared.config.clock.now();
    let source = Some(Position { source: SOURCE, sequence: message.sequence });
    let sequence = message.sequence;
    let mut handed = Handed { sequence, decisions: Vec::new(), missed: Vec::new() };
    for event in names(index, message) {
        let (event, error) = match read_event(index, &event, message) {
            Ok(incoming) => match route(index, &incoming, now, Some(message.sequence)) {
                Ok(mut targets) => {
                    let serves = |key: &InstanceKey| !shared.is_refused(shared.partition_of(key));
                    targets.list.retain(|(key, _)| serves(key));
                    let settled = shared.settle(targets).await?;
                    handed.missed.extend(settled.missed);
                    for (key, early) in settled.list {
                        let partition = shared.partition_of(&key);
                        let event = incoming.event.clone();
                        let input = PartitionInput::Deliver { key, event, early, source };
                        handed.decisions.push(shared.ask_in_order(partition, input).await?);
                    }
                    continue;
                }
                Err(error) => (incoming.event, error),
            },
            Err(error) => (unreadable(&event, message), error),
        };
        if shared.is_refused(REJECTS) {
            continue;
        }
        let reason = format!("{} {error}", error.code).into();
        let input = PartitionInput::Reject { event, reason, key: None, source };
        handed.decisions.push(shared.ask_in_order(REJECTS, input).await?);
    }
    Ok(handed)
}

/// What the dead letters keep of a message that is no event.
fn unreadable(name: &str, message: &Delivered) -> Event {
    Event {
        name: name.into(),
        subject: Some(message.message.subject.as_str().into()),
        data: raw_body(&message.message.payload),
        time: Some(Timestamp(message.time_ms)),
        ..Event::default()
    }
}

/// The event names a message stands for: declared subjects first, else the bare subject.
fn names(index: &Index, message: &Delivered) -> Vec<String> {
    let mut names = Vec::new();
    for listener in index.by_subject(&message.message.subject) {
        let Some(declaration) = listener.declaration() else { continue };
        if !names.iter().any(|name: &String| **name == *declaration.name) {
            names.push(declaration.name.to_string());
        }
    }
    if names.is_empty() {
        names.push(message.message.subject.as_str().to_owned());
    }
    names
}

/// The event of a message: `ce-type` names it where somebody listens to that, else the subject.
fn read_event(index: &Index, name: &str, message: &Delivered) -> Result<Incoming, IntakeError> {
    let mut incoming = decode(name, &message.message.headers, &message.message.payload, None)?;
    if *incoming.event.name != *name && index.listeners(&incoming.event.name).is_empty() {
        incoming.event.name = name.into();
    }
    if incoming.event.subject.is_none() && name != message.message.subject.as_str() {
        incoming.event.subject = Some(message.message.subject.as_str().into());
    }
    if incoming.event.time.is_none() {
        incoming.event.time = Some(Timestamp(message.time_ms));
    }
    Ok(incoming)
}

/// What a dead letter keeps of a body that could not be read: at most 4 KiB of its text.
fn raw_body(payload: &[u8]) -> Option<gearshift_machine::value::Value> {
    const KEPT: usize = 4_096;
    let kept = payload.get(..KEPT.min(payload.len())).unwrap_or_default();
    Some(String::from_utf8_lossy(kept).into_owned().into())
}
