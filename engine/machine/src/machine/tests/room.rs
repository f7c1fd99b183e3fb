//! More ready steps than one decision may start (rule 12, decision 0023).

use super::check::{World, definition};
use crate::machine::{CallOutcome, Effect, Input, NoticeKind, Status, Stuck, StuckKind, TimerKind};
use crate::value::Value;

/// A workflow of `count` steps that all do `what`.
fn steps(count: usize, what: &str, options: &str) -> String {
    let steps = (0..count).map(|at| format!("  s{at}: {{ {what} }}\n"));
    format!("workflow: t\n{options}\nsteps:\n{}", steps.collect::<String>())
}

fn started(text: &str) -> World {
    let mut world = World::new(definition(text));
    world.run("start");
    world
}

fn status(world: &World) -> Option<Status> {
    world.instance.as_ref().map(|instance| instance.status)
}

fn published(world: &World) -> usize {
    let published = |effect: &&Effect| matches!(effect, Effect::Publish { .. });
    world.effects.iter().filter(published).count()
}

/// Answers every call that was asked for and not answered yet.
fn answer_all(world: &mut World, answered: &mut usize) {
    while let Some(call) = world.calls.get(*answered).cloned() {
        *answered += 1;
        let outcome = CallOutcome::Success(Value::Null);
        world.tell(&Input::CallReply { call: call.call, attempt: call.attempt, outcome });
    }
}

#[test]
fn rule_12_ready_steps_beyond_the_effects_of_one_decision_start_in_the_next_ones() {
    let mut world = started(&steps(600, "call: p.a", ""));
    assert_eq!((world.calls.len(), status(&world)), (240, Some(Status::Running)));
    world.run("advance 1ms");
    assert_eq!((world.calls.len(), status(&world)), (600, Some(Status::Running)));
    let lines: Vec<_> = world.out.lines().filter_map(|line| line.split(" -> ").next()).collect();
    assert_eq!(lines, ["1 start", "2 timer more steps", "3 timer more steps"]);
    answer_all(&mut world, &mut 0);
    assert_eq!(status(&world), Some(Status::Done));
}

#[test]
fn rule_12_steps_that_are_over_at_once_do_not_wait_for_replies() {
    let mut world = started(&steps(600, "publish: a.b", ""));
    assert_eq!((published(&world), status(&world)), (240, Some(Status::Running)));
    world.run("advance 1ms");
    assert_eq!((published(&world), status(&world)), (600, Some(Status::Done)));
    let each = "workflow: t\nsteps:\n  all: { foreach: { in: input.list }, publish: a.b }\n";
    let mut world = World::new(definition(each));
    let list = (0..600).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    world.run(&format!("start {{list: [{list}]}}"));
    world.run("advance 1ms");
    assert_eq!((published(&world), status(&world)), (600, Some(Status::Done)));
}

#[test]
fn rule_12_many_fan_outs_at_once_fill_up_in_turn() {
    let what = "foreach: { in: lists.range(100), max_parallel: 100 }, call: p.a";
    let mut world = started(&steps(4, what, ""));
    assert_eq!(world.calls.len(), 240);
    world.run("advance 1ms");
    assert_eq!(world.calls.len(), 400);
    answer_all(&mut world, &mut 0);
    assert_eq!(status(&world), Some(Status::Done));
}

#[test]
fn rule_12_a_limit_of_one_effect_starts_one_step_per_decision() {
    let mut world = started(&steps(5, "call: p.a", "limits: { effects: 1 }"));
    assert_eq!(world.calls.len(), 1, "{}", world.out);
    world.run("advance 1ms");
    assert_eq!((world.calls.len(), status(&world)), (5, Some(Status::Running)));
    // As many as it takes to start one step: all that comes before it is done without.
    let mut world = started(&steps(5, "call: p.a", "limits: { effects: 1, actions: 2 }"));
    world.run("advance 1ms");
    assert_eq!((world.calls.len(), status(&world)), (5, Some(Status::Running)));
}

#[test]
fn rule_12_what_the_guards_of_steps_use_up_is_no_limit_of_the_graph() {
    // Each guard walks 1,000 entries: together more than one macrostep may evaluate.
    let what = "when: \"vars.big.exists(x, x == 1)\", call: p.a";
    let list = (0..1_000).map(|_| "0").collect::<Vec<_>>().join(",");
    let mut world = started(&steps(300, what, &format!("vars: {{ big: [{list}] }}")));
    assert_eq!(status(&world), Some(Status::Running));
    world.run("advance 1ms");
    assert_eq!((world.calls.len(), status(&world)), (0, Some(Status::Done)));
    let failed = world.notices.iter().filter(|(kind, _)| *kind == NoticeKind::StepFailed);
    assert_eq!(failed.count(), 0);
}

