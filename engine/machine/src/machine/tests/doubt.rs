//! Calls that nobody answered in time, and that may be done (decision 0065).

use super::check;
use super::check::{World, definition};
use crate::machine::{CallOutcome, EffectId, Input, Status};
use crate::value::Value;

/// A call that is slower than its timeout, and is not asked again for long.
const SLOW: &str = "
workflow: t
on_failure: rollback
steps:
  a:
    call: p.do
    undo: p.undo
    timeout: 1s
    retry: { attempts: 2, delay: 6s, jitter: false }
";

fn world(text: &str, script: &[&str]) -> World {
    let mut world = World::new(definition(text));
    script.iter().for_each(|line| world.run(line));
    world
}

fn status(world: &World) -> Status {
    world.instance.as_ref().unwrap().status
}

fn left_out(world: &World) -> Vec<String> {
    world.instance.as_ref().unwrap().left_out().iter().map(ToString::to_string).collect()
}

fn asked(world: &World, operation: &str) -> Vec<(EffectId, u32)> {
    let calls = world.calls.iter().filter(|call| *call.operation == *operation);
    calls.map(|call| (call.call, call.attempt)).collect()
}

#[test]
fn a_success_behind_the_timeout_is_what_the_call_gave() {
    // While the next attempt is waited for.
    check(
        SLOW,
        &["start", "advance 1s", "reply p.do [attempt=1]", "advance 1h"],
        "
        1 start -> call p.do | steps
        2 timer deadline p.do -> - | steps
        3 reply p.do -> - | done done
    ",
    );
    // While it is under way: nobody waits for that any more.
    check(
        SLOW,
        &["start", "advance 7s", "reply p.do [attempt=1]", "reply p.do"],
        "
        1 start -> call p.do | steps
        2 timer deadline p.do -> - | steps
        3 timer retry -> call p.do #2 | steps
        4 reply p.do -> cancel p.do | done done
        5 reply -> - | done done !ignored late_reply
    ",
    );
    // A failure that comes late says nothing.
    let world = world(SLOW, &["start", "advance 1s", "fail p.do permanent no [attempt=1]"]);
    assert!(world.out.ends_with("!ignored late_reply\n"), "{}", world.out);
}

#[test]
fn a_success_behind_the_timeout_is_taken_back() {
    for order in ["command cancel", "command rollback"] {
        // It came before the order, and the instance stood still or not; or behind it.
        let scripts: [&[&str]; 4] = [
            &["start", "advance 1s", "command pause", "reply p.do [attempt=1]", order],
            &["start", "advance 7s", order, "reply p.do [attempt=1]"],
            &["start", "advance 1s", order, "reply p.do [attempt=1]"],
            &["start", "advance 1s", order, "advance 6s", "reply p.do"],
        ];
        for script in scripts.iter().skip(usize::from(order == "command rollback")) {
            let mut world = world(SLOW, script);
            assert_eq!(asked(&world, "p.undo").len(), 1, "{}", world.out);
            world.run("reply p.undo");
            let end = if order == "command cancel" { Status::Cancelled } else { Status::Stuck };
            assert_eq!((status(&world), left_out(&world)), (end, vec![]), "{}", world.out);
        }
    }
}

#[test]
fn what_may_be_done_is_asked_again_until_it_is_known() {
    check(
        SLOW,
        &["start", "command cancel", "advance 1s", "advance 6s", "reply p.do", "reply p.undo"],
        "
        1 start -> call p.do | steps
        2 command cancel -> - | steps compensating
        3 timer deadline p.do -> - | steps compensating
        4 timer retry -> call p.do #2 | steps compensating
        5 reply p.do -> call p.undo | steps compensating
        6 reply p.undo -> - | steps cancelled
    ",
    );
    // Its plugin says that it is not done: nothing is to be taken back.
    let script = ["start", "command cancel", "advance 7s", "fail p.do permanent no"];
    let certain = world(SLOW, &script);
    assert_eq!((status(&certain), left_out(&certain)), (Status::Cancelled, vec![]));
    let calls = asked(&certain, "p.do");
    assert_eq!(calls, [(calls[0].0, 1), (calls[0].0, 2)]);
    // It is too busy to say: that tells nothing of the attempt before.
    let three = SLOW.replace("attempts: 2", "attempts: 3");
    let script =
        ["start", "command cancel", "advance 7s", "fail p.do retryable busy", "advance 6s"];
    let mut busy = world(&three, &script);
    assert_eq!((status(&busy), asked(&busy, "p.do").len()), (Status::Compensating, 3));
    busy.run("reply p.do");
    assert_eq!(asked(&busy, "p.undo").len(), 1, "{}", busy.out);
    let busy = world(
        &three,
        &[
            "start",
            "advance 7s",
            "fail p.do retryable busy",
            "command cancel",
            "advance 6s",
            "fail p.do retryable busy",
        ],
    );
    assert_eq!((status(&busy), left_out(&busy).len()), (Status::Cancelled, 1), "{}", busy.out);
    // Nobody answers at all: that is told, and nothing is waited for any more.
    for order in ["command cancel", "command rollback"] {
        let silent = world(SLOW, &["start", order, "advance 1h"]);
        let told = "step `a`: `p.do` was sent and not answered: if it is done, it stays";
        assert_eq!(left_out(&silent), [told], "{}", silent.out);
        assert_eq!(asked(&silent, "p.do").len(), 2, "{}", silent.out);
    }
}

