//! Rule 38: errors, `on_error`, and what stuck instances do.

use super::check;
use super::check::{World, definition};

const BAD: &str = "
workflow: t
on_error: suspend
initial: a
vars: { d: 0, n: 0 }
states:
  a:
    on:
      go: { do: [ { publish: x.once }, { set: { n: 10 / vars.d } }, { log: { label: n,
          value: \"${ vars.n }\" } } ], to: b }
      fix: { do: { set: { d: 5 } } }
  b: { on: { fix: { do: { set: { d: 5 } } }, next: c } }
  c: {}
";

#[test]
fn rule_38_errors_match_by_prefix() {
    for descriptor in ["error", "error.execution", "error.execution.assign", "error.*"] {
        let text = BAD.replace("next: c", &format!("{descriptor}: c"));
        check(
            &text,
            &["start", "event go"],
            "
        1 start -> - | a
        2 go -> publish x.once | c
        ",
        );
    }
}

#[test]
fn rule_38_an_unhandled_error_makes_the_instance_stuck_after_the_step_went_on() {
    let mut world = World::new(definition(BAD));
    ["start", "event go"].iter().for_each(|line| world.run(line));
    let instance = world.instance.as_ref().unwrap();
    let reason = &instance.stuck.as_ref().unwrap().reason;
    assert!(reason.starts_with("error.execution.assign: ") && reason.contains("zero"), "{reason}");
    assert_eq!(world.definition.leaves(&instance.active).count(), 1);
    assert!(world.out.contains("2 go -> publish x.once | b stuck"));
}

#[test]
fn retry_goes_on_at_the_failed_action_and_parked_events_follow_in_order() {
    let mut world = World::new(definition(BAD));
    let script = ["start", "event go", "event fix", "event next", "command retry", "command skip"];
    script.iter().for_each(|line| world.run(line));
    let lines: Vec<_> = world.out.lines().collect();
    assert!(lines[2].ends_with("!deferred") && lines[3].ends_with("!deferred"), "{lines:?}");
    // The variable is still 0: the retry fails again, and what was parked stays parked.
    assert!(lines[4].starts_with("5 command retry -> - | b stuck"), "{lines:?}");
    assert_eq!(lines[5], "6 command skip -> - | c");
    world.run("vars");
    assert!(world.out.ends_with("{\"d\":5,\"n\":0}\n"), "{}", world.out);
}

#[test]
fn retry_succeeds_when_the_cause_is_gone() {
    let later = "\"now < timestamp('2023-11-15T00:00:00Z') ? 1 / vars.d : 5\"";
    let mut world = World::new(definition(&BAD.replace("10 / vars.d", later)));
    let script = ["start", "event go", "advance 24h", "command retry", "vars"];
    script.iter().for_each(|line| world.run(line));
    // What came before the failed action has happened and is not repeated: no second publish.
    assert!(world.out.contains("2 go -> publish x.once | b stuck (error.execution.assign: "));
    assert!(
        world.out.ends_with("3 command retry -> n=5 | b\n{\"d\":0,\"n\":5}\n"),
        "{}",
        world.out
    );
}

#[test]
fn rule_38_ignore_and_fail() {
    check(
        &BAD.replace("suspend", "ignore"),
        &["start", "event go"],
        "
        1 start -> - | a
        2 go -> publish x.once | b
    ",
    );
    let mut world = World::new(definition(&BAD.replace("suspend", "fail")));
    ["start", "event go"].iter().for_each(|line| world.run(line));
    assert!(world.out.ends_with("2 go -> publish x.once | b failed\n"), "{}", world.out);
}

const CALL: &str = "
workflow: t
initial: a
vars: { got: 0 }
states:
  a:
    entry: [ { call: p.one }, { call: p.two, set: { got: output.x } } ]
    done: b
    on: { late: c }
  b: {}
  c: {}
";

#[test]
fn a_call_that_failed_for_good_is_repeated_by_retry_under_the_same_id() {
    let mut world = World::new(definition(CALL));
    let script = [
        "start",
        "reply p.one",
        "fail p.two permanent no",
        "event late",
        "command retry",
        "reply p.two {x: 1}",
    ];
    script.iter().for_each(|line| world.run(line));
    assert_eq!(
        world.out,
        "\
1 start -> call p.one | a
2 reply p.one -> call p.two | a
3 reply p.two -> - | a stuck (error.platform.invoke.a.1: no)
4 late -> - | a stuck (error.platform.invoke.a.1: no) !deferred
5 command retry -> call p.two #2, cancel p.two | c
6 reply -> - | c !ignored late_reply
"
    );
    assert_eq!(world.calls[1].call, world.calls[2].call);
}

#[test]
fn skip_goes_on_behind_the_failed_call() {
    check(
        CALL,
        &["start", "fail p.one permanent no", "command skip", "reply p.two {x: 1}"],
        "
        1 start -> call p.one | a
        2 reply p.one -> - | a stuck (error.platform.invoke.a.0: no)
        3 command skip -> call p.two | a
        4 reply p.two -> - | b
    ",
    );
}

#[test]
fn a_failing_mapping_is_retried_with_the_reply_that_came() {
    let mut world = World::new(definition(CALL));
    let script = ["start", "reply p.one", "reply p.two {y: 1}", "command retry", "command skip"];
    script.iter().for_each(|line| world.run(line));
    let lines: Vec<_> = world.out.lines().collect();
    assert!(lines[2].contains("| a stuck (error.execution.assign: "), "{lines:?}");
    assert!(lines[3].starts_with("4 command retry -> - | a stuck (error.execution.assign: "));
    assert_eq!(lines[4], "5 command skip -> - | b");
}

#[test]
fn replies_that_arrive_while_stuck_are_taken_afterwards() {
    check(
        "
workflow: t
initial: p
states:
  p:
    done: z
    parallel:
      l: { initial: l1, states: { l1: { entry: { call: p.l }, done: l2 }, l2: { final: true } } }
      r: { initial: r1, states: { r1: { entry: { call: p.r }, done: r2 }, r2: { final: true } } }
  z: {}
",
        &["start", "fail p.l permanent no", "reply p.r", "reply p.r", "advance 1h", "command skip"],
        "
        1 start -> call p.l, call p.r | l1 r1
        2 reply p.l -> - | l1 r1 stuck (error.platform.invoke.l1.0: no)
        3 reply p.r -> - | l1 r1 stuck (error.platform.invoke.l1.0: no) !deferred
        4 reply p.r -> - | l1 r1 stuck (error.platform.invoke.l1.0: no) !ignored second_reply
        5 command skip -> - | z
    ",
    );
}

#[test]
fn rule_39_errors_are_of_the_platform() {
    let log = "{ log: { label: of, value: \"${ event.type }\" } }";
    let text = format!(
        "
workflow: t
initial: a
vars: {{ d: 0 }}
states:
  a:
    on:
      go: {{ do: {{ set: {{ d: 1 / vars.d }} }} }}
      say: {{ do: {{ raise: said }} }}
      error: {{ do: {log} }}
      said: {{ do: {log} }}
      told: {{ do: {log} }}
"
    );
    check(
        &text,
        &["start", "event go", "event say", "event told"],
        "
        1 start -> - | a
        2 go -> of=\"platform\" | a
        3 say -> of=\"internal\" | a
        4 told -> of=\"external\" | a
    ",
    );
}
