//! Whatever is asked of an engine that does not own the partition: the answer is the owner's.

use std::time::Duration;

use gearshift_bus::{Bus, Headers};
use gearshift_engine::api::{self, Request};
use gearshift_machine::machine::{InstanceKey, Outcome};
use gearshift_machine::partition::PartitionInput;
use serde_json::{Value, json};

use crate::cluster::{PARTITIONS, joined, spread};
use crate::support::{COUNTER, World, incoming, key, outcome_of};

/// Stops where nobody handles its error, and asks a person.
pub(crate) const LOAN: &str = r#"
workflow: loan
version: 1
correlate: data.key
events:
  loan.asked: { start: true }
  loan.judged: {}
vars: { at: 0 }
initial: draft
states:
  draft:
    on:
      loan.judged: { do: { set: { at: "10 / data.n" } }, to: review }
  review:
    approval: { title: Grant it, assign: boss, choices: [approve, reject] }
    on:
      user.action:
        - { when: data.action == 'approve', to: granted }
        - { when: data.action == 'reject', to: refused }
  granted: { final: true }
  refused: { final: true }
"#;

/// A request through the door of `world`, as an operator's tool makes it.
pub(crate) fn request(world: &World, subject: &str, body: &Value) -> Result<Value, Value> {
    with_headers(world, subject, body, &[])
}

fn with_headers(
    world: &World,
    subject: &str,
    body: &Value,
    list: &[(&str, &str)],
) -> Result<Value, Value> {
    let mut headers = Headers::new();
    for (name, value) in list {
        headers.insert(name, value).unwrap();
    }
    let body = body.to_string().into();
    let asked = Request { subject: subject.to_owned(), headers, body };
    let answer = world.run(api::answer(&world.handle(), asked));
    match answer {
        Ok(body) => Ok(serde_json::from_slice(&body).unwrap()),
        Err(problem) => Err(serde_json::to_value(&problem).unwrap()),
    }
}

pub(crate) fn order(world: &World, verb: &str, body: &Value) -> Result<Value, Value> {
    request(world, &format!("gearshift.command.ann.{verb}"), body)
}

pub(crate) fn query(world: &World, what: &str, body: &Value) -> Value {
    request(world, &format!("gearshift.query.{what}"), body).unwrap()
}

/// Two engines that have two partitions each.
pub(crate) fn pair(texts: &[&str]) -> [World; 2] {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    for text in texts {
        first.deploy(text);
    }
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    [first, second]
}

fn serves(world: &World, partition: u16) -> bool {
    world.handle().health()[usize::from(partition)].serving
}

/// A key of `workflow` in a partition that `owner` serves.
pub(crate) fn key_at(owner: &World, workflow: &str) -> InstanceKey {
    let keys = (0..1_000).map(|number| InstanceKey::new(workflow, &format!("k{number}")).unwrap());
    let mut fitting = keys.filter(|key| serves(owner, owner.handle().partition_of(key)));
    fitting.next().unwrap()
}

#[test]
fn events_reach_the_owner_through_any_engine_and_are_applied_once() {
    let worlds = pair(&[COUNTER]);
    for partition in 0..PARTITIONS {
        let name = worlds[0].name_in(partition);
        for (n, world) in (0_u64..).zip(worlds.iter().cycle()).take(6) {
            let event = if n == 0 { "counter.opened" } else { "counter.added" };
            let outcome = outcome_of(world.ask(incoming(event, &name, n))).unwrap();
            let taken = matches!(outcome, Outcome::Started { .. } | Outcome::Transitioned { .. });
            assert!(taken, "{name} {n}: {outcome:?}");
        }
        for world in &worlds {
            let again = outcome_of(world.ask(incoming("counter.added", &name, 3))).unwrap();
            assert_eq!(again, Outcome::Duplicate { at: 4 }, "{name}");
            let instance = world.run(world.handle().instance(&key(&name))).unwrap().unwrap();
            assert_eq!(instance.vars[0].to_json(), "[1,2,3,4,5]", "{name}");
            let (wire, wanted) = (world.run(world.handle().trace(&key(&name))).unwrap(), 6);
            assert_eq!(wire.len(), wanted, "{wire:#?}");
        }
    }
}

#[test]
fn a_verdict_is_the_same_through_the_owner_and_through_another() {
    let worlds = pair(&[COUNTER]);
    let [owner, other] = [&worlds[0], &worlds[1]];
    let near = key_at(owner, "counter");
    let mut texts = Vec::new();
    for (number, world) in [owner, other].into_iter().enumerate() {
        let body = json!({ "key": near.key(), "n": number });
        let event = ["gearshift.event.counter.opened", "gearshift.event.counter.added"];
        for subject in event {
            let mut answer = request(world, subject, &body).unwrap();
            answer["verdicts"][0]["step"] = Value::Null;
            texts.push(answer);
        }
    }
    assert_eq!(texts[1], texts[3], "transitioned");
    assert_eq!(texts[1]["verdicts"][0]["verdict"], "transitioned");
    assert_eq!(texts[0]["verdicts"][0]["verdict"], "started");
    assert_eq!(texts[2]["verdicts"][0]["instance"], near.to_string());
    // An explicit null is not the same as nothing, on the way to the owner either.
    let noted = json!({ "key": near.key(), "n": null });
    let here = request(owner, "gearshift.event.counter.added", &noted).unwrap();
    let there = request(other, "gearshift.event.counter.added", &noted).unwrap();
    assert_eq!(here["verdicts"][0]["active"], there["verdicts"][0]["active"]);
}

