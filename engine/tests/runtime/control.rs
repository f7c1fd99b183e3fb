//! Control of running instances over the doors: pause, fork, timers, variables, rollback by hand.

use std::time::Duration;

use gearshift_bus::Headers;
use gearshift_engine::api::{self, Request};
use serde_json::{Value, json};

use crate::remote::{key_at, pair, request};
use crate::support::{Answer, Recorded, World, eventually, eventually_async, on_nats};

/// Two steps, each a call of the plugin.
const JOB: &str = r"
workflow: job
version: 1
correlate: data.key
vars: { limit: 1 }
steps:
  first: { call: recorded.work, with: { n: 1 }, undo: recorded.unwork }
  second: { needs: [first], call: recorded.work, with: { n: 2 }, undo: recorded.unwork }
  third: { needs: [second], call: recorded.work, with: { n: 3 } }
";

/// A reminder in ten minutes.
const REMIND: &str = r"
workflow: remind
version: 1
correlate: data.key
events: { remind.asked: {} }
initial: open
states:
  open: { after: { 10m: reminded }, on: { remind.asked: asked } }
  reminded: {}
  asked: { after: { 1h: reminded } }
";

fn order(world: &World, verb: &str, body: &Value) -> Result<Value, Value> {
    request(world, &format!("gearshift.command.ann.{verb}"), body)
}

