//! Plugins at the command line: `plugin ls|show|call|reset`, `check --live`, `deploy`.

use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::{Bus, EndpointInfo, Message, NatsOptions, Offer, ServiceInfo, Subject};
use gearshift_plugins_sdk::{Failure, Plugin};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::nats::serve;
use crate::server::{Server, runtime};
use crate::support::{Place, until};

const CALLS: &str = "\
workflow: calls
states:
  asking:
    entry:
      - { call: validator@^9.validate_document }
      - { call: validator.validate_document, with: { documentId: 7 } }
    done: asked
  asked: { final: true }
";

#[test]
fn plugins_are_listed_shown_and_called_embedded_and_over_nats() {
    for nats in [&[][..], &["--nats", "--nats-port", "0"][..]] {
        let place = Place::new();
        place.copy_example("document-approval");
        let dev = place.dev(&[&["document-approval"][..], nats].concat());
        let list = place.gearshift(&["plugin", "ls", "-o", "json"]).ends(0).json();
        let names: Vec<_> = list.as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert!(names.iter().any(|name| *name == "validator"), "{list}");
        let table = place.gearshift(&["plugin", "ls", "validator"]).ends(0).out;
        assert!(table.starts_with("PLUGIN ") && table.contains("1.2.0"), "{table}");
        let shown = place.gearshift(&["plugin", "show", "validator"]).ends(0).out;
        assert!(shown.contains("input  { documentId: string, title: string }"), "{shown}");
        let nobody = place.gearshift(&["plugin", "show", "vlidator"]).ends(3);
        assert!(nobody.err.contains("did you mean `validator`?"), "{}", nobody.err);

        let call = ["plugin", "call", "validator", "validate_document", "-d", "documentId=doc-43"];
        let done = place.gearshift(&[&call[..], &["-d", "title=Budget", "-o", "json"]].concat());
        assert_eq!(done.ends(0).json()["output"]["valid"], true);
        let refused = place.gearshift(&call).ends(1).out;
        assert!(refused.starts_with("permanent 400"), "{refused}");
        let nobody = place.gearshift(&["plugin", "call", "validatr", "works"]).ends(3).err;
        assert!(
            nobody.contains("error[GS4040]: no plugin `validatr` is running; there is `validator`"),
            "{nobody}"
        );
        let other = place.gearshift(&["plugin", "call", "validator", "validate"]).ends(3).err;
        let said =
            "plugin `validator` 1.2.0 has no operation `validate`; it has `validate_document`";
        assert!(other.contains(said), "{other}");
        let newer = place.gearshift(&["plugin", "call", "validator@^9", "validate"]).ends(3).err;
        assert!(newer.contains("runs as 1.2.0, but `^9` is needed"), "{newer}");
        place.gearshift(&["plugin", "reset", "validator"]).ends(0);
        place.gearshift(&["plugin", "reset", "validator.validate_document"]).ends(0);
        place.gearshift(&["plugin", "reset", "no name"]).ends(2);
        let nobody = place.gearshift(&["plugin", "reset", "vlidator"]).ends(3);
        assert!(nobody.err.contains("did you mean `validator`?"), "{}", nobody.err);
        let other = place.gearshift(&["plugin", "reset", "validator.nope"]).ends(3).err;
        assert!(other.contains("has no operation `nope`"), "{other}");
        assert!(other.contains("it has: validate_document"), "{other}");
        let nobody = place.gearshift(&["plugin", "ls", "zebra"]).ends(3).err;
        assert!(nobody.contains("no plugin `zebra` is running"), "{nobody}");
        assert!(nobody.contains("these run: ") && nobody.contains("validator"), "{nobody}");
        let newer = place.gearshift(&["plugin", "show", "validator@^9"]).ends(3).err;
        assert!(newer.contains("runs as 1.2.0, but `^9` is needed"), "{newer}");
        let pasted = ["plugin", "show", "validator.validate_document"];
        let pasted = place.gearshift(&pasted).ends(2).err;
        assert!(pasted.contains("name the plugin alone: `validator`"), "{pasted}");
        drop(dev);
    }
}

