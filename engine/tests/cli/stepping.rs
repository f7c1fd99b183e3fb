//! `play` by hand: mistyped orders, children, and what is shown of long stories.

use crate::support::Place;

const PARENT: &str = "\
workflow: parent
correlate: data.id
events: { begun: { start: true }, ended: {} }
states:
  waiting: { run: child, on: { ended: out }, done: out }
  out: { final: true }
---
workflow: child
events: { nudged: {} }
states:
  asked: { entry: { call: clerk.look }, on: { nudged: bye } }
  bye: { final: true }
";

const TICKS: &str = "\
workflow: ticks
events: { go: { start: true } }
correlate: data.id
vars: { n: 0 }
states:
  on: { after: { 1m: { name: tick, do: { set: { n: vars.n + 1 } }, to: on } } }
";

#[test]
fn a_mistyped_order_is_told_and_nothing_is_sent() {
    let place = Place::new();
    place.write("parent.workflow.yaml", PARENT);
    let lines = "begun id=p\n:vars\nadvnace 1h\nendd\nsend endd\nended\n";
    let done = place.gearshift_with_input(&["play", "."], lines).ends(1);
    for text in [
        "`:vars` is neither an order nor an event; did you mean `vars`?",
        "did you mean `advance`?",
        "no definition here knows an event `endd`; `send endd` sends it; did you mean `ended`?",
        "out · done",
    ] {
        assert!(joined(&done.out).contains(text), "`{text}` is not in:\n{}", done.out);
    }
    assert!(!done.out.contains("unhandled  "), "{}", done.out);
}

#[test]
fn what_a_parent_only_passes_on_is_not_refused_where_its_child_takes_it() {
    let place = Place::new();
    let forwards = PARENT.replace("run: child,", "run: { workflow: child, forward: true },");
    place.write("parent.workflow.yaml", &forwards);
    let lines = "begun id=p\nnudged id=p\n";
    let done = place.gearshift_with_input(&["play", "."], lines).ends(0);
    assert!(!done.out.contains("ignored: "), "{}", done.out);
    assert!(joined(&done.out).contains("out · done"), "{}", done.out);
    // Neither of them knows this one.
    let lines = "begun id=p\nsend other id=p\n";
    let done = place.gearshift_with_input(&["play", "."], lines).ends(1);
    assert!(done.out.contains("ignored: unhandled"), "{}", done.out);
}

#[test]
fn what_failed_is_told_with_the_error_that_was_taken() {
    let place = Place::new();
    let text = "workflow: w\nevents: { go: { start: true } }\ncorrelate: data.id\nstates:\n  \
                a: { always: b }\n  b: { entry: { call: x.y, with: { i: \"${ input.items }\" } }, \
                on: { error.execution: c } }\n  c: { final: true }\n";
    place.write("w.workflow.yaml", text);
    let done = place.gearshift_with_input(&["play", "."], "go id=p\n").ends(0);
    assert!(joined(&done.out).contains("items"), "{}", done.out);
}

/// The text with its wrapped lines put together again.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_child_is_taken_in_hand_and_stepped() {
    let place = Place::new();
    place.write("parent.workflow.yaml", PARENT);
    let lines = "begun id=p\ninstances\nuse 1\nreply clerk.look ok=true\nnudged\nuse p\nuse none\n";
    let done = place.gearshift_with_input(&["play", "."], lines).ends(1);
    let out = joined(&done.out);
    for text in [
        "* 2 parent/p waiting running",
        "asked · reply clerk.look · takes nudged",
        "bye · done",
        "parent/p: out · done",
        "no instance `none`; `instances` lists them",
    ] {
        assert!(out.contains(text), "`{text}` is not in:\n{}", done.out);
    }
}

#[test]
fn what_repeats_is_shown_once_and_lines_fit() {
    let place = Place::new();
    place.write("ticks.workflow.yaml", TICKS);
    let long = "word ".repeat(30);
    let lines = format!("go id=t\nadvance 1h\nvars\n{long}\n");
    let done = place.gearshift_with_input(&["play", "."], &lines).ends(1);
    assert!(done.out.contains("×60"), "{}", done.out);
    assert!(done.out.contains("n: 60"), "{}", done.out);
    assert!(done.out.lines().count() < 25, "{}", done.out);
    let wide = done.out.lines().filter(|line| !line.starts_with("> "));
    for line in wide {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn what_no_event_starts_is_started_by_name() {
    let place = Place::new();
    place.write("parent.workflow.yaml", PARENT);
    let lines = "start\nstart chlid\nstart child\nnudged\nnew\nstart child c-1\nnew\n\
                 start child/c-2 x=1\nnew\nstart parent p y=2\nstart child a b\ninstances\n";
    let done = place.gearshift_with_input(&["play", "."], lines).ends(1);
    let out = joined(&done.out);
    for text in [
        "child@1 · begins with start child",
        "say which workflow to start: child, parent",
        "no workflow here is called `chlid`; did you mean `child`?",
        "bye · done",
        "child/c-1 asked running",
        "child/c-2 asked running",
        "parent/p waiting running",
        "`start WORKFLOW KEY` takes two words, and `b` is one more",
    ] {
        assert!(out.contains(text), "`{text}` is not in:\n{}", done.out);
    }
    let lines = "start t-1\nnew\nstart ticks t-2\ninstances\n";
    place.write("ticks.workflow.yaml", TICKS);
    let done = place.gearshift_with_input(&["play", "ticks.workflow.yaml"], lines).ends(0);
    for text in ["ticks/t-1", "ticks/t-2"] {
        assert!(done.out.contains(text), "`{text}` is not in:\n{}", done.out);
    }
}
