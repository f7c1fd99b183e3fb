//! Calls that can be taken back and were cut off while under way (decision 0056).

use super::check;
use super::check::{World, definition};
use crate::machine::{CUT_OFF_BEFORE, EffectId, Outcome, Status, StepStatus};

/// A step that may take 5 s, although its call may take 30.
const LATE: &str = "
workflow: t
steps:
  book: { call: p.book, undo: p.unbook, deadline: 5s }
  pay: { call: p.pay, needs: [book] }
";

/// Three at once; the first that fails stops the others.
const FIRST: &str = "
workflow: t
steps:
  all:
    foreach: { in: input.list, as: it, max_parallel: 3, collect: first_error }
    call: p.one
    with: { it: '${ it }' }
    undo: p.unone
";

fn world(text: &str, script: &[&str]) -> World {
    let mut world = World::new(definition(text));
    script.iter().for_each(|line| world.run(line));
    world
}

fn status(world: &World) -> Status {
    world.instance.as_ref().unwrap().status
}

fn steps(world: &World) -> Vec<StepStatus> {
    let progress = world.instance.as_ref().unwrap().progress.as_deref().unwrap();
    progress.graphs[0].steps.iter().map(|step| step.status).collect()
}

fn adrift(world: &World) -> usize {
    world.instance.as_ref().unwrap().adrift().len()
}

/// The call ids by which an operation was asked for, each with its attempt.
fn asked(world: &World, operation: &str) -> Vec<(EffectId, u32)> {
    let calls = world.calls.iter().filter(|call| *call.operation == *operation);
    calls.map(|call| (call.call, call.attempt)).collect()
}

#[test]
fn what_a_deadline_cuts_off_and_is_done_all_the_same_is_taken_back() {
    check(
        LATE,
        &["start", "advance 5s", "reply p.book {n: 1}", "command cancel", "reply p.unbook"],
        "
        1 start -> call p.book | steps
        2 timer steps -> cancel p.book | steps stuck (error.communication.invoke.steps.book: step `book` took longer than 5s)
        3 reply p.book -> - | steps stuck (error.communication.invoke.steps.book: step `book` took longer than 5s)
        4 command cancel -> call p.unbook | steps compensating
        5 reply p.unbook -> - | steps cancelled
    ",
    );
}

#[test]
fn a_rollback_waits_for_what_a_deadline_cut_off() {
    check(
        LATE,
        &["start", "advance 5s", "command cancel", "reply p.book {n: 1}", "reply p.unbook"],
        "
        1 start -> call p.book | steps
        2 timer steps -> cancel p.book | steps stuck (error.communication.invoke.steps.book: step `book` took longer than 5s)
        3 command cancel -> - | steps compensating
        4 reply p.book -> call p.unbook | steps compensating
        5 reply p.unbook -> - | steps cancelled
    ",
    );
    // Where it fails, or its own deadline is over, there is nothing to take back.
    for end in ["fail p.book permanent no", "advance 30s"] {
        let world = world(LATE, &["start", "advance 5s", "command cancel", end]);
        assert_eq!(status(&world), Status::Cancelled);
        assert_eq!(asked(&world, "p.unbook"), []);
    }
}

#[test]
fn retry_goes_on_with_what_was_cut_off_under_its_id() {
    let mut world = world(LATE, &["start", "advance 5s", "command retry"]);
    let calls = asked(&world, "p.book");
    assert_eq!(calls, [(calls[0].0, 1), (calls[0].0, 2)]);
    assert_eq!((adrift(&world), steps(&world)[0]), (0, StepStatus::Running));
    // All attempts are one call: it is done once.
    world.run("reply p.book {n: 1} [attempt=1]");
    assert_eq!(steps(&world)[0], StepStatus::Completed);
    world.run("reply p.book {n: 1}");
    assert!(world.out.ends_with("!ignored late_reply\n"), "{}", world.out);
    world.run("command cancel");
    world.run("reply p.unbook");
    assert_eq!((status(&world), asked(&world, "p.unbook").len()), (Status::Cancelled, 1));
}

