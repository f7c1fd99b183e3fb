//! Which stream holds which subjects.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api::codes;
use super::connection::Link;
use super::stream::{Stream, StreamInfo, settings};
use crate::{Error, ErrorKind, Held, SubjectPattern};

/// What the names of our inboxes' streams begin with.
const STREAM_PREFIX: &str = "gearshift-inbox-";

/// How long messages stay that nobody trimmed.
const AGE_MAX_NANOS: u64 = 7 * 24 * 60 * 60 * 1_000_000_000;

/// How long the server knows message ids.
const DUPLICATE_WINDOW_NANOS: u64 = 2 * 60 * 1_000_000_000;

/// How often the patterns are set again without what others turned out to hold.
const ROUNDS_MAX: usize = 8;

#[derive(Serialize)]
struct NamesRequest<'a> {
    subject: &'a str,
}

#[derive(Deserialize)]
struct Names {
    streams: Option<Vec<String>>,
}

/// The streams that hold any subject the pattern matches.
pub(super) async fn holders(link: &Link, pattern: &str) -> Result<Vec<String>, Error> {
    let request = NamesRequest { subject: pattern };
    match link.api::<Names>("STREAM.NAMES", &request).await? {
        Ok(names) => Ok(names.streams.unwrap_or_default()),
        Err(error) => Err(error.into_error(pattern)),
    }
}

/// The subject of an inbox that captures nothing: a stream holds one at least.
fn placeholder(name: &str) -> String {
    format!("gearshift.inbox.{name}")
}

/// Opens the stream of an inbox, or creates it without patterns.
pub(super) async fn open(link: &Link, name: &str) -> Result<Stream, Error> {
    let wanted = settings(json!({
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_age": AGE_MAX_NANOS,
        "duplicate_window": DUPLICATE_WINDOW_NANOS,
        "deny_delete": true,
    }));
    // From its creation on: a server that is told twice at once what a stream captures, by this
    // and by another one's capture, subscribes twice, and stores each message as often.
    let at_first = settings(json!({ "subjects": [placeholder(name)] }));
    let stream = format!("{STREAM_PREFIX}{name}");
    Stream::open_with(link, stream, name, "inbox", wanted, at_first).await
}

/// The patterns that a stream of ours captures.
pub(super) fn captured(name: &str, config: &Map<String, Value>) -> Vec<SubjectPattern> {
    // The server gives a stream that is created without subjects its own name to capture.
    let nothing = [placeholder(name), format!("{STREAM_PREFIX}{name}")];
    let subjects = subjects(config).into_iter();
    let subjects = subjects.filter(|subject| nothing.iter().all(|one| one != subject));
    subjects.filter_map(|subject| SubjectPattern::parse(subject).ok()).collect()
}

fn subjects(config: &Map<String, Value>) -> Vec<&str> {
    let subjects = config.get("subjects").and_then(Value::as_array);
    subjects.into_iter().flatten().filter_map(Value::as_str).collect()
}

async fn update(
    stream: &Stream,
    mut config: Map<String, Value>,
    subjects: Vec<String>,
) -> Result<Result<(), super::api::ApiError>, Error> {
    config.insert("subjects".to_owned(), json!(subjects));
    let subject = format!("STREAM.UPDATE.{}", stream.name);
    Ok(stream.link.api::<StreamInfo>(&subject, &config).await?.map(drop))
}

/// Sets the patterns of an inbox; gives those set and those that other streams hold wholly.
pub(super) async fn set(
    stream: &Stream,
    name: &str,
    mut patterns: Vec<SubjectPattern>,
) -> Result<(Vec<SubjectPattern>, Vec<Held>), Error> {
    let mut held = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let config = stream.info().await?.config;
        let mut subjects: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        if subjects.is_empty() {
            subjects.push(placeholder(name));
        }
        if self::subjects(&config) == subjects {
            return Ok((patterns, held));
        }
        match update(stream, config, subjects).await? {
            Ok(()) => return Ok((patterns, held)),
            Err(error) if error.err_code == codes::SUBJECTS_OVERLAP => {
                let others = held_elsewhere(stream, &patterns).await?;
                patterns.retain(|pattern| others.iter().all(|other| other.pattern != *pattern));
                held.extend(others);
            }
            Err(error) => return Err(stream.error(error)),
        }
    }
    let reason = format!("subjects of `{name}` overlap other streams that kept changing");
    Err(ErrorKind::Refused { reason }.into())
}

/// The patterns that other people's streams hold; an error if one holds a part of a pattern,
/// or if it is one of ours.
async fn held_elsewhere(stream: &Stream, patterns: &[SubjectPattern]) -> Result<Vec<Held>, Error> {
    let mut held = Vec::new();
    for pattern in patterns {
        for other in holders(&stream.link, pattern.as_str()).await? {
            if other == stream.name {
                continue;
            }
            let found = foreign(&stream.link, &other).info().await;
            let config = match found {
                Ok(info) => info.config,
                Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            let subjects = subjects(&config).into_iter();
            let subjects = subjects.filter_map(|one| SubjectPattern::parse(one).ok());
            let subjects: Vec<_> = subjects.filter(|one| one.overlaps(pattern)).collect();
            let own = other.strip_prefix(STREAM_PREFIX);
            if own.is_none() && subjects.iter().any(|subject| subject.covers(pattern)) {
                held.push(Held { pattern: pattern.clone(), stream: other });
                break;
            }
            if let Some(subject) = subjects.first() {
                return Err(ErrorKind::Overlap {
                    pattern: pattern.to_string(),
                    other: subject.to_string(),
                    inbox: own.unwrap_or(&other).to_owned(),
                }
                .into());
            }
        }
    }
    Ok(held)
}

/// A handle to somebody else's stream.
pub(super) fn foreign(link: &Link, name: &str) -> Stream {
    Stream::existing(link, name.to_owned(), name)
}
