//! The bad input of step graphs, with plugins that misbehave: each a clear error or a stuck reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::Start;
use gearshift_client::protocol::view::{InstanceDetail, StepStatus, StepView};
use gearshift_tests::world::{Answer, Recorded, World, eventually};
use serde_json::{Value, json};

use super::plugins::{message, raw};
use crate::flows::{each, problem};

/// One call with two attempts, and a step behind it.
const ASKING: &str = "
workflow: job
version: 1
correlate: data.key
steps:
  ask:
    call: recorded.work
    with: { key: '${ key }' }
    timeout: 5s
    retry: { attempts: 2, delay: 1s, jitter: false }
  after: { needs: ask, call: recorded.work, with: { key: '${ key }', of: after } }
";

/// Two calls that can be taken back, and one that fails.
const UNDONE: &str = "
workflow: job
version: 1
correlate: data.key
mode: sequential
on_failure: rollback
steps:
  first: { call: recorded.work, with: 1, undo: { call: recorded.work, with: -1 } }
  second: { call: recorded.work, with: 2, undo: { call: recorded.work, with: -2 } }
  third: { call: recorded.work, with: 3 }
";

/// A call for each item of what the start gives.
const FANNED: &str = "
workflow: job
version: 1
correlate: data.key
steps:
  each: { foreach: { in: input.list }, call: recorded.work }
";

fn start(world: &World, input: Value) -> Result<(), gearshift_client::Error> {
    let order =
        Start { workflow: "job".to_owned(), key: Some("a".to_owned()), input, ..Start::default() };
    world.run(world.client().start(&order)).map(drop)
}

fn step<'a>(detail: &'a InstanceDetail, id: &str) -> &'a StepView {
    detail.steps.steps.iter().find(|step| step.id == id).unwrap()
}

/// Waits until it is stuck; the reason, which `why` tells as well.
fn stuck(world: &World) -> String {
    let seen = world.until("job/a", "it is stuck", |seen| {
        (seen.summary.status == Status::Stuck).then(|| seen.clone())
    });
    let why = world.run(world.client().why("job/a")).unwrap();
    let reason = seen.summary.stuck_reason.unwrap();
    assert_eq!(why.lines[0], format!("stuck: {reason}"));
    reason
}

/// Kind, code and message of what went wrong with step `ask`.
fn error_of_ask(world: &World) -> (String, String, String) {
    let error = step(&world.instance("job/a"), "ask").error.clone().unwrap();
    (error.kind, error.code, error.message)
}

fn three(kind: &str, code: &str, message: &str) -> (String, String, String) {
    (kind.to_owned(), code.to_owned(), message.to_owned())
}

