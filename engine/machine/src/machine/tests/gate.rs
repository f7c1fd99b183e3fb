//! Every way an event is offered passes the approvals, and no acknowledged event is lost.

use super::check;
use super::check::{World, definition};

const LATER: &str = "
workflow: t
initial: idle
states:
  idle: { defer: [user.action], on: { gate.open: review } }
  review:
    approval: { roles: [legal], not: [initiator] }
    on: { user.action: yes_ }
  yes_: {}
";

#[test]
fn a_deferred_event_passes_the_gate() {
    check(
        LATER,
        &[
            "start [by=sue]",
            "event user.action {action: approve}",
            "event user.action {action: approve} [by=sue roles=legal]",
            "event gate.open",
            "event user.action {action: approve} [by=ann roles=legal]",
        ],
        "
        1 start -> - | idle
        2 user.action -> - | idle !deferred
        3 user.action -> - | idle !deferred
        4 gate.open -> dead_letter user.action, dead_letter user.action | review
        5 user.action -> - | yes_
    ",
    );
    let mut world = World::new(definition(LATER));
    ["start [by=sue]", "event user.action {action: approve}", "event gate.open"]
        .iter()
        .for_each(|line| world.run(line));
    let note = world.last.unwrap().trace.unwrap().note.unwrap();
    assert_eq!(&*note, "the decision needs one of the roles `legal`; denied user.action");
    assert!(world.instance.unwrap().deferred.is_empty());
}

#[test]
fn a_deferred_event_that_may_decide_does() {
    check(
        LATER,
        &[
            "start [by=sue]",
            "event user.action {action: approve} [by=ann roles=*]",
            "event gate.open",
        ],
        "
        1 start -> - | idle
        2 user.action -> - | idle !deferred
        3 gate.open -> - | yes_
    ",
    );
}

#[test]
fn deferred_votes_are_counted_once_each() {
    let text = LATER.replace("roles: [legal], not: [initiator]", "need: 2");
    check(
        &text,
        &[
            "start",
            "event user.action {action: approve} [by=ann]",
            "event user.action {action: approve} [by=ann]",
            "event user.action {action: approve} [by=bob]",
            "event gate.open",
        ],
        "
        1 start -> - | idle
        2 user.action -> - | idle !deferred
        3 user.action -> - | idle !deferred
        4 user.action -> - | idle !deferred
        5 gate.open -> dead_letter user.action | yes_
    ",
    );
}

#[test]
fn events_wait_for_a_hidden_states_call_and_pass_the_gate_then() {
    let text = LATER.replace("gate.open: review", "gate.open: { do: { call: a.b }, to: review }");
    check(
        &text,
        &[
            "start [by=sue]",
            "event gate.open",
            "event user.action {action: approve}",
            "reply a.b {}",
        ],
        "
        1 start -> - | idle
        2 gate.open -> call a.b | review~1
        3 user.action -> - | review~1 !deferred
        4 reply a.b -> dead_letter user.action | review
    ",
    );
}

#[test]
fn a_parked_event_passes_the_gate() {
    let text = LATER
        .replace("gate.open: review", "gate.open: { do: { set: { n: 1 / 0 } }, to: review }")
        + "vars: { n: 0 }\n";
    check(
        &text,
        &[
            "start [by=sue]",
            "event gate.open",
            "event user.action {action: approve}",
            "command skip",
        ],
        "
        1 start -> - | idle
        2 gate.open -> - | review stuck (error.execution.assign: division by zero) !rolled back
        3 user.action -> - | review stuck (error.execution.assign: division by zero) !deferred
        4 command skip -> dead_letter user.action | review
    ",
    );
}

#[test]
fn a_starting_event_passes_the_gate() {
    let text = LATER.replace("initial: idle", "initial: review")
        + "events: { user.action: { start: true } }\n";
    check(
        &text,
        &[
            "start user.action {action: approve}",
            "event user.action {action: reject} [by=x roles=*]",
        ],
        "
        1 start -> - | review
        2 user.action -> - | review !denied the initiator is unknown, so that anybody might be it; \
            start such instances explicitly or publish their event through a door that knows the \
            user, and cancel this one
    ",
    );
}

#[test]
fn an_unknown_initiator_might_be_anybody() {
    check(
        LATER,
        &["start", "event gate.open", "command decide approve {} [by=ann roles=legal]"],
        "
        1 start -> - | idle
        2 gate.open -> - | review
        3 command decide approve -> - | review !denied the initiator is unknown, so that anybody \
            might be it; start such instances explicitly or publish their event through a door \
            that knows the user, and cancel this one
    ",
    );
}

#[test]
fn rule_44_a_refused_deferred_event_is_a_dead_letter() {
    let mut world = World::new(definition(
        "
workflow: t
unhandled: reject
initial: a
states:
  a: { defer: [x], on: { go: b } }
  b: { on: { y: a } }
",
    ));
    ["start", "event x", "event go"].iter().for_each(|line| world.run(line));
    assert!(world.out.ends_with("3 go -> dead_letter x | b\n"), "{}", world.out);
    let note = world.last.unwrap().trace.unwrap().note.unwrap();
    assert_eq!(&*note, "not accepted; unhandled x");
}

