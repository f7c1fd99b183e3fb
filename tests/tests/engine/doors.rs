//! Who an event is for where several listen, who sent it, and when the answer comes.

use std::time::Duration;

use gearshift_client::protocol::command::Start;
use gearshift_client::protocol::query::DeadLetters;
use gearshift_client::protocol::{EventHeaders, Status, Verdict, Wait};
use gearshift_tests::world::{Answer, Backend, Recorded, World, eventually_async};
use serde_json::{Value, json};

use crate::flows::{APPROVAL, CALLER, FLOW, each, note, problem, seen, start, started};

/// Another workflow that hears what [`FLOW`] hears.
fn twin() -> String {
    FLOW.replace("workflow: flow", "workflow: twin").replace("go.started", "twin.started")
}

fn letters(world: &World) -> usize {
    world.run(world.client().dead_letters(&DeadLetters::default())).unwrap().items.len()
}

fn publish(world: &World, event: &str, data: &Value) {
    world.run(world.client().publish(event, data, &EventHeaders::default())).unwrap();
}

#[test]
fn a_miss_of_one_workflow_is_none_where_another_takes_the_event() {
    each(FLOW, |world| {
        world.deploy(&twin());
        started(world, "a");
        // The helper takes exactly one verdict.
        assert!(matches!(note(world, "a", "n1").verdict, Verdict::Transitioned { .. }));
        publish(world, "go.noted", &json!({ "key": "a", "op": "n2" }));
        world.until("flow/a", "the event", |one| {
            (one.vars["seen"] == json!(["n1", "n2"])).then_some(())
        });
        assert_eq!(letters(world), 0);
        assert_eq!(note(world, "nobody", "n3").verdict, Verdict::NoInstance);
        publish(world, "go.noted", &json!({ "key": "nobody", "op": "n4" }));
        publish(world, "go.noted", &json!({ "key": "a", "op": "n5" }));
        world.until("flow/a", "what follows", |one| {
            (one.vars["seen"] == json!(["n1", "n2", "n5"])).then_some(())
        });
        let client = world.client();
        world.run(eventually_async("the letter", async || {
            let page = client.dead_letters(&DeadLetters::default()).await.ok()?;
            (!page.items.is_empty()).then_some(())
        }));
        drop(client);
        assert_eq!(letters(world), 1, "one event, one letter");
        // What was not for an instance is not for a later one of that key either.
        world.send("twin.started", None, &json!({ "key": "a" }));
        world.restart();
        publish(world, "go.noted", &json!({ "key": "a", "op": "n6" }));
        world.until("twin/a", "what is new", |one| {
            one.vars["seen"].as_array().filter(|seen| !seen.is_empty()).map(|_| ())
        });
        assert_eq!(world.instance("twin/a").vars["seen"], json!(["n6"]));
    });
}

#[test]
fn an_event_of_an_older_version_alone_is_told_or_kept() {
    let second = FLOW.replace("version: 1", "version: 2").replace("go.noted", "go.other");
    each(FLOW, |world| {
        started(world, "a");
        world.deploy(&second);
        assert!(matches!(note(world, "a", "n1").verdict, Verdict::Transitioned { .. }));
        assert_eq!(note(world, "nobody", "n2").verdict, Verdict::NoInstance);
        publish(world, "go.noted", &json!({ "key": "nobody", "op": "n3" }));
        let client = world.client();
        let letter = world.run(eventually_async("the letter", async || {
            client.dead_letters(&DeadLetters::default()).await.ok()?.items.pop()
        }));
        assert!(letter.reason.contains("no_instance"), "{letter:?}");
        assert_eq!(seen(world, "a"), ["n1"]);
    });
}

#[test]
fn an_event_carries_the_name_of_who_sent_it() {
    each(FLOW, |world| {
        let ann = world.client().as_user("änn b");
        world.run(ann.send("go.started", &json!({ "key": "a" }))).unwrap();
        assert_eq!(world.instance("flow/a").initiator.as_deref(), Some("änn b"));
        publish(world, "go.started", &json!({ "key": "b" }));
        let bare = world.until("flow/b", "the start", |one| Some(one.initiator.clone()));
        assert_ne!(bare.as_deref(), Some("local"), "a bare message is nobody's word");
    });
}

