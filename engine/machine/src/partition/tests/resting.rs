//! Instances at rest: how many of them decoded, and that a batch brings back what it was lent; how
//! many frames steps take.

use super::world::{World, definition, deliver, event, key};
use crate::definition::model::Early;
use crate::machine::{CallOutcome, CallRequest, Effect, InstanceKey, Outcome, Status};
use crate::partition::{Done, PartitionInput};
use crate::value::Value;

/// It makes a call when it starts.
const CALLER: &str = "
workflow: caller
version: 1
correlate: data.id
events: { rung: { start: true } }
initial: asking
states:
  asking:
    entry: [ { call: oracle.ask } ]
    on: { done.state.asking: told }
  told: { final: true }
";

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("i{number:03}"))
}

fn told(world: &mut World, count: usize, name: &str) {
    let inputs = names(count).map(|to| deliver(&to, event(name, "{}"))).collect();
    let batch = world.batch(inputs);
    assert!(batch.left.is_empty() && batch.results.len() == count);
}

fn ring(name: &str) -> PartitionInput {
    let key = InstanceKey::new("caller", name).unwrap();
    let (event, early) = (event("rung", "{}"), Early::Start);
    PartitionInput::Deliver { key, event, early, source: None }
}

#[test]
fn no_more_instances_rest_decoded_than_may_whatever_one_batch_touches() {
    let mut world = World::new();
    told(&mut world, 150, "opened");
    assert_eq!(world.partition.instances.decoded(), 0, "most hear nothing before their end");
    told(&mut world, 150, "noted");
    assert_eq!(world.partition.instances.decoded(), 64);
    // Those that rest decoded and those that do not, in one batch, also twice.
    for _ in 0..3 {
        told(&mut world, 150, "noted");
        assert_eq!(world.partition.instances.decoded(), 64);
    }
    told(&mut world, 150, "closed");
    assert_eq!(world.partition.instances.decoded(), 0, "what ended rests as bytes");
    assert_eq!(world.partition.counts().done, 150);
}

#[test]
fn what_waits_for_an_answer_rests_decoded_from_its_start() {
    let mut world = World::new();
    world.definitions.insert(definition(CALLER)).unwrap();
    let batch = world.batch(names(10).map(|name| ring(&name)).collect());
    assert_eq!(batch.results.len(), 10);
    assert_eq!(world.partition.instances.decoded(), 10);
    world.batch((10..100).map(|number| ring(&format!("i{number:03}"))).collect());
    assert_eq!(world.partition.instances.decoded(), 64);
}

#[test]
fn an_input_that_changes_nothing_brings_the_instance_back() {
    let mut world = World::new();
    told(&mut world, 3, "opened");
    told(&mut world, 3, "noted");
    let before = world.partition.state_bytes();
    for name in names(3) {
        let done = world.tell(PartitionInput::TimerDue { key: key(&name), timer: 77 });
        assert_eq!(done.outcome, Outcome::Ignored { reason: "stale_timer".into() });
    }
    assert_eq!(world.partition.instances.decoded(), 3);
    assert_eq!(world.partition.state_bytes(), before);
    told(&mut world, 3, "noted");
    assert_eq!(world.partition.instance(&key("i001")).unwrap().step, 3);
}

const STEPS: &str = "
workflow: stepper
version: 1
correlate: data.id
events: { rung: { start: true } }
mode: sequential
steps:
  check: { call: oracle.ask }
  reserve: { call: oracle.ask }
  charge: { call: oracle.ask }
  ship: { call: oracle.ask }
  tell: { call: oracle.ask }
";

fn call_of(done: &Done) -> Option<CallRequest> {
    done.effects
        .iter()
        .find_map(|effect| if let Effect::Call(call) = effect { Some(call.clone()) } else { None })
}

#[test]
fn five_steps_take_six_frames_each_with_the_call_that_it_lets_go() {
    let mut world = World::new();
    world.definitions.insert(definition(STEPS)).unwrap();
    let key = InstanceKey::new("stepper", "a").unwrap();
    let (event, early) = (event("rung", "{}"), Early::Start);
    let before = world.journal.len();
    let mut done =
        world.tell(PartitionInput::Deliver { key: key.clone(), event, early, source: None });
    let mut calls = 0_i64;
    while let Some(call) = call_of(&done) {
        calls += 1;
        done = world.tell(PartitionInput::CallReply {
            key: key.clone(),
            call: call.call,
            attempt: call.attempt,
            outcome: CallOutcome::Success(Value::from(calls)),
        });
    }
    assert_eq!((calls, done.status), (5, Some(Status::Done)));
    assert_eq!(world.journal.len() - before, 6);
}
