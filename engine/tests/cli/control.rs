//! Control of running instances: `pause`, `resume`, `set`, `checkpoint`, `fork`, `timer`,
//! `rollback`, one by one and many at once.

use crate::nats::serve;
use crate::server::Server;
use crate::support::{Dev, Done, Place};

const LIGHT: &str = "\
workflow: light
version: 1
correlate: data.room
events: { light.switched: { start: true } }
vars: { watts: 10 }
initial: off
states:
  off: { on: { light.switched: on_ } }
  on_: { after: { 10m: off }, on: { light.switched: off } }
";

/// A `dev` with two lights that are on.
fn lights() -> (Place, Dev) {
    let place = Place::new();
    place.write("flows/light.workflow.yaml", LIGHT);
    let dev = place.dev(&["flows"]);
    for room in ["hall", "attic"] {
        let room = format!("room={room}");
        place.gearshift(&["send", "light.switched", "-d", &room, "--wait-for", "on_"]).ends(0);
    }
    (place, dev)
}

fn switch(place: &Place, room: &str) -> Done {
    place.gearshift(&["send", "light.switched", "-d", &format!("room={room}")])
}

#[test]
fn k1_what_comes_while_paused_waits_and_is_taken_at_the_resume() {
    let (place, _dev) = lights();
    let pause = ["pause", "hall", "--as", "ann", "--reason", "fuse"];
    assert_eq!(place.gearshift(&pause).ends(0).out, "hall  paused in on_\n");
    let again = place.gearshift(&pause).ends(4);
    assert!(again.err.starts_with("error[GS4018]"), "{}", again.err);
    let kept = switch(&place, "hall").ends(0).out;
    assert!(kept.contains("kept for later"), "{kept}");
    let shown = place.gearshift(&["show", "hall"]).ends(0).out;
    assert!(shown.contains("by ann at ") && shown.contains("parked    light.switched"), "{shown}");
    let why = place.gearshift(&["why", "hall"]).ends(0).out;
    assert!(why.contains("kept for the resume: 1 event") && why.contains("resume hall"), "{why}");
    let list = place.gearshift(&["ls", "--where", "status == 'paused'"]).ends(0).out;
    assert!(list.contains("hall") && !list.contains("attic"), "{list}");
    assert_eq!(place.gearshift(&["resume", "hall"]).ends(0).out, "hall  running in off\n");
    place.gearshift(&["resume", "hall"]).ends(4);
    place.gearshift(&["pause", "nobody"]).ends(3);
}

#[test]
fn k8_many_at_once_with_a_look_first_and_counts() {
    let (place, _dev) = lights();
    let dry = place.gearshift(&["pause", "--definition", "light@1", "--dry-run"]).ends(0).out;
    assert!(dry.ends_with("would pause 2 instances\n"), "{dry}");
    let unsure = place.gearshift(&["pause", "--definition", "light"]).ends(2);
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    let done = place.gearshift(&["pause", "--definition", "light", "--yes"]).ends(0).out;
    assert!(done.ends_with("paused 2 instances\n"), "{done}");
    assert!(done.starts_with("light  new instances begin paused\n"), "{done}");
    let health = place.gearshift(&["health"]).ends(0).out;
    assert!(health.contains("definition `light` is paused by "), "{health}");
    let started = place.gearshift(&["start", "light", "--key", "cellar"]).ends(0).out;
    assert!(started.contains("paused"), "{started}");
    place.gearshift(&["kill", "cellar"]).ends(0);
    let other = place.gearshift(&["resume", "--definition", "light@2", "--dry-run"]).ends(0).out;
    assert_eq!(other, "would resume 0 instances\n");
    place.gearshift(&["resume", "hall"]).ends(0);
    let partly = place.gearshift(&["resume", "--where", "workflow == 'light'", "--yes"]).ends(8);
    assert!(partly.out.ends_with("resumed 1 instance, 1 could not be\n"), "{}", partly.out);
    let set = ["set", "--where", "vars.watts == 10", "watts=40", "--yes", "--reason", "INC-1"];
    let done = place.gearshift(&set).ends(0).out;
    assert!(done.ends_with("set variables of 2 instances\n"), "{done}");
    let none = ["rollback", "--where", "workflow == 'light'", "--yes"];
    let none = place.gearshift(&none).ends(4);
    assert!(none.err.contains("nothing was done that can be taken back"), "{}", none.err);
    place.gearshift(&["pause"]).ends(2);
}

