//! Discovery: ask everybody, take what comes for a moment, believe none of it blindly.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::StatusCode;
use futures_util::StreamExt;
use serde::Deserialize;

use super::live::Outgoing;
use super::traffic::Traffic;
use crate::{EndpointInfo, Error, ErrorKind, Headers, ServiceInfo};

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

pub(super) async fn discover(traffic: &Traffic) -> Result<Vec<ServiceInfo>, Error> {
    let live = traffic.shared().live();
    let inbox = live.client.new_inbox();
    let mut answers = live.subscribe(&inbox).await?;
    let outgoing = Outgoing {
        subject: "$SRV.INFO",
        headers: &Headers::new(),
        stream: None,
        payload: &bytes::Bytes::new(),
    };
    live.send(outgoing, Some(&inbox)).await?;
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    let mut until = deadline;
    let mut found: BTreeMap<(String, String), ServiceInfo> = BTreeMap::new();
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
        match read(&answer.payload) {
            Some(info) if found.len() < SERVICES_MAX => {
                // The first word of an instance counts; who speaks twice is not believed twice.
                found.entry((info.name.clone(), info.id.clone())).or_insert(info);
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
