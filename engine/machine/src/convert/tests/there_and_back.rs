//! Definitions → SCXML → definitions: the same ones, whatever SCXML has no word for.

use std::path::{Path, PathBuf};

use crate::convert::from_scxml;
use crate::definition::export::{Scxml, SourceText, scxml};
use crate::definition::model::{Definition, Transition};
use crate::definition::{Format, load, load_all};
use crate::machine::ContentHash;

/// What a definition says, without where it stands in its text.
fn meaning(definition: &Definition) -> String {
    let transitions = definition.transitions.iter();
    let transitions = transitions.map(|it| Transition { line: 0, ..it.clone() }).collect();
    let plain = Definition {
        transitions,
        canonical: "".into(),
        hash: ContentHash([0; 32]),
        ..definition.clone()
    };
    format!("{plain:#?}")
}

fn exported(definition: &Definition, text: &str) -> Scxml {
    let source = SourceText { text, origin: "there.yaml", format: Format::Yaml };
    scxml(definition, source).unwrap()
}

/// Exports every definition of a text, converts it back, and compares; gives the documents.
#[track_caller]
fn comes_back(text: &str) -> Vec<Scxml> {
    let there = load_all(text, "there.yaml", Format::Yaml).unwrap();
    let mut documents = Vec::new();
    // Step graphs have no words there, and are refused.
    for loaded in there.iter().filter(|one| one.definition.graphs.is_empty()) {
        let document = exported(&loaded.definition, text);
        let back = match from_scxml(&document.text, "back.scxml") {
            Ok(back) => back.yaml,
            Err(problems) => panic!("{problems:#?}\n{}", document.text),
        };
        let again = load(&back, "back.yaml", Format::Yaml).unwrap().definition;
        let (first, second) = (meaning(&loaded.definition), meaning(&again));
        if first != second {
            let differ = first.lines().zip(second.lines()).find(|(left, right)| left != right);
            panic!("{differ:#?}\n{}\n{back}", document.text);
        }
        documents.push(document);
    }
    documents
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every definition below a folder.
fn definitions_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            definitions_below(&path, found);
        } else if path.to_string_lossy().ends_with(".workflow.yaml") {
            found.push(path);
        }
    }
}

#[test]
fn examples_and_the_definitions_of_tests_come_back_whole() {
    let mut found = Vec::new();
    for folder in ["examples", "tests/definitions"] {
        definitions_below(&root().join(folder), &mut found);
    }
    assert!(found.len() >= 5, "only {found:?}");
    for path in found {
        comes_back(&std::fs::read_to_string(path).unwrap());
    }
}

#[test]
fn every_definition_of_the_format_page_comes_back_whole() {
    let page = std::fs::read_to_string(root().join("docs/FORMAT.md")).unwrap();
    let blocks = page.split("```yaml").skip(1).filter_map(|rest| rest.split("```").next());
    let (mut whole, mut parts) = (0, 0);
    for block in blocks {
        let (kind, text) = block.split_once('\n').unwrap();
        if text.starts_with("workflow:") {
            comes_back(text);
            whole += 1;
        } else if kind.trim() == "states" {
            comes_back(&around_states(text));
            parts += 1;
        } else if kind.trim() == "actions" {
            comes_back(&around_actions(text));
            parts += 1;
        }
    }
    assert!(whole >= 3 && parts >= 7, "{whole} whole definitions and {parts} parts");
}

const HEAD: &str = "
workflow: order
correlate: data.orderId
events: { order.placed: { start: true }, order.paid: {}, order.withdrawn: {}, order.asked: {} }
vars: { amount: 0, paid: 0, reason: \"\", items: [], customer: {}, wait: 5m }
";

fn around_states(part: &str) -> String {
    let lines: Vec<&str> = part.lines().filter(|line| *line != "states:").collect();
    let own = |id: &str| lines.iter().any(|line| line.starts_with(&format!("  {id}:")));
    let ends = ["paid", "cancelled", "late", "charging", "reserving"];
    let ends = ends.into_iter().filter(|id| !own(id));
    let ends: String = ends.map(|id| format!("  {id}: {{ final: true }}\n")).collect();
    format!("{HEAD}states:\n{}\n{ends}", lines.join("\n"))
}

fn around_actions(part: &str) -> String {
    let indented: String = part.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "{HEAD}states:\n  s:\n    entry:\n{indented}\
         actions: {{ tell_customer: {{ publish: x.y }} }}\n"
    )
}

/// Everything that may stand in a definition, in odd places too.
const ALL: &str = r#"
workflow: all
version: 7
title: "Every key < & > \" ' ]]>"
correlate: data.id
events:
  one: { start: true }
  two: { buffer: 10m }
  three: { subject: "depot.{id}.three", correlate: data.x }
  four: { dead_letter: true }
vars:
  first: 1
  given: "${ input.?given.orValue(2) }"
  text: "a ${ input.?x.orValue(1) } $${b}\n\u0001"
  map: { inner: { t: "x ${ key }" }, list: [1, "two", 3.0, null, true] }
  none: null
  code: "${ 'a' + 'b' }"
initial: { to: [b1, c2], do: { log: begun } }
unhandled: reject
on_error: fail
limits: { microsteps: 10, vars: 1000 }
defer: { events: [four], ttl: 1h }
on:
  - { event: [one, =two.x], name: root_edge, do: { raise: self.made }, when: vars.first > 0 }