#[test]
fn a_wait_that_nothing_will_end_says_so() {
    let waiting = |world: &World, event: &str, state: Wait| {
        let headers = EventHeaders { wait_for: state, ..EventHeaders::default() };
        let data = json!({ "key": "a", "op": "x" });
        world.run(world.client().send_with(event, &data, &headers)).unwrap()
    };
    each(FLOW, |world| {
        let reply = waiting(world, "go.noted", Wait::End);
        assert_eq!((&reply.verdicts[0].verdict, reply.reached), (&Verdict::NoInstance, false));
        let reply = waiting(world, "go.started", Wait::State("open".to_owned()));
        assert!(reply.reached, "{reply:?}");
        let reply = waiting(world, "go.finished", Wait::State("late".to_owned()));
        assert!(!reply.reached, "it ended elsewhere: {reply:?}");
        assert_eq!(reply.verdicts[0].status, Some(Status::Done));
    });
    let buffering = FLOW.replace("go.noted: {}", "go.noted: { buffer: 1h }");
    each(&buffering, |world| {
        let reply = waiting(world, "go.noted", Wait::End);
        assert_eq!((&reply.verdicts[0].verdict, reply.reached), (&Verdict::Buffered, false));
    });
}

#[test]
fn a_start_with_too_large_an_input_is_refused_with_both_numbers() {
    each(FLOW, |world| {
        let refused = start(world, "a", json!({ "pad": "x".repeat(65_536) })).unwrap_err();
        let told = problem(&refused);
        assert_eq!(told.code, "GS4130", "{refused}");
        assert!(told.detail.contains("65546") && told.detail.contains("65536"), "{told:?}");
        assert!(world.run(world.client().instance("flow/a")).is_err());
    });
}

#[test]
fn a_name_and_a_type_that_differ_are_refused_at_the_door() {
    each(FLOW, |world| {
        let event_type = Some("go.finished".to_owned());
        let headers = EventHeaders { event_type, ..EventHeaders::default() };
        let (client, data) = (world.client(), json!({ "key": "a" }));
        let sent = client.send_with("go.noted", &data, &headers);
        assert_eq!(problem(&world.run(sent).unwrap_err()).code, "GS3007");
    });
}

#[test]
fn why_names_what_an_approval_asks_for() {
    let text = APPROVAL.replace("title: Review,", "title: Review, roles: [legal], need: 2,");
    each(&text, |world| {
        world.send("paper.submitted", None, &json!({ "key": "a" }));
        world.wait_for("approval/a", "review");
        let order = crate::flows::choice("approval/a", "approve");
        world.run(world.client().as_user("ann").decide(&order)).unwrap();
        let why = world.run(world.client().why("approval/a")).unwrap();
        let line = why.lines.iter().find(|line| line.contains("decision")).unwrap();
        assert!(line.contains("role legal, 2 of them; 1 vote so far"), "{line}");
        // An ended instance waits for nothing: what is left is to forget it.
        let order =
            Start { workflow: "approval".into(), key: Some("b".into()), ..Start::default() };
        world.run(world.client().start(&order)).unwrap();
        world.run(world.client().cancel("approval/b", "test")).unwrap();
        assert_eq!(world.instance("approval/b").timers, []);
    });
}

#[test]
fn members_that_nobody_knows_are_refused() {
    let misspelt = serde_json::from_value::<Start>(json!({ "workflow": "flow", "verison": 2 }));
    assert!(misspelt.unwrap_err().to_string().contains("verison"));
    let misspelt = serde_json::from_value::<DeadLetters>(json!({ "limits": 2 }));
    assert!(misspelt.unwrap_err().to_string().contains("limits"));
}

#[test]
fn why_tells_since_when_the_trouble_lasts_and_not_since_the_last_attempt() {
    let world = World::new(Backend::Memory);
    world.deploy(CALLER);
    let plugin = Recorded::new(|_| Answer::Retryable("busy".to_owned(), None));
    let _running = world.run(plugin.serve(&world.bus()));
    world.send("call.wanted", None, &json!({ "key": "a" }));
    let failed = |attempt: u32| {
        world.until("caller/a", "an attempt fails", |seen| {
            let call = seen.calls.first()?;
            (call.attempt == attempt && call.next_attempt.is_some()).then_some(())
        });
    };
    failed(1);
    world.advance(Duration::from_secs(11));
    failed(2);
    world.advance(Duration::from_secs(5));
    let why = world.run(world.client().why("caller/a")).unwrap();
    assert!(why.summary.ends_with("for 16s"), "{}", why.summary);
}