#[test]
fn what_was_never_sent_and_waits_for_its_next_attempt_is_given_up() {
    let script = ["start", "fail p.do retryable busy", "command cancel"];
    let world = world(SLOW, &script);
    assert_eq!((status(&world), left_out(&world)), (Status::Cancelled, vec![]));
}

#[test]
fn kill_tells_of_what_waits_for_its_next_attempt_and_may_be_done() {
    let killed = world(SLOW, &["start", "advance 1s", "command kill"]);
    let told = "step `a`: `p.do` was sent and not answered: if it is done, it stays";
    assert_eq!(left_out(&killed), [told], "{}", killed.out);
}

#[test]
fn an_undo_that_is_done_behind_its_timeout_is_done() {
    let script = ["start", "reply p.do", "command rollback", "advance 30s"];
    let more = format!("{SLOW}  b: {{ needs: [a], call: p.more }}\n");
    let mut stuck = world(&more, &script);
    assert_eq!(status(&stuck), Status::Stuck, "{}", stuck.out);
    assert!(stuck.out.contains("could not take back"), "{}", stuck.out);
    stuck.run("reply p.undo [attempt=1]");
    assert!(stuck.out.contains("reply -> - | steps stuck (rolled back by hand)"), "{}", stuck.out);
}

#[test]
fn calls_of_states_and_items_take_it_too() {
    let state = "
workflow: t
initial: a
states:
  a:
    entry: { call: p.do, timeout: 1s, retry: { attempts: 3, delay: 6s, jitter: false } }
    done: b
  b: { final: true }
";
    check(
        state,
        &["start", "advance 1s", "reply p.do [attempt=1]"],
        "
        1 start -> call p.do | a
        2 timer deadline p.do -> - | a
        3 reply p.do -> - | b done
    ",
    );
    let item = "
workflow: t
steps:
  all:
    foreach: { in: '[1]', as: it }
    call: p.do
    timeout: 1s
    retry: { attempts: 3, delay: 6s, jitter: false }
";
    check(
        item,
        &["start", "advance 1s", "reply p.do [attempt=1]"],
        "
        1 start -> call p.do | steps
        2 timer deadline p.do -> - | steps
        3 reply p.do -> - | done done
    ",
    );
}

#[test]
fn what_a_rollback_by_hand_keeps_as_silent_and_is_done_is_kept_as_done() {
    let text = "
workflow: t
initial: s
states:
  s: { steps: { a: { call: p.a, undo: p.una } }, done: m }
  m: { entry: { call: p.x }, done: e }
  e: { final: true }
";
    let script = [
        "start",
        "reply p.a",
        "advance 20s",
        "command rollback",
        "advance 10s",
        "reply p.x",
        "reply p.una",
        "command retry",
    ];
    check(
        text,
        &script,
        "
        1 start -> call p.a | s
        2 reply p.a -> call p.x | m
        3 command rollback -> call p.una | m compensating
        4 timer deadline p.x -> - | m compensating !deferred
        5 reply p.x -> - | m compensating !deferred
        6 reply p.una -> - | m stuck (rolled back by hand)
        7 command retry -> - | e done
    ",
    );
}

#[test]
fn a_rollback_by_hand_waits_for_steps_of_a_state_that_was_left_since() {
    let text = "
workflow: t
initial: a
states:
  a:
    steps:
      one: { call: p.one, undo: p.unone, timeout: 2s, retry: { attempts: 2, delay: 1s } }
    on: { again: a }
";
    // The one that was cut off is the first that ends, and the last.
    for order in [[0, 1], [1, 0]] {
        let mut one = world(text, &["start", "event again", "command rollback"]);
        let calls: Vec<_> = one.calls.iter().map(|call| call.call).collect();
        for at in order {
            assert_eq!(status(&one), Status::Compensating, "{}", one.out);
            let outcome = CallOutcome::Success(Value::Null);
            one.tell(&Input::CallReply { call: calls[at], attempt: 1, outcome });
        }
        one.run("reply p.unone");
        one.run("reply p.unone");
        assert_eq!(asked(&one, "p.unone").len(), 2, "{}", one.out);
        assert!(one.out.ends_with("stuck (rolled back by hand)\n"), "{}", one.out);
    }
    // Nobody answers: each is told, and nothing of it is under way any more.
    let mut silent = world(text, &["start", "event again", "command rollback", "advance 1h"]);
    assert_eq!((status(&silent), left_out(&silent).len()), (Status::Stuck, 2), "{}", silent.out);
    assert_eq!(silent.instance.as_ref().unwrap().sequences, []);
    silent.run("command retry");
    silent.run("reply p.one");
    assert!(silent.out.ends_with("reply p.one -> - | a\n"), "{}", silent.out);
}
