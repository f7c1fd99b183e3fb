//! Pictures of definitions, whole.

use super::super::{SourceText, dot, mermaid, scxml, xstate};
use crate::definition::{Format, load};

fn picture(text: &str, draw: fn(&crate::definition::model::Definition) -> String) -> String {
    match load(text, "test.workflow.yaml", Format::Yaml) {
        Ok(loaded) => draw(&loaded.definition),
        Err(problems) => panic!("{problems:#?}"),
    }
}

const APPROVAL: &str =
    include_str!("../../../../../../examples/document-approval/document_approval.workflow.yaml");

const NESTED: &str = "
workflow: nested
version: 1
correlate: data.id
events: { go: { start: true }, stop: {}, end: {}, back: {}, note: {} }
vars: { n: 0 }
initial: work
states:
  work:
    parallel:
      left:
        initial: a
        states:
          a:
            on:
              go: { to: b, when: data.n < 3 && data.s != '#1;' }
              note: { do: { publish: notify.email } }
          b: { final: true }
      right:
        initial: c
        states:
          c: { on: { end: d } }
          d: { final: true }
          h: { history: deep, default: c }
    done: end
    on:
      stop: { do: { call: a.b }, to: halted, failed: end }
  end: { on: { back: h } }
  halted: { final: true }
";

#[test]
fn mermaid_shows_calls_on_the_way_and_timers() {
    let expected = r#"stateDiagram-v2
    started --> under_review: document.submitted / validate_document, assign_reviewer
    under_review --> approved: user.action [data.action == 'approve']
    under_review --> rejected: user.action [data.action == 'reject']
    under_review --> started: user.action [data.action == 'request_changes']
    under_review --> under_review: after 1d / publish notify.email
    approved --> archived: done
    [*] --> started
    archived --> [*]
    rejected --> [*]
"#;
    assert_eq!(picture(APPROVAL, mermaid), expected);
}

#[test]
fn mermaid_nests_regions_history_and_failures() {
    let expected = r##"stateDiagram-v2
    state "work" as work {
        state "left" as left {
            a --> b: go [data.n #lt; 3 && data.s != '#35;1#59;']
            [*] --> a
            b --> [*]
            note right of a
                note / publish notify.email
            end note
        }
        --
        state "right" as right {
            state "h (H*)" as h
            h --> c: default
            c --> d: end
            [*] --> c
            d --> [*]
        }
    }
    state "end" as end_
    work --> halted: stop / a.b
    work --> end_: failed
    work --> end_: done
    end_ --> h: back
    [*] --> work
    halted --> [*]
"##;
    assert_eq!(picture(NESTED, mermaid), expected);
}

#[test]
fn dot_draws_clusters() {
    let expected = r##"digraph "nested" {
  compound=true; rankdir=LR;
  node [shape=box, style=rounded];
  "nested~start" [shape=point];
  "nested~start" -> "a";
  subgraph "cluster_work" {
    label="work"; style=dashed;
    subgraph "cluster_left" {
      label="left"; style=rounded;
      "left~start" [shape=point];
      "left~start" -> "a";
      "a";
      "b" [peripheries=2];
    }
    subgraph "cluster_right" {
      label="right"; style=rounded;
      "right~start" [shape=point];
      "right~start" -> "c";
      "c";
      "d" [peripheries=2];
      "h" [shape=circle, label="H*"];
      "h" -> "c" [label="default"];
    }
  }
  "end";
  "halted" [peripheries=2];
  "a" -> "halted" [label="stop / a.b", ltail="cluster_work"];
  "a" -> "end" [label="failed", ltail="cluster_work"];
  "a" -> "end" [label="done", ltail="cluster_work"];
  "a" -> "b" [label="go [data.n < 3 && data.s != '#1;']"];
  "c" -> "d" [label="end"];
  "end" -> "h" [label="back"];
}
"##;
    assert_eq!(picture(NESTED, dot), expected);
}

const ODD: &str = r#"
workflow: odd
states:
  Style:
    parallel:
      lone: { on: { go: elsewhere } }
      h: { history: deep, default: b }
      pair:
        parallel:
          b: { states: { c: { on: { x: d } }, d: {} } }
          e: {}
    on:
      stop:
        when: "data.s == '| [x] {y} \\\\ \" ` % %% : ; # <b> end note\\n'"
        do: tell
        to: any_state
  elsewhere: { on: { "*": { when: "data.s == 'end note'" } } }
  any_state: { final: true }
on: { quit: any_state }
actions: { tell: { publish: "ü→日本.${ key }" } }
"#;

