//! Calls that failed because nobody answered, before anything was taken back: they may be done
//! (decision 0066).

use super::check;
use super::check::{World, definition};
use crate::machine::{EffectId, Status, StepStatus};

/// A call that nobody answers, and one attempt of it.
const SILENT: &str = "
workflow: t
steps:
  a: { call: p.do, undo: p.undo, timeout: 5s }
  b: { needs: [a], call: p.more }
";

const TOLD: &str = "step `a`: `p.do` was sent and not answered: if it is done, it stays";

fn world(text: &str, script: &[&str]) -> World {
    let mut world = World::new(definition(text));
    script.iter().for_each(|line| world.run(line));
    world
}

fn status(world: &World) -> Status {
    world.instance.as_ref().unwrap().status
}

fn adrift(world: &World) -> usize {
    world.instance.as_ref().unwrap().adrift().len()
}

fn left_out(world: &World) -> Vec<String> {
    world.instance.as_ref().unwrap().left_out().iter().map(ToString::to_string).collect()
}

fn steps(world: &World) -> Vec<StepStatus> {
    let progress = world.instance.as_ref().unwrap().progress.as_deref().unwrap();
    progress.graphs[0].steps.iter().map(|step| step.status).collect()
}

fn asked(world: &World, operation: &str) -> Vec<(EffectId, u32)> {
    let calls = world.calls.iter().filter(|call| *call.operation == *operation);
    calls.map(|call| (call.call, call.attempt)).collect()
}

#[test]
fn what_takes_back_asks_once_more_for_what_nobody_answered() {
    check(
        SILENT,
        &["start", "advance 5s", "command cancel", "advance 1s", "reply p.do", "reply p.undo"],
        "
        1 start -> call p.do | steps
        2 timer deadline p.do -> cancel p.do | steps stuck (error.communication.invoke.steps.a: no answer within 5s)
        3 command cancel -> - | steps compensating
        4 timer retry -> call p.do #2 | steps compensating
        5 reply p.do -> call p.undo | steps compensating
        6 reply p.undo -> - | steps cancelled
    ",
    );
    for order in ["command cancel", "command rollback"] {
        let mut done = world(SILENT, &["start", "advance 5s", order, "advance 1s", "reply p.do"]);
        let calls = asked(&done, "p.do");
        assert_eq!(calls, [(calls[0].0, 1), (calls[0].0, 2)], "{}", done.out);
        done.run("reply p.undo");
        assert_eq!((asked(&done, "p.undo").len(), left_out(&done)), (1, vec![]), "{}", done.out);
        // Its plugin says that it is not done.
        let script = ["start", "advance 5s", order, "advance 1s", "fail p.do permanent no"];
        let certain = world(SILENT, &script);
        assert_eq!((asked(&certain, "p.undo"), left_out(&certain)), (vec![], vec![]));
        // Nobody says anything: it is told, and no more is asked.
        let silent = world(SILENT, &["start", "advance 5s", order, "advance 1h"]);
        assert_eq!(left_out(&silent), [TOLD], "{}", silent.out);
        assert_eq!(asked(&silent, "p.do").len(), 2, "{}", silent.out);
        assert_ne!(status(&silent), Status::Compensating);
    }
}

/// What it was given may be another now, and one id never goes out with two inputs.
#[test]
fn h5_retry_behind_a_rollback_makes_a_new_call_of_what_is_told_as_silent() {
    let script = ["start", "advance 5s", "command rollback", "advance 1h", "command retry"];
    let again = world(SILENT, &script);
    let calls = asked(&again, "p.do");
    let attempts: Vec<u32> = calls.iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!((attempts, left_out(&again)), (vec![1, 2, 1], vec![TOLD.to_owned()]));
    assert_eq!(calls[0].0, calls[1].0, "{}", again.out);
    assert_ne!(calls[1].0, calls[2].0, "{}", again.out);
}

#[test]
fn kill_tells_of_it_and_asks_nobody() {
    let killed = world(SILENT, &["start", "advance 5s", "command kill"]);
    assert_eq!(left_out(&killed), [TOLD], "{}", killed.out);
    assert_eq!(asked(&killed, "p.do").len(), 1);
}

