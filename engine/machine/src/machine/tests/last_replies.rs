//! Calls under way when something begins to be taken back (decision 0028).

use super::check;
use super::check::{World, definition};
use crate::machine::{Status, StepStatus};

/// Three calls at once; two of them can be taken back.
const BESIDE: &str = "
workflow: t
on_failure: rollback
on_error: fail
steps:
  paid: { call: p.pay, undo: p.refund }
  told: { call: p.tell }
  last: { call: p.last, undo: p.unlast }
";

#[test]
fn a_failed_graph_waits_for_what_can_be_taken_back_and_cuts_off_the_rest() {
    check(
        BESIDE,
        &["start", "fail p.last permanent no", "event x", "reply p.pay {n: 1}", "reply p.refund"],
        "
        1 start -> call p.pay, call p.tell, call p.last | steps
        2 reply p.last -> cancel p.tell | steps compensating
        3 x -> - | steps compensating !deferred
        4 reply p.pay -> call p.refund | steps compensating
        5 reply p.refund -> dead_letter x | steps failed
    ",
    );
}

#[test]
fn what_fails_or_is_not_answered_in_time_has_nothing_to_be_taken_back() {
    check(
        BESIDE,
        &["start", "fail p.last permanent no", "fail p.pay retryable busy"],
        "
        1 start -> call p.pay, call p.tell, call p.last | steps
        2 reply p.last -> cancel p.tell | steps compensating
        3 reply p.pay -> - | steps failed
    ",
    );
    check(
        BESIDE,
        &["start", "fail p.last permanent no", "advance 30s", "reply p.pay"],
        "
        1 start -> call p.pay, call p.tell, call p.last | steps
        2 reply p.last -> cancel p.tell | steps compensating
        3 timer deadline p.pay -> cancel p.pay | steps failed
        4 reply -> - | steps failed !ignored late_reply
    ",
    );
    // Sent once, outcome unknown: nobody can say that it was done.
    check(
        BESIDE,
        &["start", "sending p.pay", "fail p.last permanent no", "fail p.pay unknown gone"],
        "
        1 start -> call p.pay, call p.tell, call p.last | steps
        2 sending p.pay -> - | steps
        3 reply p.last -> cancel p.tell | steps compensating
        4 reply p.pay -> - | steps failed
    ",
    );
}

#[test]
fn a_call_between_two_attempts_is_not_waited_for() {
    let text = BESIDE.replace("p.refund }", "p.refund, retry: { attempts: 3, delay: 1h } }");
    check(
        &text,
        &["start", "fail p.pay retryable busy", "fail p.last permanent no"],
        "
        1 start -> call p.pay, call p.tell, call p.last | steps
        2 reply p.pay -> - | steps
        3 reply p.last -> cancel p.tell | steps failed
    ",
    );
}

#[test]
fn steps_whose_call_is_waited_for_run_until_it_is_answered() {
    let mut world = World::new(definition(BESIDE));
    let steps = |world: &World| {
        let progress = world.instance.as_ref().unwrap().progress.as_deref().unwrap();
        let steps = progress.graphs[0].steps.iter();
        steps.map(|step| (step.status, step.ended_at.is_some())).collect::<Vec<_>>()
    };
    let awaited = |world: &World| {
        let instance = world.instance.as_ref().unwrap();
        instance.sequences.iter().filter(|it| instance.is_last_reply(it)).count()
    };
    world.run("start");
    assert_eq!(awaited(&world), 0);
    world.run("fail p.last permanent no");
    assert_eq!(awaited(&world), 1);
    let note = world.last.as_ref().unwrap().trace.as_ref().unwrap().note.clone().unwrap();
    assert!(note.ends_with("waits for calls under way"), "{note}");
    let (cut, failed) = ((StepStatus::Cancelled, true), (StepStatus::Failed, true));
    assert_eq!(steps(&world), [(StepStatus::Running, false), cut, failed]);
    world.run("reply p.pay");
    assert_eq!(awaited(&world), 0);
    world.run("reply p.refund");
    assert_eq!(steps(&world), [(StepStatus::Undone, true), cut, failed]);
}

