//! [`Offered`]: a micro service (ADR-32).
//!
//! The client's own library loses what is on the wire when a service is taken back, and a
//! service of it ends with its connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_nats::{Subscriber, datetime};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::poll_fn;
use futures_util::stream::{SelectAll, select_all};
use serde::Serialize;
use tokio::task::JoinSet;

use super::Served;
use super::live::{Live, Outgoing};
use super::service_counts::{Counts, EndpointStats};
use super::serving::Source;
use super::traffic::Traffic;
use crate::local::lock;
use crate::service::{Data, alone};
use crate::{EndpointInfo, Error, ErrorKind, Headers, Offer, ServiceInfo, SubjectPattern};

/// What a service can be asked about itself.
const VERBS: [&str; 3] = ["PING", "INFO", "STATS"];

/// A running service.
#[derive(Debug)]
pub(crate) struct Offered {
    sources: Vec<Source>,
    questions: Questions,
    id: String,
    subjects: Vec<String>,
    traffic: Traffic,
    #[expect(dead_code, reason = "held for its drop, which ends the task")]
    tasks: JoinSet<()>,
}

/// Where it is asked about itself; `None` once it was taken back.
#[derive(Debug, Clone)]
struct Questions(Arc<Mutex<Option<SelectAll<Subscriber>>>>);

struct Service {
    info: ServiceInfo,
    group: String,
    counts: Vec<Arc<Counts>>,
    data: Option<Data>,
    started: String,
}

/// What every answer begins with.
#[derive(Serialize)]
struct Answer<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    id: &'a str,
    version: &'a str,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct Pong<'a> {
    metadata: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Info<'a> {
    description: &'static str,
    metadata: &'a BTreeMap<String, String>,
    endpoints: Vec<Endpoint<'a>>,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    name: &'a str,
    subject: &'a str,
    queue_group: &'a str,
    metadata: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Stats<'a> {
    started: &'a str,
    endpoints: Vec<EndpointStats<'a>>,
}

impl Drop for Offered {
    /// Takes the service back; requests that the server delivers before it knows are still taken.
    fn drop(&mut self) {
        let questions = lock(&self.questions.0).take();
        drop(questions);
        for source in &self.sources {
            source.retire();
        }
    }
}

pub(super) async fn offer(
    traffic: &Traffic,
    mut info: ServiceInfo,
    offer: Offer,
) -> Result<(Offered, Vec<Served>), Error> {
    check(&info)?;
    let live = traffic.shared().live();
    if !offer.keeps_id {
        info.id = live.client.new_inbox().rsplit('.').next().unwrap_or_default().to_owned();
    }
    let counts: Vec<_> = info.endpoints.iter().map(|_| Arc::<Counts>::default()).collect();
    let Offer { group, alone: is_alone, keeps_id: _, data, attended } = offer;
    let open = async |traffic: &Traffic, pattern: &_, group: &str, counts: &Arc<Counts>| {
        let counts = Some(Arc::clone(counts));
        match attended {
            true => Served::open_attended(traffic, pattern, group, counts).await,
            false => Served::open(traffic, pattern, group, counts).await,
        }
    };
    let (id, mut subjects) = (info.id.clone(), Vec::new());
    let mut servers = Vec::with_capacity(info.endpoints.len());
    for (endpoint, counts) in info.endpoints.iter().zip(&counts) {
        let pattern = SubjectPattern::parse(&endpoint.subject)?;
        servers.push(open(traffic, &pattern, &group, counts).await?);
        subjects.push(endpoint.subject.clone());
    }
    for (endpoint, counts) in info.endpoints.iter().zip(&counts).filter(|_| is_alone) {
        let subject = alone(&endpoint.subject, &id);
        let pattern = SubjectPattern::parse(&subject)?;
        // Nobody else has its id, so it is alone in a group of that name.
        servers.push(open(traffic, &pattern, &id, counts).await?);
        subjects.push(subject);
    }
    let questions = Questions(Arc::new(Mutex::new(Some(listen(&live, &info).await?))));
    let started = now();
    let service = Service { info, group, counts, data, started };
    let mut tasks = JoinSet::new();
    tasks.spawn(tell(service, questions.clone(), traffic.clone(), live.generation));
    let sources = servers.iter().map(Served::source).collect();
    let traffic = traffic.clone();
    Ok((Offered { sources, questions, id, subjects, traffic, tasks }, servers))
}

impl Offered {
    /// The id that was made for it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Everything it serves.
    pub(super) fn subjects(&self) -> &[String] {
        &self.subjects
    }

    /// Ends with the refusal once a server says that an endpoint is not ours to serve.
    pub(crate) async fn refused(&self) -> Error {
        loop {
            let shared = self.traffic.shared();
            let live = shared.live();
            let refused = tokio::select! {
                biased;
                refused = live.refuses_subscription(&self.subjects) => refused,
                _renewed = shared.renewed(live.generation) => None,
            };
            match refused {
                Some(error) => return error,
                None if shared.renewed(live.generation).await.is_ok() => {}
                // The bus is closed.
                None => std::future::pending().await,
            }
        }
    }
}

