//! `plugin check`: a plugin of the SDK keeps the protocol, and each fault of another one is told.

use std::collections::BTreeMap;

use gearshift_bus::{Bus, EndpointInfo, Message, NatsOptions, ServiceInfo};
use gearshift_plugins_sdk::{Failure, JsonSchema, Plugin, schemars};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::server::{Server, runtime};
use crate::support::Place;

#[derive(Deserialize, JsonSchema)]
struct Document {
    title: String,
}

#[derive(Serialize, JsonSchema)]
struct Verdict {
    words: usize,
}

async fn count(document: Document) -> Result<Verdict, Failure> {
    if document.title.is_empty() {
        return Err(Failure::permanent("title is missing"));
    }
    Ok(Verdict { words: document.title.split_whitespace().count() })
}

pub(crate) fn connect(server: &Server) -> Bus {
    runtime().block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap()
}

/// `check/level` of each finding that is no `ok`.
pub(crate) fn told(report: &Value) -> Vec<String> {
    let sections = report["sections"].as_array().unwrap();
    let findings = sections.iter().flat_map(|one| one["findings"].as_array().unwrap());
    findings
        .filter(|one| one["level"] != "ok")
        .map(|one| format!("{}/{}", one["check"].as_str().unwrap(), one["level"].as_str().unwrap()))
        .collect()
}

#[test]
fn g16_a_plugin_of_the_sdk_passes_every_check() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let plugin = Plugin::new("counter", "1.2.0").operation("count", count);
    let running = runtime().block_on(plugin.serve(&bus)).unwrap();
    let line = ["plugin", "check", "counter", "--nats", server.url()];
    let json = [&line[..], &["-d", "title=a b", "-o", "json"]].concat();
    let report = place.gearshift(&json).ends(0).json();
    assert_eq!(told(&report), Vec::<String>::new(), "{report}");
    let unseen = place.gearshift(&line).ends(0);
    assert!(unseen.out.contains("not called: give an input"), "{}", unseen.out);
    let failing = [&line[..], &["-d", "title="]].concat();
    let failing = place.gearshift(&failing).ends(1);
    assert!(failing.out.contains("title is missing (422, permanent)"), "{}", failing.out);
    let other = [&line[..], &["--operation", "weigh"]].concat();
    assert!(place.gearshift(&other).ends(3).err.contains("it has: count"));
    runtime().block_on(running.drain());
    let gone = place.gearshift(&line).ends(3);
    assert!(gone.err.contains("no plugin `counter` runs"), "{}", gone.err);
}

#[test]
fn p5_a_plugin_that_takes_anything_is_told_each_fault() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let schema = r#"{"type": "object", "required": ["words"]}"#;
    let metadata = [("gearshift.output", schema), ("gearshift.timeout", "1s")];
    let info = ServiceInfo {
        name: "careless".to_owned(),
        id: "one".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::new(),
        endpoints: vec![EndpointInfo {
            name: "count".to_owned(),
            subject: "gearshift.plugin.careless.v1.count".to_owned(),
            metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }],
    };
    let (registration, mut servers) = runtime().block_on(bus.requests().offer(info, "q")).unwrap();
    let mut calls = servers.remove(0);
    // It answers everything alike, and each time otherwise.
    let task = runtime().spawn(async move {
        let mut number = 0;
        while let Some(request) = calls.next().await {
            number += 1;
            let reply =
                Message::new(request.message.subject.clone(), format!("{{\"n\": {number}}}"));
            request.respond(reply).await.unwrap();
        }
    });
    let line = ["plugin", "check", "careless", "--nats", server.url(), "-d", "a=1", "-o", "json"];
    let report = place.gearshift(&line).ends(1).json();
    let expected = [
        "protocol/problem",
        "input/warning",
        "malformed/problem",
        "msgpack/problem",
        "encoding/warning",
        "output/problem",
        "repeat/problem",
    ];
    assert_eq!(told(&report), expected, "{report}");
    drop(registration);
    task.abort();
}

