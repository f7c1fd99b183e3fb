//! E4–E9, E12, E20: events that nobody can use, repeats, and state that grows too large.

use gearshift_client::protocol::query::DeadLetters;
use gearshift_client::protocol::view::DeadLetter;
use gearshift_client::protocol::{EventHeaders, ProblemKind, Status, Verdict};
use gearshift_tests::world::{World, eventually_async};
use serde_json::{Value, json};

use crate::flows::{FLOW, each, note, problem, seen, started};

fn with_id(id: &str) -> EventHeaders {
    EventHeaders { id: Some(id.to_owned()), ..EventHeaders::default() }
}

fn publish(world: &World, event: &str, headers: &EventHeaders, data: &Value) {
    world.run(world.client().publish(event, data, headers)).unwrap();
}

/// Waits for the dead letter of `op`.
fn dead_letter(world: &World, op: &str) -> DeadLetter {
    let client = world.client();
    world.run(eventually_async("the dead letter", async || {
        let page = client.dead_letters(&DeadLetters::default()).await.ok()?;
        page.items.into_iter().find(|letter| letter.data["op"] == op)
    }))
}

#[test]
fn e4_an_event_that_the_state_does_not_know_follows_the_policy() {
    let with = |policy: &str| {
        FLOW.replace("  go.finished: {}", "  go.finished: {}\n  go.other: {}")
            .replace("  open:\n", &format!("  open:\n    unhandled: {policy}\n"))
    };
    let other = |world: &World| {
        world.send("go.other", Some("x1"), &json!({ "key": "a", "op": "x" })).verdict
    };
    each(&with("discard"), |world| {
        started(world, "a");
        let verdict = other(world);
        assert!(matches!(verdict, Verdict::Ignored { .. }), "{verdict:?}");
        let history = world.history("flow/a");
        assert!(history.iter().any(|entry| entry.input == "go.other"), "not recorded: {history:?}");
    });
    each(&with("reject"), |world| {
        started(world, "a");
        let verdict = other(world);
        let Verdict::Rejected { accepted, .. } = &verdict else { panic!("{verdict:?}") };
        assert!(accepted.iter().any(|name| name == "go.noted"), "{accepted:?}");
    });
    each(&with("dead_letter"), |world| {
        started(world, "a");
        let verdict = other(world);
        assert!(matches!(verdict, Verdict::DeadLettered { .. }), "{verdict:?}");
        assert_eq!(dead_letter(world, "x").instance.as_deref(), Some("flow/a"));
    });
}

#[test]
fn e4_an_event_that_no_definition_knows_is_not_found() {
    each(FLOW, |world| {
        let client = world.client();
        let refused = world.run(client.send("go.nowhere", &json!({ "key": "a" }))).unwrap_err();
        assert_eq!(problem(&refused).code, "GS3011", "{refused}");
        let data = json!({ "key": "a" });
        let refused =
            world.run(client.publish("go.nowhere", &data, &EventHeaders::default())).unwrap_err();
        assert_eq!(problem(&refused).kind(), ProblemKind::NotFound, "{refused}");
    });
}

#[test]
fn e5_an_event_for_an_unknown_instance_is_told_or_kept() {
    each(FLOW, |world| {
        assert_eq!(note(world, "never", "n0").verdict, Verdict::NoInstance);
        publish(world, "go.noted", &with_id("n1"), &json!({ "key": "never", "op": "n1" }));
        let letter = dead_letter(world, "n1");
        assert!(letter.reason.contains("no_instance") || letter.reason.contains("instance"));
        world.restart();
        assert_eq!(dead_letter(world, "n1"), letter, "lost by a restart");
    });
}

