//! Further steps for an instance that runs (decision 0026).

use std::collections::BTreeSet;

use gearshift_bus::Headers;
use gearshift_engine::api::{self, Request};
use gearshift_machine::definition::DERIVED_MIN;
use serde_json::{Value, json};

use crate::remote::request;
use crate::support::{Answer, Recorded, World, eventually, eventually_async, on_nats};

const JOB: &str = r"
workflow: job
version: 1
correlate: data.key
steps:
  first: { call: recorded.work, with: { n: 1 } }
  second: { needs: [first], call: recorded.work, with: { n: 2 } }
";

const MORE: &str = r"
steps:
  third: { needs: [first], call: recorded.work, with: { n: 3 } }
  last: { needs: [second, third], call: recorded.work, with: { n: 4 } }
";

fn order(world: &World, verb: &str, body: &Value) -> Result<Value, Value> {
    request(world, &format!("gearshift.command.ann.{verb}"), body)
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

fn further_steps(world: World) {
    let plugin = Recorded::new(|seen| match seen.input["n"] == 2 {
        true => Answer::Hold,
        false => Answer::Done,
    });
    let mut world = world.serving(&plugin);
    world.start();
    world.deploy(JOB);
    order(&world, "start", &json!({ "workflow": "job", "key": "a" })).unwrap();
    world.run(eventually("the second step is under way", || (plugin.held() == 1).then_some(())));
    let wrong = json!({ "instance": "job/a", "text": "steps: { third: { needs: [nope], \
                        call: recorded.work } }", "origin": "more.yaml" });
    let refused = order(&world, "add_steps", &wrong).unwrap_err();
    assert_eq!((&refused["status"], &refused["code"]), (&json!(422), &json!("GS4022")));
    assert_eq!(refused["diagnostics"][0]["code"], "GS0132", "{refused}");
    let body = json!({ "instance": "job/a", "text": MORE, "reason": "INC-7", "dry_run": true });
    let told = order(&world, "add_steps", &body).unwrap();
    assert_eq!(told["steps"], json!(["third", "last"]), "{told}");
    let versions = || {
        let listed = request(&world, "gearshift.query.definitions", &json!({})).unwrap();
        listed["items"].as_array().unwrap().len()
    };
    assert_eq!(versions(), 1, "only told");
    let body = json!({ "instance": "job/a", "text": MORE, "reason": "INC-7" });
    let told = order(&world, "add_steps", &body).unwrap();
    let version = u32::try_from(told["to"].as_u64().unwrap()).unwrap();
    assert!(version >= DERIVED_MIN, "{told}");
    let listed = request(&world, "gearshift.query.definitions", &json!({})).unwrap();
    let newest: Vec<_> = listed["items"].as_array().unwrap().iter().collect();
    assert_eq!((&newest[0]["newest"], &newest[1]["newest"]), (&json!(true), &json!(false)));
    assert_eq!(newest[1]["derived_from"], 1, "{listed}");
    let history = request(&world, "gearshift.query.history", &json!({ "id": "a" })).unwrap();
    let lines = history["items"].as_array().unwrap();
    assert_eq!(lines[0]["input"], "start", "the history goes on: {history}");
    let line = lines.iter().find(|line| line["input"] == "command steps add");
    let line = line.unwrap_or_else(|| panic!("{history}"));
    assert_eq!(line["by"], "ann");
    assert!(line["note"].to_string().contains("INC-7; step `third` is new"), "{line}");
    plugin.forget();
    world.restart();
    world.run(eventually("the call is asked again", || (plugin.held() == 1).then_some(())));
    // A new instance runs what the author wrote.
    order(&world, "start", &json!({ "workflow": "job", "key": "b" })).unwrap();
    let other = until(&world, "job/b", "it is there", |seen| seen["status"] == "running");
    assert_eq!(other["version"], 1, "{other}");
    world.run(plugin.release());
    let done = until(&world, "job/a", "it ends", |seen| seen["status"] == "done");
    assert_eq!(done["version"], version, "{done}");
    let steps = done["steps"].as_array().unwrap().iter();
    let steps: Vec<_> = steps.map(|step| (&step["id"], &step["status"])).collect();
    let completed = json!("completed");
    let ids = ["first", "second", "third", "last"].map(|id| json!(id));
    assert!(steps.iter().all(|(_, status)| **status == completed), "{done}");
    assert!(steps.iter().map(|(id, _)| *id).eq(ids.iter()), "{done}");
    let refused = order(&world, "add_steps", &body).unwrap_err();
    assert_eq!((&refused["status"], &refused["code"]), (&json!(409), &json!("GS4018")));
}

#[test]
fn further_steps_run_in_an_instance_over_a_crash() {
    further_steps(World::embedded());
}

#[test]
fn further_steps_run_in_an_instance_over_a_crash_on_a_real_server() {
    on_nats(further_steps);
}

#[test]
fn a_derived_version_goes_when_nobody_ran_it_at_two_looks() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut world = World::embedded().serving(&plugin);
    world.start();
    world.deploy(JOB);
    order(&world, "start", &json!({ "workflow": "job", "key": "a" })).unwrap();
    let body = json!({ "instance": "job/a", "text": MORE });
    let told = order(&world, "add_steps", &body).unwrap();
    let version = u32::try_from(told["to"].as_u64().unwrap()).unwrap();
    let handle = world.handle();
    let look = |known: &BTreeSet<_>| world.run(handle.remove_unused(known)).unwrap();
    let used = BTreeSet::from([("job".into(), version)]);
    assert!(look(&used).is_empty(), "somebody runs it");
    assert!(handle.definitions().registry().get("job", version).is_some());
    // Its instance goes on under a version of the author's.
    world.deploy(&JOB.replace("version: 1", "version: 2"));
    order(&world, "migrate", &json!({ "instance": "job/a", "version": 2 })).unwrap();
    let unused = look(&BTreeSet::new());
    assert_eq!(unused, used);
    assert!(handle.definitions().registry().get("job", version).is_some(), "it is looked twice");
    assert!(look(&unused).is_empty());
    assert!(handle.definitions().registry().get("job", version).is_none());
    assert!(handle.definitions().registry().get("job", 1).is_some(), "an author's stays");
}
