//! Mocks beside real plugins on a NATS server: they answer the calls of their engine, and no others
//! (decision 0052).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions};
use gearshift_plugins_sdk::{Failure, Plugin, Running};
use serde_json::Value;

use crate::server::{Server, runtime};
use crate::support::{Dev, Place, until};

const PAYS: &str = "\
workflow: pays
vars: { paid: null, sent: null }
plugins: { bank: { balance: round_robin } }
states:
  paying:
    entry:
      - { call: bank@^1.pay, set: { paid: output } }
      - { call: post.send, cache: { key: '${ 1 }', ttl: 1h }, set: { sent: output } }
    done: paid
  paid: { final: true, output: { paid: '${ vars.paid }', sent: '${ vars.sent }' } }
";

/// A plugin on the server with this operation, and how often it did its work.
fn plugin(
    server: &Server,
    name: &str,
    version: &str,
    operation: &str,
) -> (Running, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let work = move |_: Value| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Failure>("really") }
    };
    let plugin = Plugin::new(name, version).operation(operation, work);
    let running = runtime().block_on(async {
        let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
        plugin.serve(&bus).await.unwrap()
    });
    (running, count)
}

fn dev(place: &Place, server: &Server) -> Dev {
    place.dev(&["flows", &format!("--nats={}", server.url())])
}

fn paid(place: &Place, key: &str) -> (Value, Value) {
    let line = ["start", "pays", "--key", key, "--wait", "-o", "json"];
    let told = place.gearshift(&line).ends(0).json();
    (told["output"]["paid"].clone(), told["output"]["sent"].clone())
}