#[test]
fn e6_an_event_by_bus_for_an_ended_instance_is_recorded_and_ignored() {
    each(FLOW, |world| {
        started(world, "a");
        started(world, "b");
        world.send("go.finished", None, &json!({ "key": "a", "op": "end" }));
        publish(world, "go.noted", &with_id("n1"), &json!({ "key": "a", "op": "n1" }));
        publish(world, "go.noted", &with_id("n2"), &json!({ "key": "b", "op": "n2" }));
        // The inbox is read in order, so `a` has been told once `b` shows it.
        world.until("flow/b", "the second event", |one| {
            one.vars["seen"].as_array().filter(|seen| !seen.is_empty()).map(|_| ())
        });
        let recorded = |entry: &gearshift_client::protocol::view::HistoryEntry| {
            entry.input == "go.noted" && entry.transitions.is_empty()
        };
        let client = world.client();
        world.run(eventually_async("it is recorded", async || {
            client.history("flow/a").await.ok()?.items.iter().any(recorded).then_some(())
        }));
        assert_eq!(seen(world, "a"), ["end"]);
        assert_eq!(world.instance("flow/a").summary.status, Status::Done);
    });
}

#[test]
fn e7_a_thousand_repeats_over_a_restart_apply_once() {
    each(FLOW, |world| {
        started(world, "a");
        let mut duplicates = 0;
        for turn in 0..1_000 {
            if turn == 500 {
                world.restart();
            }
            let verdict = note(world, "a", "n1").verdict;
            duplicates += usize::from(matches!(verdict, Verdict::Duplicate { .. }));
        }
        assert_eq!((duplicates, seen(world, "a")), (999, vec!["n1".to_owned()]));
    });
}

#[test]
fn e8_the_same_id_with_another_body_is_told() {
    each(FLOW, |world| {
        started(world, "a");
        note(world, "a", "n1");
        let other = json!({ "key": "a", "op": "n1", "more": 1 });
        let verdict = world.send("go.noted", Some("n1"), &other).verdict;
        assert!(matches!(verdict, Verdict::IdReuse { .. }), "{verdict:?}");
        assert_eq!(seen(world, "a"), ["n1"]);
    });
}

#[test]
fn e9_ids_that_are_none_are_refused_with_their_code() {
    each(FLOW, |world| {
        started(world, "a");
        let client = world.client();
        let data = json!({ "key": "a", "op": "n1" });
        let ask = |id: &str| {
            let headers = EventHeaders { source: Some("test".to_owned()), ..with_id(id) };
            world.run(client.send_with("go.noted", &data, &headers)).unwrap_err()
        };
        for id in ["", "a\nb", "\u{1}", &"x".repeat(257)] {
            let refused = ask(id);
            assert_eq!(problem(&refused).kind(), ProblemKind::BadRequest, "{refused}");
            assert_eq!(problem(&refused).code, "GS3004", "{refused}");
        }
        // Longer than a header may be: refused before it is an id.
        let refused = ask(&"x".repeat(10_240));
        assert_eq!(problem(&refused).kind(), ProblemKind::TooLarge, "{refused}");
        assert_eq!(seen(world, "a"), [""; 0]);
    });
}

#[test]
fn e9_a_bad_id_by_bus_is_a_dead_letter_and_the_next_event_is_read() {
    each(FLOW, |world| {
        started(world, "a");
        let bad = EventHeaders { source: Some("test".to_owned()), ..with_id("a\nb") };
        publish(world, "go.noted", &bad, &json!({ "key": "a", "op": "bad" }));
        publish(world, "go.noted", &with_id("n2"), &json!({ "key": "a", "op": "n2" }));
        world.until("flow/a", "the next event", |one| {
            (one.vars["seen"] == json!(["n2"])).then_some(())
        });
        let client = world.client();
        let letters = world.run(client.dead_letters(&DeadLetters::default())).unwrap().items;
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert!(letters[0].reason.contains("GS3004"), "{}", letters[0].reason);
    });
}

