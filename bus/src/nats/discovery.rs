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

/// Endpoints of one service.
const ENDPOINTS_MAX: usize = 1_024;

/// Longest answer that is read, in bytes.
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

    /// What an answer says, if it can be true.
    fn read(payload: &[u8]) -> Option<Self>;

    /// Name and id of the instance.
    fn member(&self) -> (&str, &str);
}

impl Told for ServiceInfo {
    const SUBJECT: &'static str = "$SRV.INFO";

    fn read(payload: &[u8]) -> Option<Self> {
        read(payload)
    }

    fn member(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }
}

impl Told for ServiceStats {
    const SUBJECT: &'static str = "$SRV.STATS";

    fn read(payload: &[u8]) -> Option<Self> {
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
    let (mut ignored, mut bytes) = (0_u64, 0);
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
            ignored += 1;
            break;
        }
        match T::read(&answer.payload) {
            Some(told) if found.len() < SERVICES_MAX => {
                let (name, id) = told.member();
                let member = (name.to_owned(), id.to_owned());
                // The first word of an instance counts; who speaks twice is not believed twice.
                found.entry(member).or_insert(told);
            }
            Some(_) | None => ignored += 1,
        }
    }
    if ignored > 0 {
        tracing::warn!(ignored, taken = found.len(), "ignored answers to the call for services");
    }
    Ok(found.into_values().collect())
}

/// What an answer says, if it can be true.
fn read(payload: &[u8]) -> Option<ServiceInfo> {
    if payload.len() > ANSWER_BYTES_MAX {
        return None;
    }
    let answer: Answer = serde_json::from_slice(payload).ok()?;
    let names = [&answer.name, &answer.id, &answer.version];
    let are_names = names.iter().all(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
    let endpoints = answer.endpoints.unwrap_or_default();
    if !are_names
        || answer.kind != "io.nats.micro.v1.info_response"
        || endpoints.len() > ENDPOINTS_MAX
        || endpoints.iter().any(|one| one.subject.is_empty() || one.name.is_empty())
    {
        return None;
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
    Some(ServiceInfo {
        name: answer.name,
        id: answer.id,
        version: answer.version,
        metadata: answer.metadata.unwrap_or_default(),
        endpoints,
    })
}

/// The same of an answer about requests.
fn read_stats(payload: &[u8]) -> Option<ServiceStats> {
    if payload.len() > ANSWER_BYTES_MAX {
        return None;
    }
    let answer: StatsAnswer = serde_json::from_slice(payload).ok()?;
    let names = [&answer.name, &answer.id, &answer.version];
    let endpoints = answer.endpoints.unwrap_or_default();
    if names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX)
        || answer.kind != "io.nats.micro.v1.stats_response"
        || endpoints.len() > ENDPOINTS_MAX
    {
        return None;
    }
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
    Some(ServiceStats { name: answer.name, id: answer.id, version: answer.version, endpoints })
}