#[test]
fn a_failure_that_was_answered_or_a_call_that_was_never_sent_is_certain() {
    for failed in ["fail p.do permanent no", "fail p.do not_found away"] {
        let certain = world(SILENT, &["start", failed, "command cancel"]);
        assert_eq!((status(&certain), left_out(&certain)), (Status::Cancelled, vec![]));
        assert_eq!(asked(&certain, "p.do").len(), 1, "{}", certain.out);
    }
    // Its plugin answered behind the deadline: the same.
    let late = ["start", "advance 5s", "fail p.do permanent no", "command cancel"];
    let late = world(SILENT, &late);
    assert_eq!((status(&late), left_out(&late)), (Status::Cancelled, vec![]), "{}", late.out);
}

#[test]
fn retry_makes_the_same_call_and_ends_the_doubt() {
    let script = ["start", "advance 5s", "command retry"];
    let mut again = world(SILENT, &script);
    assert_eq!(adrift(&again), 0, "{}", again.out);
    let calls = asked(&again, "p.do");
    assert_eq!(calls, [(calls[0].0, 1), (calls[0].0, 2)]);
    again.run("reply p.do");
    again.run("command cancel");
    again.run("reply p.undo");
    assert_eq!((asked(&again, "p.undo").len(), left_out(&again)), (1, vec![]), "{}", again.out);
    assert_eq!((status(&again), asked(&again, "p.do").len()), (Status::Cancelled, 2));
    // Nobody answers that one either: it is in doubt as before, once.
    let silent = world(SILENT, &["start", "advance 5s", "command retry", "advance 5s"]);
    assert_eq!((status(&silent), adrift(&silent)), (Status::Stuck, 1), "{}", silent.out);
    // While the attempt is under way, kill tells of it as of any that is.
    let killed = world(SILENT, &["start", "advance 5s", "command retry", "command kill"]);
    assert_eq!(left_out(&killed).len(), 1, "{}", killed.out);
}

#[test]
fn a_success_behind_the_last_timeout_is_what_the_call_gave() {
    check(
        SILENT,
        &["start", "advance 5s", "reply p.do", "reply p.more"],
        "
        1 start -> call p.do | steps
        2 timer deadline p.do -> cancel p.do | steps stuck (error.communication.invoke.steps.a: no answer within 5s)
        3 reply p.do -> call p.more | steps
        4 reply p.more -> - | done done
    ",
    );
    // It is taken back once.
    let script =
        ["start", "advance 5s", "reply p.do", "reply p.do", "command cancel", "reply p.undo"];
    let world = world(SILENT, &script);
    assert_eq!((status(&world), asked(&world, "p.undo").len()), (Status::Cancelled, 1));
}

#[test]
fn what_is_left_behind_stays_in_doubt() {
    let skipped = world(SILENT, &["start", "advance 5s", "command skip"]);
    assert_eq!((status(&skipped), adrift(&skipped)), (Status::Running, 1), "{}", skipped.out);
    let optional = SILENT.replace("timeout: 5s", "timeout: 5s, optional: true");
    let fallback = SILENT.replace("timeout: 5s", "timeout: 5s, fallback: { call: p.other }");
    for text in [&optional, &fallback, &SILENT.to_owned()] {
        let order: &[&str] = if text == SILENT { &["command skip"] } else { &[] };
        let mut late = world(text, &["start", "advance 5s"]);
        order.iter().for_each(|line| late.run(line));
        late.run("command cancel");
        late.run("advance 1s");
        late.run("reply p.do");
        late.run("reply p.undo");
        assert_eq!((status(&late), left_out(&late)), (Status::Cancelled, vec![]), "{}", late.out);
    }
}

#[test]
fn one_of_two_that_failed_is_asked_again_under_its_id() {
    let text = "
workflow: t
steps:
  a: { call: p.a, undo: p.una, timeout: 5s }
  b: { call: p.b, undo: p.unb, timeout: 6s }
";
    let two = || {
        let mut two = world(text, &["start", "fail p.a permanent no"]);
        // It stands still: the other one is due as soon as it goes on.
        two.run("command skip");
        two
    };
    let mut both = two();
    both.run("advance 6s");
    assert_eq!((status(&both), adrift(&both)), (Status::Stuck, 1), "{}", both.out);
    both.run("command retry");
    let calls = asked(&both, "p.b");
    assert_eq!(calls, [(calls[0].0, 1), (calls[0].0, 2)], "{}", both.out);
    let mut both = two();
    both.run("advance 6s");
    both.run("reply p.b");
    assert_eq!((status(&both), adrift(&both)), (Status::Done, 0), "{}", both.out);
}