/// Each slot takes up to 64 KiB, all of them together more than an instance may have.
const SLOTS: &str = "
workflow: flow
version: 1
correlate: data.key
events: { go.started: { start: true }, go.put: {}, go.finished: {} }
vars: { a: '', b: '', c: '', d: '', e: '', f: '' }
initial: open
states:
  open:
    on:
      go.put:
        - { when: data.slot == 'a', do: { set: { a: data.text } } }
        - { when: data.slot == 'b', do: { set: { b: data.text } } }
        - { when: data.slot == 'c', do: { set: { c: data.text } } }
        - { when: data.slot == 'd', do: { set: { d: data.text } } }
        - { when: data.slot == 'e', do: { set: { e: data.text } } }
        - { when: data.slot == 'f', do: { set: { f: data.text } } }
      go.finished: closed
  closed: { final: true }
";

#[test]
fn e12_state_that_would_grow_too_large_leaves_the_earlier_state_intact() {
    each(SLOTS, |world| {
        started(world, "a");
        started(world, "b");
        let put = |world: &World, key: &str, slot: &str| {
            let data = json!({ "key": key, "slot": slot, "text": "x".repeat(60_000) });
            world.send("go.put", None, &data).verdict
        };
        for slot in ["a", "b", "c", "d"] {
            let verdict = put(world, "a", slot);
            assert!(matches!(verdict, Verdict::Transitioned { .. }), "{slot}: {verdict:?}");
        }
        let refused = put(world, "a", "e");
        assert!(matches!(refused, Verdict::Stuck { .. }), "{refused:?}");
        let before = world.instance("flow/a");
        assert_eq!(before.summary.status, Status::Stuck);
        assert_eq!((&before.vars["e"], before.summary.active), (&json!(""), vec!["open".into()]));
        assert_eq!(before.vars["d"].as_str().map(str::len), Some(60_000));
        // It stops itself only, and a person can move it.
        assert!(matches!(put(world, "b", "a"), Verdict::Transitioned { .. }));
        world.restart();
        assert_eq!(world.instance("flow/a").vars, before.vars);
        world.run(world.client().skip("flow/a", "test")).unwrap();
        let end = world.send("go.finished", None, &json!({ "key": "a" })).verdict;
        assert!(matches!(end, Verdict::Transitioned { .. }), "{end:?}");
    });
}

#[test]
fn e20_a_key_that_several_workflows_have_gives_a_verdict_each() {
    each(FLOW, |world| {
        world.deploy(&FLOW.replace("workflow: flow", "workflow: second"));
        let client = world.client();
        let data = json!({ "key": "a" });
        let reply = world.run(client.send("go.started", &data)).unwrap();
        assert_eq!(reply.verdicts.len(), 2, "{reply:?}");
        let note = json!({ "key": "a", "op": "n1" });
        let reply = world.run(client.send("go.noted", &note)).unwrap();
        let taken = |one: &&gearshift_client::protocol::InstanceVerdict| {
            matches!(one.verdict, Verdict::Transitioned { .. })
        };
        assert_eq!(reply.verdicts.iter().filter(taken).count(), 2, "{reply:?}");
        // A command is for one instance: a key of two is refused, with both named.
        let refused = world.run(client.cancel("a", "test")).unwrap_err();
        assert_eq!(problem(&refused).kind(), ProblemKind::Conflict, "{refused}");
        let detail = &problem(&refused).detail;
        assert!(detail.contains("flow/a") && detail.contains("second/a"), "{detail}");
        let refused = world.run(client.cancel("nobody", "test")).unwrap_err();
        assert_eq!(problem(&refused).kind(), ProblemKind::NotFound, "{refused}");
    });
}

#[test]
fn e20_an_event_without_a_key_is_refused_and_by_bus_kept() {
    each(FLOW, |world| {
        let client = world.client();
        let refused = world.run(client.send("go.noted", &json!({ "op": "n1" }))).unwrap_err();
        assert_eq!(problem(&refused).code, "GS3006", "{refused}");
        publish(world, "go.noted", &EventHeaders::default(), &json!({ "op": "n2" }));
        assert!(dead_letter(world, "n2").reason.contains("GS3006"));
    });
}
