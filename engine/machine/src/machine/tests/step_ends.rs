//! When steps end, and as what: each by its own outcome, and not by the end of its instance.

use super::check::{World, definition};
use crate::machine::{Effect, NoticeKind, StepStatus};

use StepStatus::{Cancelled, Completed, Failed, Pending, Running, Skipped, Undone};

/// Three at once.
const BESIDE: &str = "
workflow: t
steps:
  paid: { call: p.pay, undo: p.refund }
  told: { call: p.tell, timeout: 1h }
  last: { call: p.last }
";

fn world(text: &str, lines: &[&str]) -> World {
    let mut world = World::new(definition(text));
    lines.iter().for_each(|line| world.run(line));
    world
}

/// Where each step stands, and how many seconds behind the start it ended.
fn steps(world: &World) -> Vec<(StepStatus, Option<u64>)> {
    let instance = world.instance.as_ref().unwrap();
    let run = &instance.progress.as_deref().unwrap().graphs[0];
    let ended = |at: crate::machine::Timestamp| at.since_ms(instance.started_at) / 1_000;
    run.steps.iter().map(|step| (step.status, step.ended_at.map(ended))).collect()
}

#[test]
fn c15_a_step_that_failed_ended_when_it_failed_and_not_with_its_instance() {
    for (order, all) in [
        ("kill", [(Cancelled, 9), (Cancelled, 9), (Failed, 2)]),
        (
            // What was done is taken back first, and what is under way is waited for until then.
            "cancel",
            [(Cancelled, 11), (Cancelled, 9), (Failed, 2)],
        ),
    ] {
        let mut world =
            world(BESIDE, &["start", "advance 2s", "fail p.last permanent no", "advance 7s"]);
        assert_eq!(steps(&world)[2], (Failed, None), "a person may have it done again");
        let run = &world.instance.as_ref().unwrap().progress.as_deref().unwrap().graphs[0];
        assert_eq!(
            run.steps.get(2).unwrap().stopped_at.map(|at| at.since_ms(run.started_at)),
            Some(2_000)
        );
        world.run(&format!("command {order}"));
        if order == "cancel" {
            world.run("advance 2s");
            world.run("fail p.pay permanent no");
        }
        let all = all.map(|(status, at)| (status, Some(at)));
        assert_eq!(steps(&world), all, "{}", world.out);
        assert!(world.instance.as_ref().unwrap().status.is_ended());
    }
}

#[test]
fn c15_what_is_cut_off_ended_when_something_began_to_be_taken_back() {
    let text = BESIDE.replace("steps:", "finally: [{ call: p.clean }]\nsteps:");
    let lines = ["start", "advance 1s", "reply p.pay", "advance 2s", "command cancel"];
    let mut world = world(&text, &[&lines[..], &["advance 4s"]].concat());
    let cut = (Cancelled, Some(3));
    assert_eq!(steps(&world), [(Completed, Some(1)), cut, cut]);
    world.run("reply p.refund");
    world.run("advance 5s");
    world.run("reply p.clean");
    assert_eq!(steps(&world), [(Undone, Some(1)), cut, cut]);
    assert!(world.out.ends_with("| steps cancelled\n"), "{}", world.out);
}

#[test]
fn c15_what_is_cut_off_by_a_failure_does_not_end_with_finally() {
    let text = "
workflow: t
on_error: fail
finally: [{ call: p.clean }]
steps:
  one: { call: p.one }
  two: { call: p.two }
";
    let mut world = world(text, &["start", "advance 1s", "fail p.one permanent no"]);
    let all = [(Failed, Some(1)), (Cancelled, Some(1))];
    assert_eq!(steps(&world), all);
    world.run("advance 9s");
    world.run("reply p.clean");
    assert_eq!(steps(&world), all);
    assert!(world.out.ends_with("| steps failed\n"), "{}", world.out);
}