#[test]
fn cancel_waits_too_a_second_one_is_refused_and_kill_ends_it() {
    let text = "
workflow: t
initial: a
states:
  a: { entry: [ { call: p.book, undo: p.unbook } ], on: { go: b } }
  b: { final: true }
";
    check(
        text,
        &["start", "command cancel", "command cancel", "command pause", "reply p.book",
          "reply p.unbook"],
        "
        1 start -> call p.book | a
        2 command cancel -> - | a compensating
        3 command cancel -> - | a compensating !rejected a rollback is under way: wait for it, or kill the instance
        4 command pause -> - | a compensating !rejected what was done is being taken back: that is not held half way
        5 reply p.book -> call p.unbook | a compensating
        6 reply p.unbook -> - | a cancelled
    ",
    );
    check(
        text,
        &["start", "command cancel", "command kill", "reply p.book"],
        "
        1 start -> call p.book | a
        2 command cancel -> - | a compensating
        3 command kill -> cancel p.book | a cancelled
        4 reply -> - | a cancelled !ignored late_reply
    ",
    );
}

#[test]
fn cancel_of_a_paused_instance_gives_calls_the_time_they_had_left() {
    let text = "
workflow: t
states: { a: { entry: [ { call: p.book, undo: p.unbook } ] } }
";
    check(
        text,
        &[
            "start",
            "advance 20s",
            "command pause",
            "advance 1h",
            "command cancel",
            "advance 9s",
            "reply p.book",
            "reply p.unbook",
        ],
        "
        1 start -> call p.book | a
        2 command pause -> - | a paused
        3 command cancel -> - | a compensating
        4 reply p.book -> call p.unbook | a compensating
        5 reply p.unbook -> - | a cancelled
    ",
    );
    // What failed during the pause is not waited for.
    check(
        text,
        &["start", "command pause", "fail p.book permanent no", "command cancel"],
        "
        1 start -> call p.book | a
        2 command pause -> - | a paused
        3 reply p.book -> - | a paused !deferred
        4 command cancel -> - | a cancelled
    ",
    );
}

#[test]
fn h5_a_rollback_by_hand_waits_and_retry_does_it_again() {
    let text = "
workflow: t
steps:
  one: { call: p.one, undo: p.un_one }
  two: { call: p.two, undo: p.un_two, needs: [one] }
";
    check(
        text,
        &[
            "start",
            "reply p.one",
            "command rollback two",
            "command rollback",
            "reply p.two",
            "reply p.un_two",
            "command retry",
            "reply p.two",
        ],
        "
        1 start -> call p.one | steps
        2 reply p.one -> call p.two | steps
        3 command rollback from two -> - | steps compensating
        4 command rollback -> - | steps compensating !rejected a rollback is under way already
        5 reply p.two -> call p.un_two | steps compensating
        6 reply p.un_two -> - | steps stuck (rolled back by hand)
        7 command retry -> call p.two | steps
        8 reply p.two -> - | done done
    ",
    );
    check(
        text,
        &["start", "command rollback", "fail p.one permanent no", "command retry"],
        "
        1 start -> call p.one | steps
        2 command rollback -> - | steps compensating
        3 reply p.one -> - | steps stuck (rolled back by hand)
        4 command retry -> call p.one | steps
    ",
    );
}

#[test]
fn the_timeout_of_the_workflow_waits_too() {
    check(
        &BESIDE.replace("on_failure", "timeout: 10s\non_failure"),
        &[
            "start",
            "reply p.last",
            "advance 10s",
            "reply p.pay",
            "reply p.refund",
            "reply p.unlast",
        ],
        "
        1 start -> call p.pay, call p.tell, call p.last | steps
        2 reply p.last -> - | steps
        3 timer steps -> cancel p.tell | steps compensating
        4 reply p.pay -> call p.refund | steps compensating
        5 reply p.refund -> call p.unlast | steps compensating
        6 reply p.unlast -> - | steps failed
    ",
    );
}

