//! Calls that are done, and whose answer cannot be used (decision 0069).

use super::check;
use super::check::{World, definition};
use crate::machine::Status;

/// `on_failure: rollback`, taken out where a person is to be asked.
const BACK: &str = "on_failure: rollback\n";

const STEPS: &str = "
workflow: t
on_failure: rollback
steps:
  a: { call: p.a, undo: p.una }
  b: { needs: [a], call: p.b, with: { n: 1 }, undo: p.unb }
";

const REFUSED: &str = "fail p.b invalid m [code=reply_schema]";

fn world(text: &str, script: &[&str]) -> World {
    let mut world = World::new(definition(text));
    script.iter().for_each(|line| world.run(line));
    world
}

/// What each undo of this operation was given.
fn given(world: &World, operation: &str) -> Vec<String> {
    let calls = world.calls.iter().filter(|call| *call.operation == *operation);
    calls.map(|call| call.input.to_json()).collect()
}

#[test]
fn what_was_done_is_taken_back_though_its_answer_cannot_be_used() {
    check(
        STEPS,
        &["start", "reply p.a", REFUSED, "reply p.unb", "reply p.una"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.b | steps
        3 reply p.b -> call p.unb | steps compensating
        4 reply p.unb -> call p.una | steps compensating
        5 reply p.una -> - | steps failed
    ",
    );
    let back = world(STEPS, &["start", "reply p.a", REFUSED]);
    assert_eq!(given(&back, "p.unb"), [r#"{"input":{"n":1},"output":null}"#]);
    // What was never done, or nobody knows it of, is not.
    for code in ["reply_of_another_call", "500", "pending_again"] {
        let refused = format!("fail p.b invalid m [code={code}]");
        let other = world(STEPS, &["start", "reply p.a", &refused]);
        assert_eq!(given(&other, "p.unb").len(), 0, "{}", other.out);
    }
}

#[test]
fn whoever_takes_back_meanwhile_takes_it_back_too() {
    let stays = STEPS.replace(BACK, "");
    let scripts: [&[&str]; 5] = [
        // It stands still because of it; it is under way; the answer waits with the instance.
        &["start", "reply p.a", REFUSED, "command cancel"],
        &["start", "reply p.a", "command cancel", REFUSED],
        &["start", "reply p.a", "command pause", REFUSED, "command cancel"],
        &["start", "reply p.a", REFUSED, "command rollback"],
        &["start", "reply p.a", "command rollback", REFUSED],
    ];
    for script in scripts {
        let mut world = world(&stays, script);
        assert_eq!(given(&world, "p.unb").len(), 1, "{}", world.out);
        world.run("reply p.unb");
        world.run("reply p.una");
        let end = match script.contains(&"command cancel") {
            true => Status::Cancelled,
            false => Status::Stuck,
        };
        let instance = world.instance.as_ref().unwrap();
        assert_eq!((instance.status, instance.left_out().len()), (end, 0), "{}", world.out);
    }
}

#[test]
fn a_later_attempt_of_the_same_call_is_the_same_effect() {
    let stays = STEPS.replace(BACK, "");
    let policy = "{ n: 1 }, retry: { attempts: 2, delay: 1s, jitter: false, on: invalid_reply },";
    let again = stays.replace("{ n: 1 },", policy);
    let scripts: [(&str, &[&str]); 3] = [
        (&stays, &["start", "reply p.a", REFUSED, "command retry", "reply p.b {id: 7}"]),
        (
            &stays,
            &[
                "start",
                "reply p.a",
                REFUSED,
                "command retry",
                REFUSED,
                "command retry",
                "reply p.b {id: 7}",
            ],
        ),
        (&again, &["start", "reply p.a", REFUSED, "advance 1s", "reply p.b {id: 7}"]),
    ];
    for (text, script) in scripts {
        let text = format!("{text}  c: {{ needs: [b], wait: never }}\n");
        let mut world = world(&text, script);
        world.run("command cancel");
        let expected = [r#"{"input":{"n":1},"output":{"id":7}}"#];
        assert_eq!(given(&world, "p.unb"), expected, "{}", world.out);
        world.run("reply p.unb");
        world.run("reply p.una");
        assert_eq!(given(&world, "p.unb").len(), 1, "{}", world.out);
        assert_eq!(world.instance.as_ref().unwrap().status, Status::Cancelled);
    }
}

#[test]
fn an_item_a_call_of_a_state_and_one_that_is_cut_off_are_taken_back() {
    let items = "
workflow: t
on_failure: rollback
steps:
  a:
    foreach: { in: input.list, as: it, collect: partial, max_parallel: 1 }
    call: p.b
    with: { n: \"${ it }\" }
    undo: p.unb
  c: { needs: [a], call: p.c }
";
    let script = ["start {list: [1, 2]}", REFUSED, "reply p.b", "fail p.c permanent no"];
    let mut fan = world(items, &script);
    fan.run("reply p.unb");
    fan.run("reply p.unb");
    assert_eq!(given(&fan, "p.unb").len(), 2, "{}", fan.out);
    assert!(fan.out.ends_with("reply p.unb -> - | steps failed\n"), "{}", fan.out);

    let state = "
workflow: t
initial: a
states:
  a: { entry: { call: p.b, undo: p.unb }, on: { error.communication: b, go: b } }
  b: { on: { go: a } }
";
    for script in [["start", REFUSED, "command cancel"], ["start", "command cancel", REFUSED]] {
        let called = world(state, &script);
        assert_eq!(given(&called, "p.unb").len(), 1, "{}", called.out);
    }
    let cut_off = world(state, &["start", "event go", REFUSED, "command cancel"]);
    assert_eq!(given(&cut_off, "p.unb").len(), 1, "{}", cut_off.out);
}

#[test]
fn what_may_be_sent_once_is_not_sent_again_by_itself() {
    let text = "
workflow: t
steps:
  a: { call: p.b, undo: p.unb, retry: { attempts: 4, on: [timeout, invalid_reply] } }
";
    let mut world = world(text, &["start", "sending p.b", REFUSED, "advance 1h"]);
    assert!(
        world.out.contains("stuck (outcome of `p.b` is unknown: it was answered"),
        "{}",
        world.out
    );
    assert_eq!(given(&world, "p.b").len(), 1, "{}", world.out);
    world.run("command cancel");
    assert_eq!(given(&world, "p.unb").len(), 1, "{}", world.out);
}