fn show(world: &World, id: &str) -> Value {
    request(world, "gearshift.query.instance", &json!({ "id": id })).unwrap()
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

fn operations(plugin: &Recorded) -> Vec<Value> {
    plugin.seen().iter().map(|seen| seen.input["n"].clone()).collect()
}

fn pause_and_fork(world: World) {
    let plugin = Recorded::new(|seen| match seen.input["n"] == 1 {
        true => Answer::Hold,
        false => Answer::Done,
    });
    let mut world = world.serving(&plugin);
    world.start();
    world.deploy(JOB);
    order(&world, "start", &json!({ "workflow": "job", "key": "a" })).unwrap();
    world.run(eventually("the first call is under way", || (plugin.held() == 1).then_some(())));
    let body = json!({ "instance": "job/a", "reason": "the bank is down" });
    assert_eq!(order(&world, "pause", &body).unwrap()["status"], "paused");
    let again = order(&world, "pause", &body).unwrap_err();
    assert_eq!((&again["code"], &again["status"]), (&json!("GS4018"), &json!(409)), "{again}");
    world.run(plugin.release());
    let seen = until(&world, "job/a", "the reply waits", |seen| seen["paused"]["replies"] == 1);
    assert_eq!(seen["paused"]["by"], "ann");
    let why = request(&world, "gearshift.query.why", &json!({ "id": "job/a" })).unwrap();
    assert!(why["lines"].to_string().contains("paused by ann"), "{why}");
    world.restart();
    let seen = until(&world, "job/a", "it is there again", |seen| seen["status"] == "paused");
    assert_eq!(seen["paused"]["replies"], 1, "{seen}");
    order(&world, "resume", &json!({ "instance": "job/a" })).unwrap();
    until(&world, "job/a", "it ends", |seen| seen["status"] == "done");
    assert_eq!(operations(&plugin), [json!(1), json!(2), json!(3)]);
    // What has ended can be begun anew at a step, under a key of its own.
    let fork = json!({ "instance": "job/a", "from": "second", "key": "b" });
    let forked = order(&world, "fork", &fork).unwrap();
    assert_eq!((&forked["instance"], &forked["origin"]), (&json!("job/b"), &json!("job/a")));
    until(&world, "job/b", "the fork ends", |seen| seen["status"] == "done");
    assert_eq!(operations(&plugin)[3..], [json!(2), json!(3)]);
    let fork = json!({ "instance": "job/a", "from": "nothing" });
    let refused = order(&world, "fork", &fork).unwrap_err();
    assert_eq!(refused["status"], 404, "{refused}");
    assert!(refused["detail"].to_string().contains("checkpoints: there is none"), "{refused}");
}

#[test]
fn k1_k7_a_pause_outlives_a_crash_and_a_fork_begins_at_a_step() {
    pause_and_fork(World::embedded());
}

#[test]
fn k1_k7_the_same_on_a_real_server() {
    on_nats(pause_and_fork);
}

#[test]
fn h5_a_rollback_by_hand_goes_on_after_a_crash() {
    let plugin = Recorded::new(|seen| match seen.input["n"] == 3 || seen.input["n"].is_null() {
        true => Answer::Hold,
        false => Answer::Done,
    });
    let mut world = World::embedded().serving(&plugin);
    world.start();
    world.deploy(JOB);
    order(&world, "start", &json!({ "workflow": "job", "key": "a" })).unwrap();
    world.run(eventually("the third call is under way", || (plugin.held() == 1).then_some(())));
    plugin.forget();
    let body = json!({ "instance": "job/a", "from": "second", "reason": "wrong" });
    assert_eq!(order(&world, "rollback", &body).unwrap()["status"], "compensating");
    world.run(eventually("the undo is under way", || (plugin.held() == 1).then_some(())));
    plugin.forget();
    world.restart();
    // It is the undo that is asked again, and not what it takes back.
    world.run(eventually("it is asked again", || (plugin.held() == 1).then_some(())));
    let inputs = plugin.seen();
    let last = &inputs[inputs.len() - 1];
    assert_eq!(last.input["input"], json!({ "n": 2 }), "{last:?}");
    assert_eq!(last.call, inputs[inputs.len() - 2].call);
    world.run(plugin.release());
    let seen = until(&world, "job/a", "it waits", |seen| seen["status"] == "stuck");
    assert_eq!(seen["stuck_reason"], "rolled back by hand: wrong");
    let again = order(&world, "rollback", &body).unwrap_err();
    assert_eq!(again["code"], "GS4018", "{again}");
    order(&world, "cancel", &json!({ "instance": "job/a" })).unwrap();
    world.run(eventually("the rest is taken back", || (plugin.held() == 1).then_some(())));
    world.run(plugin.release());
    until(&world, "job/a", "it is over", |seen| seen["status"] == "cancelled");
}

fn cancel_with_a_call_under_way(world: World) {
    let plugin = Recorded::new(|seen| match seen.input["n"] == 2 {
        true => Answer::Hold,
        false => Answer::Done,
    });
    let mut world = world.serving(&plugin);
    world.start();
    world.deploy(JOB);
    order(&world, "start", &json!({ "workflow": "job", "key": "a" })).unwrap();
    world.run(eventually("the second call is under way", || (plugin.held() == 1).then_some(())));
    let body = json!({ "instance": "job/a", "reason": "wrong" });
    assert_eq!(order(&world, "cancel", &body).unwrap()["status"], "compensating");
    let why = request(&world, "gearshift.query.why", &json!({ "id": "job/a" })).unwrap();
    assert!(why["lines"].to_string().contains("waits first for calls under way, 1 of"), "{why}");
    assert_eq!(order(&world, "cancel", &body).unwrap_err()["code"], "GS4018");
    plugin.forget();
    world.restart();
    world.run(eventually("it is asked again", || (plugin.held() == 1).then_some(())));
    world.run(plugin.release());
    until(&world, "job/a", "it is over", |seen| seen["status"] == "cancelled");
    // It was done after all, and is taken back first.
    let seen = plugin.seen();
    let inputs: Vec<_> = seen.iter().map(|seen| &seen.input["input"]["n"]).collect();
    assert_eq!(inputs, [&json!(null), &json!(null), &json!(null), &json!(2), &json!(1)]);
    assert_eq!((&seen[1].input, &seen[1].call), (&seen[2].input, &seen[2].call));
}

#[test]
fn h5_cancel_waits_for_a_call_under_way_over_a_restart() {
    cancel_with_a_call_under_way(World::embedded());
}

#[test]
fn h5_cancel_waits_for_a_call_under_way_on_a_real_server() {
    on_nats(cancel_with_a_call_under_way);
}

#[test]
fn e4_timers_are_listed_moved_and_fired_by_name() {
    let mut world = World::embedded();
    world.start();
    world.deploy(REMIND);
    order(&world, "start", &json!({ "workflow": "remind", "key": "a" })).unwrap();
    let timer = show(&world, "a")["timers"][0].clone();
    assert_eq!(timer["due"], "2026-01-01T00:10:00.000Z", "{timer}");
    let unknown = json!({ "instance": "a", "timer": "nope" });
    let refused = order(&world, "timer_fire", &unknown).unwrap_err();
    assert_eq!(refused["status"], 404, "{refused}");
    assert!(refused["detail"].to_string().contains("open after 10m"), "{refused}");
    let later = json!({ "instance": "a", "timer": "open", "by_ms": 60_000 });
    order(&world, "timer_move", &later).unwrap();
    assert_eq!(show(&world, "a")["timers"][0]["due"], "2026-01-01T00:11:00.000Z");
    let past =
        json!({ "instance": "a", "timer": timer["id"].to_string(), "to": "2020-01-01T00:00:00Z" });
    assert_eq!(order(&world, "timer_move", &past).unwrap_err()["code"], "GS4018");
    let neither = json!({ "instance": "a", "timer": "open" });
    assert_eq!(order(&world, "timer_move", &neither).unwrap_err()["status"], 400);
    world.advance(Duration::from_secs(10 * 60 + 30));
    let fired = order(&world, "timer_fire", &neither).unwrap();
    assert_eq!(fired["active"], json!(["reminded"]), "{fired}");
}

#[test]
fn k6_variables_of_a_living_instance_are_set_and_it_is_told_who_did_it() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut world = World::embedded().serving(&plugin);
    world.start();
    world.deploy(JOB);
    order(&world, "start", &json!({ "workflow": "job", "key": "a" })).unwrap();
    let body = json!({ "instance": "a", "vars": { "limit": 7 }, "reason": "INC-1" });
    order(&world, "set", &body).unwrap();
    assert_eq!(show(&world, "a")["vars"], json!({ "limit": 7 }));
    let history = request(&world, "gearshift.query.history", &json!({ "id": "a" })).unwrap();
    let told = history["items"].as_array().unwrap().iter().find(|it| it["input"] == "command set");
    let told = told.unwrap_or_else(|| panic!("{history}"));
    assert_eq!((&told["by"], &told["note"]), (&json!("ann"), &json!("INC-1; limit: 1 → 7")));
    let body = json!({ "instance": "a", "vars": { "limit": 8, "nope": 1 } });
    let refused = order(&world, "set", &body).unwrap_err();
    assert_eq!((&refused["code"], &refused["status"]), (&json!("GS4020"), &json!(409)));
    assert_eq!(show(&world, "a")["vars"], json!({ "limit": 7 }));
}