#[test]
fn items_of_a_fan_out_are_waited_for() {
    let text = "
workflow: t
on_failure: rollback
on_error: fail
steps:
  each:
    foreach: { in: \"[1, 2]\", as: n, collect: first_error }
    deadline: 10s
    call: p.do
    with: { n: \"${ n }\" }
    undo: p.undo
";
    let mut world = World::new(definition(text));
    for line in ["start", "fail p.do permanent no"] {
        world.run(line);
    }
    // The second one failed; the first one is under way.
    let first = world.calls[0].clone();
    world.calls.push(first);
    for line in ["reply p.do {done: 1}", "reply p.undo"] {
        world.run(line);
    }
    let expected = "\
1 start -> call p.do, call p.do | steps
2 reply p.do -> - | steps compensating
3 reply p.do -> call p.undo | steps compensating
4 reply p.undo -> - | steps failed
";
    assert_eq!(world.out, expected);
    check(
        text,
        &["start", "advance 10s", "reply p.do", "advance 30s", "reply p.undo"],
        "
        1 start -> call p.do, call p.do | steps
        2 timer steps -> - | steps compensating
        3 reply p.do -> - | steps compensating
        4 timer deadline p.do -> cancel p.do, call p.undo | steps compensating
        5 reply p.undo -> - | steps failed
    ",
    );
}

#[test]
fn a_transition_meanwhile_does_not_end_the_wait() {
    let text = "
workflow: t
states:
  both:
    parallel:
      left:
        states:
          work:
            on_failure: rollback
            steps:
              one: { call: p.one, undo: p.un_one }
              two: { call: p.two }
            failed: broken
          broken: {}
      right:
        states:
          ask: { entry: [ { call: p.ask } ], done: over }
          over: {}
";
    check(
        text,
        &["start", "fail p.two permanent no", "reply p.ask", "reply p.one", "reply p.un_one"],
        "
        1 start -> call p.ask, call p.one, call p.two | work ask
        2 reply p.two -> - | work ask compensating
        3 reply p.ask -> - | work over compensating
        4 reply p.one -> call p.un_one | work over compensating
        5 reply p.un_one -> - | broken over
    ",
    );
    // Nor does one that leaves the state of the steps.
    check(
        &text.replace("done: over", "done: gone").replace("          over: {}", "  gone: {}"),
        &["start", "fail p.two permanent no", "reply p.ask", "reply p.one", "reply p.un_one"],
        "
        1 start -> call p.ask, call p.one, call p.two | work ask
        2 reply p.two -> - | work ask compensating
        3 reply p.ask -> - | gone compensating
        4 reply p.one -> call p.un_one | gone compensating
        5 reply p.un_one -> - | gone failed
    ",
    );
}

#[test]
fn a_stuck_instance_that_is_cancelled_waits_for_what_is_under_way() {
    let text = BESIDE.replace("on_failure: rollback\non_error: fail\n", "");
    let mut world = World::new(definition(&text));
    for line in ["start", "fail p.last permanent no", "command cancel"] {
        world.run(line);
    }
    assert_eq!(world.instance.as_ref().unwrap().status, Status::Compensating, "{}", world.out);
    world.run("reply p.pay");
    world.run("reply p.refund");
    assert!(world.out.ends_with("reply p.refund -> - | steps cancelled\n"), "{}", world.out);
}

#[test]
fn a_plugin_that_is_away_is_asked_again_until_the_deadline() {
    let lines = ["start", "fail p.last permanent no", "fail p.pay not_found away", "advance 4s"];
    let head = "
        1 start -> call p.pay, call p.tell, call p.last | steps
        2 reply p.last -> cancel p.tell | steps compensating
        3 reply p.pay -> - | steps compensating
        4 timer retry -> call p.pay | steps compensating";
    let came = [&lines[..], &["reply p.pay", "reply p.refund"]].concat();
    check(
        BESIDE,
        &came,
        &format!(
            "{head}
        5 reply p.pay -> call p.refund | steps compensating
        6 reply p.refund -> - | steps failed"
        ),
    );
    // The same where the instance is gone that had it.
    let gone = came.iter().map(|line| line.replace("not_found away", "gone it is"));
    let gone = gone.collect::<Vec<_>>();
    let gone = gone.iter().map(String::as_str).collect::<Vec<_>>();
    check(
        BESIDE,
        &gone,
        &format!(
            "{head}
        5 reply p.pay -> call p.refund | steps compensating
        6 reply p.refund -> - | steps failed"
        ),
    );
    let late = [&lines[..], &["fail p.pay not_found away", "advance 30s"]].concat();
    let end = "
        5 reply p.pay -> - | steps compensating
        6 timer retry -> call p.pay | steps compensating
        7 timer deadline p.pay -> cancel p.pay | steps failed";
    check(BESIDE, &late, &format!("{head}{end}"));
}
