//! `approval:` as a step: asked, decided, in time or not (decision 0025).

use super::check;
use super::check::{World, definition};
use crate::machine::{NoticeKind, open_tasks};

const ONE: &str = "
workflow: t
vars: { who: null }
steps:
  draft: { call: p.draft }
  review:
    needs: [draft]
    approval:
      title: \"Review ${ steps.draft.name }\"
      choices: [approve, reject]
      roles: [legal]
    timeout: 24h
    set: { who: output.by }
  print: { needs: [review], when: steps.review.action == 'approve', call: p.print }
  bin: { needs: [review], when: steps.review.action == 'reject', call: p.bin }
output: { review: \"${ steps.review }\", who: \"${ vars.who }\" }
";

fn world(text: &str, lines: &[&str]) -> World {
    let mut world = World::new(definition(text));
    lines.iter().for_each(|line| world.run(line));
    world
}

fn tasks(world: &World) -> Vec<String> {
    let instance = world.instance.as_ref().unwrap();
    let tasks = open_tasks(instance, &world.definition, world.now);
    let words = |task: &crate::machine::Task| {
        let due = task.due.map(|due| (due.0 - world.now.0) / 60_000);
        let votes = task.votes.len();
        format!("{} `{}` [{}] {due:?} {votes}", task.name, task.title, task.choices.join(" "))
    };
    tasks.iter().map(words).collect()
}

#[test]
fn a_step_asks_is_decided_and_chooses_what_follows() {
    check(
        ONE,
        &[
            "start",
            "command decide approve {} [by=ann roles=legal]",
            "reply p.draft {name: plan}",
            "command decide approve {} [by=eve roles=sales]",
            "command decide maybe {} [by=ann roles=legal]",
            "command decide approve {comment: fine} [by=ann roles=legal]",
            "command decide approve {} [by=ann roles=legal]",
            "reply p.print",
        ],
        "
        1 start -> call p.draft | steps
        2 command decide approve -> - | steps !rejected \
            no task is open: step `review` is not open yet
        3 reply p.draft -> - | steps
        4 command decide approve -> - | steps !denied the decision needs one of the roles `legal`
        5 command decide maybe -> - | steps !rejected `maybe` is none of the choices \
            [approve reject]
        6 command decide approve -> call p.print | steps
        7 command decide approve -> - | steps !rejected \
            no task is open: step `review` is decided already: `approve` by ann
        8 reply p.print -> - | done done
    ",
    );
}

#[test]
fn the_verdict_is_the_steps_output_and_stands_in_the_history() {
    let mut world = world(ONE, &["start", "reply p.draft {name: plan}"]);
    assert_eq!(tasks(&world), ["steps.review `Review plan` [approve reject] Some(1440) 0"]);
    let asked = world.notices.iter().find(|(kind, _)| *kind == NoticeKind::ApprovalRequested);
    let asked = &asked.unwrap().1;
    assert_eq!(asked.get("step").and_then(|step| step.as_str()), Some("review"));
    world.run("command decide reject {comment: too long} [by=ann roles=legal]");
    assert_eq!(tasks(&world), [""; 0]);
    let note = world.last.as_ref().unwrap().trace.as_ref().unwrap().note.clone();
    assert_eq!(note.as_deref(), Some("review: reject by ann"));
    world.run("reply p.bin");
    assert_eq!(
        world.instance.as_ref().unwrap().output.to_json(),
        concat!(
            r#"{"review":{"action":"reject","by":"ann","comment":"too long","#,
            r#""task":"steps.review","userId":"ann"},"who":"ann"}"#
        )
    );
}

#[test]
fn an_ordinary_event_decides_and_needs_the_role_too() {
    check(
        ONE,
        &[
            "start",
            "event user.action {action: approve} [by=ann roles=legal]",
            "reply p.draft {name: plan}",
            "event user.action {action: approve}",
            "event user.action {action: shred} [by=ann roles=legal]",
            "event user.action {action: approve, task: elsewhere} [by=ann roles=legal]",
        ],
        "
        1 start -> call p.draft | steps
        2 user.action -> - | steps !ignored unhandled
        3 reply p.draft -> - | steps
        4 user.action -> - | steps !denied the decision needs one of the roles `legal`
        5 user.action -> - | steps !rejected `action` is none of the choices [approve reject]
        6 user.action -> call p.print | steps
    ",
    );
}

#[test]
fn a_step_nobody_decides_in_time_fails() {
    check(
        ONE,
        &[
            "start",
            "reply p.draft {name: plan}",
            "advance 24h",
            "command decide approve {} [by=ann roles=legal]",
            "command retry",
            "command decide approve {} [by=ann roles=legal]",
        ],
        "
        1 start -> call p.draft | steps
        2 reply p.draft -> - | steps
        3 timer steps -> - | steps stuck (error.communication.invoke.steps.review: step `review` \
            took longer than 1d)
        4 command decide approve -> - | steps stuck (error.communication.invoke.steps.review: step \
            `review` took longer than 1d) !rejected the instance is stuck: \
            retry or skip first
        5 command retry -> - | steps
        6 command decide approve -> call p.print | steps
    ",
    );
}

#[test]
fn what_the_step_says_of_failures_is_said_of_the_time_too() {
    let optional = ONE.replace("timeout: 24h", "timeout: 24h\n    optional: true");
    let bin = optional.replace("when: steps.review.action == 'reject', ", "");
    check(
        &bin,
        &["start", "reply p.draft {name: plan}", "advance 24h"],
        "
        1 start -> call p.draft | steps
        2 reply p.draft -> - | steps
        3 timer steps -> call p.bin | steps
    ",
    );
    let fallback = ONE.replace(
        "timeout: 24h",
        "timeout: 24h\n    fallback: { call: p.boss, retry: { attempts: 1 } }",
    );
    check(
        &fallback,
        &[
            "start",
            "reply p.draft {name: plan}",
            "advance 24h",
            "reply p.boss {action: approve, by: boss}",
        ],
        "
        1 start -> call p.draft | steps
        2 reply p.draft -> - | steps
        3 timer steps -> call p.boss | steps
        4 reply p.boss -> call p.print | steps
    ",
    );
}

const VOTES: &str = "
workflow: t
initial: w
states:
  w:
    steps:
      both: { approval: { need: 2, not: initiator } }
      one: { approval: true }
    on: { stop: out, user.action: taken }
    done: end
  taken: {}
  out: {}
  end: { final: true, output: \"${ data }\" }
";

#[test]
fn several_must_agree_and_approvals_are_told_apart() {
    check(
        VOTES,
        &[
            "start [by=sue]",
            "command decide approve {} [by=ann]",
            "command decide w.both:approve {} [by=sue]",
            "command decide both:approve {} [by=ann]",
            "command decide both:approve {} [by=ann]",
            "command decide w.both:reject {} [by=bob]",
            "command decide both:approve {} [by=cid]",
            "command decide reject {} [by=ann]",
        ],
        "
        1 start -> - | w
        2 command decide approve -> - | w !rejected several approvals wait for `approve`: say \
            which [w.both:approve w.one:approve]
        3 command decide w.both:approve -> - | w !denied the one who started it may not decide
        4 command decide both:approve -> - | w
        5 command decide both:approve -> - | w !rejected `ann` has voted already
        6 command decide w.both:reject -> - | w
        7 command decide both:approve -> - | w
        8 command decide reject -> - | end done
    ",
    );
    let world = world(
        VOTES,
        &[
            "start [by=sue]",
            "command decide one:approve {} [by=ann]",
            "command decide both:approve {} [by=ann]",
        ],
    );
    assert_eq!(tasks(&world), ["w.both `both` [approve reject] None 1"]);
}

#[test]
fn who_agreed_is_part_of_the_verdict() {
    let world = world(
        &VOTES.replace("      one: { approval: true }\n", ""),
        &[
            "start [by=sue]",
            "command decide approve {} [by=ann]",
            "command decide approve {} [by=bob]",
        ],
    );
    assert_eq!(
        world.instance.as_ref().unwrap().output.to_json(),
        r#"{"action":"approve","by":"bob","task":"w.both","userId":"bob","voters":["ann","bob"]}"#
    );
}

#[test]
fn a_decision_that_names_no_approval_is_a_transitions_first() {
    check(
        VOTES,
        &[
            "start [by=sue]",
            "event user.action {action: approve, task: w.one} [by=ann]",
            "event user.action {action: approve} [by=ann]",
        ],
        "
        1 start -> - | w
        2 user.action -> - | w
        3 user.action -> - | taken
    ",
    );
}

#[test]
fn leaving_the_state_withdraws_what_is_asked() {
    let mut world =
        world(VOTES, &["start [by=sue]", "command decide both:approve {} [by=ann]", "event stop"]);
    assert_eq!(tasks(&world), [""; 0]);
    world.run("command decide both:approve {} [by=bob]");
    assert!(world.out.contains("is not asked for any more: it is cancelled"), "{}", world.out);
}

#[test]
fn a_decision_that_comes_early_is_not_kept_for_the_step() {
    let text = ONE.replace("steps:\n  draft", "unhandled: dead_letter\nsteps:\n  draft");
    check(
        &text,
        &["start", "event user.action {action: approve} [by=ann roles=legal]"],
        "
        1 start -> call p.draft | steps
        2 user.action -> dead_letter user.action | steps !dead_letter unhandled
    ",
    );
}

#[test]
fn votes_on_a_step_are_cast_again_after_a_migration() {
    let world = world(VOTES, &["start [by=sue]", "command decide both:approve {} [by=ann]"]);
    let to = definition(&VOTES.replace("workflow: t", "workflow: t\nversion: 2"));
    let old = world.instance.as_ref().unwrap();
    let moved = crate::machine::migrate(old, &world.definition, &to, &[], world.now).unwrap();
    let void = "a vote in `both` is void: decide again: ann (approve)";
    assert!(moved.notes.iter().any(|note| note == void), "{:?}", moved.notes);
    let tasks = open_tasks(&moved.instance, &to, world.now);
    assert_eq!(tasks.iter().map(|task| task.votes.len()).collect::<Vec<_>>(), [0, 0]);
}
