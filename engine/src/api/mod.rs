//! The same requests for every door: a subject, headers and a body in, a body or a problem out.
//!
//! The bus serves these subjects itself; the HTTP door maps `POST /v1/request/<subject>` to them.

mod adrift;
mod bus_door;
mod cache;
mod commands;
mod control;
mod dead_letters;
mod decided;
mod describe;
mod events;
mod extend;
mod filter;
mod foreseen;
mod health;
mod holds;
mod items;
mod joining;
mod late;
mod migrate;
mod mocked;
mod notices;
mod plain;
mod plugins;
mod progress;
mod queries;
mod rehearsal;
mod remedies;
mod resolve;
mod schedules;
mod spoken;
mod steps;
mod timers;
mod transactions;
mod undone;
mod waiting;
mod why;
mod wire;

use bytes::Bytes;
use gearshift_bus::Headers;
use gearshift_protocol::{Problem, ProblemKind, subjects};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use bus_door::{BusDoor, serve_on_bus};
pub(crate) use describe::{detail, entry as history_entry, label as transition_label, operations};
pub use notices::{Heard, Notices};
pub(crate) use plain::{event, plain};
pub(crate) use plugins::{bare as plugins_of_bus, is_silent as plugin_is_silent};
pub(crate) use why::asked;
pub use wire::notice_of;
pub(crate) use wire::{json, verdict};

use crate::runtime::{Error, Handle};

/// One request, whatever door it came through.
#[derive(Clone, Debug)]
pub struct Request {
    /// `gearshift.event.…`, `gearshift.command.…`, `gearshift.query.…` or `gearshift.publish.…`.
    pub subject: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
}

/// A body of JSON, or why there is none.
pub type Reply = Result<Bytes, Box<Problem>>;

/// Answers a request; every command and question of the system goes through here.
///
/// # Errors
/// The problem, with a stable code, as RFC 9457 has it.
pub async fn answer(handle: &Handle, request: Request) -> Reply {
    answer_to(handle, &request.subject, request.headers, request.body).await
}

/// [`answer`] without a [`Request`]. Events are the hot path; the others are boxed, so that its
/// future stays small.
async fn answer_to(handle: &Handle, subject: &str, headers: Headers, body: Bytes) -> Reply {
    if let Some(name) = subject.strip_prefix(subjects::EVENT) {
        return events::ask(handle, name, &headers, &body).await;
    }
    if let Some(target) = subject.strip_prefix(subjects::PUBLISH) {
        return Box::pin(events::publish(handle, target, headers, body)).await;
    }
    if let Some((user, verb)) = subjects::parse_command(subject) {
        return Box::pin(commands::perform(handle, (&user, verb), &headers, &body)).await;
    }
    if let Some(what) = subject.strip_prefix(subjects::QUERY) {
        return Box::pin(queries::look(handle, what, &body)).await;
    }
    Err(problem(ProblemKind::NotFound, format!("no request is called `{subject}`")))
}

fn problem(kind: ProblemKind, detail: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(kind, detail))
}

fn reply<T: Serialize>(body: &T) -> Reply {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| problem(ProblemKind::Internal, format!("reply is not JSON: {error}")))
}

fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Box<Problem>> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| problem(ProblemKind::BadRequest, format!("request body: {error}")))
}

impl From<Error> for Box<Problem> {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let diagnostics = if let Error::Definition(problems) = &error {
            problems.iter().filter_map(|problem| serde_json::to_value(problem).ok()).collect()
        } else {
            Vec::new()
        };
        let (code, name) = error.code();
        let kind = match error {
            Error::Definition(_) => ProblemKind::Invalid,
            Error::VersionExists { .. } | Error::InUse { .. } | Error::SubjectHeld(_) => {
                ProblemKind::Conflict
            }
            Error::UnknownWorkflow { .. } => ProblemKind::NotFound,
            Error::OutcomeUnknown { .. } | Error::Unheard(_) => ProblemKind::Timeout,
            Error::Saturated { .. }
            | Error::LogBehindMark { .. }
            | Error::JournalCorrupt { .. }
            | Error::InboxChanged(_)
            | Error::Refuses { .. }
            | Error::Unavailable(_)
            | Error::Bus(_) => ProblemKind::Unavailable,
            Error::Partitions { .. } | Error::File { .. } => ProblemKind::Internal,
        };
        let problem = Problem::new(kind, detail).with_code(code, name);
        // What is damaged is so until a person repairs it.
        let passes = kind == ProblemKind::Unavailable && !code.starts_with("GS6");
        let problem = if passes { problem.with_retry_after_ms(200) } else { problem };
        Self::new(problem.with_diagnostics(diagnostics))
    }
}
