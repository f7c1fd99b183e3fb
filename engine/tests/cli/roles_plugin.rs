//! The shipped login of a plugin on a real server: it finds what it requires, and large bodies go
//! both ways; everything beside that is refused.

use gearshift_bus::Bus;
use gearshift_plugins_sdk::{Failure, Plugin};
use serde_json::{Value, json};

use crate::roles::{LONG, PASSWORD, Plain, accounts, by, login, options};
use crate::server::{Server, runtime};
use crate::support::{Dev, Place, until};

/// One answer of 1 MiB, and one input of 200 kB.
const SCAN: &str = "\
workflow: scan
version: 1
vars: { pages: 0, some: [], bytes: 0 }
initial: reading
states:
  reading:
    entry: { call: validator.read, timeout: 20s, set: { pages: output.pages, some: output.some } }
    done: counting
  counting:
    entry: { call: validator.count, with: { some: \"${ vars.some }\" }, timeout: 20s,
             set: { bytes: output.bytes } }
    done: counted
  counted: { final: true, output: { pages: \"${ vars.pages }\", bytes: \"${ vars.bytes }\" } }
";

async fn read(_: Value) -> Result<Value, Failure> {
    let page = |_| "x".repeat(50_000);
    let some: Vec<_> = (0..4).map(page).collect();
    let all: Vec<_> = (0..21).map(page).collect();
    Ok(json!({ "pages": all.len(), "some": some, "all": all }))
}

async fn count(input: Value) -> Result<Value, Failure> {
    Ok(json!({ "bytes": input.to_string().len() }))
}

/// The shipped file with one more plugin, `parser`.
fn two_plugins(place: &Place) -> String {
    let block = place.gearshift(&["bus", "config", "--role", "plugin", "--name", "parser"]);
    let block = block.ends(0).out.replace("$NATS_PASSWORD_PARSER", &format!("\"{PASSWORD}\""));
    let mark = "# role: operator\n";
    let file = accounts(place);
    assert!(file.contains(mark) && block.contains("user: parser"), "{file}");
    file.replace(mark, &format!("{block}\n{mark}"))
}

fn engine(place: &Place, server: &Server) -> Dev {
    place.write("scan.workflow.yaml", SCAN);
    let mut command = place.command(&["serve", "scan.workflow.yaml", "-o", "json", "--no-wait"]);
    command.env("GEARSHIFT_NATS", server.url());
    login(&mut command, "engine");
    let mut engine = Dev::spawn(command);
    engine.line();
    engine
}

#[test]
fn the_shipped_login_of_a_plugin_finds_what_it_requires_and_takes_and_gives_large_bodies() {
    let place = Place::new();
    let server = Server::start(&two_plugins(&place));
    let _engine = engine(&place, &server);
    let (parser, validator) = runtime().block_on(async {
        let serve = async |user: &str, plugin: Plugin| {
            let bus = Bus::connect(&options(&server, user)).await.unwrap();
            // Where it could not look for others it would wait longer, and be degraded then.
            let serving = plugin.requires_within(2 * LONG).serve(&bus);
            tokio::time::timeout(LONG, serving).await.unwrap().unwrap()
        };
        let parser = Plugin::new("parser", "1.0.0").operation("count", count);
        let parser = serve("parser", parser).await;
        let validator = Plugin::new("validator", "1.0.0").requires("parser", ">=1.0.0");
        let validator = validator.operation("read", read).operation("count", count);
        (parser, serve("validator", validator).await)
    });
    by(&place, &server, "ann", &["start", "scan", "--key", "s-1"]).ends(0);
    let seen = until(LONG, || {
        let seen = by(&place, &server, "ann", &["show", "s-1", "-o", "json"]).ends(0).json();
        (seen["status"] != "running").then_some(seen)
    });
    assert_eq!(seen["status"], "done", "{seen}");
    assert_eq!(seen["output"], json!({ "pages": 21, "bytes": 200_022 }), "{seen}");
    runtime().block_on(async {
        validator.drain().await;
        parser.drain().await;
    });
}

#[test]
fn p12_the_shipped_login_of_a_plugin_is_refused_what_it_does_not_need_for_that() {
    let place = Place::new();
    let server = Server::start(&accounts(&place));
    let _engine = engine(&place, &server);
    runtime().block_on(async {
        let plain = Plain::connect(&server, "validator").await;
        for subject in [
            // Deliveries of a consumer go where its maker wants.
            "$JS.API.CONSUMER.CREATE.OBJ_gearshift-bodies",
            "$JS.API.CONSUMER.CREATE.OBJ_gearshift-bodies.c",
            "$JS.API.CONSUMER.DURABLE.CREATE.OBJ_gearshift-bodies.c",
            "$JS.API.CONSUMER.MSG.NEXT.OBJ_gearshift-bodies.c",
            "$JS.API.STREAM.PURGE.OBJ_gearshift-bodies",
            "$JS.API.STREAM.DELETE.OBJ_gearshift-bodies",
            "$JS.API.STREAM.UPDATE.OBJ_gearshift-bodies",
            "$JS.API.STREAM.MSG.DELETE.OBJ_gearshift-bodies",
            "$JS.API.STREAM.MSG.GET.gearshift-log-journal-0",
            "$JS.API.STREAM.MSG.GET.OBJ_gearshift-snapshots",
            "$JS.API.DIRECT.GET.gearshift-log-journal-0",
            "$JS.API.STREAM.INFO.gearshift-log-journal-0",
            "$JS.API.STREAM.NAMES",
            "$JS.API.INFO",
            "$O.gearshift-snapshots.M.x",
            "gearshift.journal.0",
            "gearshift.command.validator.decide",
            "$SRV.STATS",
            "$SRV.INFO.billing",
        ] {
            plain.may_not_publish(subject).await;
        }
        plain.may_not_subscribe("$O.gearshift-bodies.>").await;
    });
}