#[test]
fn a_plugin_that_never_answers_a_step_makes_it_stuck_after_its_attempts() {
    each(ASKING, |world| {
        let answers = Arc::new(AtomicBool::new(false));
        let mended = Arc::clone(&answers);
        let plugin = Recorded::new(move |seen| match mended.load(Ordering::SeqCst) {
            false => Answer::Never,
            true => Answer::Output(seen.input.clone()),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        start(world, json!({})).unwrap();
        world.run(eventually("the first attempt", || plugin.seen().pop()));
        world.until("job/a", "its attempts are over", |seen| {
            world.advance(Duration::from_secs(1));
            (seen.summary.status == Status::Stuck).then_some(())
        });
        let message = "no answer within 5s";
        assert_eq!(stuck(world), format!("step `ask`: failed: {message}"));
        assert_eq!(error_of_ask(world), three("timeout", "", message));
        assert_eq!(step(&world.instance("job/a"), "ask").retry_count, 1);
        let seen = plugin.seen();
        assert_eq!((seen.len(), &seen[0].call_id), (2, &seen[1].call_id));
        // Once it is mended, the operator has it asked again, and the rest goes on.
        answers.store(true, Ordering::SeqCst);
        world.run(world.client().retry("job/a", "mended")).unwrap();
        let done = world.wait_for("job/a", "done");
        assert_eq!(done.output, json!({ "key": "a", "of": "after" }));
    });
}

#[test]
fn a_plugin_that_answers_a_step_twice_is_heard_once() {
    each(ASKING, |world| {
        let bus = world.bus();
        // Two groups: each gets the request, and each answers.
        let (_first, _second) = world.run(async {
            (raw(&bus, "q", message("{\"n\":1}")).await, raw(&bus, "p", message("{\"n\":2}")).await)
        });
        drop(bus);
        start(world, json!({})).unwrap();
        let done = world.wait_for("job/a", "done");
        let answers = [json!({ "n": 1 }), json!({ "n": 2 })];
        assert!(done.steps.steps.iter().all(|step| answers.contains(&step.result)), "{done:#?}");
        let asked = |world: &World| {
            let history = world.history("job/a");
            let effects = history.iter().flat_map(|line| &line.effects);
            effects.filter(|effect| *effect == "call recorded.work").count()
        };
        assert_eq!(asked(world), 2);
        world.restart();
        assert_eq!(world.instance("job/a").steps, done.steps);
        assert_eq!(asked(world), 2);
    });
}

#[test]
fn a_plugin_that_answers_a_step_with_9_mib_fails_it() {
    each(ASKING, |world| {
        let plugin = Recorded::new(|_| Answer::Output(json!("x".repeat(9 * 1_024 * 1_024))));
        let _running = world.run(plugin.serve(&world.bus()));
        start(world, json!({})).unwrap();
        let message = "output of 9437186 bytes exceeds the limit of 8388608";
        assert_eq!(stuck(world), format!("step `ask`: failed: {message}"));
        assert_eq!(error_of_ask(world), three("permanent", "413", message));
        assert_eq!(plugin.seen().len(), 1, "another attempt would end the same way");
    });
}

#[test]
fn an_undo_that_fails_makes_the_instance_stuck_until_a_person_helps() {
    each(UNDONE, |world| {
        let full = Arc::new(AtomicBool::new(true));
        let disk = Arc::clone(&full);
        let plugin = Recorded::new(move |seen| match seen.input.as_i64() {
            Some(3) => Answer::Permanent("no".to_owned()),
            Some(-2) if disk.load(Ordering::SeqCst) => {
                Answer::Permanent("the disk is full".to_owned())
            }
            _ => Answer::Output(json!(null)),
        });
        let running = world.run(plugin.serve(&world.bus()));
        start(world, json!({})).unwrap();
        let reason = "`recorded.work` could not take back step `second`: permanent: \
            the disk is full";
        assert_eq!(stuck(world), reason);
        let refused = world.run(world.client().cancel("job/a", "test")).unwrap_err();
        assert_eq!(problem(&refused).code, "GS4018");
        assert!(problem(&refused).detail.contains("retry or skip its undo"), "{refused}");
        // It has the bus, whose folder only one process may use.
        drop(running);
        world.restart();
        let _running = world.run(plugin.serve(&world.bus()));
        full.store(false, Ordering::SeqCst);
        world.run(world.client().retry("job/a", "the disk is larger now")).unwrap();
        let failed = world
            .until("job/a", "the end", |seen| seen.summary.status.is_ended().then(|| seen.clone()));
        assert_eq!(failed.summary.status, Status::Failed);
        let statuses: Vec<_> = failed.steps.steps.iter().map(|step| step.status).collect();
        assert_eq!(statuses, [StepStatus::Undone, StepStatus::Undone, StepStatus::Failed]);
        let inputs: Vec<_> = plugin.seen().iter().map(|seen| seen.input.clone()).collect();
        assert_eq!(inputs, [1, 2, 3, -2, -2, -1]);
    });
}

#[test]
fn cancel_while_it_is_taken_back_is_refused_and_kill_is_not() {
    each(UNDONE, |world| {
        let plugin = Recorded::new(|seen| match seen.input.as_i64() {
            Some(3) => Answer::Permanent("no".to_owned()),
            Some(-2) => Answer::Never,
            _ => Answer::Output(json!(null)),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        start(world, json!({})).unwrap();
        world.until("job/a", "it is taken back", |seen| {
            (seen.summary.status == Status::Compensating).then_some(())
        });
        let refused = world.run(world.client().cancel("job/a", "test")).unwrap_err();
        let refused = problem(&refused);
        assert_eq!((refused.code.as_str(), refused.status), ("GS4018", 409));
        let told = "job/a: a rollback is under way: wait for it, or kill the instance";
        assert_eq!(refused.detail, told);
        let seen = world.instance("job/a");
        assert_eq!(seen.summary.status, Status::Compensating, "nothing was changed");
        world.run(world.client().kill("job/a", "test")).unwrap();
        assert_eq!(world.instance("job/a").summary.status, Status::Cancelled);
    });
}

#[test]
fn a_fan_out_over_what_is_no_list_says_what_it_is() {
    let begin = "step `each`: failed:";
    for (input, found) in [(json!({ "list": 5 }), "int"), (json!({ "list": "a" }), "string")] {
        each(FANNED, |world| {
            start(world, input.clone()).unwrap();
            assert_eq!(stuck(world), format!("{begin} `foreach` needs a list, found {found}"));
        });
    }
    each(FANNED, |world| {
        start(world, json!({})).unwrap();
        let reason = stuck(world);
        assert!(reason.starts_with(begin) && reason.contains("list"), "{reason}");
    });
}

#[test]
fn a_list_of_a_million_items_is_too_much_for_a_start() {
    each(FANNED, |world| {
        // The first is more than any message may be, the second more than any input.
        for (items, limit) in [(1_000_000, "1,048,576"), (40_000, "65536")] {
            let refused = start(world, json!({ "list": vec![0; items] })).unwrap_err();
            assert_eq!(problem(&refused).code, "GS4130", "{refused}");
            assert!(problem(&refused).detail.contains(limit), "{refused}");
            assert!(world.run(world.client().instance("job/a")).is_err(), "nothing was started");
        }
    });
}
