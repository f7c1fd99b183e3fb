//! One call of one operation: what its headers say, and how a failure travels.

use serde::{Deserialize, Serialize};

use crate::{Header, headers};

pub use crate::metadata::{
    METADATA_HEARTBEAT, METADATA_IDEMPOTENT, METADATA_INPUT, METADATA_OUTPUT, METADATA_PROTOCOL,
    METADATA_TIMEOUT,
};

/// Largest input or output that travels inline, in bytes: 64 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest input or output that travels by the object store, in bytes: 8 MiB.
pub const OBJECT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest failure message in a header, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// What the headers of a call say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallHeaders {
    /// The same for all attempts: the idempotency key.
    pub call_id: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The latest time an answer counts, RFC 3339.
    pub deadline: Option<String>,
    /// `name@version` of the calling definition.
    pub workflow: String,
    /// `workflow/key` of the calling instance.
    pub instance: String,
    /// The step that makes the call or is taken back by it, `finally`, or the state that makes it.
    pub step: String,
    /// `undo`: the call takes back what a call of the step did; `finally`: it cleans up behind all
    /// steps; absent: it is the work itself.
    pub purpose: Option<String>,
    /// Where a later result goes.
    pub result_to: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace context of vendors.
    pub tracestate: Option<String>,
}

impl CallHeaders {
    /// The headers to send.
    #[must_use]
    pub fn to_headers(&self) -> Vec<Header> {
        let mut list = vec![
            (headers::CALL_ID, self.call_id.clone()),
            (headers::ATTEMPT, self.attempt.to_string()),
            (headers::WORKFLOW, crate::event::ce_encode(&self.workflow)),
            (headers::INSTANCE, crate::event::ce_encode(&self.instance)),
            (headers::STEP, crate::event::ce_encode(&self.step)),
        ];
        for (name, value) in [
            (headers::PURPOSE, &self.purpose),
            (headers::DEADLINE, &self.deadline),
            (headers::RESULT_TO, &self.result_to),
            (headers::TRACEPARENT, &self.traceparent),
            (headers::TRACESTATE, &self.tracestate),
        ] {
            if let Some(value) = value {
                list.push((name, value.clone()));
            }
        }
        list
    }

    /// Reads headers; `get` finds one by name, in any case. Calls by hand (`nats req`) have
    /// none: then the attempt is 1 and the texts are empty.
    #[must_use]
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let text = |name| get(name).map(crate::event::ce_decode).unwrap_or_default();
        let optional = |name| get(name).map(str::to_owned);
        Self {
            call_id: get(headers::CALL_ID).unwrap_or_default().to_owned(),
            attempt: get(headers::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1),
            deadline: optional(headers::DEADLINE),
            workflow: text(headers::WORKFLOW),
            instance: text(headers::INSTANCE),
            step: text(headers::STEP),
            purpose: optional(headers::PURPOSE),
            result_to: optional(headers::RESULT_TO),
            traceparent: optional(headers::TRACEPARENT),
            tracestate: optional(headers::TRACESTATE),
        }
    }
}

/// Does another attempt make sense? The plugin's author decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Try again.
    Retryable,
    /// Trying again is useless.
    Permanent,
}

impl FailureKind {
    /// The value of the header `Gearshift-Error-Kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
        }
    }
}

/// How a call failed, as the plugin tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginFailure {
    /// Does another attempt make sense?
    pub kind: FailureKind,
    /// A code, such as `422`.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// When to be asked again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl PluginFailure {
    /// The headers of the reply. The message is cut to 1 KiB and made one line.
    #[must_use]
    pub fn to_headers(&self) -> Vec<Header> {
        let mut list = vec![
            (headers::SERVICE_ERROR_CODE, one_line(&self.code, 64)),
            (headers::SERVICE_ERROR, one_line(&self.message, MESSAGE_BYTES_MAX)),
            (headers::ERROR_KIND, self.kind.as_str().to_owned()),
        ];
        if let Some(millis) = self.retry_after_ms {
            list.push((headers::RETRY_AFTER, format_duration(millis)));
        }
        list
    }

    /// Reads the headers of a reply; `None` where it is no failure.
    ///
    /// Without `Gearshift-Error-Kind`, codes from 400 to 499 are permanent, all others retryable;
    /// a kind that is neither counts as absent. The message is cut to 1 KiB.
    #[must_use]
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let message = get(headers::SERVICE_ERROR);
        let code = match (get(headers::SERVICE_ERROR_CODE), message) {
            (None, None) => return None,
            (code, _) => code.map(str::trim).unwrap_or_default(),
        };
        let kind = match get(headers::ERROR_KIND).map(str::trim) {
            Some("retryable") => FailureKind::Retryable,
            Some("permanent") => FailureKind::Permanent,
            _ if code.parse().is_ok_and(|code: u16| (400..=499).contains(&code)) => {
                FailureKind::Permanent
            }
            _ => FailureKind::Retryable,
        };
        Some(Self {
            kind,
            code: one_line(code, 64),
            message: one_line(message.unwrap_or_default(), MESSAGE_BYTES_MAX),
            retry_after_ms: get(headers::RETRY_AFTER).and_then(parse_duration),
        })
    }
}

/// Milliseconds as the shortest of `30s` and `1500ms`.
#[must_use]
pub fn format_duration(millis: u64) -> String {
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// Reads `1500ms`, `30s`, `5m`, `2h`, `1d` or plain seconds, in milliseconds; `None` for anything
/// else and for what does not fit.
#[must_use]
pub fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// `text` without control characters, cut to `limit` bytes with `…` at the end.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    const MARK: &str = "…";

    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if text.len() <= limit {
        return text.chars().map(clean).collect::<String>().trim().to_owned();
    }
    let mut line = String::with_capacity(limit);
    for c in text.trim_start().chars().map(clean) {
        if line.len() + c.len_utf8() + MARK.len() > limit {
            line.push_str(MARK);
            break;
        }
        line.push(c);
    }
    line
}
