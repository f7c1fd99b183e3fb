//! A13–A15: replies that come late or twice are recorded, and change nothing.

use std::sync::Arc;
use std::time::Duration;

use gearshift_client::protocol::view::InstanceDetail;
use gearshift_client::protocol::{Status, Verdict};
use gearshift_machine::machine::{CallOutcome, EffectId, InstanceKey, Outcome};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::Value;
use gearshift_tests::world::{Answer, Recorded, World, eventually};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::flows::{CALLER, each};

fn wanted(world: &World) {
    let verdict = world.send("call.wanted", None, &json!({ "key": "a" }));
    assert!(!matches!(verdict.verdict, Verdict::Rejected { .. }), "{verdict:?}");
}

fn one_attempt() -> String {
    CALLER.replace("attempts: 3", "attempts: 1")
}

#[test]
fn a13_a_reply_after_the_deadline_is_recorded_and_ignored() {
    each(&one_attempt(), |world| {
        let gate = Arc::new(Semaphore::new(0));
        let behind = Arc::clone(&gate);
        let plugin =
            Recorded::new(move |_| Answer::Behind(Arc::clone(&behind), json!({ "late": true })));
        let _running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        world.run(eventually("the call", || plugin.seen().pop()));
        world.advance(Duration::from_secs(6));
        let broken = world.wait_for("caller/a", "broken");
        assert_eq!(broken.vars["kind"], json!("timeout"));
        gate.add_permits(1);
        let late =
            world.run(gearshift_tests::world::eventually_async("the late reply", async || {
                let history = world.client().history("caller/a").await.ok()?.items;
                history.into_iter().find(|entry| {
                    entry
                        .note
                        .as_deref()
                        .is_some_and(|note| note.contains("late") || note.contains("ended"))
                })
            }));
        assert!(late.transitions.is_empty(), "{late:?}");
        assert_eq!(world.instance("caller/a").vars["output"], json!(null));
    });
}

#[test]
fn a14_a_reply_after_cancel_is_recorded_and_ignored() {
    each(CALLER, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let behind = Arc::clone(&gate);
        let plugin = Recorded::new(move |_| Answer::Behind(Arc::clone(&behind), json!({})));
        let _running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        world.run(eventually("the call", || plugin.seen().pop()));
        world.run(world.client().cancel("caller/a", "test")).unwrap();
        let before = world.instance("caller/a").summary;
        gate.add_permits(1);
        let outcome = reply(world, &plugin, CallOutcome::Success(Value::Int(1)));
        assert!(matches!(outcome, Outcome::Ignored { .. }), "{outcome:?}");
        let after = world.instance("caller/a").summary;
        assert_eq!((after.status, after.active), (Status::Cancelled, before.active));
    });
}

#[test]
fn a15_of_two_replies_the_first_counts() {
    each(CALLER, |world| {
        let plugin = Recorded::new(|_| Answer::Output(json!({ "n": 1 })));
        let running = world.run(plugin.serve(&world.bus()));
        wanted(world);
        world.wait_for("caller/a", "finished");
        for number in [1, 2] {
            let outcome = reply(world, &plugin, CallOutcome::Success(Value::Int(number)));
            assert!(matches!(outcome, Outcome::Ignored { .. }), "{outcome:?}");
        }
        // It has the bus, whose folder only one process may use.
        drop(running);
        world.restart();
        let after = world.until("caller/a", "it", |one: &InstanceDetail| Some(one.clone()));
        assert_eq!(
            (after.summary.status, &after.vars["output"]),
            (Status::Done, &json!({ "n": 1 }))
        );
        assert_eq!(plugin.seen().len(), 1, "the call was made again");
    });
}

/// A reply to the last call that the plugin saw, as if it came over the bus.
fn reply(world: &World, plugin: &Recorded, outcome: CallOutcome) -> Outcome {
    let seen = plugin.seen().pop().unwrap();
    let key = InstanceKey::parse(&seen.instance).unwrap();
    let call = EffectId::parse(&seen.call_id).unwrap();
    let handle = world.handle();
    let input = PartitionInput::CallReply { key: key.clone(), call, attempt: 1, outcome };
    world.run(handle.input(handle.partition_of(&key), input)).unwrap().outcome
}
