//! Trace context: the distributed trace that the work of an instance belongs to (W3C).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{EffectId, InstanceKey};
use super::input::Event;
use super::instance::Instance;
use super::work::Work;
use crate::value::{Map, Value};

/// The name of the header that says whose work it is.
const PARENT: &str = "traceparent";
/// The name of the header with what tracing systems keep beside it.
const STATE: &str = "tracestate";
/// The longest `tracestate` that is passed on, in bytes.
const STATE_BYTES_MAX: usize = 512;

/// What a message says of the trace it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// `traceparent`.
    pub parent: Arc<str>,
    /// `tracestate`.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// What an event brings; what is no trace context counts as absent.
    pub(super) fn of(event: &Event) -> Option<Arc<Self>> {
        let headers = event.headers.as_ref()?;
        let header = |name| headers.get(name).and_then(Value::as_str);
        Self::read(header(PARENT)?, header(STATE)).map(Arc::new)
    }

    /// `traceparent` and `tracestate` as they were sent; `None` where it is no trace context.
    #[must_use]
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let state = state.filter(|text| (1..=STATE_BYTES_MAX).contains(&text.len()));
        is_parent(parent).then(|| Self { parent: parent.into(), state: state.map(Into::into) })
    }

    /// That of an instance whose events bring none: one trace for each `workflow/key`, and in it
    /// the effect `cause`. Nothing of it has to be kept.
    #[must_use]
    pub fn made(key: &InstanceKey, cause: EffectId) -> Self {
        Self { parent: Self::made_parent(key, cause).into(), state: None }
    }

    /// Its `traceparent`.
    #[must_use]
    pub fn made_parent(key: &InstanceKey, cause: EffectId) -> String {
        // Zeros only are no ids.
        let trace = xxhash_rust::xxh3::xxh3_128(key.raw().as_bytes()).max(1);
        let span = cause.seed().max(1);
        // Every call says it, so it is written without a formatter.
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        push_hex(&mut text, &trace.to_be_bytes());
        text.push('-');
        push_hex(&mut text, &span.to_be_bytes());
        text.push_str("-01");
        text
    }

    /// As headers of an event.
    fn headers(&self) -> Value {
        let mut map = Map::new();
        map.insert(PARENT, Value::String(Arc::clone(&self.parent)));
        if let Some(state) = &self.state {
            map.insert(STATE, Value::String(Arc::clone(state)));
        }
        map.into()
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

impl Instance {
    /// The trace that the effect `cause` belongs to: the one that was brought, else that of the
    /// parent; `None` where the instance is its own beginning.
    #[must_use]
    pub fn trace_of(&self, cause: EffectId) -> Option<Arc<TraceContext>> {
        // A schedule is no parent: each of its runs begins a trace.
        let of_parent = || {
            let parent = self.parent.as_deref().filter(|parent| parent.depth > 0)?;
            Some(Arc::new(TraceContext::made(&parent.key, cause)))
        };
        self.trace_context.clone().or_else(of_parent)
    }
}

impl Work<'_> {
    /// The trace goes on as the event says, where it says so; gives what was before.
    pub(super) fn bring_trace(&mut self, event: &Event) -> Option<Arc<TraceContext>> {
        let before = self.instance.trace_context.clone();
        if let Some(brought) = TraceContext::of(event) {
            self.instance.trace_context = Some(brought);
        }
        before
    }

    /// An event for another instance, which is in the same trace.
    pub(super) fn traced(&self, mut event: Event) -> Event {
        if event.headers.is_none() {
            event.headers = self.instance.trace_context.as_ref().map(|context| context.headers());
        }
        event
    }
}

/// Is it `version-trace id-span id-flags`, with ids that are not all zeros?
fn is_parent(text: &str) -> bool {
    let is_hex = |part: &str, digits: usize| {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        part.len() == digits && part.bytes().all(hex)
    };
    let is_id = |part: &str, digits| is_hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { return false };
    is_hex(version, 2)
        && *version != "ff"
        && is_id(trace, 32)
        && is_id(span, 16)
        && is_hex(flags, 2)
}