/// A plugin that promises a result, whoever asks and whatever for.
#[test]
fn g16_a_promise_that_nobody_can_keep_is_one_fault() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let metadata = [("gearshift.heartbeat", "1s"), ("gearshift.timeout", "1s")];
    let info = ServiceInfo {
        name: "later".to_owned(),
        id: "one".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: [("gearshift.plugin".to_owned(), "1".to_owned())].into(),
        endpoints: vec![EndpointInfo {
            name: "scan".to_owned(),
            subject: "gearshift.plugin.later.v1.scan".to_owned(),
            metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }],
    };
    let (registration, mut servers) = runtime().block_on(bus.requests().offer(info, "q")).unwrap();
    let mut calls = servers.remove(0);
    let task = runtime().spawn(async move {
        while let Some(request) = calls.next().await {
            let reply = Message::new(request.message.subject.clone(), "");
            let nonsense = request.message.headers.get("Gearshift-Result-To").is_none()
                && !request.message.payload.starts_with(b"{\"a\":");
            let reply = if nonsense {
                reply.with_header("Nats-Service-Error-Code", "400").unwrap()
            } else {
                reply.with_header("Gearshift-Pending", "true").unwrap()
            };
            request.respond(reply).await.unwrap();
        }
    });
    let line = ["plugin", "check", "later", "--nats", server.url(), "-d", "a=1", "-o", "json"];
    let report = place.gearshift(&line).ends(1).json();
    let told = told(&report);
    let expected = ["input/warning", "output/warning", "call/problem", "long work/skipped"];
    assert_eq!(told, expected, "{report}");
    drop(registration);
    task.abort();
}

/// Each major version is tried, or those that are asked for, also behind an interface.
#[test]
fn g16_every_major_version_is_checked() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let serve = |version: &str| {
        let plugin = Plugin::new("counter", version).implements("counts").operation("count", count);
        runtime().block_on(plugin.serve(&bus)).unwrap()
    };
    let running = ["1.4.0", "2.0.0"].map(serve);
    let check = |name: &str, more: &[&str]| {
        let line = ["plugin", "check", name, "--nats", server.url(), "-d", "title=a b"];
        place.gearshift(&[&line[..], more].concat())
    };
    let sections = |name: &str| {
        let report = check(name, &["-o", "json"]).ends(0).json();
        let list = report["sections"].as_array().unwrap().iter();
        let of = list.filter(|one| one["operation"] == "count");
        of.map(|one| one["major"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(sections("counter"), [1, 2]);
    assert_eq!(sections("counts"), [1, 2]);
    assert_eq!(sections("counter@^2"), [2]);
    assert_eq!(sections("counter@^1.4.count"), [1]);
    let shown = check("counter.count", &[]).ends(0).out;
    assert!(shown.contains("\ncounter.count v1\n") && shown.contains("\ncounter v2\n"), "{shown}");
    let newer = check("counter@^3", &[]).ends(3).err;
    assert!(newer.contains("`counter` runs as 1.4.0, 2.0.0, but `^3` is needed"), "{newer}");
    assert!(check("counter.weigh", &[]).ends(3).err.contains("it has: count"));
    let two = check("counter.count", &["--operation", "weigh"]).ends(2).err;
    assert!(two.contains("name one of them"), "{two}");
    check("no name", &[]).ends(2);
    for one in running {
        runtime().block_on(one.drain());
    }
}

/// One of another protocol version is a problem, and nothing is sent to it.
#[test]
fn p10_a_plugin_of_another_protocol_is_not_called() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = connect(&server);
    let info = ServiceInfo {
        name: "bank".to_owned(),
        id: "one".to_owned(),
        version: "1.4.0".to_owned(),
        metadata: [("gearshift.plugin".to_owned(), "99".to_owned())].into(),
        endpoints: vec![EndpointInfo {
            name: "pay".to_owned(),
            subject: "gearshift.plugin.bank.v1.pay".to_owned(),
            metadata: BTreeMap::new(),
        }],
    };
    let (registration, mut servers) = runtime().block_on(bus.requests().offer(info, "q")).unwrap();
    let line = ["plugin", "check", "bank", "--nats", server.url(), "-d", "amount=1", "-o", "json"];
    let report = place.gearshift(&line).ends(1).json();
    assert_eq!(told(&report), ["protocol/problem", "call/skipped"], "{report}");
    let mut calls = servers.remove(0);
    drop(registration);
    let asked = runtime().block_on(async {
        tokio::time::timeout(std::time::Duration::from_millis(1), calls.next()).await
    });
    assert!(!matches!(asked, Ok(Some(_))), "it was asked for nothing");
}
