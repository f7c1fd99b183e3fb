//! Decision 0047: what is held back before it is sent waits without a timer, until it is let go.

use super::check;
use super::check::{World, definition};
use crate::machine::NoticeKind;
use crate::value::Value;

const PAY: &str = "
workflow: t
initial: a
states:
  a:
    entry: { call: bank.pay, timeout: 10s, retry: { attempts: 2, backoff: 2s } }
    done: b
    failed: f
    on: { leave: f }
  b: {}
  f: {}
";

#[test]
fn waiting_costs_nothing_and_the_attempt_has_its_time_in_full() {
    check(
        PAY,
        &[
            "start",
            "fail bank.pay held",
            "advance 30d",
            "sending bank.pay [attempt=0]",
            "advance 9s",
            "reply bank.pay",
        ],
        "
        1 start -> call bank.pay | a
        2 held back bank.pay -> - | a
        3 sending bank.pay -> - | a
        4 reply bank.pay -> - | b
    ",
    );
    let mut world = World::new(definition(PAY));
    ["start", "fail bank.pay held"].iter().for_each(|line| world.run(line));
    let (kind, data) = world.notices.last().unwrap();
    assert_eq!(data.get("kind"), Some(&Value::from("held_back")));
    assert_eq!((*kind, data.get("delay_ms")), (NoticeKind::CallHeld, None));
    assert!(world.instance.as_ref().unwrap().timers.is_empty());
}

#[test]
fn what_was_held_back_is_no_attempt_and_what_was_let_go_is_one() {
    check(
        PAY,
        &[
            "start",
            "fail bank.pay held",
            "sending bank.pay [attempt=0]",
            "sending bank.pay [attempt=0]",
            "advance 10s",
            "advance 2s",
            "fail bank.pay held",
            "sending bank.pay [attempt=0]",
            "fail bank.pay retryable no",
        ],
        "
        1 start -> call bank.pay | a
        2 held back bank.pay -> - | a
        3 sending bank.pay -> - | a
        4 sending -> - | a !ignored late_start
        5 timer deadline bank.pay -> - | a
        6 timer retry -> call bank.pay #2 | a
        7 held back bank.pay -> - | a
        8 sending bank.pay -> - | a
        9 reply bank.pay -> - | f
    ",
    );
}

#[test]
fn what_nobody_waits_for_any_more_is_let_go_of_by_who_holds_it() {
    check(
        PAY,
        &["start", "fail bank.pay held", "event leave", "sending bank.pay [attempt=0]"],
        "
        1 start -> call bank.pay | a
        2 held back bank.pay -> - | a
        3 leave -> cancel bank.pay | f
        4 sending -> - | f !ignored late_start
    ",
    );
}

/// Whoever held it back does so no more: it is asked for anew, and may be held back again.
#[test]
fn while_the_instance_stands_still_it_is_asked_for_when_that_goes_on() {
    check(
        PAY,
        &[
            "start",
            "fail bank.pay held",
            "command pause",
            "advance 2h",
            "sending bank.pay [attempt=0]",
            "advance 1h",
            "command resume",
            "advance 1ms",
        ],
        "
        1 start -> call bank.pay | a
        2 held back bank.pay -> - | a
        3 command pause -> - | a paused
        4 sending bank.pay -> - | a paused !deferred
        5 command resume -> - | a
        6 timer retry -> call bank.pay | a
    ",
    );
    // Nor is one kept that is held back meanwhile: who holds it goes on.
    check(
        PAY,
        &[
            "start",
            "command pause",
            "fail bank.pay held",
            "command resume",
            "advance 1h",
            "sending bank.pay [attempt=0]",
            "reply bank.pay",
        ],
        "
        1 start -> call bank.pay | a
        2 command pause -> - | a paused
        3 held back bank.pay -> - | a paused
        4 command resume -> - | a
        5 sending bank.pay -> - | a
        6 reply bank.pay -> - | b
    ",
    );
}

/// Two calls at once, one of which can be taken back.
const BESIDE: &str = "
workflow: t
on_failure: rollback
on_error: fail
steps:
  paid: { call: p.pay, undo: p.refund, timeout: 10s }
  last: { call: p.last }
";

#[test]
fn h5_what_is_held_back_and_never_was_sent_is_given_up() {
    check(
        BESIDE,
        &["start", "fail p.pay held", "fail p.last permanent no"],
        "
        1 start -> call p.pay, call p.last | steps
        2 held back p.pay -> - | steps
        3 reply p.last -> cancel p.pay | steps failed
    ",
    );
    // Told while it is waited for already.
    check(
        BESIDE,
        &["start", "fail p.last permanent no", "fail p.pay held"],
        "
        1 start -> call p.pay, call p.last | steps
        2 reply p.last -> - | steps compensating
        3 reply p.pay -> cancel p.pay | steps failed
    ",
    );
}

