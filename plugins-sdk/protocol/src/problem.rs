//! [`Problem`]: why something was refused, as RFC 9457 says it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The start of every problem type.
const TYPE: &str = "urn:gearshift:problem:";

/// Why something was refused: the body of `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind as URN: `urn:gearshift:problem:not_found`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code, such as `GS4009`; `gearshift explain` tells more.
    pub code: String,
    /// The code's name, such as `conflict`.
    pub name: String,
    /// What is wrong this time: a lower-case fragment.
    pub detail: String,
    /// Which instance, as `workflow/key`, where one is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// When to try again, in milliseconds, where that makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Findings about a definition, in the form `gearshift check -o json` prints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Value>,
}

/// What a caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The request is not one.
    BadRequest,
    /// Nobody said who asks, or the token is not known.
    Unauthenticated,
    /// Who asks may not do this.
    Denied,
    /// What was asked for is not there.
    NotFound,
    /// It does not fit what is the case: already decided, wrong revision, not accepted now.
    Conflict,
    /// The request exceeds a limit.
    TooLarge,
    /// The definition has errors.
    Invalid,
    /// The engine cannot take more now, or cannot reach its journal; nothing was done.
    Unavailable,
    /// The time ran out; whether it was done is unknown.
    Timeout,
    /// Our bug.
    Internal,
}

/// What stands for a kind on each surface.
struct Row {
    kind: ProblemKind,
    status: u16,
    exit_code: u8,
    code: &'static str,
    name: &'static str,
    title: &'static str,
}

const fn row(
    kind: ProblemKind,
    status: u16,
    exit_code: u8,
    code: &'static str,
    name: &'static str,
    title: &'static str,
) -> Row {
    Row { kind, status, exit_code, code, name, title }
}

use ProblemKind as K;

/// Kind ↔ HTTP status ↔ exit code ↔ `GS` code ↔ name ↔ title, in one place.
const TABLE: [Row; 10] = [
    row(K::BadRequest, 400, 2, "GS4000", "bad_request", "the request is not one"),
    row(K::Unauthenticated, 401, 5, "GS4031", "unauthenticated", "a valid token is needed"),
    row(K::Denied, 403, 5, "GS4030", "denied", "not allowed"),
    row(K::NotFound, 404, 3, "GS4040", "not_found", "not found"),
    row(K::Conflict, 409, 4, "GS4090", "conflict", "does not fit the current state"),
    row(K::TooLarge, 413, 2, "GS4130", "request_too_large", "the request exceeds a limit"),
    row(K::Invalid, 422, 1, "GS4022", "invalid", "the definition has errors"),
    row(K::Internal, 500, 70, "GS5000", "internal", "an error of the engine"),
    row(K::Unavailable, 503, 6, "GS5002", "unavailable", "try again later"),
    row(K::Timeout, 504, 7, "GS5003", "timeout", "the time ran out"),
];

impl ProblemKind {
    /// Every kind, in order of HTTP status.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// The exit code of the command line.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().exit_code
    }

    /// The stable code that stands for the kind, such as `GS4009`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The kind as a word, such as `not_found`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The kind in words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// The kind an HTTP status stands for; a status of its own stands for its hundred's.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        let exact = TABLE.iter().find(|row| row.status == status).map(|row| row.kind);
        exact.unwrap_or(match status {
            408 => Self::Timeout,
            425 | 429 | 502 => Self::Unavailable,
            400..=499 => Self::BadRequest,
            _ => Self::Internal,
        })
    }

    fn row(self) -> &'static Row {
        let index = match self {
            Self::BadRequest => 0,
            Self::Unauthenticated => 1,
            Self::Denied => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::TooLarge => 5,
            Self::Invalid => 6,
            Self::Internal => 7,
            Self::Unavailable => 8,
            Self::Timeout => 9,
        };
        &TABLE[index]
    }
}

impl Problem {
    /// A problem of this kind; `detail` is a lower-case fragment.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("{TYPE}{}", kind.as_str()),
            title: kind.title().to_owned(),
            status: kind.status(),
            code: kind.code().to_owned(),
            name: kind.as_str().to_owned(),
            detail: detail.into(),
            instance: None,
            retry_after_ms: None,
            diagnostics: Vec::new(),
        }
    }

    /// The same problem under a more telling code than its kind's.
    #[must_use]
    pub fn with_code(mut self, code: &str, name: &str) -> Self {
        code.clone_into(&mut self.code);
        name.clone_into(&mut self.name);
        self
    }

    /// The same problem, about this instance (`workflow/key`).
    #[must_use]
    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// The same problem with findings about a definition.
    #[must_use]
    pub fn with_diagnostics(mut self, diagnostics: Vec<Value>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// The same problem with the wish to be asked again after so many milliseconds.
    #[must_use]
    pub const fn with_retry_after_ms(mut self, millis: u64) -> Self {
        self.retry_after_ms = Some(millis);
        self
    }

    /// What to branch on: by the type, or by the status where the type is not known here.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        let name = self.type_uri.strip_prefix(TYPE);
        let known = ProblemKind::all().find(|kind| Some(kind.as_str()) == name);
        known.unwrap_or_else(|| ProblemKind::of_status(self.status))
    }

    /// The exit code of the command line.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.kind().exit_code()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.detail.is_empty() { &self.title } else { &self.detail })
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_row() {
        for (index, kind) in ProblemKind::all().enumerate() {
            assert_eq!(kind.row().status, TABLE[index].status);
            assert_eq!(ProblemKind::of_status(kind.status()), kind);
        }
    }

    #[test]
    fn a_problem_reads_back_with_its_kind() {
        let problem = Problem::new(ProblemKind::Conflict, "already approved")
            .with_code("GS4109", "already_decided")
            .with_instance("a/b");
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.starts_with(r#"{"type":"urn:gearshift:problem:conflict""#), "{text}");
        let back: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!((back.kind(), back.exit_code(), &back), (K::Conflict, 4, &problem));
    }

    #[test]
    fn a_foreign_problem_is_known_by_its_status() {
        let mut problem = Problem::new(ProblemKind::Denied, "");
        "about:blank".clone_into(&mut problem.type_uri);
        problem.status = 429;
        assert_eq!(problem.kind(), ProblemKind::Unavailable);
        assert_eq!(problem.to_string(), "not allowed");
    }
}
