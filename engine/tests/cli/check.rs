//! `check`, `explain`, `schema`, `graph`: without any engine.

use crate::support::Place;

const BROKEN: &str = "\
workflow: order
version: 1
initial: open
states:
  open:
    on:
      paid: { to: cloesd }
  closed: { final: true }
";

#[test]
fn a_broken_file_is_shown_with_line_caret_and_help() {
    let place = Place::new();
    place.write("order.workflow.yaml", BROKEN);
    let done = place.gearshift(&["check", "order.workflow.yaml"]).ends(1);
    let shown = &done.out;
    assert!(shown.contains("error[GS0104]"), "{shown}");
    assert!(shown.contains("order.workflow.yaml:7:19"), "{shown}");
    assert!(shown.contains("^^^^^^"), "{shown}");
    assert!(shown.contains("did you mean `closed`?"), "{shown}");
    assert!(shown.contains("gearshift explain GS0104"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "a pipe gets no colors: {shown}");
}

#[test]
fn findings_are_data_too() {
    let place = Place::new();
    place.write("flows/order.workflow.yaml", BROKEN);
    let found = place.gearshift(&["check", "flows", "-o", "json"]).ends(1).json();
    let first = &found["diagnostics"][0];
    assert_eq!((&first["code"], &first["line"]), (&"GS0104".into(), &7.into()), "{found}");
    let github = place.gearshift(&["check", "flows", "--format", "github"]).ends(1);
    assert!(github.out.starts_with("::error file=flows/order.workflow.yaml,line=7,col=19,"));
    let none = place.gearshift(&["check", "flows", "-o", "none"]).ends(1);
    assert_eq!(none.out, "");
}

#[test]
fn a_child_that_no_file_holds_is_a_warning() {
    let place = Place::new();
    let parent = "workflow: p
states:
  a: { run: kid, done: b }
  b: { invoke: { id: k, workflow: kid@2 }, done: c }
  c: { run: '${ vars.w }', done: d }
  d: { final: true }
vars: { w: kid }
";
    place.write("p.workflow.yaml", parent);
    place.write("kid.workflow.yaml", "workflow: kid\nstates: { a: { final: true } }\n");
    let alone = place.gearshift(&["check", "p.workflow.yaml", "-o", "json"]).ends(0).json();
    let found = alone["diagnostics"].as_array().unwrap();
    let lines: Vec<_> = found.iter().map(|one| (&one["code"], &one["line"])).collect();
    assert_eq!(lines, [(&"GS0212".into(), &3.into()), (&"GS0212".into(), &4.into())], "{alone}");
    let help = found[0]["help"].as_str().unwrap();
    assert!(help.contains("no engine answers, so that was not looked up"), "{help}");
    let both = place.gearshift(&["check", "."]).ends(0).out;
    assert!(both.contains("no workflow `kid@2` is known") && !both.contains("`kid`"), "{both}");
    place.gearshift(&["check", ".", "--deny-warnings"]).ends(1);
}

#[test]
fn the_examples_are_fine() {
    let place = Place::new();
    place.copy_example("document-approval");
    place.copy_example("order");
    let done = place.gearshift(&["check", ".", "--deny-warnings"]).ends(0);
    assert_eq!(done.out.trim_end(), "ok  document_approval@1 order@1");
}

#[test]
fn what_is_not_there_or_no_text_is_said() {
    let place = Place::new();
    let done = place.gearshift(&["check", "none.yaml"]).ends(3);
    assert!(done.err.contains("`none.yaml`"), "{}", done.err);
    std::fs::write(place.path("x.workflow.yaml"), b"workflow: \xff\n").unwrap();
    let done = place.gearshift(&["check", "x.workflow.yaml"]).ends(1);
    assert!(done.err.contains("not UTF-8 at byte 10"), "{}", done.err);
}

#[test]
fn codes_are_explained_by_number_and_name() {
    let place = Place::new();
    let by_code = place.gearshift(&["explain", "GS0104"]).ends(0).out;
    assert!(by_code.starts_with("GS0104 unknown_state: "), "{by_code}");
    assert_eq!(place.gearshift(&["explain", "unknown_state"]).ends(0).out, by_code);
    let data = place.gearshift(&["explain", "GS0104", "-o", "json"]).ends(0).json();
    assert_eq!(data["name"], "unknown_state");
    let missing = place.gearshift(&["explain", "unknown_stat"]).ends(3);
    assert!(missing.err.contains("did you mean `unknown_state`?"), "{}", missing.err);
    let all = place.gearshift(&["explain", "-o", "jsonl"]).ends(0).out;
    assert!(all.lines().count() > 50);
}

#[test]
fn the_schema_is_json_that_knows_the_format() {
    let schema = Place::new().gearshift(&["schema"]).ends(0).json();
    assert!(schema["$schema"].as_str().is_some_and(|uri| uri.contains("json-schema.org")));
    assert!(schema.to_string().contains("correlate"));
}

#[test]
fn a_file_is_drawn_without_an_engine() {
    let place = Place::new();
    let folder = place.copy_example("order");
    let folder = folder.to_str().unwrap();
    let mermaid = place.gearshift(&["graph", folder]).ends(0).out;
    assert!(mermaid.starts_with("stateDiagram-v2\n"), "{mermaid}");
    assert!(mermaid.contains("placed --> awaiting_payment: order.placed"), "{mermaid}");
    let dot = place.gearshift(&["graph", folder, "--format", "dot"]).ends(0).out;
    assert!(dot.starts_with("digraph"), "{dot}");
}