#[test]
fn c15_a_rollback_by_hand_that_is_cancelled_ended_its_steps() {
    let lines = [
        "start",
        "advance 1s",
        "reply p.last",
        "advance 2s",
        "command rollback",
        "advance 4s",
        "fail p.pay permanent no",
    ];
    let mut world = world(BESIDE, &lines);
    assert_eq!(steps(&world), [(Pending, None), (Pending, None), (Completed, Some(1))]);
    world.run("advance 1h");
    world.run("command cancel");
    assert_eq!(
        steps(&world),
        [(Cancelled, Some(7)), (Cancelled, Some(3)), (Completed, Some(1))],
        "{}",
        world.out
    );
}

#[test]
fn c15_a_failed_step_that_is_done_again_or_skipped_ends_with_that() {
    let lines = ["start", "reply p.pay", "reply p.tell", "advance 2s", "fail p.last permanent no"];
    for (order, last) in [("retry", Completed), ("skip", Skipped)] {
        let mut world = world(BESIDE, &lines);
        world.run("advance 3s");
        world.run(&format!("command {order}"));
        if order == "retry" {
            assert_eq!(steps(&world)[2], (Running, None));
            world.run("reply p.last");
        }
        assert_eq!(steps(&world)[2], (last, Some(5)), "{}", world.out);
        let run = &world.instance.as_ref().unwrap().progress.as_deref().unwrap().graphs[0];
        assert_eq!(run.steps.get(2).unwrap().stopped_at, None);
    }
}

#[test]
fn c15_what_a_fallback_was_to_make_up_for_failed_when_it_did() {
    let text = "
workflow: t
steps:
  one: { call: p.one, fallback: { call: p.other } }
";
    let lines = ["start", "advance 2s", "fail p.one permanent no", "advance 3s"];
    let mut cut = world(text, &lines);
    cut.run("command kill");
    assert_eq!(steps(&cut), [(Failed, Some(2)), (Cancelled, Some(5))]);
    let mut done = world(text, &lines);
    done.run("reply p.other");
    assert_eq!(steps(&done), [(Completed, Some(5)), (Completed, Some(5))]);
}

/// What is taken back when the last one fails.
fn failing() -> String {
    BESIDE.replace("steps:", "on_failure: rollback\non_error: fail\nsteps:")
}

