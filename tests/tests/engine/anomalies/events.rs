//! A1–A6, A21, A22: starts, retries, late landings, ended instances, replaced definitions.

use std::time::Duration;

use gearshift_client::protocol::query::DeadLetters;
use gearshift_client::protocol::{EventHeaders, ProblemKind, Verdict};
use gearshift_tests::world::eventually_async;
use serde_json::json;

use crate::flows::{FLOW, each, note, problem, seen, start, started};

#[test]
fn a1_a_duplicate_start_changes_nothing() {
    each(FLOW, |world| {
        let first = start(world, "a", json!({ "x": 1 })).unwrap().verdict;
        assert!(matches!(first.verdict, Verdict::Started { .. }), "{first:?}");
        world.restart();
        let second = start(world, "a", json!({ "x": 1 })).unwrap().verdict;
        assert!(matches!(second.verdict, Verdict::Duplicate { .. }), "{second:?}");
        assert_eq!((second.generation, second.instance.as_str()), (1, "flow/a"));
    });
}

#[test]
fn a2_of_concurrent_starts_of_one_key_one_starts() {
    each(FLOW, |world| {
        let client = world.client();
        let verdicts = world.run(async {
            let order = |_| gearshift_client::protocol::command::Start {
                workflow: "flow".to_owned(),
                key: Some("a".to_owned()),
                ..Default::default()
            };
            let orders = (0..8).map(order).collect::<Vec<_>>();
            let mut tasks = tokio::task::JoinSet::new();
            for order in orders {
                let client = client.clone();
                tasks.spawn(async move { client.start(&order).await.unwrap().verdict.verdict });
            }
            tasks.join_all().await
        });
        let fresh = verdicts.iter().filter(|one| matches!(one, Verdict::Started { .. })).count();
        let again = verdicts.iter().filter(|one| matches!(one, Verdict::Duplicate { .. })).count();
        assert_eq!((fresh, again), (1, 7), "{verdicts:?}");
        assert_eq!(world.instance("flow/a").summary.generation, 1);
    });
}

#[test]
fn a3_the_same_key_with_another_body_is_a_conflict() {
    each(FLOW, |world| {
        start(world, "a", json!({ "x": 1 })).unwrap();
        let refused = start(world, "a", json!({ "x": 2 })).unwrap_err();
        assert_eq!(problem(&refused).kind(), ProblemKind::Conflict, "{refused}");
        assert_eq!(world.instance("flow/a").input, json!({ "x": 1 }));
    });
}

#[test]
fn a4_a_retry_after_a_lost_acknowledgement_applies_nothing_twice() {
    each(FLOW, |world| {
        started(world, "a");
        // The answer is thrown away, and the engine with it.
        drop(note(world, "a", "n1"));
        world.restart();
        let again = note(world, "a", "n1");
        assert!(matches!(again.verdict, Verdict::Duplicate { .. }), "{again:?}");
        assert_eq!(seen(world, "a"), ["n1"]);
    });
}

#[test]
fn a4_a_retry_of_what_was_refused_is_refused_again() {
    let text = FLOW.replace("  go.finished: {}", "  go.finished: {}\n  go.other: {}");
    each(&text.replace("  open:\n", "  open:\n    unhandled: reject\n"), |world| {
        started(world, "a");
        for _ in 0..2 {
            let verdict = world.send("go.other", Some("x1"), &json!({ "key": "a" })).verdict;
            assert!(matches!(verdict, Verdict::Rejected { .. }), "{verdict:?}");
            world.restart();
        }
    });
}