#[test]
fn items_are_asked_again_under_their_ids() {
    let text = "
workflow: t
steps:
  all:
    foreach: { in: input.list, as: it, max_parallel: 3 }
    call: p.one
    with: { it: '${ it }' }
    undo: p.unone
    timeout: 5s
";
    let mut world = world(text, &["start {list: [a, b]}", "reply p.one", "advance 5s"]);
    assert_eq!((status(&world), adrift(&world)), (Status::Stuck, 1), "{}", world.out);
    // It comes, and `retry` asks nobody.
    let first = world.calls[0].clone();
    let outcome = crate::machine::CallOutcome::Success(crate::value::Value::Null);
    world.tell(&crate::machine::Input::CallReply { call: first.call, attempt: 1, outcome });
    assert_eq!(status(&world), Status::Stuck, "{}", world.out);
    world.run("command retry");
    assert_eq!((status(&world), steps(&world)[0]), (Status::Done, StepStatus::Completed));
    assert_eq!(asked(&world, "p.one").len(), 2, "{}", world.out);
}

#[test]
fn what_may_be_sent_once_is_told_and_not_asked() {
    let script = ["start", "sending p.do", "advance 5s", "command cancel"];
    let world = world(SILENT, &script);
    assert_eq!((status(&world), left_out(&world)), (Status::Cancelled, vec![TOLD.into()]));
    assert_eq!(asked(&world, "p.do").len(), 1, "{}", world.out);
    let adrift = SILENT.replace("timeout: 5s", "timeout: 5s, deadline: 1s, optional: true");
    let adrift = adrift.replace("p.more", "p.more, timeout: 1h");
    let script = ["start", "sending p.do", "advance 5s", "command cancel", "advance 1s"];
    let world = self::world(&adrift, &script);
    assert_eq!((status(&world), left_out(&world)), (Status::Cancelled, vec![TOLD.into()]));
    assert_eq!(asked(&world, "p.do").len(), 1, "{}", world.out);
}

#[test]
fn what_was_cut_off_and_stays_silent_is_asked_as_well() {
    let text = SILENT.replace("timeout: 5s", "timeout: 5s, deadline: 1s, optional: true");
    let text = text.replace("p.more", "p.more, timeout: 1h");
    let mut world = world(&text, &["start", "advance 1m", "command cancel", "advance 1s"]);
    let calls = asked(&world, "p.do");
    assert_eq!(calls, [(calls[0].0, 1), (calls[0].0, 2)], "{}", world.out);
    world.run("advance 1m");
    assert_eq!((status(&world), left_out(&world)), (Status::Cancelled, vec![TOLD.into()]));
}

#[test]
fn the_rollback_of_its_own_graph_asks_once_more() {
    let text = SILENT.replace("workflow: t", "workflow: t\non_failure: rollback\non_error: fail");
    let mut done = world(&text, &["start", "advance 6s", "reply p.do", "reply p.undo"]);
    assert_eq!((status(&done), left_out(&done)), (Status::Failed, vec![]), "{}", done.out);
    done = world(&text, &["start", "advance 1h"]);
    assert_eq!((status(&done), left_out(&done)), (Status::Failed, vec![TOLD.into()]));
}

#[test]
fn a_rollback_by_hand_waits_for_what_is_of_a_run_before() {
    let text = "
workflow: t
initial: a
states:
  a:
    steps: { one: { call: p.do, undo: p.undo, timeout: 1m } }
    on: { again: a }
";
    let script = ["start", "event again", "command rollback", "reply p.do"];
    let mut world = world(text, &script);
    let first = world.calls[0].clone();
    assert_eq!(status(&world), Status::Compensating, "{}", world.out);
    let outcome = crate::machine::CallOutcome::Success(crate::value::Value::Null);
    world.tell(&crate::machine::Input::CallReply { call: first.call, attempt: 1, outcome });
    world.run("reply p.undo");
    world.run("reply p.undo");
    assert_eq!((status(&world), asked(&world, "p.undo").len()), (Status::Stuck, 2));
}

#[test]
fn so_many_are_kept_and_of_more_the_oldest_is_told() {
    let text = "
workflow: t
initial: a
vars: { n: 0 }
states:
  a:
    entry: [ { set: { n: vars.n + 1 } }, { call: p.do, undo: p.undo, timeout: 5s } ]
    failed: b
  b: { always: a }
";
    let mut world = world(text, &["start"]);
    for _ in 0..257 {
        world.run("advance 5s");
    }
    assert_eq!(adrift(&world), 256);
    assert_eq!(left_out(&world).len(), 1, "{:?}", left_out(&world));
}