#[test]
fn retry_takes_what_was_done_meanwhile_and_asks_nobody() {
    check(
        LATE,
        &["start", "advance 5s", "reply p.book {n: 1}", "command retry", "reply p.pay"],
        "
        1 start -> call p.book | steps
        2 timer steps -> cancel p.book | steps stuck (error.communication.invoke.steps.book: step `book` took longer than 5s)
        3 reply p.book -> - | steps stuck (error.communication.invoke.steps.book: step `book` took longer than 5s)
        4 command retry -> call p.pay | steps
        5 reply p.pay -> - | done done
    ",
    );
    // It stands once among what can be taken back.
    let script = [
        "start",
        "advance 5s",
        "reply p.book",
        "command retry",
        "command cancel",
        "reply p.unbook",
    ];
    let world = world(LATE, &script);
    assert_eq!((status(&world), asked(&world, "p.unbook").len()), (Status::Cancelled, 1));
}

#[test]
fn the_other_items_behind_a_first_error_are_heard() {
    let mut world = world(FIRST, &["start {list: [a, b, c]}", "fail p.one permanent no"]);
    assert_eq!((status(&world), adrift(&world)), (Status::Stuck, 2));
    let (a, b) = (world.calls[0].clone(), world.calls[1].clone());
    let done = || crate::machine::CallOutcome::Success(crate::value::Value::Null);
    let reply = |call, attempt| crate::machine::Input::CallReply { call, attempt, outcome: done() };
    world.tell(&reply(a.call, 1));
    assert_eq!(adrift(&world), 2, "one is done, and one is under way");
    // `retry` keeps the first, and goes on with the second.
    world.run("command retry");
    let calls = asked(&world, "p.one");
    assert_eq!(calls.len(), 5, "{}", world.out);
    assert_eq!(calls[3], (b.call, 2));
    assert_ne!(calls[4].0, calls[2].0, "what failed for good is a call of its own");
    world.tell(&reply(b.call, 2));
    world.run("reply p.one");
    assert_eq!(status(&world), Status::Done, "{}", world.out);
}

#[test]
fn an_item_that_stands_elsewhere_now_is_not_gone_on_with() {
    let text =
        FIRST.replace("input.list", "vars.list").replace("steps:", "vars: { list: [] }\nsteps:");
    let script = [
        "start",
        "command set {list: [a, b]}",
        "command retry",
        "fail p.one permanent no",
        "command set {list: [x, b]}",
        "command retry",
    ];
    let text = text.replace("list: []", "list: 1");
    let mut world = world(&text, &script);
    let calls = asked(&world, "p.one");
    assert_eq!(calls.len(), 4, "{}", world.out);
    assert_ne!(calls[2].0, calls[0].0, "it has another input");
    // The first one is heard all the same.
    assert_eq!(adrift(&world), 1);
    world.run("command cancel");
    assert_eq!(status(&world), Status::Compensating);
}

#[test]
fn a_call_of_a_state_that_was_left_is_heard() {
    let text = "
workflow: t
initial: a
states:
  a: { entry: [ { call: p.book, undo: p.unbook } ], on: { go: b } }
  b: { on: { end: c } }
  c: { final: true }
";
    check(
        text,
        &["start", "event go", "command cancel", "reply p.book", "reply p.unbook"],
        "
        1 start -> call p.book | a
        2 go -> cancel p.book | b
        3 command cancel -> - | b compensating
        4 reply p.book -> call p.unbook | b compensating
        5 reply p.unbook -> - | b cancelled
    ",
    );
    // Nobody takes anything back behind the end.
    check(
        text,
        &["start", "event go", "event end", "reply p.book"],
        "
        1 start -> call p.book | a
        2 go -> cancel p.book | b
        3 end -> - | c done
        4 reply -> - | c done !ignored late_reply
    ",
    );
}

#[test]
fn what_nobody_could_hear_stays_in_doubt_until_something_is_taken_back() {
    // Its engine was away at the call's own deadline; another one asks, once that is needed.
    let text = LATE.replace("p.pay,", "p.pay, timeout: 1h,");
    let text = text.replace("undo: p.unbook,", "undo: p.unbook, optional: true,");
    let mut world = world(&text, &["start", "advance 5s", "away 1m"]);
    assert_eq!((status(&world), adrift(&world)), (Status::Running, 1), "{}", world.out);
    world.run("command cancel");
    world.run("advance 1s");
    let calls = asked(&world, "p.book");
    assert_eq!(calls, [(calls[0].0, 1), (calls[0].0, 2)], "{}", world.out);
    world.run("reply p.book");
    world.run("reply p.unbook");
    assert_eq!(status(&world), Status::Cancelled);
    // Where an engine was there, and nobody answered in time, likewise (decision 0066).
    let late = "p.book, undo: p.unbook, optional: true, timeout: 20s, deadline: 5s";
    let text = text.replace("p.book, undo: p.unbook, optional: true, deadline: 5s", late);
    let world = self::world(&text, &["start", "advance 5s", "advance 20s"]);
    assert_eq!((status(&world), adrift(&world)), (Status::Running, 1), "{}", world.out);
}