fn plugin_pause(world: World) {
    let plugin = Recorded::new(|_| Answer::Done);
    let mut world = world.serving(&plugin);
    world.start();
    world.deploy(JOB);
    let body = json!({ "plugin": "recorded", "reason": "it is mended" });
    assert_eq!(order(&world, "hold", &body).unwrap()["changed"], true);
    assert_eq!(order(&world, "hold", &body).unwrap()["changed"], false);
    order(&world, "start", &json!({ "workflow": "job", "key": "a" })).unwrap();
    let why = || request(&world, "gearshift.query.why", &json!({ "id": "job/a" })).unwrap();
    let told = why().to_string();
    assert!(told.contains("plugin `recorded` is paused by ann"), "{told}");
    let health = request(&world, "gearshift.query.health", &json!({})).unwrap();
    assert!(health["warnings"].to_string().contains("is paused by ann"), "{health}");
    // A crash forgets neither the pause nor the call.
    world.restart();
    until(&world, "job/a", "it is there again", |seen| seen["status"] == "running");
    assert!(plugin.seen().is_empty(), "nothing was sent");
    order(&world, "release", &json!({ "plugin": "recorded" })).unwrap();
    world.advance(Duration::from_secs(2));
    until(&world, "job/a", "it ends", |seen| seen["status"] == "done");
    let seen = plugin.seen();
    assert!(seen.iter().all(|call| call.attempt == 1), "no attempt was counted: {seen:?}");
    let again = order(&world, "release", &json!({ "plugin": "recorded" })).unwrap();
    assert_eq!(again["changed"], false, "{again}");
    order(&world, "hold", &json!({ "plugin": "a.b" })).unwrap_err();
    order(&world, "hold", &json!({})).unwrap_err();
}

