//! Owners that vanish, hand over or are overloaded while they are asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use gearshift_bus::{Bus, Headers, Message, Subject, SubjectPattern};
use gearshift_engine::Error;
use gearshift_engine::api::{self, Request, serve_on_bus};
use gearshift_engine::runtime::AskError;
use gearshift_machine::machine::Outcome;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{joined, member, spread};
use crate::remote::{key_at, pair};
use crate::support::{COUNTER, World, eventually, eventually_async, incoming, key, outcome_of};

#[test]
fn nobody_at_the_owners_door_is_waited_for_and_answered_once() {
    let [first, mut second] = pair(&[COUNTER]);
    let far = key_at(&second, "counter");
    first.ask(incoming("counter.opened", far.key(), 0)).unwrap();
    second.crash();
    // Until the lease is missed nobody serves; the asker sees nothing of it.
    for n in 1..=3 {
        let outcome = outcome_of(first.ask(incoming("counter.added", far.key(), n))).unwrap();
        assert!(matches!(outcome, Outcome::Transitioned { .. }), "{n}: {outcome:?}");
    }
    let instance = first.run(first.handle().instance(&far)).unwrap().unwrap();
    assert_eq!(instance.vars[0].to_json(), "[1,2,3]");
}

#[test]
fn an_owner_that_does_not_answer_leaves_the_outcome_unknown_and_is_not_asked_again() {
    let bus = Bus::in_memory();
    let mut first = member(&bus, "a").with(|config| {
        config.owner_reply = Duration::from_millis(200);
    });
    first.start();
    first.deploy(COUNTER);
    let mut second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let far = key_at(&second, "counter");
    let partition = first.handle().partition_of(&far);
    second.crash();
    // In its place something that takes requests and never answers.
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let subject = SubjectPattern::parse(&format!("gearshift.owner.{partition}.b")).unwrap();
    let mut silent = first.run(bus.requests().serve(&subject, "owner")).unwrap();
    first.spawn(async move {
        let mut kept = Vec::new();
        while let Some(request) = silent.next().await {
            counted.fetch_add(1, Ordering::SeqCst);
            kept.push(request);
        }
    });
    let answer = outcome_of(first.ask(incoming("counter.opened", far.key(), 0)));
    let Err(AskError::Engine(error @ Error::OutcomeUnknown { .. })) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(error.code(), ("GS5003", "timeout"));
    let text = error.to_string();
    assert!(text.contains("unknown") && text.contains("under the same id"), "{text}");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "what may have been done is never sent again");
}

#[test]
fn a_client_that_asks_on_during_a_clean_stop_sees_no_failure() {
    let [first, mut second] = pair(&[COUNTER]);
    // A counter writes down no more than 1,000 events.
    let names = (0..64).map(|number| format!("n{number}")).collect::<Vec<_>>();
    for name in &names {
        first.ask(incoming("counter.opened", name, 0)).unwrap();
    }
    let mut longest = Duration::ZERO;
    let stopping = thread::scope(|scope| {
        let stopping = scope.spawn(move || second.stop());
        for n in 1..=1_000 {
            for name in &names {
                let began = Instant::now();
                let outcome = outcome_of(first.ask(incoming("counter.added", name, n)));
                assert!(matches!(outcome, Ok(Outcome::Transitioned { .. })), "{n}: {outcome:?}");
                longest = longest.max(began.elapsed());
            }
            if stopping.is_finished() {
                break;
            }
        }
        stopping.join().unwrap()
    });
    assert!(stopping);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    spread(&[&first], &[4]);
}

