//! Discovery: ask everybody, take what comes for a moment, believe none of it blindly.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::StatusCode;
use futures_util::StreamExt;
use serde::Deserialize;

use super::live::Outgoing;
use super::traffic::Traffic;
use crate::{EndpointInfo, EndpointStats, Error, ErrorKind, Headers, ServiceInfo, ServiceStats};

/// Once this long nothing more came, everybody has answered.
const STALL: Duration = Duration::from_millis(150);

/// Longest wait altogether.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Services taken note of in one round.
const SERVICES_MAX: usize = 4_096;

/// Longest answer that is read, in bytes; it bounds the endpoints of one service too.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of all answers together.
const ROUND_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Longest name, id or version.
const NAME_BYTES_MAX: usize = 128;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    id: String,
    version: String,
    metadata: Option<BTreeMap<String, String>>,
    endpoints: Option<Vec<Endpoint>>,
}

#[derive(Deserialize)]
struct Endpoint {
    name: String,
    subject: String,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct StatsAnswer {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    id: String,
    version: String,
    endpoints: Option<Vec<StatsEndpoint>>,
}

#[derive(Deserialize)]
struct StatsEndpoint {
    name: String,
    subject: String,
    #[serde(default)]
    num_requests: u64,
    #[serde(default)]
    num_errors: u64,
    #[serde(default)]
    average_processing_time: u64,
    #[serde(default)]
    last_error: Option<String>,
    #[serde(default)]
    data: serde_json::Value,
}

/// What an answer is about.
trait Told: Sized {
    /// The question.
    const SUBJECT: &'static str;

    /// What an answer says, if it can be true; else why it is not read.
    fn read(payload: &[u8]) -> Result<Self, &'static str>;

    /// Name and id of the instance.
    fn member(&self) -> (&str, &str);
}

impl Told for ServiceInfo {
    const SUBJECT: &'static str = "$SRV.INFO";

    fn read(payload: &[u8]) -> Result<Self, &'static str> {
        read(payload)
    }

    fn member(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }
}

impl Told for ServiceStats {
    const SUBJECT: &'static str = "$SRV.STATS";

    fn read(payload: &[u8]) -> Result<Self, &'static str> {
        read_stats(payload)
    }

    fn member(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }
}

/// What the services tell about themselves.
pub(super) async fn discover(traffic: &Traffic) -> Result<Vec<ServiceInfo>, Error> {
    ask(traffic).await
}

/// What the services tell about their requests.
pub(super) async fn stats(traffic: &Traffic) -> Result<Vec<ServiceStats>, Error> {
    ask(traffic).await
}

async fn ask<T: Told>(traffic: &Traffic) -> Result<Vec<T>, Error> {
    let live = traffic.shared().live();
    let inbox = live.client.new_inbox();
    let mut answers = live.subscribe(&inbox).await?;
    let outgoing = Outgoing {
        subject: T::SUBJECT,
        to: None,
        headers: &Headers::new(),
        stream: None,
        payload: &bytes::Bytes::new(),
        asked: None,
    };
    live.send(outgoing, Some(&inbox)).await?;
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    let mut until = deadline;
    let mut found: BTreeMap<(String, String), T> = BTreeMap::new();
    let (mut ignored, mut bytes) = (Ignored::default(), 0);
    while let Ok(answer) = tokio::time::timeout_at(until, answers.next()).await {
        let Some(answer) = answer else {
            // Whoever was not heard is not gone.
            let text = "the connection ended while services answered";
            return Err(Error::new(ErrorKind::Disconnected, text));
        };
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            break;
        }
        until = deadline.min(tokio::time::Instant::now() + STALL);
        bytes += answer.payload.len();
        if bytes > ROUND_BYTES_MAX {
            ignored.add(&answer.payload, "all answers together are too long");
            break;
        }
        match T::read(&answer.payload) {
            Ok(told) if found.len() < SERVICES_MAX => {
                let (name, id) = told.member();
                let member = (name.to_owned(), id.to_owned());
                // The first word of an instance counts; who speaks twice is not believed twice.
                found.entry(member).or_insert(told);
            }
            Ok(_) => ignored.add(&answer.payload, "more services answer than are taken note of"),
            Err(why) => ignored.add(&answer.payload, why),
        }
    }
    ignored.tell(found.len());
    Ok(found.into_values().collect())
}

/// Answers that were not taken.
#[derive(Default)]
struct Ignored {
    count: u64,
    /// The first of them: whose it is, as far as it tells, and why.
    first: Option<(String, &'static str)>,
}

impl Ignored {
    fn add(&mut self, payload: &[u8], why: &'static str) {
        self.count += 1;
        self.first.get_or_insert_with(|| (sender(payload), why));
    }

