//! Signs of life of long work: who is heard, and who is missed.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{BackendKind, Inbox, Message, Subject, SubjectPattern, Subscription};
use gearshift_machine::machine::{
    CallOutcome, EffectId, ErrorKind, HEARTBEAT_LOST, InstanceKey, NoticeKind, Timestamp,
};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::long_work::HEARTBEAT_DEFAULT_MS;
use gearshift_protocol::{Heartbeat, Pending, ce_decode, headers, subjects};

use super::watched::{Heard, Watched};
use crate::runtime::arrivals::all_told;
use crate::runtime::clock::Clock;
use crate::runtime::notices::NoticeMessage;
use crate::runtime::providers::redacted_beat;
use crate::runtime::shared::Shared;

/// Wait before signs of life are subscribed to again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long it may be looked whose a sign of life is, and whether there are more.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Between two looks while the bus is away.
const AWAY_POLL: Duration = Duration::from_millis(200);
/// The engine itself stood still where it comes this much later to a silence than it wanted to.
const STOOD_STILL_MS: u64 = 2_000;

/// What follows the prefix of signs of life where an engine asks itself what it has heard; no call
/// is called so.
const MARK: &str = "mark-";

/// The shortest interval that counts, and the longest, in milliseconds.
const INTERVAL_MS: RangeInclusive<u64> = 100..=24 * 60 * 60 * 1_000;

/// How long the silence of a plugin that promised a result may last; `declared` is what its
/// operation says of all of them.
pub(crate) fn heartbeat_ms(promise: Pending, declared: Option<u64>) -> u64 {
    let told = promise.heartbeat_ms.or(declared).unwrap_or(HEARTBEAT_DEFAULT_MS);
    told.clamp(*INTERVAL_MS.start(), *INTERVAL_MS.end())
}

/// Hears the signs of life of plugins until the engine stops.
pub(crate) async fn keep_hearing(shared: Arc<Shared>) {
    let text = format!("{}*", subjects::HEARTBEAT);
    let Ok(pattern) = SubjectPattern::parse(&text) else { return };
    loop {
        let subscribed = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            subscribed = shared.bus.subscribe(&pattern) => subscribed,
        };
        match subscribed {
            Ok(subscription) => {
                // What was said before was not heard.
                shared.longwork.all_live(shared.config.clock.now());
                hear_all(&shared, subscription).await;
            }
            Err(error) => tracing::warn!(%error, "signs of life of plugins are not heard"),
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }
}

async fn hear_all(shared: &Arc<Shared>, mut subscription: Subscription) {
    let mut lagged = 0;
    loop {
        let message = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            message = subscription.next() => message,
        };
        let Some(message) = message else { return };
        let missed = subscription.lagged();
        if missed != lagged {
            lagged = missed;
            // Whose they were nobody knows.
            shared.longwork.all_live(shared.config.clock.now());
        }
        hear(shared, &message).await;
    }
}

async fn hear(shared: &Arc<Shared>, message: &Message) {
    let subject = message.subject.as_str();
    let token = subject.strip_prefix(subjects::HEARTBEAT);
    if token.is_some_and(|token| token.starts_with(MARK)) {
        // Another engine's is none of ours.
        shared.longwork.reached(token.unwrap_or_default());
        return;
    }
    let call = token.and_then(EffectId::parse);
    let beat = Heartbeat::parse(&message.payload).map(redacted_beat);
    let (Some(call), Some(beat)) = (call, beat) else {
        tracing::debug!(subject, "a sign of life cannot be read");
        return;
    };
    let now = shared.config.clock.now();
    let mut heard = shared.longwork.hear(call, &beat, now);
    if heard == Heard::Unknown
        && let Some(instance) = message.headers.get(headers::INSTANCE)
        && let Some(watched) = under_way(shared, instance, call, &beat, now).await
    {
        shared.longwork.watch(watched);
        heard = shared.longwork.hear(call, &beat, now);
    }
    match heard {
        Heard::Tell(watched) => tell(shared, *watched, now),
        Heard::Yes | Heard::Unknown => {}
    }
}

/// The call under way that a sign of life is of, where it names an instance that is here: of one
/// that did not promise a result it is progress and nothing else.
async fn under_way(
    shared: &Shared,
    instance: &str,
    call: EffectId,
    beat: &Heartbeat,
    now: Timestamp,
) -> Option<Watched> {
    let key = InstanceKey::parse(&ce_decode(instance)).ok()?;
    let partition = shared.partition_of(&key);
    if !shared.seat(partition).serves() {
        return None;
    }
    let session = shared.seat(partition).session();
    let index = shared.definitions.index();
    let wanted = key.clone();
    let look = shared
        .read_local(partition, move |all| all.call_under_way(&index.definitions, &wanted, call));
    let request = tokio::time::timeout(LOOK_MAX, look).await.ok()?.ok()??;
    let place = (partition, session);
    (request.attempt == beat.attempt).then(|| Watched::new(place, key, &request, None, now))
}

