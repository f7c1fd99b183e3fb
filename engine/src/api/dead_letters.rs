//! Dead letters: offered again, or dropped, in an operator's name.
//!
//! A letter is offered in the frame that takes it, by the partition that owns the instance, so no
//! crash applies it twice or loses it. One that lies in another partition moves there first: the
//! copy names its origin, and the origin is gone before the copy is offered.

use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::{Event, InstanceKey, Outcome, Principal};
use gearshift_machine::partition::{DeadLetter, PartitionInput};
use gearshift_protocol::command::{DeadLetterOrder, DeadLetterReply, DeadLetterResult};
use gearshift_protocol::{InstanceVerdict, Problem, Verdict};

use super::{Reply, reply, resolve, wire};
use crate::runtime::{DeadLetterFilter, Error, Handle, Incoming};

/// Partition and number of a dead letter.
type Place = (u16, u64);

/// What the reason of a moved letter begins with; only this module writes it.
const MOVED: &str = "moved from ";

/// Drops the dead letters of `order`.
pub(super) async fn drop_all(handle: &Handle, order: &DeadLetterOrder, by: &Principal) -> Reply {
    let mut answer = DeadLetterReply::default();
    for place in resolve::dead_letters(handle, order).await? {
        drop_one(handle, place, by).await?;
        tracing::info!(dead_letter = id_of(place), by = %by.user, "dead letter dropped");
        let verdict = InstanceVerdict::without_instance(Verdict::Done);
        answer.results.push(DeadLetterResult { id: id_of(place), verdict });
    }
    reply(&answer)
}

/// Offers the dead letters of `order` again, to wherever each belongs now.
pub(super) async fn replay(handle: &Handle, order: &DeadLetterOrder, by: &Principal) -> Reply {
    let mut answer = DeadLetterReply::default();
    for place in resolve::dead_letters(handle, order).await? {
        let verdict = offer(handle, place, by).await?;
        let became = verdict.verdict.as_str();
        tracing::info!(dead_letter = id_of(place), by = %by.user, became, "dead letter replayed");
        answer.results.push(DeadLetterResult { id: id_of(place), verdict });
    }
    reply(&answer)
}

async fn drop_one(handle: &Handle, place: Place, by: &Principal) -> Result<(), Error> {
    let (partition, dead_letter) = place;
    handle.input(partition, PartitionInput::Drop { dead_letter, by: by.clone() }).await?;
    Ok(())
}

fn id_of((partition, number): Place) -> String {
    format!("{partition}-{number}")
}

async fn read(handle: &Handle, place: Place) -> Result<Option<DeadLetter>, Error> {
    let (partition, number) = place;
    handle.dead_letter(partition, number).await
}

async fn offer(
    handle: &Handle,
    asked: Place,
    by: &Principal,
) -> Result<InstanceVerdict, Box<Problem>> {
    let mut place = asked;
    let Some(mut letter) = read(handle, place).await? else { return Ok(gone()) };
    // A move that a crash cut off is ended first: its origin must not be offered a second time.
    if let Some(origin) = origin_of(&letter.reason)
        && let Some(first) = read(handle, origin).await?
    {
        (place, letter) = (origin, first);
    }
    if letter.event.data.as_ref().is_some_and(|data| data.as_map().is_none()) {
        let reason = "was never readable; publish a corrected event and drop this one";
        return Ok(rejected(reason.to_owned()));
    }
    let event = Event { id: None, ..letter.event };
    let addressed = letter.key.map(|key| key.to_string());
    let targets = match handle.targets(&Incoming { event: event.clone(), addressed }).await {
        Ok(targets) => targets,
        Err(error) => return Ok(rejected(Box::<Problem>::from(error).detail)),
    };
    let places = settle(handle, place, &targets, &event, by).await?;
    let mut first = None;
    for (place, (key, early)) in places.into_iter().zip(targets) {
        let Some((partition, dead_letter)) = place else { continue };
        let replay =
            PartitionInput::Replay { dead_letter, key: key.clone(), early, by: by.clone() };
        let done = handle.input(partition, replay).await?;
        let missing =
            matches!(&done.outcome, Outcome::NotFound { what } if **what == *"dead letter");
        let verdict = if missing { gone() } else { wire::verdict(&key, &done) };
        first.get_or_insert(verdict);
    }
    Ok(first.unwrap_or_else(|| InstanceVerdict::without_instance(Verdict::NoInstance)))
}

/// Where the letter lies for each target: beside the instance it is for.
async fn settle(
    handle: &Handle,
    place: Place,
    targets: &[(InstanceKey, Early)],
    event: &Event,
    by: &Principal,
) -> Result<Vec<Option<Place>>, Error> {
    if let [(key, early)] = targets {
        let partition = handle.partition_of(key);
        // Where nobody waits for it, it stays where it is.
        let misses = *early == Early::DeadLetter && !handle.contains(key).await?;
        if misses || partition == place.0 {
            return Ok(vec![Some(place)]);
        }
    }
    let mut places = Vec::with_capacity(targets.len());
    for (key, _) in targets {
        let partition = handle.partition_of(key);
        let reason = format!("{MOVED}{}", id_of(place));
        let number = match find(handle, partition, key, &reason).await? {
            Some(number) => Some(number),
            None => {
                let (event, key) = (event.clone(), key.clone());
                let wanted = key.clone();
                let text = reason.as_str().into();
                let copy =
                    PartitionInput::Reject { event, reason: text, key: Some(key), source: None };
                let done = handle.input(partition, copy).await?;
                if let Outcome::Busy { what } = done.outcome {
                    return Err(Error::Unavailable(format!("limit of {what} is reached")));
                }
                find(handle, partition, &wanted, &reason).await?
            }
        };
        // Somebody else may replay or drop it at the same time.
        places.push(number.map(|number| (partition, number)));
    }
    drop_one(handle, place, by).await?;
    Ok(places)
}

async fn find(
    handle: &Handle,
    partition: u16,
    key: &InstanceKey,
    reason: &str,
) -> Result<Option<u64>, Error> {
    let (key, reason) = (Some(key.clone()), Some(reason.to_owned()));
    let wanted = DeadLetterFilter { key, reason, ..Default::default() };
    let found = handle.dead_letters(partition, &wanted, None, 1).await?;
    Ok(found.first().map(|(number, _)| *number))
}

/// The place that a moved letter came from.
fn origin_of(reason: &str) -> Option<Place> {
    let (partition, number) = reason.strip_prefix(MOVED)?.split_once('-')?;
    Some((partition.parse().ok()?, number.parse().ok()?))
}

fn gone() -> InstanceVerdict {
    InstanceVerdict::without_instance(Verdict::Ignored { reason: "dropped meanwhile".to_owned() })
}

fn rejected(reason: String) -> InstanceVerdict {
    InstanceVerdict::without_instance(Verdict::Rejected { reason, accepted: Vec::new() })
}
