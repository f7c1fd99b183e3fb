//! `plugin check`: answers that engines refuse, samples from a file, and what is left behind.

use std::collections::BTreeMap;
use std::time::Duration;

use gearshift_bus::{Bus, EndpointInfo, Message, Registration, ServiceInfo, Subject};
use gearshift_plugins_sdk::{Failure, OperationOptions, Plugin};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::conformance::{connect, told};
use crate::nats::serve;
use crate::server::{Server, runtime};
use crate::support::{Place, until};

const LONG: Duration = Duration::from_secs(30);

/// Publishes these bodies as results of each call that lets results come later, and gives the first
/// to each other one.
async fn answers(bus: &Bus, bodies: &'static [&'static str]) -> (Registration, JoinSet<()>) {
    let told = [("gearshift.heartbeat", "1s"), ("gearshift.timeout", "2s")];
    let info = ServiceInfo {
        name: "later".to_owned(),
        id: "one".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: [("gearshift.plugin".to_owned(), "1".to_owned())].into(),
        endpoints: vec![EndpointInfo {
            name: "scan".to_owned(),
            subject: "gearshift.plugin.later.v1.scan".to_owned(),
            metadata: told.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }],
    };
    let (registration, mut servers) = bus.requests().offer(info, "q").await.unwrap();
    let (mut calls, bus) = (servers.remove(0), bus.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(request) = calls.next().await {
            let asked = request.message.clone();
            let content = asked.headers.get("Content-Type").unwrap_or_default();
            let is_good = (content.ends_with("json") && asked.payload.ends_with(b"}"))
                || (content.ends_with("msgpack") && !asked.payload.starts_with(&[0xc1]));
            let reply = Message::new(asked.subject.clone(), "");
            let to = asked.headers.get("Gearshift-Result-To");
            let reply = match (is_good, to) {
                (false, _) => reply.with_header("Nats-Service-Error-Code", "400").unwrap(),
                (true, None) => Message::new(asked.subject.clone(), bodies[0]),
                (true, Some(_)) => reply.with_header("Gearshift-Pending", "true").unwrap(),
            };
            request.respond(reply).await.unwrap();
            let Some(to) = to.filter(|_| is_good) else { continue };
            for body in bodies {
                let mut result = Message::new(Subject::parse(to).unwrap(), *body);
                for name in ["Gearshift-Call-Id", "Gearshift-Attempt", "Gearshift-Instance"] {
                    let value = asked.headers.get(name).unwrap();
                    result = result.with_header(name, value).unwrap();
                }
                let result = result.with_header("Nats-Msg-Id", "x").unwrap();
                bus.requests().request(result, LONG).await.unwrap();
            }
        }
    });
    (registration, tasks)
}

fn checked(bodies: &'static [&'static str]) -> Value {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let _held = runtime().block_on(answers(&bus, bodies));
    let line = ["plugin", "check", "later", "--nats", server.url(), "-d", "a=1", "-o", "json"];
    place.gearshift(&line).json()
}

/// The words of the problems of a report.
fn problems(report: &Value) -> Vec<String> {
    let sections = report["sections"].as_array().unwrap().iter();
    let all = sections.flat_map(|one| one["findings"].as_array().unwrap());
    let bad = all.filter(|one| one["level"] == "problem");
    bad.map(|one| format!("{}: {}", one["check"], one["message"].as_str().unwrap())).collect()
}

#[test]
fn g16_an_answer_that_points_nowhere_and_two_results_of_one_attempt_are_problems() {
    let fine = checked(&["{\"pages\":7}", "{\"pages\":7}"]);
    assert_eq!(problems(&fine), Vec::<String>::new(), "{fine}");
    let twice = problems(&checked(&["{\"pages\":7}", "{\"pages\":8}"]));
    let said = "\"result\": one attempt has two results: the first gave `{\"pages\":7}`, another \
                gave `{\"pages\":8}`";
    assert_eq!(twice, [said]);
    let digest = "00".repeat(32);
    let body = format!("{{\"$object\":\"gearshift-bodies/{digest}\"}}");
    let nowhere = problems(&checked(vec![&*body.leak()].leak()));
    let said = "but there is no object store `gearshift-bodies`";
    assert!(nowhere.len() == 1 && nowhere[0].contains(said), "{nowhere:?}");
    let elsewhere = problems(&checked(&["{\"$object\":\"mine/scan-1\"}"]));
    assert!(elsewhere.len() == 1 && elsewhere[0].contains("mine/scan-1"), "{elsewhere:?}");
}