/// Tells watchers how far a call is, where there are any.
fn tell(shared: &Arc<Shared>, watched: Watched, now: Timestamp) {
    let kind = NoticeKind::CallProgress;
    let hearing = shared.hearing(watched.key.workflow(), kind);
    if !hearing.here && !hearing.there {
        return;
    }
    let shared = Arc::clone(shared);
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let wanted = watched.key.clone();
        let look = shared.read_local(watched.partition, move |all| all.instance(&wanted));
        let Ok(Some(instance)) = look.await else { return };
        let message = NoticeMessage {
            key: watched.key.clone(),
            generation: instance.generation,
            step: instance.step,
            at: now,
            kind,
            data: fields(&watched),
            version: instance.pin.version,
        };
        shared.announce(hearing, message);
    });
}

fn fields(watched: &Watched) -> Value {
    let mut fields = Map::new();
    fields.insert("operation", Value::String(Arc::clone(&watched.operation)));
    fields.insert("step", Value::String(Arc::clone(&watched.step)));
    fields.insert("attempt", Value::from(u64::from(watched.attempt)));
    if let Some(percent) = watched.percent {
        fields.insert("percent", Value::from(u64::from(percent)));
    }
    if !watched.note.is_empty() {
        fields.insert("note", Value::String(watched.note.as_str().into()));
    }
    fields.into()
}

/// Ends attempts whose plugins were silent for too long, until the engine stops.
pub(crate) async fn keep_missing(shared: Arc<Shared>) {
    let clock = shared.config.clock.clone();
    // It counts the connections, which bring signs of life as well.
    let inbox = shared.inbox_of(None).await.ok();
    let now_at = || inbox.as_ref().map_or(0, Inbox::connects);
    let is_nats = matches!(shared.bus.kind(), BackendKind::Nats);
    let mut connects = now_at();
    loop {
        let changed = shared.longwork.changed();
        let due = shared.longwork.next_due();
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = changed => continue,
            // Later than the moment itself: silence of exactly the interval is none.
            () = clock.sleep_until(due.unwrap_or_default().plus_ms(1)), if due.is_some() => {}
        }
        let now = clock.now();
        let is_system = matches!(clock, Clock::System);
        let late = due.is_some_and(|due| now.since_ms(due) > STOOD_STILL_MS);
        let known = std::mem::replace(&mut connects, now_at());
        if connects != known || (is_system && late) {
            // Nobody could be heard meanwhile.
            shared.longwork.all_live(now);
        } else if is_nats && connects % 2 == 1 {
            // The connection is away.
            tokio::time::sleep(AWAY_POLL).await;
        } else {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                () = all_heard(&shared) => {}
            }
            if now_at() != connects {
                continue;
            }
            for watched in shared.longwork.silent(now) {
                miss(&shared, watched).await;
            }
        }
    }
}

/// Returns once what plugins had said before is heard, as far as the bus carries it: this engine
/// may have stood still meanwhile.
async fn all_heard(shared: &Shared) {
    all_told(shared, true).await;
    let token = format!("{MARK}{}", uuid::Uuid::new_v4().simple());
    let Ok(subject) = Subject::parse(&format!("{}{token}", subjects::HEARTBEAT)) else { return };
    let reached = shared.longwork.mark(token);
    // It comes the way of all signs of life, behind those that were said before.
    if let Err(error) = shared.bus.notify(Message::new(subject, Bytes::new())) {
        tracing::debug!(%error, "it is not known which signs of life have come");
        return;
    }
    drop(tokio::time::timeout(LOOK_MAX, reached).await);
}

async fn miss(shared: &Arc<Shared>, watched: Watched) {
    let Watched { partition, key, call, attempt, operation, promised, .. } = watched;
    let Some(promised) = promised else { return };
    let interval = promised.heartbeat_ms;
    tracing::warn!(instance = %key, %call, attempt, %operation, "heartbeat lost");
    let outcome = CallOutcome::Failure {
        kind: ErrorKind::Retryable,
        code: HEARTBEAT_LOST.into(),
        message: format!("no heartbeat for {interval} ms, as often as it promised one").into(),
        retry_after_ms: None,
    };
    promised.silent(shared, &operation, &outcome);
    let input = PartitionInput::CallReply { key, call, attempt, outcome };
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => {}
        // A partition that has gone is another owner's, who waits anew.
        told = shared.tell(partition, input) => drop(told),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pending, heartbeat_ms};

    #[test]
    fn the_interval_is_that_of_the_reply_else_of_the_operation_else_30_s_and_bounded() {
        let promise = |heartbeat_ms| Pending { heartbeat_ms };
        assert_eq!(heartbeat_ms(promise(Some(5_000)), Some(7_000)), 5_000);
        assert_eq!(heartbeat_ms(promise(None), Some(7_000)), 7_000);
        assert_eq!(heartbeat_ms(promise(None), None), 30_000);
        assert_eq!(heartbeat_ms(promise(Some(1)), None), 100);
        assert_eq!(heartbeat_ms(promise(Some(u64::MAX)), None), 86_400_000);
    }
}
