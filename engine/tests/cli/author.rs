//! `test`, `play` and `convert`: what authors use, without any engine.

use crate::support::Place;

/// The seed's own workflow, with what its author left out.
const LONG: &str = include_str!("../../../tests/definitions/convert/document_approval.json");

/// A workflow that every notation can say.
const CLAIM: &str = "\
workflow: claim
on_error: ignore
vars: { tries: 0 }
initial: open
states:
  open:
    initial: { to: fresh, do: { log: opened } }
    states:
      fresh:
        on:
          claim.checked:
            - when: data.amount < 100 && vars.tries == 0
              do: { set: { tries: vars.tries + 1 } }
              to: small
            - { to: large }
          claim.noted: { do: { raise: note.taken, with: { n: \"${ vars.tries }\" } } }
        after: { 30s: large }
      small: { on: { claim.checked: large } }
      large:
        entry:
          - { send: { event: claim.reminded, after: 1h, id: reminder } }
          - each:
              in: data.lines
              as: line
              do: { log: { label: line, value: \"${ line.name }\" } }
        exit: { cancel: reminder }
        on: { claim.reminded: small }
      back: { history: shallow, default: fresh }
    on: { claim.closed: closed, claim.paused: paused }
  paused: { on: { claim.resumed: back } }
  closed: { final: true, output: { tries: \"${ vars.tries }\" } }
";

const ORDER: &str = "\
workflow: order
correlate: data.id
events: { order.placed: { start: true }, order.paid: {} }
vars: { paid: 0 }
states:
  placed:
    on:
      order.paid:
        - { name: in_full, when: data.amount >= 10, do: { set: { paid: data.amount } }, to: paid }
        - { name: in_part }
    after: { 1h: late }
  paid: { final: true }
  late: { final: true }
";

#[test]
fn scenarios_of_every_example_pass_and_take_every_transition() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let place = Place::new();
    let done = place.gearshift(&["test", examples, "--all-transitions"]).ends(0);
    let last = done.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("transitions taken ") && !last.contains("failed"), "{}", done.out);
    let folders = std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let ships = |folder: &std::path::Path| {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        let has = |end: &str| names.iter().any(|name| name.ends_with(end));
        (has(".workflow.yaml"), has(".test.yaml"))
    };
    for folder in folders.filter(|path| path.is_dir()) {
        let (workflow, scenarios) = ships(&folder);
        assert_eq!(workflow, scenarios, "{} has no scenarios", folder.display());
    }
}

#[test]
fn a_failing_scenario_shows_what_differs_and_what_happened() {
    let place = Place::new();
    place.write("order.workflow.yaml", ORDER);
    place.write(
        "order.test.yaml",
        "\
scenarios:
  - name: paid
    steps:
      - event: order.placed
        data: { id: o-1 }
      - event: order.paid
        data: { id: o-1, amount: 9 }
        expect: { state: paid, vars: { paid: 9 }, effects: [publish order.paid] }
  - name: late
    steps:
      - event: order.placed
        data: { id: o-2 }
      - advance: 1h
      - expect: { state: late, status: done }
",
    );
    let done = place.gearshift(&["test", "order.test.yaml"]).ends(1);
    for text in [
        "paid ✗  late ✓ (1h virtual)",
        "order.test.yaml:6",
        "- paid  (expected)",
        "+ placed",
        "vars.paid",
        "- publish order.paid  (expected)",
        "in_part (order.paid)",
        "in_full: guard is false",
        "transitions taken 2/3 · 1 failed · 1 passed",
        "never taken  order.workflow.yaml:9  placed: in_full",
    ] {
        assert!(done.out.contains(text), "`{text}` is not in:\n{}", done.out);
    }
    let data = place.gearshift(&["test", ".", "-o", "json"]).ends(1).json();
    assert_eq!(data["scenarios"][0]["failure"]["differences"][0]["what"], "state");
    assert_eq!(data["definitions"][0]["never"][0]["name"], "in_full");
    let only = place.gearshift(&["test", ".", "--only", "late"]).ends(0);
    assert!(!only.out.contains("never taken"), "{}", only.out);
    place.gearshift(&["test", ".", "--only", "late", "--all-transitions"]).ends(2);
}

#[test]
fn a_scenario_fails_where_an_input_is_refused_that_nobody_expected() {
    let place = Place::new();
    place.write("order.workflow.yaml", ORDER);
    let scenario = |step: &str| {
        format!("scenarios:\n  - name: one\n    steps:\n      - {{ event: order.paid, {step} }}\n")
    };
    place.write("order.test.yaml", &scenario("data: { id: o-1, amount: 1 }"));
    let done = place.gearshift(&["test", "."]).ends(1);
    assert!(done.out.contains("expect: { verdict: no_instance }"), "{}", done.out);
    place.write("order.test.yaml", &scenario("data: { id: x }, expect: { verdict: no_instance }"));
    place.gearshift(&["test", "."]).ends(0);
}

#[test]
fn what_is_no_scenario_file_says_where_and_why() {
    let place = Place::new();
    place.write("order.workflow.yaml", ORDER);
    for (text, reason) in [
        ("scenarios: []\n", "is empty"),
        ("scenarios:\n  - { name: a, steps: [{ evnt: x }] }\n", "evnt"),
        ("scenarios:\n  - { name: a, steps: [{ event: x, advance: 1h }] }\n", "not several"),
        ("scenarios:\n  - { name: a, steps: [{ advance: 5 }] }\n", "has no unit"),
        ("scenarios:\n  - { name: a, steps: [{ advance: soon }] }\n", "test.yaml:2: `a`: "),
        ("scenarios:\n  - { name: a, steps: [{ reply: a.b, key: x }] }\n", "`key` does not belong"),
    ] {
        place.write("order.test.yaml", text);
        let done = place.gearshift(&["test", "."]).ends(2);
        assert!(done.err.contains("./order.test.yaml"), "{}", done.err);
        assert!(done.err.contains(reason), "`{reason}` is not in: {}", done.err);
    }
}

#[test]
fn a_definition_is_played_from_a_pipe_with_the_verdicts_of_guards() {
    let place = Place::new();
    place.write("order.workflow.yaml", ORDER);
    let lines =
        "order.placed id=o-1\norder.paid amount=3\nadvance 59m\norder.paid amount=12\nvars\n";
    let done = place.gearshift_with_input(&["play", "order.workflow.yaml"], lines).ends(0);
    for text in [
        "order@1 · begins with order.placed",
        "in_full: data.amount >= 10 → false",
        "in_full: data.amount >= 10 → true",
        "placed · takes order.paid · placed after 1h in 1h",
        "paid: 12",
        "paid · done",
    ] {
        assert!(done.out.contains(text), "`{text}` is not in:\n{}", done.out);
    }
    let refused = place.gearshift_with_input(&["play", "."], "order.paid id=x amount=1\n").ends(1);
    assert!(refused.out.contains("no instance has this key"), "{}", refused.out);
    let data = place.gearshift_with_input(&["play", ".", "-o", "jsonl"], lines).ends(0).out;
    let second: serde_json::Value = serde_json::from_str(data.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["decisions"][0]["guards"][0]["verdict"], "false", "{second}");
}

#[test]
fn the_long_form_becomes_a_definition_that_behaves_like_it() {
    let place = Place::new();
    place.write("long.json", LONG);
    let done = place.gearshift(&["convert", "long.json"]).ends(0);
    assert!(done.err.contains("allows `request_changes`"), "{}", done.err);
    place.write("document_approval.workflow.yaml", &done.out);
    place.gearshift(&["check", "."]).ends(0);
    place.write(
        "document_approval.test.yaml",
        "\
mocks: { validator.validate: { output: {} } }
scenarios:
  - name: approved
    steps:
      - { start: document_approval, key: d-1, expect: { effects: [publish document.received] } }
      - event: document.submitted
        instance: d-1
        data: { documentId: d-1 }
        expect: { state: under_review, effects: [call validator.validate] }
      - event: user.action
        instance: d-1
        data: { action: approve }
        expect: { state: approved }
  - name: reminded
    steps:
      - { start: document_approval, key: d-2 }
      - { event: document.submitted, instance: d-2, data: {} }
      - { advance: 24h }
      - { expect: { state: overdue } }
",
    );
    place.gearshift(&["test", "."]).ends(0);
}

#[test]
fn what_has_no_equivalent_is_refused_with_its_place() {
    let place = Place::new();
    let script = LONG.replacen("\"type\": \"timer\"", "\"type\": \"script\"", 1);
    place.write("long.json", &script);
    let done = place.gearshift(&["convert", "long.json"]).ends(1);
    assert!(done.err.contains("type `script` of action `remind`"), "{}", done.err);
    assert!(done.err.contains("long.json:"), "{}", done.err);
    place.write(
        "x.scxml",
        "<scxml><state id=\"a\"><onentry><script>1</script></onentry></state></scxml>",
    );
    let done = place.gearshift(&["convert", "x.scxml"]).ends(1);
    assert!(done.err.contains("x.scxml:1:"), "{}", done.err);
}

#[test]
fn a_definition_goes_to_scxml_and_back_and_behaves_the_same() {
    let place = Place::new();
    place.write("claim.workflow.yaml", CLAIM);
    let out = place.gearshift(&["convert", "claim.workflow.yaml", "--to", "scxml"]).ends(0).out;
    assert!(out.starts_with("<?xml version=\"1.0\""), "{out}");
    place.write("claim.scxml", &out);
    let back = place.gearshift(&["convert", "claim.scxml"]).ends(0).out;
    place.write("back.workflow.yaml", &back);
    place.gearshift(&["check", "back.workflow.yaml"]).ends(0);
    let lines = "\
start k
claim.noted
claim.checked amount=5
claim.checked {\"amount\": 5, \"lines\": [{\"name\": \"x\"}]}
advance 59m
advance 1m
claim.paused
claim.resumed
claim.checked {\"lines\": []}
claim.closed
";
    let play = |file: &str| {
        let done = place.gearshift_with_input(&["play", file, "-o", "jsonl"], lines);
        let states = done.out.lines().map(|line| {
            let told: serde_json::Value = serde_json::from_str(line).unwrap();
            let now = &told["instance"];
            format!("{} {} {}", now["active"], now["status"], now["vars"]["tries"])
        });
        states.collect::<Vec<_>>()
    };
    let first = play("claim.workflow.yaml");
    assert_eq!(first, play("back.workflow.yaml"));
    assert!(first.last().unwrap().contains("done"), "{first:#?}");
    let again = place.gearshift(&["convert", "back.workflow.yaml", "--to", "scxml"]).ends(0);
    assert!(again.out.contains("<history id=\"back\" type=\"shallow\">"), "{}", again.out);
}

#[test]
fn other_notations_are_what_their_tools_read() {
    let place = Place::new();
    place.write("claim.workflow.yaml", CLAIM);
    let file = "claim.workflow.yaml";
    let machine = place.gearshift(&["convert", file, "--to", "xstate"]).ends(0).json();
    assert_eq!((&machine["id"], &machine["initial"]), (&"claim".into(), &"open".into()));
    let fresh = &machine["states"]["open"]["states"]["fresh"];
    assert_eq!(fresh["on"]["claim.checked.*"][0]["target"], "#claim.open.small");
    assert_eq!(fresh["on"]["claim.checked.*"][0]["guard"]["type"], "cel");
    assert_eq!(fresh["after"]["30000"][0]["target"], "#claim.open.large");
    assert_eq!(machine["states"]["closed"]["type"], "final");
    assert_eq!(machine["states"]["open"]["states"]["back"]["history"], "shallow");
    let mermaid = place.gearshift(&["convert", file, "--to", "mermaid"]).ends(0).out;
    assert!(mermaid.starts_with("stateDiagram-v2"), "{mermaid}");
    let dot = place.gearshift(&["convert", file, "--to", "dot"]).ends(0).out;
    assert!(dot.starts_with("digraph"), "{dot}");
    let json = place.gearshift(&["convert", file, "--to", "json", "--out", "claim.json"]);
    assert_eq!(json.ends(0).out, "");
    let back = place.gearshift(&["convert", "claim.json", "--from", "definition"]).ends(0).out;
    assert!(back.contains("\"on\":"), "YAML 1.1 tools take a bare `on` for `true`: {back}");
    place.write("again.workflow.yaml", &back);
    let same = place.gearshift(&["diff", file, "again.workflow.yaml"]).ends(0).out;
    assert!(same.contains("the same"), "{same}");
}
