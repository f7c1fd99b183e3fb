//! Answers that are lost, and engines that restart while somebody waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_client::protocol::command::Start;
use gearshift_client::protocol::{EventHeaders, Problem, ProblemKind, Verdict, Wait};
use gearshift_client::{Client, ErrorKind};
use serde_json::{Value, json};

use crate::checks::detail;
use crate::world::{Asked, LONG, World};

/// What the engine says of the instance: it runs, or is done.
fn answer(status: &str) -> Value {
    let verdict = json!({
        "instance": "a/k", "workflow": "a", "key": "k", "verdict": "duplicate", "at": 1,
        "status": status, "active": ["s"], "step": 2, "first": 0,
    });
    if status == "done" {
        return json!({"verdict": verdict, "verdicts": [verdict], "reached": true, "output": 7});
    }
    json!({"verdict": verdict, "verdicts": [verdict], "reached": false})
}

/// The header, or what the body says in its place.
fn waits(asked: &Asked) -> Option<u64> {
    let told = asked.header("Gearshift-Timeout-Ms").and_then(|text| text.parse().ok());
    let Some(body) = asked.body.get("timeout_ms") else { return told };
    assert_eq!(body.as_u64(), told);
    told
}

fn start() -> Start {
    let timeout_ms = Some(60_000);
    Start { workflow: "a".into(), wait: Wait::End, timeout_ms, ..Start::default() }
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_is_looked_at_under_the_same_id() {
    // Nobody hears the answer to the wait; the second look sees the end.
    let looks = AtomicUsize::new(0);
    let world = World::bus(move |asked| match waits(asked) {
        Some(0) if looks.fetch_add(1, Ordering::Relaxed) == 0 => Some(Ok(answer("running"))),
        Some(0) => Some(Ok(answer("done"))),
        Some(_) | None => None,
    })
    .await;
    let began = tokio::time::Instant::now();
    let reply = world.client.start(&start()).await.unwrap();
    assert_eq!((reply.reached, reply.output), (true, Some(json!(7))));
    assert!(matches!(reply.verdict.verdict, Verdict::Duplicate { .. }));
    assert!((30..=40).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let asked = world.asked();
    assert_eq!(asked.len(), 3);
    for name in ["id", "key"] {
        assert!(asked[0].body[name].is_string(), "{name} is missing");
        assert!(asked.iter().all(|one| one.body[name] == asked[0].body[name]));
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_answer_came_in_time_it_is_told_how_things_stand() {
    let world = World::bus(|asked| match waits(asked) {
        Some(0) => Some(Ok(answer("running"))),
        Some(_) | None => None,
    })
    .await;
    let (id, timeout_ms) = (Some("e-1".to_owned()), Some(5_000));
    let options = EventHeaders { id, timeout_ms, wait_for: Wait::End, ..EventHeaders::default() };
    let reply = world.client.send_with("a.b", &json!({}), &options).await.unwrap();
    assert!(!reply.reached);
    let asked = world.asked();
    assert_eq!(asked.len(), 2, "one wait, and one look behind it");
    assert!(asked.iter().all(|one| one.header("Nats-Msg-Id") == Some("e-1")));

    let silent = World::bus(|_| None).await;
    let error = silent.client.send_with("a.b", &json!({}), &options).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { millis: 5_000 }), "{error}");
    let asked = silent.asked();
    let id = |one: &Asked| one.header("Nats-Msg-Id").map(str::to_owned);
    assert!(id(&asked[0]).is_some() && id(&asked[0]) == id(&asked[1]));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_an_engine_breaks_off_goes_on_with_the_next_one() {
    let times = AtomicUsize::new(0);
    let world = World::bus(move |_| match times.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Some(Err(Problem::new(ProblemKind::Timeout, "the engine stops"))),
        _ => Some(Ok(answer("done"))),
    })
    .await;
    assert!(world.client.start(&start()).await.unwrap().reached);
    assert_eq!(world.asked().len(), 3);
    // What waits for nothing is asked once, without a name of ours.
    let world = World::bus(|_| Some(Err(Problem::new(ProblemKind::Timeout, "lost")))).await;
    let error = world.client.start(&Start { wait: Wait::None, ..start() }).await.unwrap_err();
    assert_eq!(error.exit_code(), 7);
    let asked = world.asked();
    assert_eq!((asked.len(), &asked[0].body["id"]), (1, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn waiting_outlives_a_restart() {
    let times = AtomicUsize::new(0);
    let away = || Problem::new(ProblemKind::Unavailable, "partition 3 is not served");
    let world = World::bus(move |_| {
        let time = times.fetch_add(1, Ordering::Relaxed);
        let status = if time > 6 { "done" } else { "running" };
        match time {
            // Silence first, then refusals, between two looks that see something.
            1 => None,
            0 | 2 | 4..6 => Some(Err(away())),
            _ => Some(Ok(detail(status, &["s"]))),
        }
    })
    .await;
    let waited = world.client.wait_for("k", &Wait::End, LONG * 3).await.unwrap();
    assert!(waited.reached);
    // A question that is wrong stays wrong.
    let world = World::bus(|_| Some(Err(Problem::new(ProblemKind::NotFound, "no `k`")))).await;
    let error = world.client.wait_for("k", &Wait::End, LONG).await.unwrap_err();
    assert_eq!((error.exit_code(), world.asked().len()), (3, 1));
    // Where nobody ever answers, that is said.
    let alone = Client::bus(Bus::in_memory());
    let error = alone.wait_for("k", &Wait::End, Duration::from_secs(9)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unreachable { .. }), "{error}");
}