#[test]
fn without_an_engine_plugins_tell_of_themselves_over_nats_and_nobody_does_embedded() {
    let place = Place::new();
    let server = Server::start("");
    let bus = runtime().block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let told = |load: &str| [("gearshift.concurrency".to_owned(), load.to_owned())];
    let info = ServiceInfo {
        name: "bank".to_owned(),
        id: String::new(),
        version: "1.4.0".to_owned(),
        metadata: told("8").into(),
        endpoints: vec![EndpointInfo {
            name: "pay".to_owned(),
            subject: "gearshift.plugin.bank.v1.pay".to_owned(),
            metadata: [("gearshift.input".to_owned(), "{\"type\":\"integer\"}".to_owned())].into(),
        }],
    };
    let _offered = runtime().block_on(bus.requests().offer(info, "q")).unwrap();
    let on = |line: &[&str]| place.gearshift(&[line, &["-s", server.url()]].concat());
    let list = on(&["plugin", "ls"]).ends(0);
    assert!(list.err.contains("no engine answers") && list.err.contains("unknown"), "{}", list.err);
    let row = list.out.lines().nth(1).unwrap();
    assert!(row.starts_with("bank    1.4.0") && row.ends_with("unknown"), "{row}");
    let shown = on(&["plugin", "show", "bank"]).ends(0);
    assert!(shown.out.contains("input  integer"), "{}", shown.out);
    let absent = on(&["plugin", "show", "bnk"]).ends(3).err;
    assert!(absent.contains("did you mean `bank`?"), "{absent}");
    on(&["plugin", "call", "bank", "pay"]).ends(6);
    let inside = Place::new();
    inside.copy_example("document-approval");
    let _dev = inside.dev(&["document-approval"]);
    let check = inside.gearshift(&["plugin", "check", "validator"]).ends(6).err;
    assert!(check.contains("is inside its process"), "{check}");
    assert!(check.contains("start it by `gearshift dev --nats`"), "{check}");
    let nobody = place.gearshift(&["plugin", "ls", "-s", "http://127.0.0.1:9"]).ends(6);
    assert!(nobody.err.contains("start an engine with"), "{}", nobody.err);
}

#[test]
fn a_definition_is_compared_with_the_plugins_that_run() {
    let place = Place::new();
    place.copy_example("document-approval");
    place.write("calls.workflow.yaml", CALLS);
    let _dev = place.dev(&["document-approval"]);
    let check = ["check", "calls.workflow.yaml", "-o", "json"];
    assert_eq!(place.gearshift(&check).ends(0).json()["warnings"], 0);
    let told = place.gearshift(&[&check[..], &["--live"]].concat()).ends(0).json();
    let codes: Vec<_> =
        told["diagnostics"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["GS0226", "GS0227", "GS0227"], "{told}");
    let message = told["diagnostics"][0]["message"].as_str().unwrap();
    assert_eq!(message, "plugin `validator` runs as 1.2.0, but `^9` is needed");
    place.gearshift(&["check", "calls.workflow.yaml", "--live", "--deny-warnings"]).ends(1);
    let deployed = place.gearshift(&["deploy", "calls.workflow.yaml"]).ends(0);
    assert!(deployed.err.contains("GS0226") && deployed.err.contains("GS0227"), "{}", deployed.err);
}