#[test]
fn a_plugin_that_went_away_leaves_its_call_in_doubt() {
    let text = LATE.replace("p.pay,", "p.pay, timeout: 1h,");
    let text = text.replace("undo: p.unbook,", "undo: p.unbook, optional: true,");
    let mut world = world(&text, &["start", "advance 5s", "fail p.book gone away"]);
    assert_eq!(adrift(&world), 1);
    world.run("command cancel");
    world.run("advance 1s");
    assert_eq!(asked(&world, "p.book").len(), 2, "{}", world.out);
    world.run("reply p.book");
    world.run("reply p.unbook");
    assert_eq!(status(&world), Status::Cancelled);
    // One that was never sent is none.
    let world = self::world(&text, &["start", "advance 5s", "fail p.book unsent no"]);
    assert_eq!(adrift(&world), 0);
}

#[test]
fn one_that_may_be_sent_once_and_was_cut_off_before_is_told_so_and_nobody_waits_for_it() {
    let text = LATE.replace("undo: p.unbook,", "undo: p.unbook, optional: true,");
    // It was about to be sent: whoever asks whether it may hears that it is cut off.
    let mut world = world(&text, &["start", "advance 5s", "sending p.book"]);
    let outcome = world.last.as_ref().map(|last| last.outcome.clone());
    assert_eq!(outcome, Some(Outcome::Ignored { reason: CUT_OFF_BEFORE.into() }));
    world.run("fail p.book unsent no");
    assert_eq!(adrift(&world), 0);
    world.run("command cancel");
    assert_eq!(status(&world), Status::Cancelled, "nobody waits: {}", world.out);
    // One that was recorded as sent may be done, whoever asks once more.
    let mut sent = self::world(&text, &["start", "sending p.book", "advance 5s", "sending p.book"]);
    let outcome = sent.last.as_ref().map(|last| last.outcome.clone());
    assert_eq!(outcome, Some(Outcome::Ignored { reason: "late_start".into() }));
    sent.run("command cancel");
    assert_eq!(status(&sent), Status::Compensating, "{}", sent.out);
}

#[test]
fn the_rollback_of_a_graph_waits_for_its_own_steps_only() {
    let text = LATE.replace("workflow: t", "workflow: t\non_failure: rollback\non_error: fail");
    let text = text.replace("undo: p.unbook,", "undo: p.unbook, optional: true,");
    check(
        &text,
        &["start", "advance 5s", "fail p.pay permanent no", "reply p.book", "reply p.unbook"],
        "
        1 start -> call p.book | steps
        2 timer steps -> cancel p.book, call p.pay | steps
        3 reply p.pay -> - | steps compensating
        4 reply p.book -> call p.unbook | steps compensating
        5 reply p.unbook -> - | steps failed
    ",
    );
}

#[test]
fn a_rollback_by_hand_waits_for_what_was_cut_off() {
    let text = LATE.replace("undo: p.unbook,", "undo: p.unbook, optional: true,");
    let script = ["start", "advance 5s", "command rollback", "reply p.book", "reply p.unbook"];
    let world = world(&text, &script);
    assert_eq!(status(&world), Status::Stuck, "{}", world.out);
    assert_eq!(steps(&world)[0], StepStatus::Undone);
}

#[test]
fn the_timeout_of_all_steps_cuts_off_what_is_heard_all_the_same() {
    let text = LATE.replace("workflow: t", "workflow: t\ntimeout: 4s");
    let mut world = world(&text, &["start", "advance 4s"]);
    assert_eq!((status(&world), adrift(&world)), (Status::Stuck, 1), "{}", world.out);
    world.run("command pause");
    world.run("reply p.book");
    world.run("command cancel");
    world.run("reply p.unbook");
    assert_eq!(status(&world), Status::Cancelled, "{}", world.out);
}