#[test]
fn decision_52_a_mock_holds_whatever_plugin_of_its_name_runs_and_only_for_its_engine() {
    let server = Server::start("");
    let (mocking, other) = (Place::new(), Place::new());
    // One runs before the engine starts, in two versions, and two after that.
    let (_old, before) = plugin(&server, "bank", "1.4.0", "pay");
    let (_newer, newer) = plugin(&server, "bank", "2.0.0", "pay");
    mocking.write("flows/pays.workflow.yaml", PAYS);
    mocking.write("flows/mocks.yaml", "bank.pay: mocked\npost.send: mocked\n");
    let engine = dev(&mocking, &server);
    let warning = engine.about["warnings"].to_string();
    assert!(warning.contains("mocks answer the calls of this engine only"), "{warning}");
    let mocked = (Value::from("mocked"), Value::from("mocked"));
    assert_eq!(paid(&mocking, "a"), mocked);
    let (_again, again) = plugin(&server, "bank", "1.5.0", "pay");
    let (_post, posted) = plugin(&server, "post", "1.0.0", "send");
    for key in ["b", "c", "d", "e"] {
        assert_eq!(paid(&mocking, key), mocked);
    }
    let call = ["plugin", "call", "bank", "pay", "-o", "json"];
    let told = mocking.gearshift(&call).ends(0);
    assert_eq!((&told.json()["output"], &told.json()["mocked"]), (&"mocked".into(), &true.into()));
    assert!(told.err.contains("a mock of this engine answered"), "{}", told.err);
    for count in [&before, &newer, &again, &posted] {
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
    let list = mocking.gearshift(&["plugin", "ls"]).ends(0).out;
    assert!(list.contains("mocked for calls of this engine: bank.pay, post.send"), "{list}");
    let shown = mocking.gearshift(&["plugin", "show", "bank@^1"]).ends(0).out;
    assert!(shown.contains("mocked for calls of this engine"), "{shown}");
    drop(engine);

    // The same definition without mocks: what runs is asked, and what mocks gave is kept nowhere.
    other.write("flows/pays.workflow.yaml", PAYS);
    let engine = dev(&other, &server);
    assert!(!engine.about["warnings"].to_string().contains("mocks"), "{}", engine.about);
    assert_eq!(paid(&other, "f"), (Value::from("really"), Value::from("really")));
    assert_eq!(before.load(Ordering::Relaxed) + again.load(Ordering::Relaxed), 1);
    assert_eq!((newer.load(Ordering::Relaxed), posted.load(Ordering::Relaxed)), (0, 1));
    let list = other.gearshift(&["plugin", "ls"]).ends(0).out;
    assert!(!list.contains("mocked"), "{list}");
}

#[test]
fn decision_52_two_engines_of_one_bus_each_have_their_own_answer() {
    let server = Server::start("");
    let (mocking, other) = (Place::new(), Place::new());
    let (_bank, count) = plugin(&server, "bank", "1.4.0", "pay");
    mocking.write("flows/mocks.yaml", "bank.pay: mocked\nghost.walk: boo\n");
    mocking.write("flows/pays.workflow.yaml", PAYS);
    other.write("flows/pays.workflow.yaml", PAYS);
    let (_first, _second) = (dev(&mocking, &server), dev(&other, &server));
    // By the door of each, which is its own.
    let call = |place: &Place, name: &str, operation: &str, code| {
        let line = ["plugin", "call", name, operation, "-o", "json"];
        place.gearshift(&line).ends(code).json()["output"].clone()
    };
    for _ in 0..3 {
        assert_eq!(call(&mocking, "bank", "pay", 0), "mocked");
        assert_eq!(call(&mocking, "ghost@^3", "walk", 0), "boo");
        assert_eq!(call(&other, "bank", "pay", 0), "really");
        assert_eq!(call(&other, "ghost", "walk", 3), Value::Null);
    }
    assert_eq!(count.load(Ordering::Relaxed), 3);
    let list = mocking.gearshift(&["plugin", "ls"]).ends(0).out;
    let ghost = list.lines().find(|line| line.starts_with("ghost ")).unwrap_or_default();
    assert!(ghost.contains("-") && ghost.contains("mocked"), "{list}");
    let shown = mocking.gearshift(&["plugin", "show", "ghost"]).ends(0).out;
    assert!(shown.contains("no instance: mocks of this engine answer"), "{shown}");
}

#[test]
fn what_is_wrong_with_mocks_is_told_and_what_they_said_goes_on() {
    let place = Place::new();
    place.write("flows/asks.workflow.yaml", "workflow: w\nstates: { a: { final: true } }\n");
    let mut command = place.command(&["dev", "flows", "--listen", "127.0.0.1:0"]);
    command.stderr(std::fs::File::create(place.path("told")).unwrap());
    let mut dev = Dev::spawn(command);
    dev.line_with("loaded   w@1");
    let none = place.gearshift(&["plugin", "ls"]).ends(0).err;
    assert!(none.contains("the bus of this engine is inside its process"), "{none}");
    place.write("flows/mocks.yaml", "oracle.ask: 7\n");
    dev.line_with("mocks.yaml: 1 operation mocked");
    place.write("flows/mocks.yaml", "oracle.ask: [}\n");
    let told = || std::fs::read_to_string(place.path("told")).unwrap();
    let said = "help: what it said before goes on answering";
    until(Duration::from_secs(10), || Some(told()).filter(|it| it.contains(said)));
    assert_eq!(place.gearshift(&["plugin", "call", "oracle", "ask"]).ends(0).out, "7\n");
}

const SHOP: &str = "\
workflow: shop
on_failure: rollback
steps:
  reserve: { call: stock.reserve, undo: stock.release }
  charge: { needs: [reserve], call: bank.charge }
";

#[test]
fn decision_52_no_plugin_takes_back_what_a_mock_did() {
    let server = Server::start("");
    let (_stock, released) = plugin(&server, "stock", "1.0.0", "release");
    let place = Place::new();
    place.write("flows/shop.workflow.yaml", SHOP);
    let charge = "bank.charge: { fail: permanent, code: '402', message: no money }\n";
    place.write("flows/mocks.yaml", &format!("stock.reserve: 1\n{charge}"));
    let _engine = dev(&place, &server);
    place.gearshift(&["start", "shop", "--key", "a"]).ends(0);
    let why = until(Duration::from_secs(30), || {
        let why = place.gearshift(&["why", "shop/a"]).ends(0).out;
        why.contains("mock `stock.release` as well").then_some(why)
    });
    assert!(why.contains("`stock.release` takes back `stock.reserve`"), "{why}");
    place.write("flows/mocks.yaml", &format!("stock.reserve: 1\nstock.release: 2\n{charge}"));
    until(Duration::from_secs(30), || {
        let told = place.gearshift(&["plugin", "ls"]).ends(0);
        (told.out + &told.err).contains("stock.release").then_some(())
    });
    place.gearshift(&["retry", "shop/a"]).ends(0);
    until(Duration::from_secs(30), || {
        let shown = place.gearshift(&["show", "shop/a", "-o", "json"]).ends(0).json();
        (shown["steps"][0]["status"] == "undone").then_some(())
    });
    assert_eq!(released.load(Ordering::Relaxed), 0);
}
