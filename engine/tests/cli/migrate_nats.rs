//! `migrate` and `def rm` on a NATS server, with an engine that is killed between.

use std::time::Duration;

use crate::nats::serve;
use crate::server::Server;
use crate::support::{Done, Place, until};

const FIRST: &str = "\
workflow: order
version: 1
correlate: data.id
events: { order.placed: { start: true }, order.billed: {}, order.closed: {} }
vars: { note: none }
states:
  placed: { on: { order.billed: billed, order.closed: closed }, after: { 24h: closed } }
  billed: { entry: { call: bank.pay }, done: closed }
  closed: { final: true }
";

fn second() -> String {
    FIRST
        .replace("version: 1", "version: 2")
        .replace("  placed:", "  waiting:")
        .replace("vars: { note: none }", "vars: { tries: 3 }")
        .replace("bank.pay", "bank.charge")
}

/// A place, a server, and commands to it.
struct World {
    place: Place,
    server: Server,
}

impl World {
    fn on(&self, arguments: &[&str]) -> Done {
        self.place.gearshift(&[arguments, &["-s", self.server.url()]].concat())
    }

    /// What is shown, as soon as an engine serves it.
    fn show(&self, id: &str) -> serde_json::Value {
        until(Duration::from_secs(30), || {
            let done = self.on(&["show", id, "-o", "json"]);
            (done.code == 0).then(|| done.json())
        })
    }

    /// Versions that are deployed.
    fn versions(&self) -> Vec<u64> {
        let list = self.on(&["def", "ls", "-o", "json"]).ends(0).json();
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["version"].as_u64().unwrap()).collect()
    }
}

#[test]
fn what_was_migrated_or_taken_away_stays_so_over_kill_9() {
    let world = World { place: Place::new(), server: Server::start("") };
    world.place.write("first.workflow.yaml", FIRST);
    world.place.write("second.workflow.yaml", &second());
    let mut engine = serve(&world.place, world.server.url(), &["first.workflow.yaml"]);
    for id in ["o-1", "o-2"] {
        world.on(&["send", "order.placed", "-d", &format!("id={id}")]).ends(0);
    }
    world.on(&["send", "order.billed", "-d", "id=o-2"]).ends(0);
    world.on(&["deploy", "second.workflow.yaml"]).ends(0);
    let due = world.show("o-1")["timers"][0]["due"].clone();

    let refused = world.on(&["migrate", "o-1"]).ends(4);
    assert!(refused.err.contains("state `placed` has no counterpart"), "{}", refused.err);
    let map = ["migrate", "o-1", "--map", "placed=waiting"];
    let dry = world.on(&[&map[..], &["--dry-run"]].concat()).ends(0);
    assert!(dry.out.contains("placed → waiting"), "{}", dry.out);
    assert_eq!(world.show("o-1")["version"], 1);
    world.on(&map).ends(0);
    engine.signal("-KILL");
    engine.wait();

    // Another engine reads it from the journal: it goes on where it was, under the new version.
    let mut engine = serve(&world.place, world.server.url(), &[]);
    let now = world.show("o-1");
    assert_eq!((&now["version"], &now["active"][0]), (&2.into(), &"waiting".into()), "{now}");
    assert_eq!((&now["vars"]["tries"], &now["timers"][0]["due"]), (&3.into(), &due), "{now}");
    let under_way = world.on(&["migrate", "o-2"]).ends(4);
    assert!(under_way.err.contains("call `bank.pay` of `billed`"), "{}", under_way.err);
    let refused = world.on(&["def", "rm", "order@1"]).ends(4);
    assert!(refused.err.contains("1 of its instances live"), "{}", refused.err);

    // `o-2` ends, and is kept: it counts.
    world.on(&["kill", "o-2"]).ends(0);
    let kept = world.on(&["def", "rm", "order@1"]).ends(4);
    assert!(kept.err.contains("1 that ended are kept"), "{}", kept.err);
    world.place.write("third.workflow.yaml", &second().replace("version: 2", "version: 3"));
    world.on(&["deploy", "third.workflow.yaml"]).ends(0);
    world.on(&["migrate", "o-1", "--to", "3"]).ends(0);
    world.on(&["def", "rm", "order@2"]).ends(0);
    engine.signal("-KILL");
    engine.wait();

    let _engine = serve(&world.place, world.server.url(), &[]);
    assert_eq!(world.show("o-1")["version"], 3);
    assert_eq!(world.versions(), [1, 3]);
    world.on(&["send", "order.closed", "-d", "id=o-1"]).ends(0);
    assert_eq!(world.show("o-1")["status"], "done");
}