/// What they are given and give, whatever it is, with an engine between.
#[test]
fn plugins_are_called_with_any_json_and_large_answers_are_shown() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = runtime().block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let plugin = Plugin::new("calculator", "1.2.0")
        .implements("adder")
        .operation(
            "sum",
            |list: Vec<u64>| async move { Ok::<_, Failure>(list.iter().sum::<u64>()) },
        )
        .operation("repeat", |many: usize| async move { Ok::<_, Failure>("x".repeat(many)) });
    let running = runtime().block_on(plugin.serve(&bus)).unwrap();
    let _engine = serve(&place, server.url(), &[]);
    let on = |line: &[&str]| place.gearshift(&[line, &["-s", server.url()]].concat());
    let sum = ["plugin", "call", "calculator", "sum", "--data", "[1, 2, 39]"];
    assert_eq!(on(&sum).ends(0).out.trim(), "42");
    let repeat = |many: &str| on(&["plugin", "call", "calculator", "repeat", "--data", many]);
    let large = repeat("200000").ends(0).out;
    assert_eq!(large.trim(), format!("\"{}\"", "x".repeat(200_000)));
    let too_large = repeat("2000000").ends(2).err;
    assert!(too_large.contains("the call succeeded, but its output of 2000"), "{too_large}");

    // Who provides an interface, and what the engine has seen: calls by hand are not among that.
    let shown = on(&["plugin", "show", "adder"]).ends(0).out;
    assert!(shown.starts_with("interface adder is provided by\n  calculator 1.2.0  1 "), "{shown}");
    let list = on(&["plugin", "ls", "adder@^1"]).ends(0).out;
    let row: Vec<_> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[5], row.len()), ("calculator", "0", 9), "{list}");
    assert!(list.ends_with("\ninterface adder: calculator 1.2.0\n"), "{list}");
    // The same mistake is the same exit, by hand and in a check.
    for line in [
        &["plugin", "call", "calculator", "nope"][..],
        &["plugin", "check", "calculator.nope"],
        &["plugin", "check", "calculator", "--operation", "nope"],
        &["plugin", "reset", "calculator.nope"],
    ] {
        let done = on(line).ends(3);
        let said = [done.out, done.err].concat();
        assert!(said.contains("has no operation `nope`"), "{line:?}: {said}");
    }
    let newer = on(&["plugin", "show", "adder@^2"]).ends(3).err;
    let said = "plugin `calculator`, which implements `adder`, runs as 1.2.0, but `^2` is needed";
    assert!(newer.contains(said), "{newer}");
    let reset = on(&["plugin", "reset", "adder"]).ends(3).err;
    assert!(reset.contains("name one of: calculator"), "{reset}");
    runtime().block_on(running.drain());
    let none = on(&["plugin", "ls", "-o", "json"]).ends(0);
    assert_eq!(none.json(), serde_json::json!([]));
    assert!(none.err.contains("no plugin is running; start one"), "{}", none.err);
}

#[test]
fn k2_what_a_pause_holds_back_is_counted_also_after_a_restart() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = runtime().block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let plugin = Plugin::new("bank", "1.4.0")
        .operation("pay", |_: Value| async move { Ok::<_, Failure>(true) });
    let running = runtime().block_on(plugin.serve(&bus)).unwrap();
    place.write(
        "pays.workflow.yaml",
        "workflow: pays\nstates:\n  paying: { entry: { call: bank.pay, with: {} }, done: paid }\n  \
         paid: { final: true }\n",
    );
    let on = |line: &[&str]| place.gearshift(&[line, &["-s", server.url()]].concat());
    let one_waits = || {
        until(Duration::from_secs(30), || {
            let list = on(&["plugin", "ls", "-o", "json"]).ends(0).json();
            (list[0]["operations"][0]["waiting"] == 1).then_some(())
        });
    };
    let engine = serve(&place, server.url(), &["pays.workflow.yaml"]);
    on(&["pause", "--plugin", "bank"]).ends(0);
    on(&["start", "pays", "--key", "a"]).ends(0);
    one_waits();
    drop(engine);
    // Nobody was asked since, and yet it is known where it would be.
    let _engine = serve(&place, server.url(), &[]);
    one_waits();
    on(&["resume", "--plugin", "bank"]).ends(0);
    until(Duration::from_secs(30), || {
        on(&["show", "a"]).ends(0).out.contains("done").then_some(())
    });
    runtime().block_on(running.drain());
}

