//! Long work: a promise at once, signs of life, and a result that is published durably.

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{EndpointInfo, Error, Message, Request, Server, SubjectPattern, Subscription};
use gearshift_protocol::{CallHeaders, Encoding, headers, metadata, plugin, subjects};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::finding::Finding;
use super::super::words::span;
use super::calls::{fits, lost};
use super::desk::{Desk, Told, millis};

/// The interval of signs of life where nobody names one.
const INTERVAL: Duration = Duration::from_secs(30);

/// The group in which results are taken.
const GROUP: &str = "conformance";

/// How long another result is waited for behind the first: of two answers at once, both come.
const AFTER: Duration = Duration::from_millis(300);

/// Who listens for what one call publishes.
struct Ears {
    /// Takes results as a stream does: with an acknowledgement.
    results: Server,
    heartbeats: Subscription,
}

/// What was heard.
struct Heard {
    signs: u32,
    /// The longest silence.
    silence: Duration,
    /// The result; `None` where there was none in time.
    result: Option<Message>,
    /// Another one after that, of other content.
    other: Option<Message>,
}

/// Calls as an engine does that lets results come later.
pub(super) async fn work(desk: &Desk<'_>, endpoint: &EndpointInfo, sample: &Value) -> Vec<Finding> {
    let mut call = desk.fresh();
    call.result_to = Some(subjects::result(&call.call_id));
    let mut ears = match listen(desk, &call).await {
        Ok(ears) => ears,
        Err(error) => {
            return vec![Finding::problem(
                "long work",
                format!("its result cannot be listened for: {error}"),
                "check with a login that may read `gearshift.result.>` and `gearshift.heartbeat.>`",
            )];
        }
    };
    let told = match desk.call(&call, Encoding::Json, sample).await {
        Told::Pending(told) => told,
        Told::Output(_) => {
            return vec![Finding::ok("long work", "it was answered directly, which is fine")];
        }
        told @ (Told::Failure(_) | Told::Wrong(_)) => {
            let message = format!("the sample {}", lost(&told));
            return vec![Finding::problem("long work", message, "mend the operation")];
        }
    };
    let declared = endpoint.metadata.get(metadata::METADATA_HEARTBEAT).cloned();
    let interval = told.or(declared).and_then(|text| plugin::parse_duration(&text));
    let interval = interval.map_or(INTERVAL, Duration::from_millis);
    let heard = hear(&mut ears, desk.limit).await;
    let mut list = Vec::new();
    // Where nothing came at all, one finding says so.
    if heard.signs > 0 || heard.result.is_some() {
        list.push(alive(&heard, interval));
    }
    list.extend(result(desk, &heard, endpoint, &call).await);
    if let (Some(first), Some(other)) = (&heard.result, &heard.other) {
        list.push(answered_twice(desk, &call, first, other).await);
    }
    list
}

/// One attempt has two results that say two things.
async fn answered_twice(
    desk: &Desk<'_>,
    call: &CallHeaders,
    first: &Message,
    other: &Message,
) -> Finding {
    let (first, other) = (
        desk.read(first.clone(), &call.call_id).await,
        desk.read(other.clone(), &call.call_id).await,
    );
    Finding::problem(
        "result",
        format!(
            "one attempt has two results: the first {}, another {}",
            lost(&first),
            lost(&other)
        ),
        "publish one result per attempt: engines take the first, and count and tell the others",
    )
}

async fn listen(desk: &Desk<'_>, call: &CallHeaders) -> Result<Ears, Error> {
    let results = SubjectPattern::parse(&subjects::result(&call.call_id))?;
    let heartbeats = SubjectPattern::parse(&subjects::heartbeat(&call.call_id))?;
    Ok(Ears {
        results: desk.bus.requests().serve(&results, GROUP).await?,
        heartbeats: desk.bus.subscribe(&heartbeats).await?,
    })
}

