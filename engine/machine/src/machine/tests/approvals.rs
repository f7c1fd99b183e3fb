//! Approvals: who may decide what.

use super::check;
use super::check::{World, definition};
use crate::machine::open_tasks;

const ONE: &str = "
workflow: t
initial: w
vars: { title: Plan }
states:
  w:
    approval: { title: \"Review ${ vars.title }\", choices: [approve, reject], roles: [legal],
        not: [initiator] }
    on:
      user.action:
        - { when: data.action == 'approve' && data.amount < 100, to: yes_ }
        - { when: data.action == 'reject', to: no_ }
    after: { 24h: { to: w } }
  yes_: { entry: { log: { label: by, value: \"${ data.userId }\" } } }
  no_: {}
";

#[test]
fn a_decision_is_checked_and_offered() {
    check(
        ONE,
        &[
            "start [by=sue]",
            "command decide maybe {} [by=ann roles=legal]",
            "command decide approve {amount: 1} [by=ann roles=sales]",
            "command decide approve {amount: 1} [by=sue roles=legal]",
            "command decide approve {amount: 500} [by=ann roles=legal]",
            "command decide approve {amount: 1, userId: forged} [by=ann roles=legal]",
            "command decide approve {amount: 1} [by=bob roles=*]",
        ],
        "
        1 start -> - | w
        2 command decide maybe -> - | w !rejected `maybe` is none of the choices [approve reject]
        3 command decide approve -> - | w !denied the decision needs one of the roles `legal`
        4 command decide approve -> - | w !denied the one who started it may not decide
        5 command decide approve -> - | w !rejected no transition takes `approve` now
        6 command decide approve -> by=\"ann\" | yes_
        7 command decide approve -> - | yes_ !rejected \
            no task is open: state `w`, which asks, is not active
    ",
    );
}

#[test]
fn a_decision_no_transition_takes_records_the_guards() {
    let mut world = World::new(definition(ONE));
    ["start [by=sue]", "command decide approve {amount: 500} [by=ann roles=*]"]
        .iter()
        .for_each(|line| world.run(line));
    assert_eq!(world.last.unwrap().trace.unwrap().guards.len(), 2);
}

#[test]
fn an_ordinary_event_needs_the_role_too() {
    check(
        ONE,
        &[
            "start [by=sue]",
            "event user.action {action: reject}",
            "event user.action {action: reject} [by=eve roles=sales]",
            "event user.action {action: reject} [by=ann roles=legal]",
        ],
        "
        1 start -> - | w
        2 user.action -> - | w !denied the decision needs one of the roles `legal`
        3 user.action -> - | w !denied the decision needs one of the roles `legal`
        4 user.action -> - | no_
    ",
    );
}

#[test]
fn an_open_approval_restricts_nobody() {
    let text = ONE.replace("roles: [legal],", "").replace("not: [initiator]", "need: 1");
    check(
        &text,
        &["start", "event user.action {action: reject}"],
        "
        1 start -> - | w
        2 user.action -> - | no_
    ",
    );
}

const VOTES: &str = "
workflow: t
initial: w
states:
  w:
    approval: { title: x, choices: [approve, reject], need: 2 }
    on:
      user.action: [ { when: data.action == 'approve', to: done_ },
          { when: data.action == 'reject', to: w } ]
  done_: {}
";

#[test]
fn several_persons_must_make_the_same_choice() {
    check(
        VOTES,
        &[
            "start",
            "command decide approve {} [by=ann]",
            "command decide approve {} [by=ann]",
            "event user.action {action: reject} [by=bob]",
            "event user.action {action: approve}",
            "event user.action {action: approve} [by=cid]",
        ],
        "
        1 start -> - | w
        2 command decide approve -> - | w
        3 command decide approve -> - | w !rejected `ann` has voted already
        4 user.action -> - | w
        5 user.action -> - | w !denied the decision needs a known user
        6 user.action -> - | done_
    ",
    );
}

#[test]
fn votes_end_with_the_state() {
    check(
        VOTES,
        &[
            "start",
            "command decide approve {} [by=ann]",
            "command decide reject {} [by=bob]",
            "command decide reject {} [by=cid]",
            "command decide approve {} [by=dan]",
        ],
        "
        1 start -> - | w
        2 command decide approve -> - | w
        3 command decide reject -> - | w
        4 command decide reject -> - | w
        5 command decide approve -> - | w
    ",
    );
}

#[test]
fn approvals_in_parallel_regions_are_separate() {
    let region = |name: &str| {
        format!(
            "{name}: {{ initial: {name}1, states: {{ {name}1: {{ approval: {{ title: x, \
             choices: [approve], roles: [{name}] }}, on: {{ user.action: {{ to: {name}2 }} }} }}, \
             {name}2: {{ final: true }} }} }}"
        )
    };
    let text = format!(
        "workflow: t\ninitial: p\nstates:\n  p:\n    done: z\n    parallel:\n      \
         {}\n      {}\n  z: {{}}\n",
        region("legal"),
        region("money")
    );
    check(
        &text,
        &[
            "start",
            "command decide approve {} [by=ann roles=legal]",
            "command decide approve {} [by=ann roles=legal]",
            "command decide approve {} [by=bob roles=money]",
        ],
        "
        1 start -> - | legal1 money1
        2 command decide approve -> - | legal2 money1
        3 command decide approve -> - | legal2 money1 !denied \
            the decision needs one of the roles `money`
        4 command decide approve -> - | z
    ",
    );
}

#[test]
fn open_tasks_say_what_waits() {
    let mut world = World::new(definition(ONE));
    world.run("start");
    let instance = world.instance.as_ref().unwrap();
    let tasks = open_tasks(instance, &world.definition, world.now);
    assert_eq!(tasks.len(), 1);
    assert_eq!(&*tasks[0].title, "Review Plan");
    assert_eq!(tasks[0].due, Some(world.now.plus_ms(24 * 3_600_000)));
    assert_eq!(tasks[0].choices.len(), 2);
    world.run("command kill");
    assert!(open_tasks(world.instance.as_ref().unwrap(), &world.definition, world.now).is_empty());
}
