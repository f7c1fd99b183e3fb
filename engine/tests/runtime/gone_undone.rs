//! Decision 0065: the plugin alone is killed with a call under way, and then what it did is taken
//! back. The call is asked again under its id, for it may be done, and is undone behind it.

use std::time::Duration;

use gearshift_bus::Headers;
use gearshift_engine::api::{self, Request};
use serde_json::{Value, json};

use crate::gone::{GONE, Worker, says};
use crate::remote::request;
use crate::support::{World, eventually_async, on_nats};

/// One call; the operation that takes it back is told by its own call id.
const JOB: &str = "
workflow: job
version: 1
correlate: data.key
plugins: { p: { balance: round_robin } }
steps:
  one:
    call: p.work
    timeout: 1h
    retry: { attempts: 9, backoff: 1s, on: [retryable, timeout, plugin_not_found] }
    undo: p.work
";

fn order(world: &World, verb: &str, body: &Value) -> Value {
    request(world, &format!("gearshift.command.ann.{verb}"), body).unwrap()
}

/// Looks until the instance is as `look` wants it.
fn until(world: &World, id: &str, what: &str, look: impl Fn(&Value) -> bool) -> Value {
    let asked = || Request {
        subject: "gearshift.query.instance".to_owned(),
        headers: Headers::new(),
        body: json!({ "id": id }).to_string().into(),
    };
    world.run(eventually_async(what, async || {
        let answer = api::answer(&world.handle(), asked()).await.ok()?;
        serde_json::from_slice(&answer).ok().filter(&look)
    }))
}

/// The plugin is killed with the call of `start` under way, `wrong` is ordered, and another
/// instance of it comes: that is asked for the same call, and then to take it back.
fn asked_again(world: &mut World, start: &Value, wrong: impl Fn(&World)) {
    let bus = world.bus();
    let dies = world.run(Worker::start(&bus, true));
    order(world, "start", start);
    let held = async || (dies.held() == 1).then_some(());
    world.run(eventually_async("the call is under way", held));
    let asked = dies.seen();
    world.run(dies.dies(&bus));
    let gone = async || says(world, "a", GONE).await.then_some(());
    world.run(eventually_async("the attempt fails", gone));
    wrong(world);
    let stays = world.run(Worker::start(&bus, false));
    // What waits for its next attempt has no deadline until that begins.
    world.advance(Duration::from_secs(60));
    let undone = async || (stays.seen().len() >= 2).then_some(());
    world.run(eventually_async("it is asked again, and taken back", undone));
    let seen = stays.seen();
    assert_eq!((&*seen[0].0, &*seen[0].1), (&*asked[0].0, "2"), "{seen:?}");
    assert_ne!(seen[1].0, asked[0].0, "{seen:?}");
    let shown =
        until(world, "job/a", "it is undone", |seen| seen["steps"][0]["status"] == "undone");
    assert_eq!(shown["left_out"], Value::Null, "{shown}");
    assert_eq!(stays.seen().len(), 2, "nothing is asked twice");
}

#[test]
fn decision_65_the_plugin_alone_is_killed_and_then_the_instance_is_cancelled() {
    on_nats(|mut world| {
        world.start();
        world.deploy(JOB);
        let start = json!({ "workflow": "job", "key": "a" });
        asked_again(&mut world, &start, |world| {
            let told = order(world, "cancel", &json!({ "instance": "job/a", "reason": "wrong" }));
            assert_eq!(told["status"], "compensating", "{told}");
        });
        until(&world, "job/a", "it is over", |seen| seen["status"] == "cancelled");
    });
}

#[test]
fn decision_65_the_plugin_alone_is_killed_and_then_the_transaction_is_rolled_back() {
    on_nats(|mut world| {
        world.start();
        world.deploy(JOB);
        order(&world, "transaction_begin", &json!({ "name": "t", "timeout_ms": 3_600_000 }));
        let start = json!({ "workflow": "job", "key": "a", "transaction": "t" });
        asked_again(&mut world, &start, |world| {
            let told = order(world, "transaction_rollback", &json!({ "name": "t" }));
            assert_eq!(told["active"], json!(["rolling_back"]), "{told}");
        });
        until(&world, "transaction/t", "it is over", |seen| {
            seen["active"] == json!(["rolled_back"])
        });
    });
}
