//! The definitions of these tests, and short words for them.

use std::time::Duration;

use gearshift_client::Error;
use gearshift_client::protocol::command::{Decide, Start, StartReply};
use gearshift_client::protocol::{InstanceVerdict, Problem, Verdict};
use gearshift_tests::world::{Backend, World};
use serde_json::{Value, json};

/// Notes events, ends by an event or after an hour.
pub(crate) const FLOW: &str = "
workflow: flow
version: 1
correlate: data.key
events:
  go.started: { start: true }
  go.noted: {}
  go.finished: {}
vars: { seen: [] }
initial: open
states:
  open:
    on:
      go.noted: { do: note }
      go.finished: { do: note, to: closed }
    after: { 1h: { name: overdue, to: late } }
  closed: { final: true }
  late: { final: true }
actions:
  note: { set: { seen: 'vars.seen + [data.op]' } }
";

/// One call, with three attempts of five seconds each.
pub(crate) const CALLER: &str = "
workflow: caller
version: 1
correlate: data.key
events:
  call.wanted: { start: true }
vars: { output: null, kind: null, code: null, message: null }
initial: idle
states:
  idle: { on: { call.wanted: working } }
  working:
    entry: ask
    done: finished
    failed: { do: failure, to: broken }
  finished: { final: true }
  broken: { final: true }
actions:
  ask:
    call: recorded.work
    with: { key: '${ key }' }
    timeout: 5s
    retry: { attempts: 3, backoff: 10s }
    set: { output: output }
  failure: { set: { kind: error.kind, code: error.code, message: error.message } }
";

/// One approval that can be sent back.
pub(crate) const APPROVAL: &str = "
workflow: approval
version: 1
correlate: data.key
events:
  paper.submitted: { start: true }
  user.action: {}
vars: { by: null }
initial: draft
states:
  draft: { on: { paper.submitted: review } }
  review:
    approval: { title: Review, choices: [approve, reject, request_changes] }
    on:
      user.action:
        - { when: data.action == 'approve', do: { set: { by: data.userId } }, to: approved }
        - { when: data.action == 'reject', to: rejected }
        - { when: data.action == 'request_changes', to: draft }
  approved: { on: { paper.submitted: review } }
  rejected: { final: true }
";

/// A world with `text` deployed, on each backend in turn.
pub(crate) fn each(text: &str, test: impl Fn(&mut World)) {
    for backend in Backend::ALL {
        println!("on {backend:?}");
        let mut world = World::new(backend);
        world.deploy(text);
        test(&mut world);
    }
}

pub(crate) fn hour() -> Duration {
    Duration::from_secs(3_600)
}

/// `go.started` for `key`.
pub(crate) fn started(world: &World, key: &str) {
    let verdict = world.send("go.started", None, &json!({ "key": key }));
    let is_started = matches!(verdict.verdict, Verdict::Started { .. });
    assert!(is_started || verdict.status.is_some(), "{verdict:?}");
}

/// `go.noted` with an id that is noted as well.
pub(crate) fn note(world: &World, key: &str, op: &str) -> InstanceVerdict {
    world.send("go.noted", Some(op), &json!({ "key": key, "op": op }))
}

/// What `flow/key` noted.
pub(crate) fn seen(world: &World, key: &str) -> Vec<String> {
    let vars = world.instance(&format!("flow/{key}")).vars;
    let list = vars["seen"].as_array().unwrap().iter();
    list.map(|op| op.as_str().unwrap().to_owned()).collect()
}

/// Starts by command.
pub(crate) fn start(world: &World, key: &str, input: Value) -> Result<StartReply, Error> {
    let workflow = "flow".to_owned();
    let order = Start { workflow, key: Some(key.to_owned()), input, ..Start::default() };
    world.run(world.client().start(&order))
}

pub(crate) fn choice(instance: &str, choice: &str) -> Decide {
    Decide {
        instance: instance.to_owned(),
        choice: choice.to_owned(),
        data: None,
        reason: "test".to_owned(),
    }
}

/// The refusal that `error` is.
pub(crate) fn problem(error: &Error) -> &Problem {
    error.problem().unwrap_or_else(|| panic!("not a refusal: {error}"))
}