/// Listens until the result, at most this long, and a moment longer for what follows it.
async fn hear(ears: &mut Ears, limit: Duration) -> Heard {
    let (mut signs, mut silence) = (0, Duration::ZERO);
    let end = Instant::now() + limit;
    let mut last = Instant::now();
    let heard = loop {
        let heard = tokio::select! {
            biased;
            request = ears.results.next() => request,
            sign = ears.heartbeats.next() => {
                silence = silence.max(last.elapsed());
                last = Instant::now();
                signs += 1;
                if sign.is_some() {
                    continue;
                }
                None
            }
            () = tokio::time::sleep_until(end) => None,
        };
        break heard;
    };
    silence = silence.max(last.elapsed());
    let Some(request) = heard else { return Heard { signs, silence, result: None, other: None } };
    let result = stored(request).await;
    let other = another(ears, &result).await;
    Heard { signs, silence, result: Some(result), other }
}

/// What is published to the subject of the result after the result, and says something else.
async fn another(ears: &mut Ears, result: &Message) -> Option<Message> {
    let end = Instant::now() + AFTER;
    loop {
        let request = tokio::select! {
            biased;
            request = ears.results.next() => request?,
            () = tokio::time::sleep_until(end) => return None,
        };
        let other = stored(request).await;
        if other.said() != result.said() {
            return Some(other);
        }
    }
}

/// Answers as a stream does that has stored it.
async fn stored(request: Request) -> Message {
    let message = request.message.clone();
    let stored = json!({"stream": GROUP, "seq": 1}).to_string();
    let stored = Message::new(message.subject.clone(), Bytes::from(stored));
    if let Err(error) = request.respond(stored).await {
        tracing::debug!(%error, "the result could not be acknowledged");
    }
    message
}

fn alive(heard: &Heard, interval: Duration) -> Finding {
    let (silence, interval) = (millis(heard.silence), millis(interval));
    let signs = super::super::words::count(heard.signs as usize, "heartbeat");
    if silence <= interval {
        return Finding::ok(
            "heartbeat",
            format!("{signs}, at most {} apart (promised: {})", span(silence), span(interval)),
        );
    }
    Finding::problem(
        "heartbeat",
        format!("{signs}, {} of silence; the promise is {}", span(silence), span(interval)),
        "publish one on `gearshift.heartbeat.<call id>` in every interval: silence is a failure",
    )
}

async fn result(
    desk: &Desk<'_>,
    heard: &Heard,
    endpoint: &EndpointInfo,
    call: &CallHeaders,
) -> Vec<Finding> {
    let limit = desk.limit;
    let Some(message) = &heard.result else {
        let what = if heard.signs > 0 { "none" } else { "neither it nor a heartbeat" };
        return vec![Finding::problem(
            "result",
            format!("{what} within {}", span(millis(limit))),
            format!(
                "publish it to the subject in `{}`, and wait for the stream's acknowledgement",
                headers::RESULT_TO
            ),
        )];
    };
    let mut list = Vec::new();
    for (name, wanted) in [
        (headers::CALL_ID, &call.call_id),
        (headers::INSTANCE, &call.instance),
        (headers::ATTEMPT, &call.attempt.to_string()),
    ] {
        let told = message.headers.get(name).map(gearshift_protocol::ce_decode);
        if told.as_deref() != Some(wanted) {
            let told = told.map_or_else(|| "missing".to_owned(), |text| format!("`{text}`"));
            list.push(Finding::problem(
                "result",
                format!("its header `{name}` is {told}"),
                "send the call's own headers with its result",
            ));
        }
    }
    if message.headers.get(headers::MESSAGE_ID).is_none() {
        list.push(Finding::warning(
            "result",
            format!("it has no `{}`", headers::MESSAGE_ID),
            "name it `<call id>.<attempt>`: a repeat is then recognized",
        ));
    }
    match desk.read(message.clone(), &call.call_id).await {
        Told::Output(output) => {
            list.push(Finding::ok("result", "it was published, and can be read"));
            list.extend(fits("output", endpoint, metadata::METADATA_OUTPUT, &output));
        }
        told @ (Told::Failure(_) | Told::Pending(_) | Told::Wrong(_)) => {
            let message = format!("the sample {}", lost(&told));
            list.push(Finding::problem("result", message, "mend the operation"));
        }
    }
    list
}