/// The time now, as RFC 3339 has it.
fn now() -> String {
    let now_ms = crate::Clock::system().now_ms();
    let Ok(now) = datetime::from_nanos(i128::from(now_ms) * 1_000_000) else {
        return String::new();
    };
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    let (hour, minute, second) = now.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn check(info: &ServiceInfo) -> Result<(), Error> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let invalid = |text: &str, reason| ErrorKind::InvalidName { text: text.to_owned(), reason };
    if info.name.is_empty() || !info.name.bytes().all(is_name) {
        return Err(invalid(&info.name, "a service has a name of `A-Z a-z 0-9 - _`").into());
    }
    if !is_semantic(&info.version) {
        return Err(invalid(&info.version, "a service has a semantic version").into());
    }
    Ok(())
}

/// Whether it is `major.minor.patch`, with what may follow `-` and `+`.
fn is_semantic(version: &str) -> bool {
    let is_word = |part: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !part.is_empty() && part.bytes().all(is_letter)
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = |part: &str| is_digits(part) && part.len() > 1 && part.starts_with('0');
    let is_number = |part: &str| is_word(part) && is_digits(part) && !is_padded(part);
    let (version, build) = version.split_once('+').map_or((version, None), |(a, b)| (a, Some(b)));
    let (numbers, pre) = version.split_once('-').map_or((version, None), |(a, b)| (a, Some(b)));
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && pre.is_none_or(|pre| pre.split('.').all(|part| is_word(part) && !is_padded(part)))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

/// Subscribes to everything it is asked about itself.
async fn listen(live: &Live, info: &ServiceInfo) -> Result<SelectAll<Subscriber>, Error> {
    let mut all = Vec::with_capacity(VERBS.len() * 3);
    for verb in VERBS {
        let everybody = format!("$SRV.{verb}");
        let kind = format!("{everybody}.{}", info.name);
        let one = format!("{kind}.{}", info.id);
        for subject in [everybody, kind, one] {
            all.push(live.subscribe(&subject).await?);
        }
    }
    Ok(select_all(all))
}

/// Answers what is asked, over one connection after the other.
async fn tell(service: Service, questions: Questions, traffic: Traffic, mut generation: u64) {
    loop {
        while let Some(question) = questions.next().await {
            let Some(reply) = question.reply else { continue };
            let Some(answer) = service.answer(&question.subject) else { continue };
            let outgoing = Outgoing {
                subject: &reply,
                to: Some(&reply),
                headers: &Headers::new(),
                stream: None,
                payload: &Bytes::from(answer),
                asked: None,
            };
            if let Err(error) = traffic.tell(outgoing).await {
                tracing::debug!(%error, "a question about a service was not answered");
            }
        }
        loop {
            let Ok(live) = traffic.shared().renewed(generation).await else { return };
            generation = live.generation;
            match listen(&live, &service.info).await {
                Ok(again) => {
                    let mut held = lock(&questions.0);
                    if held.is_none() {
                        return;
                    }
                    *held = Some(again);
                    break;
                }
                Err(error) => tracing::debug!(%error, "a service is not discoverable again yet"),
            }
        }
    }
}

impl Questions {
    /// The next one, `None` once there are no more.
    async fn next(&self) -> Option<async_nats::Message> {
        poll_fn(|context| match lock(&self.0).as_mut() {
            None => Poll::Ready(None),
            Some(all) => all.poll_next_unpin(context),
        })
        .await
    }
}

impl Service {
    fn answer(&self, subject: &str) -> Option<Vec<u8>> {
        let metadata = &self.info.metadata;
        let answer = match subject.split('.').nth(1)? {
            "PING" => self.framed("io.nats.micro.v1.ping_response", Pong { metadata }),
            "INFO" => {
                let endpoints = self.info.endpoints.iter().map(|one| self.told(one)).collect();
                let info = Info { description: "", metadata, endpoints };
                self.framed("io.nats.micro.v1.info_response", info)
            }
            "STATS" => {
                let both = self.info.endpoints.iter().zip(&self.counts);
                let data = self.data.as_ref().map(|data| data());
                let told = both.map(|(one, counts)| counts.told(one, &self.group, data.as_ref()));
                let endpoints = told.collect();
                let stats = Stats { started: &self.started, endpoints };
                self.framed("io.nats.micro.v1.stats_response", stats)
            }
            _ => return None,
        };
        answer.ok()
    }

    fn framed<T: Serialize>(&self, kind: &'static str, rest: T) -> serde_json::Result<Vec<u8>> {
        let ServiceInfo { name, id, version, .. } = &self.info;
        serde_json::to_vec(&Answer { kind, name, id, version, rest })
    }

    fn told<'a>(&'a self, endpoint: &'a EndpointInfo) -> Endpoint<'a> {
        Endpoint {
            name: &endpoint.name,
            subject: &endpoint.subject,
            queue_group: &self.group,
            metadata: &endpoint.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic() {
        for version in ["1.2.3", "0.0.1", "10.20.30-rc.1", "1.0.0-a-b+build.007", "1.0.0+x"] {
            assert!(is_semantic(version), "{version}");
        }
        for version in
            ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.3-", "1.2.3-01", "v1.2.3"]
        {
            assert!(!is_semantic(version), "{version}");
        }
    }
}