/// Two builds that say that they are of one version, and take different inputs.
#[test]
fn instances_of_one_version_that_publish_different_schemas_are_named() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = runtime().block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let offer = |id: &str, schema: &str| {
        let info = ServiceInfo {
            name: "bank".to_owned(),
            id: id.to_owned(),
            version: "1.4.0".to_owned(),
            metadata: [("gearshift.plugin".to_owned(), "1".to_owned())].into(),
            endpoints: vec![EndpointInfo {
                name: "pay".to_owned(),
                subject: "gearshift.plugin.bank.v1.pay".to_owned(),
                metadata: [("gearshift.input".to_owned(), schema.to_owned())].into(),
            }],
        };
        let offer = Offer::new("q").keep_id();
        runtime().block_on(bus.requests().offer_as(info, offer)).unwrap()
    };
    let _engine = serve(&place, server.url(), &[]);
    let on = |line: &[&str]| place.gearshift(&[line, &["-s", server.url()]].concat());
    let _alike = [offer("one", "{\"type\":\"object\"}"), offer("two", "{ \"type\": \"object\" }")];
    assert_eq!(on(&["plugin", "ls"]).ends(0).err, "");
    let _other = offer("young", "{\"type\":\"integer\"}");
    let said = "instance `young` of plugin `bank` 1.4.0 publishes another schema of `pay`";
    let list = on(&["plugin", "ls", "-o", "json"]).ends(0);
    assert!(list.err.starts_with(&format!("warning: {said}")), "{}", list.err);
    assert_eq!(list.json()[0]["operations"][0]["differing"], serde_json::json!(["young"]));
    let shown = on(&["plugin", "show", "bank"]).ends(0).out;
    assert!(shown.contains(&format!("    warning: {said}")), "{shown}");
    let checked = on(&["plugin", "check", "bank", "--timeout", "1s"]).out;
    let found = "`pay` of version 1.4.0 has another schema at `young` than at `one`";
    assert!(checked.contains(found), "{checked}");
    place.write(
        "pays.workflow.yaml",
        "workflow: pays\nstates:\n  paying: { entry: { call: bank.pay }, done: paid, failed: paid }\n  \
         paid: { final: true }\n",
    );
    let live = on(&["check", "--live", "pays.workflow.yaml"]).ends(0).out;
    assert!(live.contains("GS0232") && live.contains(said), "{live}");
    let deployed = on(&["deploy", "pays.workflow.yaml"]).ends(0).err;
    assert!(deployed.contains("GS0232") && deployed.contains(said), "{deployed}");
}

/// One of another protocol version is shown as such, and serves nothing.
#[test]
fn p10_a_plugin_of_another_protocol_is_told_by_ls_show_and_deploy() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = runtime().block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let info = ServiceInfo {
        name: "bank".to_owned(),
        id: String::new(),
        version: "1.4.0".to_owned(),
        metadata: [("gearshift.plugin".to_owned(), "99".to_owned())].into(),
        endpoints: vec![EndpointInfo {
            name: "pay".to_owned(),
            subject: "gearshift.plugin.bank.v1.pay".to_owned(),
            metadata: std::collections::BTreeMap::new(),
        }],
    };
    let _offered = runtime().block_on(bus.requests().offer(info, "q")).unwrap();
    let _engine = serve(&place, server.url(), &[]);
    let on = |line: &[&str]| place.gearshift(&[line, &["-s", server.url()]].concat());
    let list = on(&["plugin", "ls"]).ends(0).out;
    assert!(list.contains("1 protocol 99"), "{list}");
    let shown = on(&["plugin", "show", "bank"]).ends(0).out;
    assert!(shown.contains("it is not asked, as `1` is needed"), "{shown}");
    place.write(
        "pays.workflow.yaml",
        "workflow: pays\nstates:\n  paying: { entry: { call: bank.pay }, done: paid, failed: paid }\n  \
         paid: { final: true }\n",
    );
    let said = "plugin `bank` speaks protocol version `99`, but `1` is needed";
    let checked = on(&["check", "--live", "pays.workflow.yaml"]).ends(0).out;
    assert!(checked.contains("GS0226") && checked.contains(said), "{checked}");
    let deployed = on(&["deploy", "pays.workflow.yaml"]).ends(0).err;
    assert!(deployed.contains("GS0226") && deployed.contains(said), "{deployed}");
    on(&["start", "pays", "--key", "p-1"]).ends(0);
    // One line says it, and none that there is no such plugin.
    let why = until(Duration::from_secs(30), || {
        let why = on(&["why", "p-1"]).ends(0).out;
        why.contains("speaks protocol").then_some(why)
    });
    assert_eq!(why.matches("speaks protocol version").count(), 1, "{why}");
    assert!(!why.contains("no plugin"), "{why}");
}

/// Who needs `waiter`, which is there and not ready, hears just that.
fn who_needs_it_hears_how_it_is(bus: &Bus, show: impl Fn(&str) -> String) {
    let hold = |_: Value| async move { Ok::<_, Failure>(true) };
    let needy = Plugin::new("needy", "1.0.0").operation("hold", hold).requires("waiter", "^1");
    let served = bus.clone();
    let needy = runtime().spawn(async move { needy.serve(&served).await });
    let said = "needs waiter ^1: it is initializing, and takes no calls yet";
    assert!((0..2_000).any(|_| show("needy").contains(said)), "{said}");
    needy.abort();
}

