//! Crashes in the middle of a call, a retry wait, a timer and a publish: everything completes, and
//! plugins see the same call id.

use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::SubjectPattern;
use gearshift_client::protocol::view::InstanceDetail;
use gearshift_tests::world::{Answer, Recorded, World, eventually};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::flows::{CALLER, FLOW, each, hour, note, seen, started};

/// Publishes on the way to its end.
const PUBLISHER: &str = "
workflow: publisher
version: 1
correlate: data.key
events:
  told.wanted: { start: true }
  told.heard: {}
vars: { heard: 0 }
initial: idle
states:
  idle: { on: { told.wanted: telling } }
  telling:
    entry: { publish: told.heard, with: { key: '${ key }' } }
    on:
      told.heard: { do: { set: { heard: vars.heard + 1 } } }
    after: { 1h: { to: ended } }
  ended: { final: true }
";

fn wanted(world: &World) {
    world.send("call.wanted", None, &json!({ "key": "a" }));
}

#[test]
fn a_crash_during_a_call_repeats_it_under_the_same_id() {
    each(CALLER, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let behind = Arc::clone(&gate);
        let plugin = Recorded::new(move |_| Answer::Behind(Arc::clone(&behind), json!({ "n": 1 })));
        let running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        world.run(eventually("the call", || plugin.seen().pop()));
        world.crash();
        drop(running);
        world.start();
        let _running = world.run(plugin.serve(&world.bus()));
        gate.add_permits(10);
        // It was sent again before the plugin was back, so a retry may be due.
        world.until("caller/a", "another try", |one| {
            let is_waiting = one.calls.first().is_some_and(|call| call.next_attempt.is_some());
            (is_waiting || one.summary.status.is_ended()).then_some(())
        });
        world.advance(Duration::from_secs(10));
        let done = world.wait_for("caller/a", "finished");
        assert_eq!(done.vars["output"], json!({ "n": 1 }));
        let seen = plugin.seen();
        assert!(seen.len() >= 2, "{seen:?}");
        assert!(seen.iter().all(|one| one.call_id == seen[0].call_id), "{seen:?}");
        assert!(seen.iter().all(|one| one.input == seen[0].input), "{seen:?}");
    });
}

#[test]
fn a_crash_during_a_retry_wait_keeps_the_attempt_and_the_id() {
    each(CALLER, |world| {
        let plugin = Recorded::new(|seen| match seen.attempt {
            1 => Answer::Retryable("not yet".to_owned(), None),
            _ => Answer::Output(json!({ "n": 2 })),
        });
        let running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        let next = |one: &InstanceDetail| one.calls.first()?.next_attempt.clone();
        let before = world.until("caller/a", "a retry", next);
        world.crash();
        drop(running);
        world.start();
        let _running = world.run(plugin.serve(&world.bus()));
        assert_eq!(world.until("caller/a", "the same retry", next), before);
        assert_eq!(plugin.seen().len(), 1, "it did not wait");
        world.advance(Duration::from_secs(10));
        world.wait_for("caller/a", "finished");
        let seen = plugin.seen();
        assert_eq!((seen.len(), seen[1].attempt), (2, 2));
        assert_eq!(seen[0].call_id, seen[1].call_id);
    });
}

#[test]
fn a_crash_with_a_timer_armed_keeps_its_moment() {
    each(FLOW, |world| {
        started(world, "a");
        let due = |one: &InstanceDetail| Some(one.timers.first()?.due.clone());
        let before = world.until("flow/a", "the timer", due);
        world.advance(hour() / 2);
        world.restart();
        assert_eq!(world.until("flow/a", "the timer", due), before);
        // Not yet: an event is still taken in the old state a moment before.
        world.advance(hour() / 2 - Duration::from_millis(1));
        note(world, "a", "n1");
        assert_eq!(world.instance("flow/a").summary.active, ["open"]);
        world.advance(Duration::from_millis(1));
        world.wait_for("flow/a", "late");
    });
}

#[test]
fn a_timer_that_fell_due_while_nobody_ran_fires_once() {
    each(FLOW, |world| {
        started(world, "a");
        world.crash();
        world.advance(hour() * 5);
        world.start();
        world.wait_for("flow/a", "late");
        world.restart();
        let history = world.history("flow/a");
        let fired = history.iter().flat_map(|entry| &entry.transitions);
        assert_eq!(fired.filter(|one| one.name == "overdue").count(), 1);
    });
}

#[test]
fn a_crash_with_a_publish_pending_publishes_and_applies_once() {
    each(PUBLISHER, |world| {
        for turn in 0..5 {
            let key = format!("p{turn}");
            // The crash comes at once: before, while or after the message leaves.
            world.send("told.wanted", None, &json!({ "key": key }));
            world.restart();
            let id = format!("publisher/{key}");
            world.until(&id, "the message", |one| (one.vars["heard"] != json!(0)).then_some(()));
            world.restart();
            assert_eq!(world.instance(&id).vars["heard"], json!(1), "applied twice");
        }
    });
}

#[test]
fn a_publish_keeps_its_id_when_it_is_repeated() {
    each(&PUBLISHER.replace("publish: told.heard", "publish: outside.told"), |world| {
        let pattern = SubjectPattern::parse("outside.told").unwrap();
        let bus = world.bus();
        let mut heard = world.run(bus.subscribe(&pattern)).unwrap();
        drop(bus);
        world.send("told.wanted", None, &json!({ "key": "a" }));
        let message = world.run(heard.next()).unwrap();
        let id = message.headers.get("Nats-Msg-Id").map(str::to_owned);
        assert!(id.is_some_and(|id| id.len() == 26));
    });
}

#[test]
fn many_crashes_in_a_row_lose_nothing() {
    each(FLOW, |world| {
        started(world, "a");
        let mut expected = Vec::new();
        for turn in 0..10 {
            let op = format!("n{turn}");
            note(world, "a", &op);
            expected.push(op);
            world.restart();
        }
        assert_eq!(seen(world, "a"), expected);
        let epochs = world.handle().health().iter().map(|one| one.epoch).collect::<Vec<_>>();
        assert!(epochs.iter().all(|epoch| *epoch == 11), "{epochs:?}");
    });
}