/// What a check asks for is of no instance, and engines know that.
#[test]
fn g16_a_check_of_long_work_leaves_no_dead_letter_behind() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let _engine = serve(&place, server.url(), &[]);
    let options = OperationOptions::new().long(Duration::from_secs(1));
    let scan = |value: Value| async move { Ok::<_, Failure>(json!({ "of": value })) };
    let plugin = Plugin::new("scanner", "1.0.0").operation_with("scan", scan, options);
    let running = runtime().block_on(plugin.serve(&bus)).unwrap();
    let on = |line: &[&str]| place.gearshift(&[line, &["-s", server.url()]].concat());
    let report = on(&["plugin", "check", "scanner", "-d", "a=1", "-o", "json"]).ends(0).json();
    let text = report.to_string();
    assert!(text.contains("it was published, and can be read"), "{text}");
    // What is read behind it is the only letter.
    let other = Message::new(Subject::parse("gearshift.result.nobody").unwrap(), "{}");
    runtime().block_on(bus.publish(other)).unwrap();
    let letters = until(LONG, || {
        let list = on(&["dlq", "ls", "-o", "json"]).ends(0).json();
        (!list.as_array().unwrap().is_empty()).then_some(list)
    });
    assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
    assert!(letters.to_string().contains("`nobody` is no call id"), "{letters}");
    runtime().block_on(running.drain());
}

#[test]
fn g16_samples_of_a_file_are_the_inputs_of_the_operations_that_they_name() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let plain = |value: Value| async move {
        match value["title"].as_str() {
            Some(title) => Ok::<_, Failure>(json!({ "words": title.split(' ').count() })),
            None => Err(Failure::permanent("title is missing")),
        }
    };
    let plugin = Plugin::new("counter", "1.0.0").operation("count", plain);
    let plugin = plugin.operation("weigh", plain).operation("idle", plain);
    let running = runtime().block_on(plugin.serve(&bus)).unwrap();
    let check = |more: &[&str]| {
        let line = ["plugin", "check", "counter", "--nats", server.url()];
        place.gearshift(&[&line[..], more].concat())
    };
    place.write("samples.yaml", "count: { title: a b }\nweigh: { title: c }\n");
    let report = check(&["--samples", "samples.yaml", "-o", "json"]).ends(0).json();
    let called: BTreeMap<_, _> = report["sections"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| {
            let list = one["findings"].as_array()?.iter();
            let call = list.clone().find(|found| found["check"] == "call")?;
            Some((one["operation"].as_str()?, call["message"].as_str()?))
        })
        .collect();
    assert_eq!(called["count"], "the sample gives `{\"words\":2}`");
    assert_eq!(called["weigh"], "the sample gives `{\"words\":1}`");
    assert!(called["idle"].starts_with("not called: give an input"), "{called:?}");
    let only = ["--samples", "samples.yaml", "--operation", "weigh", "-o", "json"];
    let only = check(&only).ends(0).json().to_string();
    assert!(only.contains("\"words\\\":1") && !only.contains("\"words\\\":2"), "{only}");
    place.write("bad.json", "{\"count\": {}}");
    let bad = check(&["--samples", "bad.json", "-o", "json"]).ends(1).json();
    assert!(told(&bad).contains(&"call/problem".to_owned()), "{bad}");
    place.write("other.yaml", "count: { title: a }\nmeasure: {}\n");
    let other = check(&["--samples", "other.yaml"]).ends(2).err;
    assert!(other.contains("a sample for `measure`, which is no operation of it"), "{other}");
    assert!(other.contains("it has: count, idle, weigh"), "{other}");
    place.write("list.yaml", "- 1\n");
    let list = check(&["--samples", "list.yaml"]).ends(2).err;
    assert!(list.contains("`list.yaml` is not a map of operations to inputs"), "{list}");
    let none = check(&["--samples", "none.yaml"]);
    assert!(none.code != 0 && none.err.contains("none.yaml"), "{}", none.err);
    let both = check(&["--samples", "samples.yaml", "-d", "title=a"]).ends(2).err;
    assert!(both.contains("cannot be used with"), "{both}");
    runtime().block_on(running.drain());
}
