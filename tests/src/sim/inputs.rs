//! Random inputs: legal ones, useless ones, malformed ones.

use std::sync::Arc;

use gearshift_machine::machine::{
    CallOutcome, CallRequest, Command, EffectId, ErrorKind, Event, InstanceKey, Principal,
};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::{Map, Value};

use super::charts::Charts;
use super::random::Random;

/// Keys of each workflow: few, so that inputs meet.
const KEYS: u64 = 4;

/// The workflow whose totals are checked; nobody commands its instances.
pub(super) const COUNTER: &str = "counter";
/// The workflow whose total goes through a child and back; nobody commands its instances.
const BOSS: &str = "boss";

/// Events that mean something to some chart, by workflow, with their data.
const EVENTS: [(&str, &str, &str); 29] = [
    ("patient", "begun", "{}"),
    ("patient", "begun", "{}"),
    ("patient", "scored", "{\"score\": 7}"),
    ("patient", "scored", "{\"score\": 0.5}"),
    ("patient", "hurried", "{}"),
    ("patient", "paused", "{}"),
    ("patient", "resumed", "{}"),
    ("patient", "resumed", "{}"),
    ("patient", "dropped", "{}"),
    ("noisy", "woken", "{}"),
    ("noisy", "divided", "{\"by\": 2}"),
    ("noisy", "divided", "{\"by\": 0}"),
    ("noisy", "divided", "{\"by\": \"x\"}"),
    ("noisy", "looped", "{\"n\": -5000}"),
    ("noisy", "looped", "{\"n\": 2}"),
    ("noisy", "wished", "{}"),
    ("noisy", "user.action", "{\"action\": \"approve\"}"),
    ("noisy", "echoed", "{}"),
    ("noisy", "told", "{}"),
    ("document_approval", "document.submitted", "{\"submitter\": \"sue\", \"title\": \"T\"}"),
    ("document_approval", "document.submitted", "{\"submitter\": \"sue\", \"title\": \"T\"}"),
    ("document_approval", "document.submitted", "{}"),
    ("document_approval", "user.action", "{\"action\": \"approve\", \"userId\": \"ann\"}"),
    ("document_approval", "user.action", "{\"action\": \"reject\", \"userId\": \"ann\"}"),
    ("document_approval", "user.action", "{\"action\": \"request_changes\"}"),
    ("order", "order.placed", "{\"amount\": 10, \"items\": [1]}"),
    ("order", "payment.received", "{\"amount\": 4}"),
    ("order", "payment.received", "{\"amount\": 10}"),
    ("order", "order.withdrawn", "{}"),
];

/// A key of `workflow`.
pub(super) fn key(random: &mut Random, workflow: &str) -> InstanceKey {
    let name = format!("k{}", random.below(KEYS));
    InstanceKey::new(workflow, &name).unwrap_or_else(|error| panic!("{error}"))
}

/// An event for an instance, and what it adds to a counter.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Which instance.
    pub(super) key: InstanceKey,
    /// The event.
    pub(super) event: Event,
    /// What it adds, where it is for a counter.
    pub(super) adds: i64,
}

/// An event of any kind.
pub(super) fn event(random: &mut Random) -> Told {
    if random.chance(300) {
        let adds = i64::try_from(random.below(1_000)).unwrap_or(0);
        let data: Map = [("n", Value::Int(adds))].into_iter().collect();
        return match random.chance(300) {
            true => told(random, BOSS, "passed", data.into(), adds),
            false => told(random, COUNTER, "added", data.into(), adds),
        };
    }
    let (workflow, name, data) = *random.pick(&EVENTS);
    match random.below(20) {
        0 => told(random, workflow, "never.heard.of", Value::Null, 0),
        1 => {
            let data = junk(random);
            told(random, workflow, name, data, 0)
        }
        2 => told(random, "nobody", name, Value::Null, 0),
        _ => {
            let data = Value::from_json(data.as_bytes());
            told(random, workflow, name, data.unwrap_or_default(), 0)
        }
    }
}

fn told(random: &mut Random, workflow: &str, name: &str, data: Value, adds: i64) -> Told {
    let event = Event { name: name.into(), data: Some(data), ..Event::default() };
    Told { key: key(random, workflow), event, adds }
}

/// Data nobody expects.
fn junk(random: &mut Random) -> Value {
    match random.below(6) {
        0 => Value::Null,
        1 => Value::Double(-0.0),
        2 => Value::Uint(u64::MAX),
        3 => Value::String("x".repeat(random.place(3_000)).into()),
        4 => (0..40).fold(Value::Null, |inner, _| Value::list(vec![inner])),
        _ => Value::list((0..random.place(50)).map(|n| Value::Int(n as i64)).collect()),
    }
}

/// An operator's order to an instance that is no counter; or a start.
pub(super) fn order(random: &mut Random, charts: &Charts) -> PartitionInput {
    let names = charts.list.iter().map(|chart| &chart.name);
    let names: Vec<_> = names.filter(|name| ![COUNTER, BOSS].contains(&&***name)).collect();
    let workflow: Arc<str> = Arc::clone(random.pick::<&Arc<str>>(&names));
    let key = key(random, &workflow);
    let roles: Vec<Arc<str>> = if random.chance(500) { vec!["*".into()] } else { Vec::new() };
    let by = Principal { user: random.pick(&["ann", "bob", ""]).to_string().into(), roles };
    if random.chance(250) {
        let versions = [None, None, None, Some(1), Some(2)];
        let input = if random.chance(800) { Value::Null } else { junk(random) };
        return PartitionInput::Start {
            key,
            version: *random.pick(&versions),
            input,
            by,
            id: None,
            trace_context: None,
        };
    }
    let commands = [
        Command::Decide { choice: "approve".into(), data: None },
        Command::Decide { choice: "reject".into(), data: Some(Value::Null) },
        Command::Decide { choice: "sing".into(), data: None },
        Command::Retry,
        Command::Retry,
        Command::Skip,
        Command::Skip,
        Command::Cancel,
        Command::Kill,
    ];
    let command = random.pick(&commands).clone();
    PartitionInput::Command { key, command, by, reason: "because".into() }
}

/// What a plugin answers.
pub(super) fn reply(random: &mut Random, key: &InstanceKey, call: &CallRequest) -> PartitionInput {
    let failure = |kind, after| CallOutcome::Failure {
        kind,
        code: "500".into(),
        message: "no".into(),
        retry_after_ms: after,
    };
    let outcome = match random.below(10) {
        0 => failure(ErrorKind::Permanent, None),
        1 => failure(ErrorKind::Retryable, Some(random.below(100_000))),
        2 => failure(ErrorKind::PluginNotFound, None),
        3 => failure(ErrorKind::InvalidReply, None),
        4 => CallOutcome::Success(junk(random)),
        _ => {
            let output: Map = [("userId", Value::from("bob"))].into_iter().collect();
            CallOutcome::Success(output.into())
        }
    };
    let attempt = if random.chance(950) { call.attempt } else { call.attempt + 1 };
    let id = if random.chance(980) { call.call } else { EffectId([7; 16]) };
    let key = key.clone();
    match random.below(10) {
        0 | 1 => PartitionInput::CallPending { key, call: id, attempt, heartbeat_ms: 30_000 },
        _ => PartitionInput::CallReply { key, call: id, attempt, outcome },
    }
}
