//! Answers and clocks that wait with an instance: what `show` and `why` tell of them, on every
//! backend.

use std::sync::Arc;
use std::time::Duration;

use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::{Clocks, Start};
use gearshift_client::protocol::view::{InstanceDetail, Why};
use gearshift_machine::machine::{CallOutcome, EffectId, InstanceKey};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::Value;
use gearshift_tests::world::{Answer, Recorded, World};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::flows::each;

/// One call fails while another lasts.
const BESIDE: &str = "
workflow: beside
version: 1
mode: parallel
steps:
  fails: { call: recorded.work, with: refused }
  lasts: { call: recorded.work, with: slow, timeout: 1h }
";

/// A state with a timer, and a call that lasts.
const TIMED: &str = "
workflow: timed
version: 1
initial: open
states:
  open: { entry: { call: recorded.work, with: slow, timeout: 1h }, after: { 24h: over } }
  over: { final: true }
";

fn plugin(gate: &Arc<Semaphore>) -> Recorded {
    let gate = Arc::clone(gate);
    Recorded::new(move |seen| match seen.input.as_str() {
        Some("refused") => Answer::Permanent("no money".to_owned()),
        _ => Answer::Behind(Arc::clone(&gate), json!(null)),
    })
}

fn start(world: &World, workflow: &str, key: &str) {
    let (workflow, key) = (workflow.to_owned(), Some(key.to_owned()));
    world.run(world.client().start(&Start { workflow, key, ..Start::default() })).unwrap();
}

fn why(world: &World, key: &str) -> Why {
    world.run(world.client().why(key)).unwrap()
}

/// Waits until the one call is answered; how.
fn answered(world: &World, key: &str) -> (InstanceDetail, String) {
    world.until(key, "the answer is kept", |seen| {
        let answered = seen.calls.iter().find_map(|call| call.answered.clone());
        answered.map(|answered| (seen.clone(), answered))
    })
}

#[test]
fn a_stuck_instance_tells_which_calls_are_answered() {
    each(BESIDE, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let _running = world.run(plugin(&gate).serve(&world.bus()));
        start(world, "beside", "a");
        world
            .until("a", "it is stuck", |seen| (seen.summary.status == Status::Stuck).then_some(()));
        let line = |told: &Why| {
            let lines: Vec<_> = told
                .lines
                .iter()
                .filter(|line| line.starts_with("step lasts: "))
                .cloned()
                .collect();
            assert_eq!(lines.len(), 1, "{told:?}");
            lines.into_iter().next().unwrap()
        };
        let before = line(&why(world, "a"));
        assert!(before.contains("is under way, its deadline"), "{before}");
        gate.add_permits(1);
        let (seen, how) = answered(world, "a");
        assert_eq!((seen.summary.status, &*how), (Status::Stuck, "succeeded"));
        let told = why(world, "a");
        let kept = "step lasts: call recorded.work is answered (succeeded): kept until it goes on";
        assert_eq!(line(&told), kept);
        assert!(!told.lines.iter().any(|line| line.contains("under way")), "{told:?}");
        assert!(!told.try_this.iter().any(|it| it.contains("plugin")), "{told:?}");
        let last = world.history("a").pop().unwrap();
        assert_eq!(last.note.as_deref(), Some("kept until it goes on"));
        let skipped = world.run(world.client().skip("a", ""));
        skipped.unwrap();
        world.until("a", "it took the answer", |seen| {
            (seen.summary.status == Status::Done).then_some(())
        });
    });
}

#[test]
fn a_paused_instance_tells_how_long_its_timers_have_left() {
    each(TIMED, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let _running = world.run(plugin(&gate).serve(&world.bus()));
        for (key, clocks) in [("f", Clocks::Freeze), ("k", Clocks::Keep)] {
            start(world, "timed", key);
            let armed = |seen: &InstanceDetail| {
                assert_eq!(seen.timers.len(), 2, "{:?}", seen.timers);
                assert!(seen.timers.iter().all(|timer| !timer.stands_still));
            };
            armed(&world.instance(key));
            world.run(world.client().pause(key, clocks, "")).unwrap();
        }
        world.advance(Duration::from_secs(60));
        let [frozen, going] = ["f", "k"].map(|key| world.instance(key).timers);
        let left = frozen.iter().map(|timer| timer.left_ms.unwrap()).collect::<Vec<_>>();
        let hours = left.iter().map(|left| left.div_ceil(3_600_000)).collect::<Vec<_>>();
        assert_eq!(hours, [24, 1], "{frozen:?}");
        assert!(going.iter().all(|timer| timer.stands_still && timer.left_ms.is_none()));
        assert_eq!(going[1].name, "call deadline of recorded.work");
        let timer = |key: &str| {
            let told = why(world, key).lines;
            let all: Vec<_> = told.iter().filter(|it| it.starts_with("timer ")).cloned().collect();
            assert_eq!(all.len(), 1, "the deadline is told with its call: {told:?}");
            assert!(told.iter().any(|it| it.contains("under way, its deadline")), "{told:?}");
            all.into_iter().next().unwrap()
        };
        assert!(timer("f").contains("open after 1d stands still with "), "{}", timer("f"));
        assert!(timer("k").ends_with("but stands still until it goes on"), "{}", timer("k"));
        gate.close();
        for key in ["f", "k"] {
            let _kept = answered(world, key);
            let told = why(world, key).lines;
            let kept = "call recorded.work is answered (succeeded): kept until it is resumed";
            assert!(told.iter().any(|line| line == kept), "{told:?}");
        }
    });
}

/// What is late is cut off by an event.
const LATE: &str = "
workflow: late
version: 1
correlate: data.key
events: { late.left: {} }
initial: open
states:
  open: { entry: { call: recorded.work, with: slow }, on: { late.left: gone } }
  gone: {}
";

#[test]
fn the_history_names_the_call_of_a_late_answer() {
    each(LATE, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let plugin = plugin(&gate);
        let _running = world.run(plugin.serve(&world.bus()));
        start(world, "late", "a");
        world.until("a", "it asks", |seen| seen.calls.first().map(drop));
        world.until("a", "it is asked", |_| plugin.seen().first().map(drop));
        world.send("late.left", None, &json!({ "key": "a" }));
        world.wait_for("a", "gone");
        let seen = plugin.seen().pop().unwrap();
        let key = InstanceKey::parse(&seen.instance).unwrap();
        let call = EffectId::parse(&seen.call_id).unwrap();
        let outcome = CallOutcome::Success(Value::Null);
        let input = PartitionInput::CallReply { key: key.clone(), call, attempt: 1, outcome };
        let handle = world.handle();
        world.run(handle.input(handle.partition_of(&key), input)).unwrap();
        let late = world.history("a").pop().unwrap();
        assert_eq!(late.input, "reply recorded.work");
        let told = format!("late_reply: attempt 1 of call {call} of state `open`; it succeeded");
        assert_eq!(late.note.unwrap(), told);
    });
}
