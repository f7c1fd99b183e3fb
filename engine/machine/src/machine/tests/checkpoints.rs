//! `checkpoint:`: points that the definition itself saves (decision 0025).

use super::check;
use super::check::{World, definition};
use crate::machine::{Command, Input, NoticeKind, Principal, fork_of};

fn world(text: &str, lines: &[&str]) -> World {
    let mut world = World::new(definition(text));
    lines.iter().for_each(|line| world.run(line));
    world
}

fn saved(world: &World) -> Vec<String> {
    let instance = world.instance.as_ref().unwrap();
    instance.checkpoints().iter().map(|known| known.name.to_string()).collect()
}

/// What a fork from `name` does first.
fn forked(world: &World, name: &str) -> String {
    let old = world.instance.as_ref().unwrap();
    let fork = fork_of(old, &world.definition, name).unwrap();
    let mut other = World::new(world.definition.clone());
    let by = Principal { user: "ops".into(), roles: Vec::new() };
    let command = Command::Fork(Box::new(fork));
    other.tell(&Input::Command { command, by, reason: "".into() });
    other.out.trim().to_owned()
}

const STATES: &str = "
workflow: t
vars: { n: 0 }
initial: a
states:
  a:
    on:
      go:
        do: [{ checkpoint: \"round-${ string(vars.n) }\" }, { set: { n: vars.n + 1 } }]
        to: b
  b: { entry: { call: p.work }, done: a }
";

#[test]
fn an_action_saves_what_is_when_all_is_quiet() {
    let world = world(STATES, &["start", "event go", "reply p.work", "event go", "reply p.work"]);
    assert_eq!(saved(&world), ["round-0", "round-1"]);
    let told: Vec<_> = world
        .notices
        .iter()
        .filter(|(kind, _)| *kind == NoticeKind::CheckpointSaved)
        .map(|(_, data)| data.to_json())
        .collect();
    assert_eq!(
        told,
        [r#"{"name":"round-0","state":["b"]}"#, r#"{"name":"round-1","state":["b"]}"#]
    );
    // The checkpoint is behind the whole macrostep: in `b`, with the call under way.
    assert_eq!(forked(&world, "round-1"), "1 fork -> call p.work | b");
}

#[test]
fn the_history_tells_of_it() {
    let world = world(STATES, &["start", "event go"]);
    let note = world.last.as_ref().unwrap().trace.as_ref().unwrap().note.clone();
    assert_eq!(note.as_deref(), Some("checkpoint round-0 saved"));
}

#[test]
fn a_step_saves_and_a_fork_goes_on_behind_it() {
    let text = "
workflow: t
steps:
  load: { call: p.load }
  saved: { needs: [load], checkpoint: loaded }
  work: { needs: [saved], call: p.work }
";
    let mut world = world(text, &["start", "reply p.load {rows: 3}"]);
    assert_eq!(saved(&world), ["loaded"]);
    world.run("reply p.work");
    assert_eq!(forked(&world, "loaded"), "1 fork -> call p.work | steps");
}

#[test]
fn one_name_is_one_checkpoint() {
    let text = STATES.replace("round-${ string(vars.n) }", "here");
    let world = world(&text, &["start", "event go", "reply p.work", "event go"]);
    assert_eq!(saved(&world), ["here"]);
    let checkpoint = &world.instance.as_ref().unwrap().checkpoints()[0];
    assert_eq!(checkpoint.vars[0].to_json(), "2");
}

#[test]
fn what_cannot_be_saved_is_an_error() {
    let text = STATES.replace("string(vars.n)", "data.name");
    check(
        &text,
        &["start", "event go {name: \"a b\"}"],
        "
        1 start -> - | a
        2 go -> call p.work | b stuck (error.execution.checkpoint: the name `round-a b` is not \
            1 to 64 of the characters `A-Z a-z 0-9 _ - .`) !rolled back
    ",
    );
    let mut world = world(STATES, &["start"]);
    for _ in 0..16 {
        world.run("event go");
        world.run("reply p.work");
    }
    world.run("event go");
    let reason = &world.instance.as_ref().unwrap().stuck.as_ref().unwrap().reason;
    assert!(reason.contains("16 checkpoints, which is the limit"), "{reason}");
}

const TROUBLED: &str = "
workflow: t
vars: { n: 0, m: 1 }
initial: a
states:
  a:
    on:
      go: { do: [{ checkpoint: here }, { set: { n: 6 / vars.n } }], to: b }
  b: { entry: { call: p.work }, on: { on: c } }
  c: {}
";

fn note(world: &World) -> String {
    let note = world.last.as_ref().unwrap().trace.as_ref().unwrap().note.clone();
    note.unwrap_or_default().to_string()
}

#[test]
fn a_checkpoint_of_a_decision_that_ends_stuck_is_saved_by_retry() {
    let mut world = world(TROUBLED, &["start", "event go"]);
    assert_eq!(saved(&world), [""; 0]);
    assert!(note(&world).starts_with("checkpoint here is saved as soon as it goes on"));
    world.run("command retry");
    assert_eq!(saved(&world), [""; 0], "it is stuck again");
    world.run("command set {n: 2}");
    world.run("command retry");
    assert_eq!(saved(&world), ["here"]);
    assert!(note(&world).ends_with("checkpoint here saved"), "{}", note(&world));
    let instance = world.instance.as_ref().unwrap();
    assert_eq!(instance.checkpoints()[0].vars[0].to_json(), "3");
    assert_eq!(instance.progress.as_ref().map(|progress| progress.saves.len()), Some(0));
    assert_eq!(forked(&world, "here"), "1 fork -> call p.work | b");
}

#[test]
fn a_checkpoint_of_a_decision_that_ends_stuck_is_saved_by_skip() {
    let mut world = world(TROUBLED, &["start", "event go", "command skip"]);
    assert_eq!(saved(&world), ["here"]);
    assert_eq!(forked(&world, "here"), "1 fork -> call p.work | b");
    world.run("reply p.work");
    world.run("event on");
    assert_eq!(saved(&world), ["here"], "once");
}

#[test]
fn a_checkpoint_that_waits_is_forgotten_at_the_end() {
    let world = world(TROUBLED, &["start", "event go", "command kill"]);
    assert_eq!(saved(&world), [""; 0]);
    let progress = world.instance.as_ref().unwrap().progress.as_deref();
    assert_eq!(progress.map(|progress| progress.saves.len()), Some(0));
}

#[test]
fn a_checkpoint_of_steps_waits_while_another_step_is_in_trouble() {
    let text = "
workflow: t
steps:
  load: { call: p.load }
  other: { needs: [load], set: { n: 6 / vars.n } }
  saved: { needs: [load], checkpoint: loaded }
  work: { needs: [saved, other], call: p.work }
vars: { n: 0 }
";
    let mut world = world(text, &["start", "reply p.load {rows: 3}"]);
    assert_eq!(saved(&world), [""; 0], "{}", world.out);
    world.run("command set {n: 2}");
    world.run("command retry");
    assert_eq!(saved(&world), ["loaded"], "{}", world.out);
    assert_eq!(forked(&world, "loaded"), "1 fork -> call p.work | steps");
}

#[test]
fn an_instance_that_ends_saves_nothing() {
    let text = "
workflow: t
initial: a
states:
  a: { on: { go: { do: { checkpoint: last }, to: b } } }
  b: { final: true }
";
    let world = world(text, &["start", "event go"]);
    assert_eq!(saved(&world), [""; 0]);
}
