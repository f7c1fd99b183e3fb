//! A7–A9: what happens at the same moment has one winner, and the loser knows.

use gearshift_client::protocol::view::InstanceDetail;
use gearshift_client::protocol::{Status, Verdict};
use gearshift_tests::world::World;
use serde_json::json;

use crate::flows::{FLOW, each, hour, started};

/// How the life ended, and how often a transition led out of `open`.
fn end(world: &World) -> (Status, Vec<String>, usize) {
    let ended =
        |detail: &InstanceDetail| detail.summary.status.is_ended().then(|| detail.summary.clone());
    let summary = world.until("flow/a", "the end", ended);
    let history = world.history("flow/a");
    let left = history
        .iter()
        .flat_map(|entry| &entry.transitions)
        .filter(|one| one.from == "open" && !one.to.is_empty());
    (summary.status, summary.active, left.count())
}

#[test]
fn a7_of_cancel_and_completion_one_wins() {
    each(FLOW, |world| {
        started(world, "a");
        let client = world.client();
        let (cancelled, finished) = world.run(async {
            let data = json!({ "key": "a", "op": "end" });
            tokio::join!(client.cancel("flow/a", "test"), client.send("go.finished", &data))
        });
        let finished = finished.unwrap().verdicts.remove(0).verdict;
        let (status, active, left) = end(world);
        match status {
            Status::Done => {
                assert!(cancelled.is_err(), "both won: {cancelled:?}");
                assert!(matches!(finished, Verdict::Transitioned { .. }), "{finished:?}");
                assert_eq!((active, left), (vec!["closed".to_owned()], 1));
            }
            Status::Cancelled => {
                assert!(cancelled.is_ok(), "{cancelled:?}");
                assert!(matches!(finished, Verdict::Ignored { .. }), "both won: {finished:?}");
                assert_eq!(left, 0);
            }
            Status::Running
            | Status::Paused
            | Status::Compensating
            | Status::Stuck
            | Status::Failed
            | _ => panic!("neither won: {status:?}"),
        }
    });
}

#[test]
fn a8_of_cancel_and_timer_one_wins() {
    each(FLOW, |world| {
        started(world, "a");
        let client = world.client();
        world.advance(hour());
        let cancelled = world.run(client.cancel("flow/a", "test"));
        let (status, active, left) = end(world);
        if cancelled.is_ok() {
            assert_eq!((status, left), (Status::Cancelled, 0));
        } else {
            let expected = (Status::Done, vec!["late".to_owned()], 1);
            assert_eq!((status, active, left), expected, "{cancelled:?}");
        }
    });
}

#[test]
fn a9_of_timer_and_event_one_wins() {
    each(FLOW, |world| {
        started(world, "a");
        world.advance(hour());
        let verdict = world.send("go.finished", None, &json!({ "key": "a", "op": "end" })).verdict;
        let (status, active, left) = end(world);
        assert_eq!((status, left), (Status::Done, 1));
        let by_event = matches!(verdict, Verdict::Transitioned { .. });
        assert_eq!(active, [if by_event { "closed" } else { "late" }], "{verdict:?}");
        // The loser does not come back.
        world.advance(hour());
        world.restart();
        assert_eq!(end(world).1, active);
    });
}

#[test]
fn a9_a_timer_that_lost_never_fires() {
    each(FLOW, |world| {
        started(world, "a");
        world.send("go.finished", None, &json!({ "key": "a", "op": "end" }));
        world.restart();
        world.advance(hour() * 2);
        // Another instance's timer of the same time is through when this one's would be.
        started(world, "b");
        world.advance(hour() * 2);
        world.wait_for("flow/b", "late");
        assert_eq!(end(world), (Status::Done, vec!["closed".to_owned()], 1));
    });
}