#[test]
fn k6_i2_k7_variables_checkpoints_and_forks() {
    let (place, _dev) = lights();
    let save = place.gearshift(&["checkpoint", "hall", "bright"]).ends(0).out;
    assert_eq!(save, "hall  checkpoint `bright` saved in on_\n");
    let set = ["set", "hall", "watts=60", "--as", "ann", "--reason", "dim"];
    assert_eq!(place.gearshift(&set).ends(0).out, "hall  running in on_\n");
    let history = place.gearshift(&["history", "hall"]).ends(0).out;
    assert!(history.contains("[dim; watts: 10 → 60]"), "{history}");
    let wrong = place.gearshift(&["set", "hall", "volts=1"]).ends(4);
    assert!(
        wrong.err.starts_with("error[GS4020]") && wrong.err.contains("`watts`"),
        "{}",
        wrong.err
    );
    place.gearshift(&["set", "hall"]).ends(2);
    switch(&place, "hall").ends(0);
    let fork = ["fork", "hall", "--from", "bright", "--key", "cellar"];
    let forked = place.gearshift(&fork).ends(0).out;
    assert_eq!(forked, "cellar  forked from light/hall at bright: on_\n");
    let shown = place.gearshift(&["show", "cellar", "-o", "json"]).ends(0).json();
    assert_eq!((&shown["vars"]["watts"], &shown["active"][0]), (&10.into(), &"on_".into()));
    assert_eq!(shown["timers"].as_array().map(Vec::len), Some(1), "its time begins anew");
    let taken = place.gearshift(&fork).ends(4);
    assert!(taken.err.contains("runs already"), "{}", taken.err);
    let unknown = place.gearshift(&["fork", "hall", "--from", "dark"]).ends(3);
    assert!(unknown.err.contains("checkpoints: `bright`"), "{}", unknown.err);
}

#[test]
fn e4_timers_are_listed_moved_and_fired() {
    let (place, _dev) = lights();
    let list = place.gearshift(&["timer", "ls", "hall"]).ends(0).out;
    assert!(list.starts_with("TIMER") && list.contains("on_ after 10m"), "{list}");
    let due = |id: &str| {
        let timers = place.gearshift(&["timer", "ls", id, "-o", "json"]).ends(0).json();
        timers[0]["due"].as_str().unwrap().to_owned()
    };
    let before = due("hall");
    place.gearshift(&["timer", "move", "hall", "on_", "+10m"]).ends(0);
    assert!(due("hall") > before);
    place.gearshift(&["timer", "move", "hall", "on_", "2100-01-01T00:00:00Z"]).ends(0);
    assert_eq!(due("hall"), "2100-01-01T00:00:00.000Z");
    place.gearshift(&["timer", "move", "hall", "on_", "soon"]).ends(2);
    place.gearshift(&["timer", "fire", "hall", "nope"]).ends(3);
    let fired = place.gearshift(&["timer", "fire", "hall", "on_ after"]).ends(0).out;
    assert_eq!(fired, "hall  on_ → off\n");
    place.gearshift(&["timer", "fire", "hall", "on_ after"]).ends(3);
}

#[test]
fn control_works_over_nats() {
    let place = Place::new();
    let server = Server::start("");
    place.write("light.workflow.yaml", LIGHT);
    let _engine = serve(&place, server.url(), &["light.workflow.yaml"]);
    let on = |arguments: &[&str]| {
        let mut line = arguments.to_vec();
        line.extend(["-s", server.url()]);
        place.gearshift(&line)
    };
    on(&["send", "light.switched", "-d", "room=hall", "--wait-for", "on_"]).ends(0);
    on(&["pause", "hall", "--timers", "keep"]).ends(0);
    let kept = on(&["send", "light.switched", "-d", "room=hall"]).ends(0).out;
    assert!(kept.contains("kept for later"), "{kept}");
    on(&["checkpoint", "hall", "here"]).ends(0);
    on(&["set", "hall", "watts=1"]).ends(0);
    let done = on(&["resume", "--where", "status == 'paused'", "--yes"]).ends(0).out;
    assert!(done.ends_with("resumed 1 instance\n"), "{done}");
    on(&["fork", "hall", "--from", "here", "--key", "attic"]).ends(0);
    on(&["timer", "fire", "attic", "on_"]).ends(0);
    let seen = on(&["show", "attic", "-o", "json"]).ends(0).json();
    assert_eq!((&seen["active"][0], &seen["vars"]["watts"]), (&"off".into(), &10.into()));
    on(&["rollback", "attic"]).ends(4);
}