#[test]
fn commands_of_every_kind_reach_the_owner() {
    let worlds = pair(&[LOAN]);
    let [owner, other] = [&worlds[0], &worlds[1]];
    let far = key_at(owner, "loan");
    let id = json!({ "instance": far.to_string() });
    let judged = |n: u64| json!({ "key": far.key(), "n": n });
    let verdict = |answer: Value| answer["verdicts"][0]["verdict"].clone();

    let body = json!({ "workflow": "loan", "key": far.key() });
    let started = order(other, "start", &body).unwrap();
    assert_eq!(started["verdict"]["verdict"], "started", "{started}");
    let stuck = request(other, "gearshift.event.loan.judged", &judged(0)).unwrap();
    assert_eq!(verdict(stuck), "stuck");
    assert_eq!(order(other, "retry", &id).unwrap()["status"], "stuck");
    assert_eq!(order(other, "skip", &id).unwrap()["status"], "running");
    let decide = json!({ "instance": far.to_string(), "choice": "approve" });
    let decided = order(other, "decide", &decide).unwrap();
    assert_eq!(decided["status"], "done", "{decided}");
    let again = order(other, "decide", &decide).unwrap_err();
    assert_eq!(again["code"], "GS4009", "{again}");
    for (verb, key) in [("cancel", "c1"), ("kill", "c2")] {
        let keys = (0..1_000).map(|n| InstanceKey::new("loan", &format!("{key}-{n}")).unwrap());
        let far = keys.into_iter().find(|key| serves(owner, owner.handle().partition_of(key)));
        let far = far.unwrap();
        order(other, "start", &json!({ "workflow": "loan", "key": far.key() })).unwrap();
        let ended = order(other, verb, &json!({ "instance": far.to_string() })).unwrap();
        assert_eq!(ended["status"], "cancelled", "{ended}");
        let problem = order(owner, verb, &json!({ "instance": far.to_string() })).unwrap_err();
        assert_eq!(problem["code"], "GS4013", "{problem}");
    }
}

#[test]
fn dead_letters_are_listed_replayed_and_dropped_through_any_engine() {
    let worlds = pair(&[COUNTER]);
    let [owner, other] = [&worlds[0], &worlds[1]];
    let far = key_at(owner, "counter");
    let body = |n: u64| json!({ "key": far.key(), "n": n });
    let place = owner.handle().partition_of(&far);
    for n in 1..=3 {
        let event = incoming("counter.added", far.key(), n).event;
        let (reason, key) = ("as the test says".into(), Some(far.clone()));
        let kept = PartitionInput::Reject { event, reason, key, source: None };
        let kept = other.run(other.handle().input(place, kept)).unwrap();
        assert!(matches!(kept.outcome, Outcome::DeadLettered { .. }), "{kept:?}");
    }
    let listed = query(other, "dead_letters", &json!({}));
    assert_eq!(listed, query(owner, "dead_letters", &json!({})));
    let ids = listed["items"].as_array().unwrap().iter().map(|one| one["id"].clone());
    let ids = ids.collect::<Vec<_>>();
    assert_eq!(ids.len(), 3, "{listed}");
    let one = query(other, "dead_letter", &json!({ "id": ids[0] }));
    assert_eq!(one["data"], body(1));
    request(other, "gearshift.event.counter.opened", &body(0)).unwrap();
    let replayed = order(other, "dlq_replay", &json!({ "ids": [ids[0], ids[1]] })).unwrap();
    for result in replayed["results"].as_array().unwrap() {
        assert_eq!(result["verdict"], "transitioned", "{replayed}");
    }
    order(other, "dlq_drop", &json!({ "ids": [ids[2]] })).unwrap();
    assert_eq!(query(owner, "dead_letters", &json!({}))["items"], json!([]));
    let instance = other.run(other.handle().instance(&far)).unwrap().unwrap();
    assert_eq!(instance.vars[0].to_json(), "[1,2]");
}

#[test]
fn what_is_asked_of_nobody_ends_in_time_and_says_so() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    let mut second = crate::cluster::member(&bus, "b").with(|config| {
        config.owner_wait = Duration::from_millis(300);
    });
    second.start();
    spread(&[&first, &second], &[2, 2]);
    let far = key_at(&first, "counter");
    drop(first);
    // The lease of the dead engine still stands: nobody serves, and nothing was done.
    let asked = second.ask(incoming("counter.opened", far.key(), 0)).unwrap_err().to_string();
    let place = second.handle().partition_of(&far);
    assert!(
        asked.starts_with(&format!("partition {place} was not served within 300ms")),
        "{asked}"
    );
}
