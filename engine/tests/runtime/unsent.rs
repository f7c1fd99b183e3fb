//! What the engine holds back when something begins to be taken back: it is given up, unless an
//! engine that is gone may have sent it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gearshift_bus::Headers;
use gearshift_engine::api::{self, Request};
use gearshift_machine::machine::InstanceKey;
use serde_json::{Value, json};

use crate::remote::request;
use crate::support::{Answer, Recorded, World, eventually, eventually_async, on_each_bus};

/// One call at once: the others wait for it in the engine.
const JOB: &str = r"
workflow: job
version: 1
correlate: data.key
events: { job.more: {} }
plugins: { recorded: { concurrency: 1 } }
steps:
  one: { call: recorded.work, with: { n: 1 }, timeout: 1h, undo: recorded.unwork }
  more: { wait: job.more }
  two: { call: recorded.work, with: { n: 2 }, timeout: 1h, undo: recorded.unwork, needs: [more] }
  three: { call: recorded.work, with: { n: 3 }, timeout: 1h, needs: [more] }
";

fn order(world: &World, verb: &str, body: &Value) -> Value {
    request(world, &format!("gearshift.command.ann.{verb}"), body).unwrap()
}

/// Looks until the instance is as `look` wants it.
fn until(world: &World, what: &str, look: impl Fn(&Value) -> bool) -> Value {
    let asked = || Request {
        subject: "gearshift.query.instance".to_owned(),
        headers: Headers::new(),
        body: json!({ "id": "job/a" }).to_string().into(),
    };
    world.run(eventually_async(what, async || {
        let answer = api::answer(&world.handle(), asked()).await.ok()?;
        serde_json::from_slice(&answer).ok().filter(&look)
    }))
}

/// The steps, as `name status`.
fn steps(seen: &Value) -> Vec<String> {
    let all = seen["steps"].as_array().unwrap().iter();
    let word = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    all.map(|step| format!("{} {}", word(step, "id"), word(step, "status"))).collect()
}

/// What the plugin was asked: the number, and nothing where it takes back.
fn asked(plugin: &Recorded) -> Vec<Option<u64>> {
    plugin.seen().iter().map(|seen| seen.input["n"].as_u64()).collect()
}

/// The first call is at the plugin, and the others wait for it.
fn all_under_way(world: &World, plugin: &Recorded) {
    world.deploy(JOB);
    order(world, "start", &json!({ "workflow": "job", "key": "a" }));
    world.run(eventually("the first call is under way", || (plugin.held() == 1).then_some(())));
    world.send("job.more", "a", 1);
    until(world, "all are under way", |seen| {
        steps(seen) == ["one running", "more completed", "two running", "three running"]
    });
}

#[test]
fn h5_a_rollback_gives_up_what_is_held_back_and_waits_for_what_was_sent() {
    on_each_bus(|world| {
        let plugin = Recorded::new(|seen| match seen.input["n"] == 1 {
            true => Answer::Hold,
            false => Answer::Done,
        });
        let mut world = world.serving(&plugin);
        world.start();
        all_under_way(&world, &plugin);
        order(&world, "cancel", &json!({ "instance": "job/a" }));
        let seen =
            until(&world, "what waited is given up", |seen| seen["rollback"]["awaited"] == 1);
        let stands = ["one running", "more completed", "two cancelled", "three cancelled"];
        assert_eq!(steps(&seen), stands, "{seen}");
        world.run(plugin.release());
        let seen = until(&world, "it is cancelled", |seen| seen["status"] == "cancelled");
        assert_eq!(steps(&seen)[0], "one undone", "{seen}");
        assert_eq!(asked(&plugin), [Some(1), None], "nothing else was ever sent");
    });
}

#[test]
fn h5_what_an_engine_that_is_gone_may_have_sent_is_waited_for() {
    let again = Arc::new(AtomicBool::new(false));
    let in_script = Arc::clone(&again);
    let plugin = Recorded::new(move |seen| {
        let is_done = seen.input["n"].is_u64();
        match is_done && (seen.input["n"] == 1 || in_script.load(Ordering::Relaxed)) {
            true => Answer::Hold,
            false => Answer::Done,
        }
    });
    let mut world = World::embedded().serving(&plugin);
    world.start();
    all_under_way(&world, &plugin);
    plugin.forget();
    // Whichever is the first this time is at the plugin, until it may go on.
    again.store(true, Ordering::Relaxed);
    world.restart();
    until(&world, "it is there again", |seen| seen["status"] == "running");
    order(&world, "cancel", &json!({ "instance": "job/a" }));
    until(&world, "both are waited for", |seen| seen["rollback"]["awaited"] == 2);
    let key = InstanceKey::new("job", "a").unwrap();
    world.run(eventually_async("it is cancelled", async || {
        plugin.release().await;
        world.handle().instance(&key).await.ok()??.status.is_ended().then_some(())
    }));
    let seen = until(&world, "it is cancelled", |seen| seen["status"] == "cancelled");
    let stands = ["one undone", "more completed", "two undone", "three cancelled"];
    assert_eq!(steps(&seen), stands, "{seen}");
    let count = |n| asked(&plugin).iter().filter(|it| **it == n).count();
    assert_eq!((count(Some(2)), count(None)), (1, 2), "both were done, and taken back");
}