always: { when: false, to: over }
after: { 1d: over }
states:
  work:
    entry:
      - - { set: { first: vars.first + 1, map.inner: "{'t': 1}", text: "'x'" } }
        - { set: { first: vars.first + 1 } }
        - note
      - [mixed, { call: p.o, with: { a: "${ vars.first }" }, timeout: 3s }]
    exit: [{ call: p.bye }, { cancel: "t ${ key }" }, { cancel: "${ key }" }]
    parallel:
      r1:
        defer: [two]
        states:
          b1:
            approval: { title: "${ key }", roles: [boss], need: 2, not: initiator }
            after: { 30s: { name: late, when: vars.first > 2, to: b2 }, 1h 30m: b2 }
            done: b2
          b2:
            unhandled: dead_letter
            entry: { timer: { id: t, after: 5s, replace: true } }
            exit: { timer: { id: "t", after: 5s } }
            on:
              =two: b1
              user.action: { do: { send: three }, to: b1 }
          h: { history: deep, default: { to: b2, do: { publish: gone.by } } }
      r2:
        initial: c2
        states:
          c1:
            invoke:
              - { id: kid, workflow: other, forward: true, set: { first: output.n + data.m } }
              - { workflow: other@3 }
              - { id: op, call: p.o, retry: { attempts: 2, backoff: 1s..9s }, undo: p.u }
              - { id: third, workflow: "${ vars.text }", with: { x: 1 }, id_to: text }
            failed: [{ do: { set: { text: error.message } }, to: c2 }]
            done: { do: { call: p.last }, to: c2, failed: [c1, over] }
          c2:
            run: { workflow: other, with: "${ vars.map }" }
            done: over
            on: { done.invoke.c2: { do: again } }
      r3:
        states:
          d1:
            run: other
            invoke: { workflow: other, with: {} }
            entry: { call: p.third }
            after: { "${ vars.none }": d2 }
          d2:
            after: { 5s: [{ when: vars.first == 1, to: d1 }, { to: over }] }
            invoke: { workflow: other, with: { x: "${ key }" }, set: { first: output.n } }
            on: { "*": { internal: true, do: { log: { label: " x ", value: 1 } } } }
    done: { to: over }
  over: { final: true, output: { a: "n ${ vars.first }", b: { c: "${ vars.none }" } } }
actions:
  note: [{ log: { label: l, value: "${ data }" } }, { set: { none: "null" } }]
  again: { call: p.again, set: { none: output }, cache: { ttl: 5m, key: "${ key }" } }
  mixed:
    - if:
        - { when: vars.first == 1, do: [note, { publish: "x.${ key }", with: { t: "${ now }" } }] }
        - { do: { raise: b, with: "${ vars.map }" } }
    - each:
        in: vars.map.list
        as: one
        index: n
        do:
          - { send: { event: "${ one }", after: "${ n }", id: k, with: [1, "${ one.x }"] } }
          - { each: { in: one.list, do: { log: "${ string(n) }: ${ item }" } } }
    - { send: { event: c, to: parent, with: { x: { y: "deep ${ key }" } } } }
    - { send: { event: c, to: invoke.kid, id_to: text, with: "all ${ key }" } }
    - { send: { event: c, to: { instance: "w/${ key }" }, after: 2s, id: "i ${ key }" } }
    - { send: { event: c, to: other/7, with: null } }
    - { send: { event: c, to: "${ event.origin }" } }
    - { if: { when: "true", do: { log: "$${x} [" } } }
"#;

#[test]
fn everything_that_may_be_written_comes_back_whole() {
    let [document] = comes_back(ALL).try_into().unwrap();
    let keys = "actions after always approval call cancel correlate defer events failed initial \
                invoke limits on publish run send timer title unhandled version";
    for key in keys.split_whitespace() {
        let among = document.carried.iter().any(|known| known == key) || key == "cancel";
        assert!(among || document.text.contains(&format!("{{\"{key}\":")), "{key}");
    }
}

#[test]
fn timers_stand_before_events_and_are_carried_where_a_star_would_take_them() {
    let states = |inner: &str, outer: &str| {
        format!(
            "workflow: w\nstates:\n  a:\n    after: {{ 5s: b }}\n    on: {{ {outer} }}\n    \
             states: {{ c: {{ on: {{ {inner} }} }} }}\n  b: {{ final: true }}\n"
        )
    };
    let document = |text: &str| comes_back(text).remove(0);
    let native = document(&states("x: b", "\"*\": b"));
    assert_eq!(native.carried, Vec::<String>::new());
    let (timer, star) = (native.text.find("event=\"after.a.0\"><"), native.text.find("\"*\""));
    let timer = timer.or_else(|| native.text.rfind("event=\"after.a.0\""));
    assert!(timer < star, "{}", native.text);
    let carried = document(&states("\"*\": b", "x: b"));
    assert_eq!(carried.carried, ["after"]);
    assert!(!carried.text.contains("<send"), "{}", carried.text);
}

#[test]
fn what_is_changed_in_the_document_wins_over_a_mark_that_repeats_it() {
    let text = "workflow: w\nstates:\n  a:\n    after: { 5s: b }\n    done: c\n    \
                on: { =x.y: c }\n    states: { d: { final: true } }\n  b: {}\n  c: {}\n";
    let document = comes_back(text).remove(0).text;
    let back = |from: &str, to: &str| {
        assert!(document.contains(from), "{document}");
        from_scxml(&document.replace(from, to), "back.scxml").unwrap().yaml
    };
    assert!(back("\"5000ms\"", "\"7000ms\"").contains("\"7000ms\":"));
    assert!(back("event=\"x.y\"", "event=\"z\"").contains("{ event: z, to: c }"));
    let other = back("event=\"done.state.a\"", "event=\"done.state.d\"");
    assert!(other.contains("{ event: done.state.d, to: c }"), "{other}");
}