#[test]
fn rule_44_a_refused_timer_event_is_a_dead_letter() {
    check(
        "
workflow: t
unhandled: reject
initial: a
states:
  a: { entry: { send: { event: late, after: 1m } }, on: { x: a } }
",
        &["start", "advance 2m"],
        "
        1 start -> - | a
        2 late -> dead_letter late | a !dead_letter unhandled
    ",
    );
}

#[test]
fn rule_14_policies_do_not_meet_the_starting_event() {
    for policy in ["defer", "dead_letter", "reject", "discard"] {
        let text = format!(
            "workflow: t\nunhandled: {policy}\nevents: {{ begun: {{ start: true }} }}\n\
             initial: a\nstates:\n  a: {{ on: {{ go: b }} }}\n  b: {{ on: {{ begun: c }} }}\n  \
             c: {{}}\n"
        );
        check(
            &text,
            &["start begun {}", "event go"],
            "
            1 start -> - | a
            2 go -> - | b
        ",
        );
    }
}

/// Two regions that anybody may approve.
const TWO: &str = "
workflow: t
initial: p
states:
  p:
    done: z
    parallel:
      legal: { states: { legal_review: { approval: true, on: { user.action: legal_ok } }, \
legal_ok: { final: true } } }
      money: { states: { money_review: { approval: { choices: [approve, hold] }, \
on: { user.action: money_ok } }, money_ok: { final: true } } }
  z: {}
";

#[test]
fn one_decision_decides_one_approval() {
    check(
        TWO,
        &[
            "start",
            "command decide approve {} [by=ann]",
            "command decide legal_review:approve {} [by=ann]",
            "command decide approve {} [by=ann]",
        ],
        "
        1 start -> - | legal_review money_review
        2 command decide approve -> - | legal_review money_review !rejected several approvals wait \
            for `approve`: say which [legal_review:approve money_review:approve]
        3 command decide legal_review:approve -> - | legal_ok money_review
        4 command decide approve -> - | z
    ",
    );
}

#[test]
fn a_choice_of_one_approval_only_needs_no_address() {
    check(
        TWO,
        &["start", "command decide hold {} [by=ann]", "event user.action {task: legal_review}"],
        "
        1 start -> - | legal_review money_review
        2 command decide hold -> - | legal_review money_ok
        3 user.action -> - | z
    ",
    );
}

#[test]
fn a_decision_passes_by_what_is_beside_its_approval() {
    let text = TWO.replace("{ approval: { choices: [approve, hold] }, on", "{ on");
    check(
        &text,
        &["start", "command decide approve {} [by=ann]"],
        "
        1 start -> - | legal_review money_review
        2 command decide approve -> - | legal_ok money_review
    ",
    );
}

#[test]
fn a_decision_nobody_takes_is_refused_and_not_kept() {
    let text = TWO
        .replace("user.action: legal_ok", "user.action: { when: data.ok, to: legal_ok }")
        .replace("workflow: t", "workflow: t\nunhandled: dead_letter");
    let mut world = World::new(definition(&text));
    ["start", "command decide legal_review:approve {} [by=ann]"]
        .iter()
        .for_each(|line| world.run(line));
    assert!(
        world.out.ends_with(
            "-> - | legal_review money_review !rejected no transition takes \
             `legal_review:approve` now\n"
        ),
        "{}",
        world.out
    );
    let note = world.last.unwrap().trace.unwrap().note.unwrap();
    assert_eq!(&*note, "refused: no transition takes `legal_review:approve` now");
}

#[test]
fn a_longer_name_is_no_way_around_the_gate() {
    let text = LATER
        .replace("initial: idle", "initial: review")
        .replace("on: { user", "on: { user.action.note: { do: { log: n } }, user");
    check(
        &text,
        &[
            "start [by=sue]",
            "event user.action.x {action: approve}",
            "event user.action.note {}",
            "event user.action {action: approve} [by=ann roles=legal]",
        ],
        "
        1 start -> - | review
        2 user.action.x -> - | review !ignored unhandled
        3 user.action.note -> =\"n\" | review
        4 user.action -> - | yes_
    ",
    );
}

#[test]
fn transitions_around_an_approval_are_behind_its_gate() {
    check(
        "
workflow: t
initial: out
states:
  out:
    on: { user.action: yes_ }
    states: { review: { approval: { roles: [legal] } } }
  yes_: {}
",
        &["start", "event user.action", "event user.action [by=ann roles=legal]"],
        "
        1 start -> - | review
        2 user.action -> - | review !denied the decision needs one of the roles `legal`
        3 user.action -> - | yes_
    ",
    );
}

#[test]
fn who_may_decide_one_approval_may_use_what_is_around_it() {
    check(
        "
workflow: t
states:
  p:
    on: { user.action: z }
    parallel:
      legal: { states: { a: { approval: { roles: [legal] } } } }
      money: { states: { b: { approval: { roles: [money] } } } }
  z: {}
",
        &["start", "event user.action [by=eve]", "event user.action [by=ann roles=money]"],
        "
        1 start -> - | a b
        2 user.action -> - | a b !denied the decision needs one of the roles `legal`
        3 user.action -> - | z
    ",
    );
}