#[test]
fn h5_what_a_pause_holds_back_after_a_crash_may_have_been_sent_and_is_waited_for() {
    let plugin = Recorded::new(|seen| match seen.input["n"] == 1 {
        true => Answer::Hold,
        false => Answer::Done,
    });
    let mut world = World::embedded().serving(&plugin);
    world.start();
    all_under_way(&world, &plugin);
    plugin.forget();
    order(&world, "hold", &json!({ "plugin": "recorded" }));
    world.restart();
    until(&world, "it is there again", |seen| seen["status"] == "running");
    // What is held back and was never sent is told to the machine by then.
    world.advance(std::time::Duration::from_secs(60));
    order(&world, "cancel", &json!({ "instance": "job/a" }));
    let seen = until(&world, "what may be done is waited for", |seen| {
        seen["rollback"]["awaited"].as_u64().is_some_and(|awaited| awaited > 0)
    });
    assert_eq!(steps(&seen)[0], "one running", "{seen}");
    order(&world, "release", &json!({ "plugin": "recorded" }));
    let key = InstanceKey::new("job", "a").unwrap();
    world.run(eventually_async("it is cancelled", async || {
        plugin.release().await;
        world.handle().instance(&key).await.ok()??.status.is_ended().then_some(())
    }));
    let seen = until(&world, "it is cancelled", |seen| seen["status"] == "cancelled");
    assert_eq!(steps(&seen)[0], "one undone", "{seen}");
    assert!(asked(&plugin).contains(&None), "it was taken back");
}

#[test]
fn h5_what_a_limit_holds_back_after_a_crash_may_have_been_sent_and_is_waited_for() {
    let plugin = Recorded::new(|seen| match seen.input["n"].is_u64() {
        true => Answer::Hold,
        false => Answer::Done,
    });
    let mut world = World::embedded().serving(&plugin);
    world.start();
    // Half of that is waited for a place, on the clock of the wall.
    world.deploy(&JOB.replace("timeout: 1h", "timeout: 16s"));
    order(&world, "start", &json!({ "workflow": "job", "key": "a" }));
    world.run(eventually("the first call is under way", || (plugin.held() == 1).then_some(())));
    world.send("job.more", "a", 1);
    until(&world, "all are under way", |seen| steps(seen)[2] == "two running");
    plugin.forget();
    world.restart();
    let unsure = |seen: &Value| {
        let calls = seen["calls"].as_array().cloned().unwrap_or_default();
        calls.iter().filter(|call| call["unsure"] == true && call["deadline"].is_null()).count()
    };
    // Whichever is the first this time is at the plugin.
    until(&world, "two are held back, and may have been sent", |seen| unsure(seen) == 2);
    order(&world, "cancel", &json!({ "instance": "job/a" }));
    let seen = until(&world, "both are waited for", |seen| seen["rollback"]["awaited"] == 2);
    assert!(unsure(&seen) > 0, "{seen}");
    let why = request(&world, "gearshift.query.why", &json!({ "id": "job/a" })).unwrap();
    for said in ["an engine that is gone may have sent it", "`gearshift kill` gives it up"] {
        assert!(why.to_string().contains(said), "{why:#}");
    }
    let key = InstanceKey::new("job", "a").unwrap();
    world.run(eventually_async("it is cancelled", async || {
        plugin.release().await;
        world.handle().instance(&key).await.ok()??.status.is_ended().then_some(())
    }));
    let seen = until(&world, "it is cancelled", |seen| seen["status"] == "cancelled");
    let stands = ["one undone", "more completed", "two undone", "three cancelled"];
    assert_eq!(steps(&seen), stands, "{seen}");
    let count = |n| asked(&plugin).iter().filter(|it| **it == n).count();
    assert_eq!((count(Some(2)), count(None)), (1, 2), "both were done, and taken back");
}