#[test]
fn a5_a_publish_that_lands_after_its_retry_is_a_duplicate() {
    each(FLOW, |world| {
        started(world, "a");
        note(world, "a", "n1");
        let client = world.client();
        world.run(async {
            for op in ["n1", "n2"] {
                let headers = EventHeaders { id: Some(op.to_owned()), ..EventHeaders::default() };
                let data = json!({ "key": "a", "op": op });
                client.publish("go.noted", &data, &headers).await.unwrap();
            }
        });
        // The inbox is read in order: once the second is there, the first was looked at.
        let noted = |detail: &gearshift_client::protocol::view::InstanceDetail| {
            let seen = detail.vars["seen"].as_array()?;
            seen.contains(&json!("n2")).then(|| seen.clone())
        };
        let noted = world.until("flow/a", "the second note", noted);
        assert_eq!(noted, [json!("n1"), json!("n2")]);
        drop(client);
        world.restart();
        note(world, "a", "n3");
        assert_eq!(seen(world, "a"), ["n1", "n2", "n3"]);
    });
}

#[test]
fn a6_signals_at_the_same_version_are_all_applied_in_one_order() {
    each(FLOW, |world| {
        started(world, "a");
        let client = world.client();
        world.run(async {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..16 {
                let client = client.clone();
                tasks.spawn(async move {
                    let data = json!({ "key": "a", "op": format!("n{number}") });
                    client.send("go.noted", &data).await.unwrap();
                });
            }
            tasks.join_all().await;
        });
        let before = seen(world, "a");
        let mut sorted = before.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((before.len(), sorted.len()), (16, 16));
        drop(client);
        world.restart();
        assert_eq!(seen(world, "a"), before, "another order after a restart");
    });
}

#[test]
fn a21_events_to_ended_unknown_and_forgotten_instances_are_told_apart() {
    each(FLOW, |world| {
        let unknown = note(world, "never", "n0");
        assert_eq!(unknown.verdict, Verdict::NoInstance, "{unknown:?}");
        started(world, "a");
        world.send("go.finished", None, &json!({ "key": "a", "op": "end" }));
        let ended = note(world, "a", "n1");
        let is_ended = matches!(&ended.verdict, Verdict::Ignored { reason } if reason == "ended");
        assert!(is_ended, "{ended:?}");
        assert_eq!(seen(world, "a"), ["end"]);
        // Ended instances stay readable for seven days, then they are forgotten.
        world.advance(Duration::from_secs(7 * 86_400 + 1));
        let client = world.client();
        world.run(eventually_async("it is forgotten", async || {
            let refused = client.instance("flow/a").await.err()?;
            (problem(&refused).kind() == ProblemKind::NotFound).then_some(())
        }));
        assert_eq!(note(world, "a", "n2").verdict, Verdict::NoInstance);
    });
}

#[test]
fn a21_an_event_by_bus_for_nobody_is_a_dead_letter() {
    each(FLOW, |world| {
        let client = world.client();
        let letter = world.run(async {
            let data = json!({ "key": "never", "op": "n0" });
            client.publish("go.noted", &data, &EventHeaders::default()).await.unwrap();
            eventually_async("a dead letter", async || {
                let page = client.dead_letters(&DeadLetters::default()).await.ok()?;
                page.items.into_iter().next()
            })
            .await
        });
        assert_eq!((letter.event.as_str(), &letter.data["op"]), ("go.noted", &json!("n0")));
        assert!(!letter.reason.is_empty());
    });
}

#[test]
fn a22_a_running_instance_stays_on_its_definition() {
    each(FLOW, |world| {
        started(world, "old");
        let second = FLOW
            .replace("version: 1", "version: 2")
            .replace("seen: 'vars.seen + [data.op]'", "seen: 'vars.seen + [data.op + \"-v2\"]'");
        world.deploy(&second);
        started(world, "new");
        world.restart();
        note(world, "old", "n1");
        note(world, "new", "n1");
        assert_eq!(seen(world, "old"), ["n1"]);
        assert_eq!(seen(world, "new"), ["n1-v2"]);
        assert_eq!(world.instance("flow/old").summary.version, 1);
        assert_eq!(world.instance("flow/new").summary.version, 2);
    });
}
