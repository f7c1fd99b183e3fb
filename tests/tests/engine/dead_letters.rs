//! Dead letters that are offered again: taken once, or still there.

use gearshift_client::protocol::command::{DeadLetterOrder, DeadLetterResult};
use gearshift_client::protocol::query::DeadLetters;
use gearshift_client::protocol::view::DeadLetter;
use gearshift_client::protocol::{EventHeaders, Verdict};
use gearshift_tests::world::{World, eventually_async};
use serde_json::json;

use crate::flows::{FLOW, each, note, seen, started};

fn letters(world: &World) -> Vec<DeadLetter> {
    world.run(world.client().dead_letters(&DeadLetters::default())).unwrap().items
}

fn letter(world: &World) -> DeadLetter {
    let client = world.client();
    world.run(eventually_async("the dead letter", async || {
        client.dead_letters(&DeadLetters::default()).await.ok()?.items.pop()
    }))
}

fn publish(world: &World, event: &str, key: &str, op: &str) {
    let (data, headers) = (json!({ "key": key, "op": op }), EventHeaders::default());
    world.run(world.client().publish(event, &data, &headers)).unwrap();
}

fn replay(world: &World, id: &str) -> DeadLetterResult {
    let order = DeadLetterOrder { ids: vec![id.to_owned()], ..DeadLetterOrder::default() };
    world.run(world.client().as_user("ann").dlq_replay(&order)).unwrap().results.remove(0)
}

#[test]
fn a_letter_that_is_refused_again_stays_and_counts_once_when_taken() {
    let rejecting = FLOW.replace(
        "  closed: { final: true }",
        "  shut: { unhandled: reject, on: { go.started: open } }\n  closed: { final: true }",
    );
    let text = rejecting.replace("go.finished: { do: note, to: closed }", "go.finished: shut");
    each(&text, |world| {
        publish(world, "go.noted", "a", "n1");
        let id = letter(world).id;
        assert_eq!(replay(world, &id).verdict.verdict, Verdict::NoInstance);
        started(world, "a");
        world.send("go.finished", None, &json!({ "key": "a" }));
        let verdict = replay(world, &id).verdict.verdict;
        assert!(matches!(verdict, Verdict::Rejected { .. }), "{verdict:?}");
        assert_eq!(letters(world).len(), 1, "an acknowledged event is lost");
        world.send("go.started", None, &json!({ "key": "a" }));
        let verdict = replay(world, &id).verdict.verdict;
        assert!(matches!(verdict, Verdict::Transitioned { .. }), "{verdict:?}");
        assert_eq!(letters(world), []);
        // Long after its id is forgotten it cannot come again.
        for number in 0..70 {
            note(world, "a", &format!("x{number}"));
        }
        world.restart();
        let refused =
            world.run(world.client().dlq_replay(&DeadLetterOrder {
                ids: vec![id.clone()],
                ..DeadLetterOrder::default()
            }));
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(seen(world, "a").iter().filter(|op| **op == "n1").count(), 1);
    });
}

#[test]
fn a_letter_that_is_given_up_again_is_one_letter() {
    let text = FLOW.replace("  open:\n", "  open:\n    unhandled: dead_letter\n");
    let text = text.replace("      go.noted: { do: note }\n", "");
    each(&text, |world| {
        started(world, "a");
        note(world, "a", "n1");
        let verdict = replay(world, &letter(world).id).verdict.verdict;
        assert!(matches!(verdict, Verdict::DeadLettered { .. }), "{verdict:?}");
        assert_eq!(letters(world).len(), 1);
    });
}

/// A letter that names no instance lies in partition 0; the ones it is for may be elsewhere.
#[test]
fn a_letter_that_nobody_could_address_goes_to_its_instance() {
    each(FLOW, |world| {
        for key in ["k1", "k2", "k3", "k4", "k5", "k6"] {
            started(world, key);
            let (data, headers) = (json!({ "op": key, "other": key }), EventHeaders::default());
            world.run(world.client().publish("go.noted", &data, &headers)).unwrap();
        }
        let client = world.client();
        world.run(eventually_async("the letters", async || {
            let page = client.dead_letters(&DeadLetters::default()).await.ok()?;
            (page.items.len() == 6).then_some(())
        }));
        let second = FLOW.replace("version: 1", "version: 2");
        world.deploy(&second.replace("correlate: data.key", "correlate: data.other"));
        for letter in letters(world) {
            let verdict = replay(world, &letter.id).verdict.verdict;
            assert!(matches!(verdict, Verdict::Transitioned { .. }), "{letter:?}: {verdict:?}");
        }
        assert_eq!(letters(world), []);
        for key in ["k1", "k2", "k3", "k4", "k5", "k6"] {
            assert_eq!(seen(world, key), [key]);
        }
    });
}
