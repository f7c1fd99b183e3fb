//! Steps that decide: by rules, by a person, and the points they save; embedded and over NATS,
//! also when the engine is killed meanwhile.

use crate::nats::serve;
use crate::server::Server;
use crate::support::{Dev, Done, Place};

const PAPER: &str = "\
workflow: paper
vars: { way: \"\" }
steps:
  sort:
    route:
      rules:
        long: { when: input.pages > 100, priority: 1, to: two, reason: it is long }
        secret: { when: input.secret, priority: 2, to: two, reason: nobody may see it }
      default: one
    set: { way: output.decision }
  kept: { needs: [sort], checkpoint: sorted }
  review:
    needs: [kept]
    when: steps.sort.decision == 'two'
    approval: { title: \"Print ${ key }\", need: 2, choices: [print, burn] }
    timeout: 7d
  print: { needs: [review], when: steps.review.action == 'print', publish: papers.printed }
output: { way: \"${ vars.way }\", review: \"${ steps.review }\" }
";

/// The engine at an address; without one that of `dev` here.
struct Engine<'p> {
    place: &'p Place,
    address: Option<String>,
}

impl Engine<'_> {
    fn run(&self, arguments: &[&str]) -> Done {
        let mut line = arguments.to_vec();
        if let Some(address) = &self.address {
            line.extend(["-s", address]);
        }
        self.place.gearshift(&line)
    }

    fn listed(&self, filter: &str) -> Vec<String> {
        let list = self.run(&["ls", "--where", filter, "-o", "jsonl"]).ends(0).out;
        let key = |line: &str| {
            let one: serde_json::Value = serde_json::from_str(line).unwrap();
            one["key"].as_str().unwrap().to_owned()
        };
        let mut keys: Vec<_> = list.lines().map(key).collect();
        keys.sort();
        keys
    }
}

/// What a reviewer sees and does, with an end of the engine in the middle.
fn reviewed(place: &Place, address: Option<&str>, again: impl FnOnce() -> Dev) {
    let engine = Engine { place, address: address.map(str::to_owned) };
    let start = |key: &str, data: &str| {
        engine.run(&["start", "paper", "--key", key, "--data", data, "--as", "sue"]).ends(0);
    };
    start("a", r#"{"pages": 500, "secret": true}"#);
    start("b", r#"{"pages": 200, "secret": false}"#);
    start("c", r#"{"pages": 3, "secret": false}"#);
    let shown = engine.run(&["show", "a", "-o", "json"]).ends(0).json();
    let sorted = &shown["steps"][0]["result"];
    assert_eq!(sorted["decision"], "two", "{shown}");
    assert_eq!(sorted["reason"], "nobody may see it");
    assert_eq!(sorted["rule"], "secret");
    assert_eq!(sorted["matched"], serde_json::json!(["secret", "long"]));
    assert_eq!(shown["checkpoints"][0]["name"], "sorted", "{shown}");
    let history = engine.run(&["history", "a"]).ends(0).out;
    let words = history.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in ["routed to two by rule secret: nobody may see it", "checkpoint sorted saved"] {
        assert!(words.contains(text), "`{text}` is not in {history}");
    }
    assert_eq!(engine.listed("steps.review.status == 'running'"), ["a", "b"]);
    assert_eq!(engine.listed("'review' in current_step && progress < 0.9"), ["a", "b"]);
    assert_eq!(engine.listed("steps.sort.result.rule == 'long'"), ["b"]);
    assert_eq!(engine.listed("status == 'done' && total_steps == 4"), ["c"]);
    let tasks = engine.run(&["tasks", "-o", "jsonl"]).ends(0).out;
    assert_eq!(tasks.lines().count(), 2, "{tasks}");
    assert!(tasks.contains(r#""title":"Print a""#) && tasks.contains("steps.review"), "{tasks}");
    engine.run(&["decide", "a", "print", "--as", "ann"]).ends(0);
    engine.run(&["decide", "a", "print", "--as", "ann"]).ends(4);
    engine.run(&["decide", "b", "burn", "--as", "ann"]).ends(0);

    let _restarted = again();
    let why = engine.run(&["why", "a"]).ends(0).out;
    assert!(why.contains("2 of them; 1 vote so far"), "{why}");
    engine.run(&["decide", "a", "steps.review:print", "--as", "bob", "-d", "note=ok"]).ends(0);
    for late in ["print", "steps.review:burn"] {
        let told = engine.run(&["decide", "a", late, "--as", "cid"]).ends(4).err;
        let words = "error[GS4009]: paper/a is already decided: `print` by bob, ";
        assert!(told.starts_with(words) && told.contains(" ago (20"), "{told}");
    }
    let never = engine.run(&["decide", "c", "print"]).ends(4).err;
    assert!(never.contains("the instance has ended: it is done"), "{never}");
    let shown = engine.run(&["show", "a", "-o", "json"]).ends(0).json();
    assert_eq!(shown["status"], "done", "{shown}");
    let review = &shown["output"]["review"];
    assert_eq!((&review["action"], &review["by"]), (&"print".into(), &"bob".into()), "{shown}");
    assert_eq!(review["voters"], serde_json::json!(["ann", "bob"]));
    assert_eq!(review["note"], "ok");
    // The point is behind the route and before the review: a fork asks again, from no vote on.
    engine.run(&["fork", "a", "--from", "sorted", "--key", "a2"]).ends(0);
    assert_eq!(engine.listed("steps.review.status == 'running'"), ["a2", "b"]);
}

#[test]
fn routes_approvals_and_checkpoints_of_steps_outlive_a_killed_engine() {
    let place = Place::new();
    place.write("flows/paper.workflow.yaml", PAPER);
    let flags = ["flows", "--data", "kept"];
    let mut dev = place.dev(&flags);
    reviewed(&place, None, || {
        dev.signal("-KILL");
        dev.wait();
        place.dev(&flags)
    });
}

#[test]
fn routes_approvals_and_checkpoints_of_steps_work_over_nats() {
    let place = Place::new();
    let server = Server::start("");
    place.write("paper.workflow.yaml", PAPER);
    let files = ["paper.workflow.yaml"];
    let mut engine = serve(&place, server.url(), &files);
    reviewed(&place, Some(server.url()), || {
        engine.signal("-KILL");
        engine.wait();
        serve(&place, server.url(), &files)
    });
}

const SCENARIOS: &str = "\
scenarios:
  - name: held, let go, taken back
    steps:
      - { start: trip, key: t, expect: { effects: [call hotel.book] } }
      - { command: pause, by: ann, timers: keep, expect: { status: paused } }
      - { command: resume, expect: { status: running } }
      - { command: checkpoint, name: here }
      - { reply: hotel.book, output: { id: 7 }, expect: { steps: { hotel: completed } } }
      - { command: rollback, from: hotel, by: ann, expect: { status: compensating } }
      - { reply: hotel.cancel, expect: { status: stuck, steps: { hotel: undone } } }
";

const TRIP: &str = "\
workflow: trip
steps:
  hotel: { call: hotel.book, undo: hotel.cancel }
  flight: { needs: [hotel], call: flight.book }
";

#[test]
fn scenarios_and_play_hold_let_go_and_take_back() {
    let place = Place::new();
    place.write("trip.workflow.yaml", TRIP);
    place.write("trip.test.yaml", SCENARIOS);
    let done = place.gearshift(&["test", "."]).ends(0);
    assert!(done.out.contains("held, let go, taken back ✓"), "{}", done.out);
    for (step, told) in [
        ("command: resume, from: hotel", "`from` does not belong to `resume`, but to `rollback`"),
        ("command: checkpoint", "`checkpoint` needs a `name`"),
        ("advance: 1h, timers: keep", "`timers` does not belong to `advance`, but to `command`"),
    ] {
        let text = format!("scenarios:\n  - name: one\n    steps:\n      - {{ {step} }}\n");
        place.write("trip.test.yaml", &text);
        let done = place.gearshift(&["test", "."]).ends(2);
        assert!(done.err.contains(told), "`{told}` is not in: {}", done.err);
    }
    let lines = "start trip t\npause\nresume\ncheckpoint here\nreply hotel.book id=7\n\
        rollback hotel\nreply hotel.cancel\n";
    let played = place.gearshift_with_input(&["play", "."], lines);
    for text in ["paused", "compensating", "stuck"] {
        assert!(played.out.contains(text), "`{text}` is not in:\n{}", played.out);
    }
}
