//! One result as it is kept: readable, and with the time it is good for.

use bytes::Bytes;
use gearshift_machine::machine::{InstanceKey, Timestamp};
use gearshift_machine::value::Value;
use serde::{Deserialize, Serialize};

/// The largest entry kept, in bytes: what a plugin may answer inline, and what stands around it.
pub(super) const ENTRY_MAX: usize = 64 * 1_024 + 2 * 1_024;

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The instance that made the call, for people who look into the bucket.
    pub(super) by: String,
    /// Its step that asked, or the state; empty where an earlier engine kept it.
    #[serde(default)]
    pub(super) step: String,
    /// What it asked.
    pub(super) operation: String,
    /// When it was answered.
    pub(super) at: Timestamp,
    /// From then on it does not count: the bus may let go of it later, and never knows of a clock
    /// that a test moves.
    pub(super) until: Timestamp,
    /// The answer.
    pub(super) output: Value,
}

impl Entry {
    pub(super) fn new(
        by: &InstanceKey,
        (step, operation): (&str, &str),
        output: Value,
        (at, ttl_ms): (Timestamp, u64),
    ) -> Self {
        Self {
            by: by.to_string(),
            step: step.to_owned(),
            operation: operation.to_owned(),
            at,
            until: at.plus_ms(ttl_ms),
            output,
        }
    }

    /// The workflow whose call it answers.
    pub(super) fn workflow(&self) -> &str {
        self.by.split_once('/').map_or("", |(workflow, _)| workflow)
    }

    /// What it answers at `now`, if it does.
    pub(super) fn answer(self, now: Timestamp) -> Option<Value> {
        (now < self.until).then_some(self.output)
    }

    /// Its bytes; `None` where they are too many to be kept.
    pub(super) fn encode(&self) -> Option<Bytes> {
        let bytes = serde_json::to_vec(self).ok()?;
        (bytes.len() <= ENTRY_MAX).then(|| bytes.into())
    }

    /// The entry, if these bytes are one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(output: Value) -> Entry {
        let key = InstanceKey::new("w", "k").unwrap();
        Entry::new(&key, ("s", "p.o"), output, (Timestamp(1_000), 5_000))
    }

    #[test]
    fn c17_an_entry_comes_back_as_it_was_until_its_time_is_over() {
        let json = r#"{"a":[1,1.0,-2.5,18446744073709551615,"é",null,true],"b":{}}"#;
        for output in [Value::from_json(json.as_bytes()).unwrap(), Value::Null, Value::from("x")] {
            let bytes = entry(output.clone()).encode().unwrap();
            let read = Entry::decode(&bytes).unwrap();
            assert_eq!(read.clone().answer(Timestamp(5_999)), Some(output));
            assert_eq!(read.answer(Timestamp(6_000)), None);
        }
    }

    #[test]
    fn c17_what_is_too_large_is_not_kept_and_what_is_damaged_is_none() {
        assert!(entry(Value::from("x".repeat(64 * 1_024))).encode().is_some());
        assert_eq!(entry(Value::from("x".repeat(67 * 1_024))).encode(), None);
        for damaged in [&b""[..], b"{}", b"null", b"{\"by\":\"w/k\"", b"\xff"] {
            assert_eq!(Entry::decode(damaged), None);
        }
    }
}
