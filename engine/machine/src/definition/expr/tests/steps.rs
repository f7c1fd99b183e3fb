//! `steps.<id>`: what the steps of an instance gave.

use super::World;
use crate::definition::{Format, load};
use crate::machine::{Phase, Progress, RunningGraph, StepState, StepStatus, Timestamp};
use crate::value::Value;

const TEXT: &str = "
workflow: w
states:
  one: { steps: { a: { call: p.o }, b: { call: p.o } }, done: two }
  two: { steps: { c: { call: p.o }, d: { call: p.o } }, done: end }
  end: { final: true }
";

fn step(status: StepStatus, output: &str) -> StepState {
    StepState {
        status,
        attempts: 1,
        output: Value::from_json(output.as_bytes()).unwrap(),
        error: None,
        started_at: None,
        ended_at: None,
        stopped_at: None,
        fan: None,
        votes: Vec::new(),
        cached: false,
        stays: Vec::new(),
        committed: Vec::new(),
    }
}

fn run(graph: u16, steps: [StepState; 2]) -> RunningGraph {
    RunningGraph {
        id: 1,
        graph,
        phase: Phase::Running,
        event: None,
        steps: steps.into_iter().collect(),
        open: 1,
        started_at: Timestamp(0),
        ended_at: None,
    }
}

fn world() -> World {
    let mut world = World::new("{}");
    world.definition = load(TEXT, "w.yaml", Format::Yaml).unwrap().definition;
    let (done, skipped) = (StepStatus::Completed, StepStatus::Skipped);
    let one = run(0, [step(done, "{\"n\": 3, \"l\": [7]}"), step(skipped, "{\"n\": 4}")]);
    let two = run(1, [step(StepStatus::Running, "null"), step(done, "5")]);
    world.steps = Some(Progress { graphs: vec![two, one], ..Progress::default() });
    world
}

#[test]
fn e7_steps_give_what_completed() {
    let world = world();
    for (source, expected) in [
        ("steps.a.n", "3"),
        ("steps.a.l[0] + steps.d", "12"),
        ("steps['a'].n", "3"),
        ("steps", "{\"a\":{\"l\":[7],\"n\":3},\"d\":5}"),
        ("has(steps.a)", "true"),
        ("has(steps.b)", "false"),
        ("has(steps.c)", "false"),
        ("has(steps.a.n) && !has(steps.a.m)", "true"),
        ("steps.b.n", "failed: `steps.b` is absent"),
        (
            "steps.d.n",
            "failed: `steps.d` is int, not a map, and `steps.d.n` asks for a member of it",
        ),
        ("steps.e", "unknown_name: no step `e`"),
        ("d.n", "unknown_name: no name `d` (did you mean `steps.d`?)"),
    ] {
        assert_eq!(world.eval(source), expected, "{source}");
    }
    assert_eq!(world.guard("steps.a.n < 10000"), "true");
}

#[test]
fn e7_before_the_first_graph_no_step_has_completed() {
    let mut world = world();
    world.steps = None;
    assert_eq!(world.eval("has(steps.a)"), "false");
    assert_eq!(world.eval("steps.a.n"), "failed: `steps.a` is absent");
    assert_eq!(world.eval("steps"), "{}");
}