#[test]
fn mermaid_keeps_history_out_of_the_regions_and_words_apart_from_its_own() {
    let drawn = picture(ODD, mermaid);
    let expected = r##"stateDiagram-v2
    state "any state" as any_state_
    state "h (H*)" as h
    h --> b: default
    state "Style" as Style_ {
        lone
        --
        state "pair" as pair {
            state "b" as b {
                c --> d: x
                [*] --> c
            }
            --
            e
        }
    }
"##;
    assert!(drawn.starts_with(expected), "{drawn}");
    let guard = "data.s == '| [x] {y} #92;#92; #34; #96; #37; #37;#\
                 37; #58; #59; #35; #lt;b#gt; end note#92;n'";
    let label = format!("Style_ --> any_state: stop [{guard}] / publish …");
    assert!(drawn.contains(&label), "{drawn}");
    assert!(drawn.contains("any_state_ --> any_state: quit"), "{drawn}");
    assert!(drawn.contains("* [data.s == 'end#32;note']"), "{drawn}");
    assert_eq!(drawn.matches("--\n").count(), 2, "{drawn}");
}

#[test]
fn long_words_are_cut_and_special_ones_quoted() {
    let long = "x".repeat(10_000);
    let text = format!(
        "workflow: w\nstates:\n  \
         a: {{ on: {{ e: {{ do: {{ publish: \"{long}\" }}, to: b }} }} }}\n  \
         b: {{ on: {{ e: {{ when: \"data.s == '\\\\\\\"\\\\\\\\ü'\", to: a }} }} }}\n"
    );
    for draw in [mermaid, dot] {
        let drawn = picture(&text, draw);
        assert!(drawn.lines().all(|line| line.len() < 400), "{drawn}");
    }
    let drawn = picture(&text, dot);
    assert!(drawn.contains(r#"'\\\"\\\\ü'"#), "{drawn}");
}

#[test]
fn arrows_of_dot_do_not_end_at_a_box_that_they_are_inside_of() {
    let text = "workflow: w\nstates:\n  a:\n    on: { e: b, f: a }\n    states: { b: {}, c: {} }\n";
    let drawn = picture(text, dot);
    assert!(!drawn.contains("ltail") && !drawn.contains("lhead"), "{drawn}");
}

const STEPS: &str = "
workflow: graph
mode: parallel
steps:
  load: { call: p.load, undo: p.unload }
  small: { needs: load, when: steps.load.n < 10, call: p.small }
  large: { needs: load, when: steps.load.n >= 10, foreach: { in: data.l }, call: p.large }
  report: { needs: { any: [small, large] }, run: report, fallback: spare }
  spare: { publish: m.spare }
  last: { needs: { n_of: 1, of: [report] }, set: { } }
";

#[test]
fn mermaid_draws_steps_in_the_box_of_their_state() {
    let expected = r##"stateDiagram-v2
    state "steps" as steps {
        state "p.unload" as steps__load__undo
        state "load#58; p.load" as steps__load
        state "small#58; p.small [steps.load.n #lt; 10]" as steps__small
        state "large#58; p.large [steps.load.n #gt;= 10] for each" as steps__large
        state "report#58; invoke report" as steps__report
        state "spare#58; publish m.spare" as steps__spare
        state "last" as steps__last
        steps__load --> steps__load__undo: undo
        steps__load --> steps__small
        steps__load --> steps__large
        steps__small --> steps__report: any
        steps__large --> steps__report: any
        steps__report --> steps__spare: fallback
        steps__report --> steps__last: 1 of 1
        [*] --> steps__load
    }
    steps --> done: done
    [*] --> steps
    done --> [*]
"##;
    assert_eq!(picture(STEPS, mermaid), expected);
}

#[test]
fn dot_draws_steps_and_dashes_what_comes_of_failures() {
    let expected = r##"digraph "graph" {
  compound=true; rankdir=LR;
  node [shape=box, style=rounded];
  "graph~start" [shape=point];
  "graph~start" -> "steps.load";
  subgraph "cluster_steps" {
    label="steps"; style=rounded;
    "steps.load.undo" [label="p.unload", style="rounded,dashed"];
    "steps.load" [label="load: p.load"];
    "steps.small" [label="small: p.small [steps.load.n < 10]"];
    "steps.large" [label="large: p.large [steps.load.n >= 10] for each"];
    "steps.report" [label="report: invoke report"];
    "steps.spare" [label="spare: publish m.spare", style="rounded,dashed"];
    "steps.last" [label="last"];
    "steps.load" -> "steps.load.undo" [label="undo", style=dashed];
    "steps.load" -> "steps.small";
    "steps.load" -> "steps.large";
    "steps.small" -> "steps.report" [label="any"];
    "steps.large" -> "steps.report" [label="any"];
    "steps.report" -> "steps.spare" [label="fallback", style=dashed];
    "steps.report" -> "steps.last" [label="1 of 1"];
  }
  "done" [peripheries=2];
  "steps.load" -> "done" [label="done", ltail="cluster_steps"];
}
"##;
    assert_eq!(picture(STEPS, dot), expected);
}

#[test]
fn other_tools_have_no_steps() {
    let text = STEPS.trim_start();
    let definition = load(text, "graph.yaml", Format::Yaml).unwrap().definition;
    let source = SourceText { text, origin: "graph.yaml", format: Format::Yaml };
    for found in [xstate(&definition, source).err(), scxml(&definition, source).err()] {
        let lines: Vec<String> = found.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(lines, ["graph.yaml:3:1: error[GS0012]: `steps` has no equivalent"]);
    }
}