#[test]
fn rule_12_fallbacks_beyond_the_effects_of_one_decision_start_too() {
    let what = "set: { x: \"1 / 0\" }, fallback: { call: p.a }";
    let mut world = started(&steps(300, what, "vars: { x: 0 }"));
    world.run("advance 1ms");
    assert_eq!((world.calls.len(), status(&world)), (300, Some(Status::Running)));
    answer_all(&mut world, &mut 0);
    assert_eq!(status(&world), Some(Status::Done));
}

#[test]
fn rule_36_a_state_with_more_calls_than_effects_of_one_decision_can_be_left() {
    let steps = (0..600).map(|at| format!("s{at}: {{ call: p.a }}, ")).collect::<String>();
    let text = format!(
        "workflow: t\ninitial: work\nstates:\n  work:\n    steps: {{ {steps} }}\n    on: {{ \
         stop: idle }}\n    done: idle\n  idle: {{}}\n"
    );
    let cancelled = |world: &World| {
        let cancels = |effect: &&Effect| matches!(effect, Effect::CancelCall { .. });
        world.effects.iter().filter(cancels).count()
    };
    let mut world = started(&text);
    world.run("advance 1ms");
    world.run("event stop");
    assert_eq!((cancelled(&world), status(&world)), (600, Some(Status::Running)));
    // What was not started yet is never started.
    let mut world = started(&text);
    world.run("event stop");
    world.run("advance 1s");
    assert_eq!((cancelled(&world), world.calls.len()), (240, 240));
    let timers = world.instance.as_ref().map(|instance| instance.timers.len());
    assert_eq!(timers, Some(0));
}

#[test]
fn rule_12_a_pause_holds_the_rest_back_until_it_is_resumed() {
    for clocks in ["freeze", "keep"] {
        let mut world = started(&steps(300, "call: p.a", ""));
        world.run(&format!("command pause {clocks}"));
        world.run("advance 1s");
        assert_eq!(world.calls.len(), 240);
        world.run("command resume");
        world.run("advance 1ms");
        assert_eq!(world.calls.len(), 300);
    }
}

#[test]
fn rule_12_retry_starts_what_an_earlier_program_was_stuck_with() {
    let mut world = started(&steps(300, "call: p.a", ""));
    let instance = world.instance.as_mut().unwrap();
    instance.timers.retain(|timer| !matches!(timer.kind, TimerKind::MoreSteps { .. }));
    instance.status = Status::Stuck;
    let reason = "effects exceed the limit of 256";
    instance.stuck = Some(Box::new(Stuck::new(StuckKind::Livelock, reason, world.now)));
    world.run("command retry");
    assert_eq!((world.calls.len(), status(&world)), (300, Some(Status::Running)));
}

const LATE: &str = "
workflow: t
vars: { spin: true }
initial: work
limits: { microsteps: 5 }
states:
  work:
    steps: { a: { call: p.a, timeout: 1h, deadline: 1m } }
    failed: spin
    done: idle
  spin: { always: { when: vars.spin, to: again } }
  again: { always: [{ when: vars.spin, to: spin }, { to: idle }] }
  idle: {}
";

#[test]
fn rule_12_the_timer_of_a_rolled_back_macrostep_is_there_for_retry() {
    let mut world = started(LATE);
    world.run("advance 1m");
    assert_eq!(status(&world), Some(Status::Stuck), "{}", world.out);
    world.run("command retry");
    world.run("advance 1ms");
    assert_eq!(status(&world), Some(Status::Stuck), "{}", world.out);
    world.run("command set {spin: false}");
    world.run("command retry");
    world.run("advance 1ms");
    assert_eq!(status(&world), Some(Status::Running), "{}", world.out);
    assert!(world.out.ends_with("timer steps -> cancel p.a | spin\n"), "{}", world.out);
}

#[test]
fn rule_12_skip_drops_the_timer_of_a_rolled_back_macrostep() {
    let mut world = started(LATE);
    world.run("advance 1m");
    world.run("command skip");
    world.run("advance 1m");
    assert_eq!(status(&world), Some(Status::Running), "{}", world.out);
    world.run("reply p.a");
    assert!(world.out.ends_with("reply p.a -> - | idle\n"), "{}", world.out);
}

#[test]
fn rule_05c_more_children_than_effects_of_one_decision_all_get_the_event() {
    let text = steps(300, "run: { workflow: other, forward: true }", "events: [told]");
    let mut world = started(&text);
    world.run("advance 1ms");
    let letters = |world: &World| {
        let letters = |effect: &&Effect| matches!(effect, Effect::Letter(_));
        world.effects.iter().filter(letters).count()
    };
    assert_eq!(letters(&world), 300);
    world.run("event told");
    assert_eq!((letters(&world), status(&world)), (600, Some(Status::Running)));
}
