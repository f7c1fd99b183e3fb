//! What people are told of instances, on every backend: why they stand, how they ended, whose work
//! an answer was for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::Start;
use gearshift_client::protocol::view::{StepStatus, Why};
use gearshift_tests::world::{Answer, Recorded, World};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::flows::{each, problem};

/// Two steps that can be taken back, one that cannot, and what fails.
const TRIP: &str = "
workflow: trip
version: 1
mode: sequential
steps:
  flight: { call: recorded.work, with: flight, undo: { call: recorded.work, with: no_flight } }
  hotel: { call: recorded.work, with: hotel, undo: { call: recorded.work, with: no_hotel } }
  pay: { call: recorded.work, with: pay }
";

/// A step that can be taken back, one that lasts, and one behind it.
const BESIDE: &str = "
workflow: trip
version: 1
steps:
  flight: { call: recorded.work, with: flight, undo: { call: recorded.work, with: no_flight } }
  slow: { needs: [flight], call: recorded.work, with: slow, timeout: 1h }
  last: { needs: [slow], call: recorded.work, with: last }
";

fn start(
    world: &World,
    key: &str,
    transaction: Option<&str>,
) -> Result<(), gearshift_client::Error> {
    let order = Start {
        workflow: "trip".to_owned(),
        key: Some(key.to_owned()),
        transaction: transaction.map(str::to_owned),
        ..Start::default()
    };
    world.run(world.client().start(&order)).map(drop)
}

fn why(world: &World, id: &str) -> Why {
    world.run(world.client().why(id)).unwrap()
}

fn until(world: &World, id: &str, status: Status) {
    world.until(id, status.as_str(), |seen| (seen.summary.status == status).then_some(()));
}

/// Refuses to do what it is told by these words.
fn refusing(words: &'static [&'static str]) -> Recorded {
    Recorded::new(|seen| match seen.input.as_str() {
        Some(input) if words.contains(&input) => Answer::Permanent(format!("not {input}")),
        _ => Answer::Output(json!(null)),
    })
}

#[test]
fn why_after_a_kill_or_a_cancel_says_who_ended_it_and_not_what_was_before() {
    each(TRIP, |world| {
        let _running = world.run(refusing(&["pay"]).serve(&world.bus()));
        for (key, reason) in [("a", "too late"), ("b", "")] {
            start(world, key, None).unwrap();
            until(world, key, Status::Stuck);
            world.run(world.client().kill(key, reason)).unwrap();
        }
        let lines = |key: &str| why(world, key).lines;
        assert_eq!(lines("a"), ["killed by ann: too late"]);
        assert_eq!(lines("b"), ["killed by ann"]);
        start(world, "c", None).unwrap();
        until(world, "c", Status::Stuck);
        world.run(world.client().cancel("c", "no money")).unwrap();
        until(world, "c", Status::Cancelled);
        assert_eq!(lines("c"), ["cancelled by ann: no money"]);
    });
}