#[test]
fn h5_what_is_held_back_and_may_have_been_sent_is_sent_again_and_taken_back() {
    let end = "
        4 sending p.pay -> - | steps compensating
        5 reply p.pay -> call p.refund | steps compensating
        6 reply p.refund -> - | steps failed";
    let lines = ["advance 30d", "sending p.pay [attempt=0]", "advance 9s", "reply p.pay"];
    let lines = [&lines[..], &["reply p.refund"]].concat();
    check(
        BESIDE,
        &[&["start", "fail p.pay held_again", "fail p.last permanent no"], &lines[..]].concat(),
        &format!(
            "
        1 start -> call p.pay, call p.last | steps
        2 held back p.pay -> - | steps
        3 reply p.last -> - | steps compensating{end}"
        ),
    );
    // The rollback had begun when its engine was killed.
    check(
        BESIDE,
        &[&["start", "fail p.last permanent no", "fail p.pay held_again"], &lines[..]].concat(),
        &format!(
            "
        1 start -> call p.pay, call p.last | steps
        2 reply p.last -> - | steps compensating
        3 held back p.pay -> - | steps compensating{end}"
        ),
    );
}

#[test]
fn h5_what_may_have_been_sent_is_not_waited_for_once_it_failed_or_is_late() {
    let begun = ["start", "fail p.pay held_again", "fail p.last permanent no"];
    let lines = [&begun[..], &["sending p.pay [attempt=0]"]].concat();
    let head = "
        1 start -> call p.pay, call p.last | steps
        2 held back p.pay -> - | steps
        3 reply p.last -> - | steps compensating
        4 sending p.pay -> - | steps compensating";
    check(
        BESIDE,
        &[&lines[..], &["fail p.pay retryable busy"]].concat(),
        &format!("{head}\n        5 reply p.pay -> - | steps failed"),
    );
    check(
        BESIDE,
        &[&lines[..], &["advance 10s"]].concat(),
        &format!("{head}\n        5 timer deadline p.pay -> cancel p.pay | steps failed"),
    );
}

/// Nobody sends it on the way, so nobody knows: the doubt stays.
#[test]
fn h5_the_doubt_stays_until_it_is_sent() {
    let begun = ["start", "fail p.pay held_again", "command pause", "sending p.pay [attempt=0]"];
    let again = ["command resume", "advance 1ms", "fail p.pay held", "fail p.last permanent no"];
    let mut world = World::new(definition(BESIDE));
    begun.iter().chain(&again).for_each(|line| world.run(line));
    let call = world.instance.as_ref().unwrap().sequences[0].call.clone().unwrap();
    assert!(call.held && call.unsure, "{}", world.out);
    let rest = ["sending p.pay [attempt=0]", "reply p.pay", "reply p.refund"];
    rest.iter().for_each(|line| world.run(line));
    assert!(world.out.ends_with("reply p.refund -> - | steps failed\n"), "{}", world.out);
    // A promise says that it is there by now.
    let mut world = World::new(definition(BESIDE));
    let promised = ["start", "fail p.pay held_again", "sending p.pay [attempt=0]", "pending p.pay"];
    promised.iter().for_each(|line| world.run(line));
    let call = world.instance.as_ref().unwrap().sequences[0].call.clone().unwrap();
    assert!(call.sent && !call.unsure, "{}", world.out);
}

#[test]
fn h5_a_rollback_by_hand_waits_for_it_and_retry_does_it_again() {
    check(
        BESIDE,
        &[
            "start",
            "reply p.last",
            "fail p.pay held_again",
            "command rollback",
            "sending p.pay [attempt=0]",
            "reply p.pay",
            "reply p.refund",
            "command retry",
        ],
        "
        1 start -> call p.pay, call p.last | steps
        2 reply p.last -> - | steps
        3 held back p.pay -> - | steps
        4 command rollback -> - | steps compensating
        5 sending p.pay -> - | steps compensating
        6 reply p.pay -> call p.refund | steps compensating
        7 reply p.refund -> - | steps stuck (rolled back by hand)
        8 command retry -> call p.pay | steps
    ",
    );
}

#[test]
fn h5_a_kill_gives_up_what_may_have_been_sent_and_says_so() {
    let mut world = World::new(definition(BESIDE));
    let lines = ["start", "fail p.pay held_again", "command cancel", "command kill"];
    lines.iter().for_each(|line| world.run(line));
    assert!(world.out.ends_with("command kill -> cancel p.pay | steps cancelled\n"));
    let left = world.instance.as_ref().unwrap().left_out().to_vec();
    let said = "step `paid`: `p.pay` waited to be sent, and an engine that is gone may have done \
                so: if it is done, it stays";
    assert_eq!(left.iter().map(|it| &**it).collect::<Vec<_>>(), [said]);
    // So it is of what takes back.
    for (how, said) in [
        ("held", "step `paid` was not taken back: `p.refund` waited to be sent"),
        ("held_again", "step `paid` may not be taken back: `p.refund` waited to be sent again"),
    ] {
        let mut world = World::new(definition(BESIDE));
        let lines = ["start", "reply p.pay", "command cancel"];
        lines.iter().for_each(|line| world.run(line));
        world.run(&format!("fail p.refund {how}"));
        world.run("command kill");
        let left = world.instance.as_ref().unwrap().left_out().to_vec();
        assert_eq!(left.iter().map(|it| &**it).collect::<Vec<_>>(), [said]);
    }
}
