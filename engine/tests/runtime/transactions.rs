//! Transactions over the doors, on both buses: commit, rollback through a crash, timeout, refusals.

use std::time::Duration;

use gearshift_bus::Headers;
use gearshift_engine::api::{self, Request};
use serde_json::{Value, json};

use crate::remote::request;
use crate::support::{Answer, Recorded, World, eventually, eventually_async, on_nats};

/// Two steps, each a call that can be taken back.
const JOB: &str = r"
workflow: job
version: 1
correlate: data.key
steps:
  first: { call: recorded.work, with: { n: 1 }, undo: recorded.unwork }
  second: { needs: [first], call: recorded.work, with: { n: 2 }, undo: recorded.unwork }
";

/// Does its work in a transaction that it begins, and commits it.
const BOSS: &str = r"
workflow: boss
version: 1
correlate: data.key
steps:
  begin: { call: transaction.begin, with: { name: own, timeout: 5m } }
  job: { needs: [begin], run: job }
  end: { needs: [job], call: transaction.commit, with: { name: own } }
";

fn order(world: &World, verb: &str, body: &Value) -> Result<Value, Value> {
    request(world, &format!("gearshift.command.ann.{verb}"), body)
}

/// The code of a refusal.
fn refused(world: &World, verb: &str, body: &Value) -> String {
    let told = order(world, verb, body).unwrap_err();
    told["code"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
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

/// A world with a transaction `t` and two members that are done; the plugin holds what takes back.
fn two_members(world: World) -> (World, Recorded) {
    let plugin = Recorded::new(|seen| match seen.input["n"].is_null() {
        true => Answer::Hold,
        false => Answer::Done,
    });
    let mut world = world.serving(&plugin);
    world.start();
    world.deploy(JOB);
    let begun = order(&world, "transaction_begin", &begin(60_000)).unwrap();
    assert_eq!(begun["instance"], "transaction/t");
    for key in ["a", "b"] {
        let start = json!({ "workflow": "job", "key": key, "transaction": "t" });
        order(&world, "start", &start).unwrap();
        until(&world, &format!("job/{key}"), "it is done", |seen| seen["status"] == "done");
    }
    // It hears of the last call after the member's end.
    until(&world, "transaction/t", "all is told", |seen| seen["scope"]["calls"] == 4);
    (world, plugin)
}

fn begin(timeout_ms: u64) -> Value {
    json!({ "name": "t", "timeout_ms": timeout_ms })
}

fn named() -> Value {
    json!({ "name": "t", "reason": "wrong" })
}

/// Lets what takes back answer until the transaction is over; what was taken back, in order.
fn taken_back(world: &World, plugin: &Recorded) -> Vec<String> {
    let over = || Request {
        subject: "gearshift.query.instance".to_owned(),
        headers: Headers::new(),
        body: json!({ "id": "transaction/t" }).to_string().into(),
    };
    world.run(eventually_async("all is taken back", async || {
        plugin.release().await;
        let answer = api::answer(&world.handle(), over()).await.ok()?;
        let seen: Value = serde_json::from_slice(&answer).ok()?;
        (seen["active"] == json!(["rolled_back"])).then_some(())
    }));
    let mut calls = Vec::new();
    let mut order = Vec::new();
    for seen in plugin.seen().iter().filter(|seen| seen.input["n"].is_null()) {
        if !calls.contains(&seen.call) {
            calls.push(seen.call.clone());
            order.push(format!("{} {}", seen.instance, seen.input["input"]["n"]));
        }
    }
    order
}

fn rollback_through_a_crash(world: World) {
    let (mut world, plugin) = two_members(world);
    let rolling = order(&world, "transaction_rollback", &named()).unwrap();
    assert_eq!(rolling["active"], json!(["rolling_back"]), "{rolling}");
    for left in [4, 3] {
        world.run(eventually("one is under way", || (plugin.held() == 1).then_some(())));
        let seen =
            until(&world, "transaction/t", "it is told", |seen| seen["scope"]["calls"] == left);
        assert_eq!(seen["scope"]["reason"], "by ann: wrong");
        plugin.forget();
        world.restart();
        world.run(eventually("it is asked again", || (plugin.held() == 1).then_some(())));
        world.run(plugin.release());
    }
    let order_of = taken_back(&world, &plugin);
    assert_eq!(order_of, ["job/b 2", "job/b 1", "job/a 2", "job/a 1"]);
    let seen = until(&world, "job/a", "it is over", |seen| seen["status"] == "done");
    let over = json!({ "name": "t", "standing": "rolled_back", "reason": "by ann: wrong" });
    assert_eq!(seen["transaction"], over);
    let steps: Vec<_> = seen["steps"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(steps, ["undone", "undone"], "{seen}");
    assert_eq!(refused(&world, "transaction_commit", &named()), "GS4021");
}

#[test]
fn tx_a_rollback_goes_on_after_crashes_newest_first_over_all_members() {
    rollback_through_a_crash(World::embedded());
}

#[test]
fn tx_the_same_on_a_real_server() {
    on_nats(rollback_through_a_crash);
}

#[test]
fn tx_what_is_committed_stays_and_refusals_have_codes() {
    let (world, plugin) = two_members(World::embedded());
    assert_eq!(order(&world, "transaction_begin", &begin(60_000)).unwrap()["verdict"], "duplicate");
    assert_eq!(refused(&world, "transaction_begin", &begin(1)), "GS4024");
    assert_eq!(refused(&world, "start", &json!({ "workflow": "job", "key": "a" })), "GS4025");
    order(&world, "transaction_commit", &named()).unwrap();
    until(&world, "job/a", "it hears", |seen| seen["transaction"]["standing"] == "committed");
    assert_eq!(refused(&world, "transaction_rollback", &named()), "GS4021");
    let nobody = json!({ "name": "nobody" });
    assert_eq!(refused(&world, "transaction_rollback", &nobody), "GS4026");
    assert_eq!(refused(&world, "start", &json!({ "workflow": "transaction" })), "GS4001");
    let undone = plugin.seen().iter().filter(|seen| seen.input["n"].is_null()).count();
    assert_eq!(undone, 0);
}

#[test]
fn tx_a_timeout_rolls_back_by_itself_also_while_nobody_is_there() {
    let (mut world, plugin) = two_members(World::embedded());
    world.crash();
    world.advance(Duration::from_secs(3_600));
    world.start();
    assert_eq!(taken_back(&world, &plugin).len(), 4);
}

fn steps_begin_and_commit(world: World) {
    let plugin = Recorded::new(|_| Answer::Done);
    let mut world = world.serving(&plugin);
    world.start();
    world.deploy(JOB);
    world.deploy(BOSS);
    order(&world, "start", &json!({ "workflow": "boss", "key": "a" })).unwrap();
    let seen = until(&world, "boss/a", "it is done", |seen| seen["status"] == "done");
    assert_eq!(seen["transaction"]["name"], "own", "{seen}");
    let scope = until(&world, "transaction/own", "it is over", |seen| seen["status"] == "done");
    assert_eq!(scope["active"], json!(["committed"]), "{scope}");
    assert_eq!(scope["scope"]["members"].as_array().unwrap().len(), 2, "{scope}");
}

#[test]
fn tx_steps_begin_and_commit_it() {
    steps_begin_and_commit(World::embedded());
}

#[test]
fn tx_steps_begin_and_commit_it_on_a_real_server() {
    on_nats(steps_begin_and_commit);
}

/// Takes back by itself what it did, because its second step fails.
const QUITS: &str = r"
workflow: quits
version: 1
correlate: data.key
on_failure: rollback
on_error: fail
steps:
  first: { call: recorded.work, with: { n: 1 }, undo: recorded.unwork }
  second: { needs: [first], call: recorded.work, with: { n: 2 } }
";

/// A member is killed while its undo is under way, and the engine before that is answered.
fn killed_in_its_undo(world: World) {
    let plugin = Recorded::new(|seen| match seen.input["n"].as_u64() {
        Some(1) => Answer::Done,
        Some(_) => Answer::Permanent,
        None => Answer::Hold,
    });
    let mut world = world.serving(&plugin);
    world.start();
    world.deploy(QUITS);
    order(&world, "transaction_begin", &begin(60_000)).unwrap();
    let start = json!({ "workflow": "quits", "key": "a", "transaction": "t" });
    order(&world, "start", &start).unwrap();
    world.run(eventually("its undo is under way", || (plugin.held() == 1).then_some(())));
    let killed = order(&world, "kill", &json!({ "instance": "quits/a" })).unwrap();
    assert_eq!((&killed["verdict"], &killed["status"]), (&json!("done"), &json!("compensating")));
    let seen = until(&world, "transaction/t", "it hears", |seen| {
        seen["active"] == json!(["rolling_back"])
    });
    assert_eq!(seen["scope"]["waits_for"], "quits/a to stand still", "{seen}");
    assert_eq!(seen["scope"]["members"][0]["end"], "killed by ann", "{seen}");
    plugin.forget();
    world.restart();
    world.run(eventually("it is asked again", || (plugin.held() == 1).then_some(())));
    assert_eq!(taken_back(&world, &plugin), ["quits/a 1"], "under one call id");
    let seen = until(&world, "quits/a", "it ends", |seen| seen["status"] == "cancelled");
    assert_eq!(seen["steps"][0]["status"], "undone", "{seen}");
    assert_eq!(seen["end"]["words"], "killed by ann", "{seen}");
}

#[test]
fn tx_a_member_killed_in_its_undo_makes_it_under_one_id_through_a_crash() {
    killed_in_its_undo(World::embedded());
}

#[test]
fn tx_a_member_killed_in_its_undo_makes_it_under_one_id_on_a_real_server() {
    on_nats(killed_in_its_undo);
}