    fn tell(&self, taken: usize) {
        let Self { count, first: Some((of, why)) } = self else { return };
        tracing::warn!(ignored = count, taken, of, why, "ignored answers to the call for services");
    }
}

/// Whose answer it is, as far as it tells.
fn sender(payload: &[u8]) -> String {
    let told = serde_json::from_slice::<Sender>(payload).ok();
    let short = |text: String| text.chars().take(NAME_BYTES_MAX).collect::<String>();
    told.map_or_else(|| "unknown".to_owned(), |one| short(one.name) + " " + &short(one.id))
}

#[derive(Deserialize)]
struct Sender {
    name: String,
    id: String,
}

/// An answer of these bytes.
fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, &'static str> {
    if payload.len() > ANSWER_BYTES_MAX {
        return Err("its answer is longer than 1 MiB");
    }
    serde_json::from_slice(payload).map_err(|_| "its answer is not of the expected form")
}

/// Are these names of an instance, and is its answer of this kind?
fn check(names: &[&String; 3], kind: &str, wanted: &str) -> Result<(), &'static str> {
    if names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
        return Err("its name, id or version is empty or longer than 128 bytes");
    }
    if kind != wanted {
        return Err("its answer is of another type");
    }
    Ok(())
}

/// What an answer says, if it can be true.
fn read(payload: &[u8]) -> Result<ServiceInfo, &'static str> {
    let answer: Answer = parse(payload)?;
    let names = [&answer.name, &answer.id, &answer.version];
    check(&names, &answer.kind, "io.nats.micro.v1.info_response")?;
    let endpoints = answer.endpoints.unwrap_or_default();
    if endpoints.iter().any(|one| one.subject.is_empty() || one.name.is_empty()) {
        return Err("one of its endpoints has no name or no subject");
    }
    let mut endpoints: Vec<EndpointInfo> = endpoints
        .into_iter()
        .map(|one| EndpointInfo {
            name: one.name,
            subject: one.subject,
            metadata: one.metadata.unwrap_or_default(),
        })
        .collect();
    // The answer keeps no order of its own.
    endpoints.sort_by(|a, b| (&a.name, &a.subject).cmp(&(&b.name, &b.subject)));
    Ok(ServiceInfo {
        name: answer.name,
        id: answer.id,
        version: answer.version,
        metadata: answer.metadata.unwrap_or_default(),
        endpoints,
    })
}

/// The same of an answer about requests.
fn read_stats(payload: &[u8]) -> Result<ServiceStats, &'static str> {
    let answer: StatsAnswer = parse(payload)?;
    let names = [&answer.name, &answer.id, &answer.version];
    check(&names, &answer.kind, "io.nats.micro.v1.stats_response")?;
    let endpoints = answer.endpoints.unwrap_or_default();
    let told = |one: StatsEndpoint| EndpointStats {
        name: one.name,
        subject: one.subject,
        requests: one.num_requests,
        errors: one.num_errors,
        average: Duration::from_nanos(one.average_processing_time),
        last_error: one.last_error.unwrap_or_default(),
        data: one.data,
    };
    let mut endpoints: Vec<EndpointStats> = endpoints.into_iter().map(told).collect();
    endpoints.sort_by(|a, b| (&a.name, &a.subject).cmp(&(&b.name, &b.subject)));
    Ok(ServiceStats { name: answer.name, id: answer.id, version: answer.version, endpoints })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(endpoints: usize, note: &str) -> Vec<u8> {
        let one = |number| serde_json::json!({"name": format!("e{number}"), "subject": "s"});
        let answer = serde_json::json!({
            "type": "io.nats.micro.v1.info_response",
            "name": "wide",
            "id": "one",
            "version": "1.0.0",
            "metadata": {"note": note},
            "endpoints": (0..endpoints).map(one).collect::<Vec<_>>(),
        });
        serde_json::to_vec(&answer).unwrap()
    }

    #[test]
    fn a_service_of_many_operations_is_known_and_what_is_not_read_has_a_reason() {
        assert_eq!(read(&answer(5_000, "")).unwrap().endpoints.len(), 5_000);
        let long = answer(1, &"x".repeat(ANSWER_BYTES_MAX));
        let why = read(&long).unwrap_err();
        assert_eq!(why, "its answer is longer than 1 MiB");
        let mut ignored = Ignored::default();
        ignored.add(&long, why);
        ignored.add(b"{", "another");
        let first = Some(("wide one".to_owned(), why));
        assert_eq!((ignored.count, ignored.first), (2, first));
        assert_eq!(sender(b"{"), "unknown");
        assert!(read(b"{").is_err() && read_stats(&answer(1, "")).is_err());
    }
}