fn waiting(world: &World, name: &str, n: u64, state: &str, limit: Duration) -> Value {
    let mut headers = Headers::new();
    headers.insert("Gearshift-Wait-For", state).unwrap();
    headers.insert("Gearshift-Timeout-Ms", &limit.as_millis().to_string()).unwrap();
    let body = json!({ "key": name, "n": n }).to_string().into();
    let asked = Request { subject: "gearshift.event.counter.added".to_owned(), headers, body };
    let answer = world.run(api::answer(&world.handle(), asked)).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

#[test]
fn a_wait_is_met_through_an_engine_that_does_not_own_the_instance() {
    let [first, second] = pair(&[COUNTER]);
    let far = key_at(&second, "counter");
    first.ask(incoming("counter.opened", far.key(), 0)).unwrap();
    let limit = Duration::from_secs(30);
    thread::scope(|scope| {
        let waits = scope.spawn(|| waiting(&first, far.key(), 1, "armed", limit));
        let handle = second.handle();
        second.run(eventually_async("the event is applied", async || {
            let instance = handle.instance(&far).await.unwrap().unwrap();
            (instance.vars[0].to_json() == "[1]").then_some(())
        }));
        second.ask(incoming("counter.armed", far.key(), 2)).unwrap();
        let answer = waits.join().unwrap();
        assert_eq!(answer["reached"], true, "{answer}");
        assert_eq!(answer["verdicts"][0]["active"], json!(["armed"]));
    });
    let late = waiting(&first, far.key(), 3, "nowhere", Duration::from_millis(50));
    assert_eq!(late["reached"], false, "{late}");
}

#[test]
fn a_wait_outlives_its_owner() {
    let [first, mut second] = pair(&[COUNTER]);
    let far = key_at(&second, "counter");
    first.ask(incoming("counter.opened", far.key(), 0)).unwrap();
    let limit = Duration::from_secs(30);
    thread::scope(|scope| {
        let waits = scope.spawn(|| waiting(&first, far.key(), 1, "armed", limit));
        let handle = first.handle();
        first.run(eventually_async("the event is applied", async || {
            let instance = handle.instance(&far).await.unwrap().unwrap();
            (instance.vars[0].to_json() == "[1]").then_some(())
        }));
        second.crash();
        let armed = outcome_of(first.ask(incoming("counter.armed", far.key(), 2))).unwrap();
        assert!(matches!(armed, Outcome::Transitioned { .. }), "{armed:?}");
        assert_eq!(waits.join().unwrap()["reached"], true);
    });
}

#[test]
fn an_overloaded_owner_is_busy_through_another_engine_too() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    let mut second = member(&bus, "b").with(|config| config.queue_limit = 1).on_one_thread();
    second.start();
    // Only what this thread drives of the second engine runs, so its queue fills.
    let far = second.run(async {
        eventually("it has partitions", || {
            let health = second.handle().health();
            let mine = health.iter().filter(|one| one.serving).map(|one| one.partition);
            let mine = mine.collect::<Vec<_>>();
            let mut names = (0..1_000).map(|number| key(&format!("k{number}")));
            (mine.len() == 2)
                .then(|| names.find(|key| mine.contains(&second.handle().partition_of(key))))
                .flatten()
        })
        .await
    });
    let handle = first.handle();
    let asked = (0..64).map(|n| handle.event(incoming("counter.opened", far.key(), n)));
    let answers = second.run(join_all(asked));
    let busy = answers.iter().filter(|answer| {
        matches!(answer, Err(AskError::Engine(Error::Saturated { limit: 1, .. })))
    });
    let busy = busy.count();
    assert!(busy > 0, "64 at once never fill a queue of 1");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 64 - busy);
    let seen = first.run(first.handle().trace(&far)).unwrap();
    assert_eq!(seen.len(), 64 - busy, "what was refused as busy is not applied");
}

#[test]
fn the_bus_door_answers_busy_at_once_and_says_when_to_ask_again() {
    let world = World::memory().with(|config| {
        config.partitions = 1;
        config.queue_limit = 2;
    });
    let world = world.on_one_thread().started();
    world.send("counter.opened", "a", 0);
    let bus = world.bus();
    let answers = world.run(async {
        let door = serve_on_bus(&world.handle()).await.unwrap();
        let requests = bus.requests();
        let asked = (1..=100).map(|n| {
            let body = json!({ "key": "a", "n": n }).to_string();
            let subject = Subject::parse("gearshift.event.counter.added").unwrap();
            requests.request(Message::new(subject, body), Duration::from_secs(20))
        });
        let answers = join_all(asked).await;
        door.close().await;
        answers
    });
    let mut busy = 0;
    for answer in answers {
        let answer = answer.unwrap();
        let body: Value = serde_json::from_slice(&answer.payload).unwrap();
        if answer.headers.get("Nats-Service-Error-Code").is_some() {
            assert_eq!(body["code"], "GS5001", "{body}");
            assert!(body["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{body}");
            busy += 1;
        } else {
            assert_eq!(body["verdicts"][0]["verdict"], "transitioned", "{body}");
        }
    }
    assert!(busy > 0, "100 at once never fill a queue of 2");
    let counter = world.run(world.counter("a")).unwrap();
    assert_eq!(counter.seen.len(), 100 - busy);
}