#[test]
fn h6_what_succeeded_meanwhile_and_is_not_taken_back_is_completed() {
    let text = failing().replace("p.refund }", "p.refund, set: { paid: output.n } }");
    let text = text.replace("workflow: t", "workflow: t\nvars: { paid: 0 }");
    let lines = ["start", "fail p.last permanent no", "advance 4s", "reply p.pay {n: 7}"];
    let mut world = world(&text, &lines);
    let cut = (Cancelled, Some(0));
    let rest = [cut, (Failed, Some(0))];
    assert_eq!(steps(&world), [&[(Completed, Some(4))][..], &rest].concat());
    world.run("advance 1s");
    world.run("fail p.refund permanent no");
    world.run("command skip");
    assert_eq!(steps(&world), [&[(Completed, Some(4))][..], &rest].concat());
    assert!(world.out.ends_with("| steps failed\n"), "{}", world.out);
    let instance = world.instance.as_ref().unwrap();
    let paid = &instance.progress.as_deref().unwrap().graphs[0].steps.get(0).unwrap();
    assert_eq!(
        (paid.output.to_json(), instance.vars[0].to_json()),
        (r#"{"n":7}"#.into(), "7".into())
    );
    let told = |kind| world.notices.iter().filter(|(known, _)| *known == kind).count();
    assert_eq!((told(NoticeKind::StepCompleted), told(NoticeKind::StepUndone)), (1, 0));
}

#[test]
fn h6_what_was_answered_while_it_was_stuck_or_paused_is_completed_too() {
    for stop in ["fail p.last permanent no", "command pause"] {
        let killed = world(BESIDE, &["start", stop, "reply p.pay", "command kill"]);
        assert_eq!(steps(&killed)[..2], [(Completed, Some(0)), (Cancelled, Some(0))]);
        let lines = ["start", stop, "reply p.pay", "reply p.tell", "command cancel"];
        let mut other = world(BESIDE, &lines);
        assert_eq!(steps(&other)[..2], [(Completed, Some(0)); 2], "{}", other.out);
        other.run("reply p.refund");
        assert_eq!(steps(&other)[..2], [(Undone, Some(0)), (Completed, Some(0))], "{}", other.out);
    }
}

#[test]
fn h5_what_succeeded_meanwhile_is_not_done_again_where_its_undo_was_skipped() {
    let text = "
workflow: t
vars: { got: 0 }
steps:
  one: { call: p.one, undo: p.un_one, set: { got: output.n } }
  two: { call: p.two, needs: [one], with: { n: \"${ vars.got + steps.one.n }\" } }
";
    let lines = [
        "start",
        "command rollback",
        "reply p.one {n: 3}",
        "fail p.un_one permanent no",
        "command skip",
    ];
    let mut world = world(text, &lines);
    assert_eq!(steps(&world), [(Completed, Some(0)), (Pending, None)], "{}", world.out);
    world.run("command retry");
    assert_eq!(world.calls.last().unwrap().input.to_json(), r#"{"n":6}"#);
    world.run("reply p.two");
    assert!(world.out.ends_with("| done done\n"), "{}", world.out);
    // The same where nothing is left to do.
    let text = text.split("  two:").next().unwrap();
    let world = self::world(text, &[&lines[..], &["command retry"]].concat());
    assert!(world.out.ends_with("command retry -> - | done done\n"), "{}", world.out);
}

#[test]
fn h6_a_fan_out_is_completed_where_all_of_its_items_were_done() {
    let text =
        failing().replace("call: p.pay,", "foreach: { in: \"[1, 2]\", as: n }, call: p.pay,");
    let mut world = world(&text, &["start", "fail p.last permanent no"]);
    let (first, second) = (world.calls[0].clone(), world.calls[1].clone());
    assert_eq!((&*first.operation, &*second.operation), ("p.pay", "p.pay"));
    for call in [first, second] {
        world.calls.push(call);
        world.run("advance 1s");
        world.run("reply p.pay {d: 1}");
    }
    assert_eq!(steps(&world)[0], (Completed, Some(2)), "{}", world.out);
    for order in ["fail p.refund permanent no", "command skip"].repeat(2) {
        world.run(order);
    }
    assert_eq!(steps(&world)[0], (Completed, Some(2)), "{}", world.out);
    let run = &world.instance.as_ref().unwrap().progress.as_deref().unwrap().graphs[0];
    assert_eq!(run.steps.get(0).unwrap().output.to_json(), r#"[{"d":1},{"d":1}]"#);
    // One that was not done leaves the step cut off.
    let mut world = self::world(&text, &["start", "fail p.last permanent no"]);
    let (first, second) = (world.calls[0].clone(), world.calls[1].clone());
    world.calls.push(first);
    world.run("reply p.pay");
    world.calls.push(second);
    world.run("advance 3s");
    world.run("fail p.pay permanent no");
    assert_eq!(steps(&world)[0], (Cancelled, Some(3)), "{}", world.out);
}

#[test]
fn h5_what_may_not_be_sent_yet_is_withdrawn_when_something_begins_to_be_taken_back() {
    let text = BESIDE.replace("call: p.last", "call: p.last, undo: p.unlast");
    let withdrawn = |lines: &[&str]| {
        let world = world(&text, lines);
        let ids = world.calls.iter().map(|call| (call.call, &call.operation)).collect::<Vec<_>>();
        let effects = world.last.as_ref().unwrap().effects.iter();
        let names = effects.filter_map(|effect| {
            let Effect::WithdrawCall { call, attempt: 1 } = effect else { return None };
            ids.iter().find(|(id, _)| id == call).map(|(_, name)| name.to_string())
        });
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(withdrawn(&["start", "command cancel"]), "p.pay p.last");
    assert_eq!(withdrawn(&["start", "command rollback"]), "p.pay p.last");
    // What a plugin took, or may not be sent twice, was sent.
    assert_eq!(withdrawn(&["start", "pending p.pay", "sending p.last", "command cancel"]), "");
    // Of a call without `undo` nobody is asked.
    assert_eq!(withdrawn(&["start", "reply p.pay", "reply p.last", "command cancel"]), "");
}

#[test]
fn h5_what_was_not_sent_is_not_waited_for() {
    let lines = ["start", "advance 1s", "fail p.last permanent no", "advance 2s"];
    let mut world = world(&failing(), &lines);
    world.run("fail p.pay unsent held back");
    let cut = (Cancelled, Some(1));
    assert_eq!(steps(&world), [(Cancelled, Some(3)), cut, (Failed, Some(1))]);
    assert!(world.out.ends_with("reply p.pay -> - | steps failed\n"), "{}", world.out);
}

#[test]
fn c15_what_was_answered_while_its_instance_stood_still_ended_then() {
    for (stop, go_on) in
        [("command pause", "command resume"), ("fail p.last permanent no", "command skip")]
    {
        let lines = ["start", "advance 1s", stop, "advance 2s", "reply p.pay", "advance 30m"];
        let mut world = world(BESIDE, &lines);
        let run = &world.instance.as_ref().unwrap().progress.as_deref().unwrap().graphs[0];
        let pay = run.steps.get(0).unwrap();
        assert_eq!(
            (pay.status, pay.stopped_at.map(|at| at.since_ms(run.started_at))),
            (Running, Some(3_000))
        );
        world.run(go_on);
        assert_eq!(steps(&world)[..2], [(Completed, Some(3)), (Running, None)], "{}", world.out);
        let run = &world.instance.as_ref().unwrap().progress.as_deref().unwrap().graphs[0];
        assert_eq!(run.steps.get(1).unwrap().stopped_at, None, "it runs on");
        world.run("advance 1s");
        world.run("reply p.tell");
        assert_eq!(steps(&world)[1], (Completed, Some(1_804)), "{}", world.out);
    }
    // What failed then and is left behind.
    let text = BESIDE.replace("timeout: 1h", "timeout: 1h, optional: true");
    let lines = ["start", "command pause", "advance 2s", "fail p.tell permanent no", "advance 9s"];
    let mut failed = world(&text, &[&lines[..], &["command resume"]].concat());
    assert_eq!(steps(&failed)[1], (Failed, Some(2)), "{}", failed.out);
    // One that is tried again runs on.
    let text = BESIDE.replace("timeout: 1h", "timeout: 1h, retry: { attempts: 2, delay: 1s }");
    failed = world(
        &text,
        &lines.map(|line| line.replace("permanent", "retryable")).each_ref().map(|it| &**it),
    );
    failed.run("command resume");
    let run = &failed.instance.as_ref().unwrap().progress.as_deref().unwrap().graphs[0];
    assert_eq!(run.steps.get(1).unwrap().stopped_at, None);
}

#[test]
fn c15_items_that_were_answered_while_the_instance_stood_still_end_their_step_then() {
    let text = "
workflow: t
steps:
  each: { foreach: { in: \"[1, 2]\", as: n, max_parallel: PARALLEL }, call: p.one }
";
    let parallel = text.replace("PARALLEL", "2");
    let mut both = world(&parallel, &["start", "command pause"]);
    let first = both.calls[0].clone();
    both.run("advance 2s");
    both.run("reply p.one");
    both.calls.push(first);
    both.run("advance 3s");
    both.run("reply p.one");
    both.run("advance 1h");
    both.run("command resume");
    assert_eq!(steps(&both), [(Completed, Some(5))], "{}", both.out);
    // Where another item begins with the resume, the step goes on.
    let one = text.replace("PARALLEL", "1");
    let lines = ["start", "command pause", "advance 2s", "reply p.one", "advance 7s"];
    let mut one = world(&one, &[&lines[..], &["command resume", "advance 1s"]].concat());
    assert_eq!(steps(&one), [(Running, None)], "{}", one.out);
    one.run("reply p.one");
    assert_eq!(steps(&one), [(Completed, Some(10))], "{}", one.out);
}