/// A plugin that waits for another one, and one that ends, are seen by those who look.
#[test]
fn g2_a_plugin_that_takes_no_calls_is_seen_with_its_state() {
    let (place, server) = (Place::new(), Server::start(""));
    let bus = runtime().block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let shared = (Arc::clone(&entered), Arc::clone(&gate));
    let hold = move |_: Value| {
        let (entered, gate) = shared.clone();
        async move {
            entered.add_permits(1);
            gate.acquire().await?.forget();
            Ok::<_, Failure>(true)
        }
    };
    let plugin = Plugin::new("waiter", "1.2.0").operation("hold", hold).requires("parser", ">=1");
    let served = bus.clone();
    let starting = runtime().spawn(async move { plugin.serve(&served).await.unwrap() });
    let on = |line: &[&str]| place.gearshift(&[line, &["-s", server.url()]].concat());
    // Each look is a process of its own, so that these take half a minute at least.
    let until = |state: &str| {
        let list = || on(&["plugin", "ls", "waiter"]).ends(0).out;
        let is_so = |list: &String| {
            let row = list.lines().nth(1).unwrap_or_default();
            row.split_whitespace().nth(3) == Some(state)
        };
        let seen = (0..2_000).map(|_| list()).find(is_so);
        assert!(seen.is_some(), "{state}: {}", list());
    };
    until("initializing");
    let shown = on(&["plugin", "show", "waiter"]).ends(0).out;
    assert!(shown.contains("needs parser >=1: it does not run"), "{shown}");
    who_needs_it_hears_how_it_is(&bus, |name| on(&["plugin", "show", name]).out);
    let check = on(&["plugin", "check", "waiter"]).ends(3).err;
    assert!(check.contains("it is initializing"), "{check}");
    // A call by hand says that it is there, since when, and what it waits for.
    let engine = serve(&place, server.url(), &[]);
    let called = on(&["plugin", "call", "waiter", "hold"]).ends(3).err;
    let said = "error[GS4040]: plugin `waiter` takes no calls: it is initializing since 20";
    assert!(called.starts_with(said), "{called}");
    assert!(called.contains("it needs parser >=1, which does not run"), "{called}");
    drop(engine);
    let parser = Plugin::new("parser", "1.0.0")
        .operation("parse", |text: String| async move { Ok::<_, Failure>(text) });
    let parser = runtime().block_on(parser.serve(&bus)).unwrap();
    let running = runtime().block_on(starting).unwrap();
    until("active");
    // It hears what the plugin says of itself, and tells that while the plugin drains.
    let engine = serve(&place, server.url(), &[]);
    let asked = Subject::parse("gearshift.plugin.waiter.v1.hold").unwrap();
    let (caller, asked) = (bus.clone(), Message::new(asked, "1"));
    let patience = Duration::from_secs(60);
    let call = runtime().spawn(async move { caller.requests().request(asked, patience).await });
    runtime().block_on(async { entered.acquire().await.unwrap().forget() });
    let draining = runtime().spawn(running.drain());
    until("deactivating");
    let shown = on(&["plugin", "show", "waiter"]).ends(0).out;
    assert!(shown.contains("  deactivating since 20"), "{shown}");
    let has_load =
        |shown: &String| shown.contains("  deactivating since 20") && shown.contains("  load 1/");
    let shown = (0..2_000).map(|_| on(&["plugin", "show", "waiter"]).ends(0).out).find(has_load);
    assert!(shown.is_some(), "the load that it told last");
    let called = on(&["plugin", "call", "waiter", "hold"]).ends(3).err;
    assert!(called.contains("it is deactivating since 20"), "{called}");
    assert!(called.contains("start another instance of it"), "{called}");
    drop(engine);
    gate.add_permits(1);
    runtime().block_on(call).unwrap().unwrap();
    runtime().block_on(draining).unwrap();
    on(&["plugin", "show", "waiter"]).ends(3);
    runtime().block_on(parser.drain());
}