#[test]
fn k2_calls_of_a_paused_plugin_wait_and_no_attempt_is_counted() {
    plugin_pause(World::embedded());
}

#[test]
fn k2_the_same_on_a_real_server() {
    on_nats(plugin_pause);
}

#[test]
fn k2_what_is_started_of_a_paused_definition_begins_paused() {
    let mut world = World::embedded();
    world.start();
    world.deploy(REMIND);
    let hold = json!({ "workflow": "remind", "version": 1, "reason": "wrong mail" });
    order(&world, "hold", &json!({ "workflow": "nothing" })).unwrap_err();
    assert_eq!(order(&world, "hold", &hold).unwrap()["changed"], true);
    world.restart();
    let started = order(&world, "start", &json!({ "workflow": "remind", "key": "a" })).unwrap();
    assert_eq!(started["verdict"]["status"], "paused", "{started}");
    assert_eq!(show(&world, "a")["paused"]["reason"], "wrong mail");
    let event = json!({ "key": "a" });
    let kept = request(&world, "gearshift.event.remind.asked", &event).unwrap();
    assert_eq!(kept["verdicts"][0]["verdict"], "deferred", "{kept}");
    order(&world, "release", &hold).unwrap();
    assert_eq!(show(&world, "a")["status"], "paused", "it waits for a resume of its own");
    let resumed = order(&world, "resume", &json!({ "instance": "a" })).unwrap();
    assert_eq!(resumed["active"], json!(["asked"]), "{resumed}");
    let started = order(&world, "start", &json!({ "workflow": "remind", "key": "b" })).unwrap();
    assert_eq!(started["verdict"]["active"], json!(["open"]), "{started}");
}

#[test]
fn k7_k2_forks_and_holds_go_through_any_engine() {
    let worlds = pair(&[REMIND]);
    let [owner, other] = [&worlds[0], &worlds[1]];
    let (near, far) = (key_at(other, "remind"), key_at(owner, "remind"));
    let start = json!({ "workflow": "remind", "key": far.key() });
    order(other, "start", &start).unwrap();
    let here = json!({ "instance": far.to_string(), "name": "here" });
    order(other, "checkpoint", &here).unwrap();
    // To the engine that was asked, and to the one that has the instance.
    let fork = |key: &str| json!({ "instance": far.to_string(), "from": "here", "key": key });
    let forked = order(other, "fork", &fork(near.key())).unwrap();
    assert_eq!(forked["active"], json!(["open"]), "{forked}");
    let taken = order(other, "fork", &fork(far.key())).unwrap_err();
    assert_eq!(taken["code"], "GS4019", "{taken}");
    order(other, "kill", &json!({ "instance": far.to_string() })).unwrap();
    let forked = order(other, "fork", &fork(far.key())).unwrap();
    assert_eq!((&forked["active"], &forked["generation"]), (&json!(["open"]), &json!(2)));
    // What is paused through one engine is paused at the other, as soon as it has heard of it.
    order(other, "hold", &json!({ "workflow": "remind" })).unwrap();
    owner.run(eventually("it has heard of it", || {
        (!owner.handle().holds().is_empty()).then_some(())
    }));
    order(other, "kill", &json!({ "instance": far.to_string() })).unwrap();
    let started = order(other, "start", &start).unwrap();
    assert_eq!(started["verdict"]["status"], "paused", "{started}");
    order(owner, "release", &json!({ "workflow": "remind" })).unwrap();
    other.run(eventually("it has heard of it", || other.handle().holds().is_empty().then_some(())));
}