#[test]
fn h5_a_rollback_by_hand_says_which_undo_failed_and_what_to_do() {
    each(TRIP, |world| {
        let full = Arc::new(AtomicBool::new(true));
        let disk = Arc::clone(&full);
        let plugin = Recorded::new(move |seen| match seen.input.as_str() {
            Some("pay") => Answer::Permanent("not pay".to_owned()),
            Some("no_hotel") if disk.load(Ordering::SeqCst) => {
                Answer::Permanent("not no_hotel".to_owned())
            }
            _ => Answer::Output(json!(null)),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        start(world, "a", None).unwrap();
        until(world, "a", Status::Stuck);
        world.run(world.client().rollback("a", None, "wrong trip")).unwrap();
        let undo_failed = world.until("a", "the undo failed", |seen| {
            seen.steps.rollback.is_some().then(|| seen.summary.stuck_reason.clone())?
        });
        let words = "`recorded.work` could not take back step `hotel`: permanent: not no_hotel";
        assert_eq!(undo_failed, words);
        let told = why(world, "a");
        assert!(told.lines[1].starts_with("look whether it is taken back"), "{told:?}");
        let verbs = ["retry", "skip", "kill"].map(|verb| format!("gearshift {verb} a"));
        assert_eq!(told.try_this, verbs);
        full.store(false, Ordering::SeqCst);
        world.run(world.client().retry("a", "")).unwrap();
        let back = world.until("a", "it is taken back", |seen| {
            let is_back = seen.steps.rollback.is_none();
            seen.summary.stuck_reason.clone().filter(|_| is_back)
        });
        assert_eq!(back, "rolled back by hand: wrong trip");
        let told = why(world, "a");
        assert!(told.lines[1].starts_with("what was done is taken back: `retry`"), "{told:?}");
        assert_eq!(told.try_this, ["gearshift retry a", "gearshift cancel a"]);
    });
}

#[test]
fn tx_why_of_a_member_names_its_transaction_before_and_after_the_end() {
    each(TRIP, |world| {
        let _running = world.run(refusing(&["pay"]).serve(&world.bus()));
        let client = world.client();
        world.run(client.begin_transaction("t", None, "")).unwrap();
        start(world, "a", Some("t")).unwrap();
        until(world, "a", Status::Stuck);
        let open = why(world, "a");
        let line = "belongs to transaction `t`, which is open";
        assert!(open.lines.iter().any(|it| it == line), "{open:?}");
        world.run(client.roll_back_transaction("t", "")).unwrap();
        until(world, "a", Status::Failed);
        let over = why(world, "a");
        assert_eq!(over.lines[0], "belonged to transaction `t`, which is rolled back");
        assert_eq!(over.lines[1], "failed: transaction `t` was rolled back: by ann");
        assert_eq!(over.try_this, ["gearshift transaction show t"]);
    });
}

#[test]
fn what_a_cancel_cut_off_does_not_run_while_the_instance_takes_back() {
    each(BESIDE, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let behind = Arc::clone(&gate);
        let plugin = Recorded::new(move |seen| match seen.input.as_str() {
            Some("slow" | "no_flight") => Answer::Behind(Arc::clone(&behind), json!(null)),
            _ => Answer::Output(json!(null)),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        start(world, "a", None).unwrap();
        world.until("a", "slow runs", |seen| {
            seen.steps.current_step.iter().any(|step| step == "slow").then_some(())
        });
        world.run(world.client().cancel("a", "")).unwrap();
        let seen = world.instance("a");
        assert_eq!(seen.summary.status, Status::Compensating);
        let step = |id: &str| seen.steps.steps.iter().find(|step| step.id == id).unwrap();
        assert_eq!(step("slow").status, StepStatus::Cancelled);
        assert!(seen.steps.current_step.is_empty(), "{seen:?}");
        assert!(step("last").waits_for.is_empty(), "it will not begin: {seen:?}");
        gate.close();
        until(world, "a", Status::Cancelled);
    });
}

#[test]
fn history_names_the_step_whose_answer_came() {
    each(TRIP, |world| {
        let _running = world.run(refusing(&["pay"]).serve(&world.bus()));
        start(world, "a", None).unwrap();
        until(world, "a", Status::Stuck);
        world.run(world.client().cancel("a", "")).unwrap();
        until(world, "a", Status::Cancelled);
        let history = world.history("a");
        let replies = history.iter().map(|line| line.input.as_str());
        let replies: Vec<_> = replies.filter_map(|it| it.strip_prefix("reply ")).collect();
        let of = ["(flight)", "(hotel)", "(pay)", "(undo of hotel)", "(undo of flight)"];
        assert_eq!(replies, of.map(|of| format!("recorded.work {of}")));
    });
}

#[test]
fn a_key_with_a_slash_and_a_quote_is_found_alone() {
    each(TRIP, |world| {
        let _running = world.run(refusing(&["pay"]).serve(&world.bus()));
        let key = "a/b'c";
        start(world, key, None).unwrap();
        until(world, key, Status::Stuck);
        assert_eq!(world.instance(&format!("trip/{key}")).summary.key, key);
        assert_eq!(why(world, key).try_this[0], r"gearshift retry 'a/b'\''c'");
        let unknown = world.run(world.client().instance("z/b'c")).unwrap_err();
        assert_eq!(problem(&unknown).detail, "no instance is called `z/b'c`");
    });
}

/// Nothing to do but to belong somewhere.
const IDLE: &str =
    "workflow: trip\nstates: { idle: { after: { 1h: over } }, over: { final: true } }";

#[test]
fn gs4038_a_transaction_has_room_for_so_many_members_and_starts_no_more() {
    const MEMBERS_MAX: usize = 1_000;
    each(IDLE, |world| {
        let client = world.client();
        world.run(client.begin_transaction("t", None, "")).unwrap();
        let begin = async |number: usize| {
            let order = Start {
                workflow: "trip".to_owned(),
                key: Some(format!("m{number}")),
                transaction: Some("t".to_owned()),
                ..Start::default()
            };
            client.start(&order).await
        };
        world.run(async {
            let all = (0..MEMBERS_MAX).map(&begin);
            for started in futures_util::future::join_all(all).await {
                started.unwrap();
            }
        });
        let full = world.run(begin(MEMBERS_MAX)).unwrap_err();
        assert_eq!((&*problem(&full).code, full.exit_code()), ("GS4038", 4), "{full}");
        let nobody = world.run(client.instance(&format!("trip/m{MEMBERS_MAX}"))).unwrap_err();
        assert_eq!(problem(&nobody).code, "GS4002", "nothing was started");
        let scope = world.instance("transaction/t").scope.unwrap();
        assert_eq!(scope.members.len(), MEMBERS_MAX);
    });
}

/// More messages than one decision may send.
const LOUD: &str = "
workflow: trip
version: 1
vars: { all: '${ lists.range(300) }' }
states:
  loud: { entry: { each: { in: vars.all, as: n, do: { publish: loud.said } } } }
";

#[test]
fn rule_12_too_many_messages_at_once_teach_what_does_more() {
    each(LOUD, |world| {
        start(world, "a", None).unwrap();
        until(world, "a", Status::Stuck);
        let reason = world.instance("a").summary.stuck_reason.unwrap();
        assert!(reason.starts_with("effects exceed the limit of 256 calls, messages"), "{reason}");
        assert!(reason.contains("a step with `foreach` makes more, some at a time"), "{reason}");
    });
}
