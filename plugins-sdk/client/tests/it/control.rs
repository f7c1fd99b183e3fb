//! What the client sends to control instances.

use gearshift_client::protocol::command::{Clocks, Fork, Start, TimerOrder};
use gearshift_client::protocol::{EventHeaders, ProblemKind, Verdict};
use serde_json::{Map, json};

use crate::checks::by_subject;
use crate::world::World;

async fn control_is_sent_as_it_is_meant(world: World) {
    let client = world.client.clone().as_user("ann");
    client.pause("k", Clocks::Keep, "r").await.unwrap();
    client.resume("k", "r").await.unwrap();
    client.rollback("k", Some("two"), "").await.unwrap();
    client.set_vars("k", Map::from_iter([("a.b".to_owned(), json!(1))]), "").await.unwrap();
    client.checkpoint("k", "half", "").await.unwrap();
    let fork = Fork { instance: "k".into(), from: "half".into(), ..Fork::default() };
    let reply = client.fork(&fork).await.unwrap();
    assert_eq!((&*reply.origin, &reply.verdict.verdict), ("a/k", &Verdict::Done));
    client.fire_timer("k", "5", "").await.unwrap();
    let order = TimerOrder {
        instance: "k".into(),
        timer: "5".into(),
        by_ms: Some(-1),
        ..TimerOrder::default()
    };
    client.move_timer(&order).await.unwrap();
    let asked = world.asked();
    let sent: Vec<_> = asked
        .iter()
        .map(|asked| (asked.subject.trim_start_matches("gearshift.command.ann."), &asked.body))
        .collect();
    let expected = [
        ("pause", json!({"instance": "k", "timers": "keep", "reason": "r"})),
        ("resume", json!({"instance": "k", "reason": "r"})),
        ("rollback", json!({"instance": "k", "from": "two", "reason": ""})),
        ("set", json!({"instance": "k", "vars": {"a.b": 1}, "reason": ""})),
        ("checkpoint", json!({"instance": "k", "name": "half", "reason": ""})),
        ("fork", json!({"instance": "k", "from": "half", "reason": ""})),
        ("timer_fire", json!({"instance": "k", "timer": "5", "reason": ""})),
        ("timer_move", json!({"instance": "k", "timer": "5", "by_ms": -1, "reason": ""})),
    ];
    assert_eq!(sent.len(), expected.len());
    for (sent, expected) in sent.iter().zip(&expected) {
        assert_eq!((sent.0, sent.1), (expected.0, &expected.1));
    }
}

/// A dry run says so in every order, and what knows none is not sent.
async fn nothing_is_sent_for_real_in_a_dry_run(world: World) {
    let client = world.client.clone().rehearsing();
    client.pause("k", Clocks::Freeze, "").await.unwrap();
    client.resume("k", "").await.unwrap();
    client.rollback("k", None, "").await.unwrap();
    client.set_vars("k", Map::new(), "").await.unwrap();
    let asked = world.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|asked| asked.body["dry_run"] == true), "{asked:?}");
    let refused = [
        client.checkpoint("k", "half", "").await.map(drop),
        client.start(&Start::default()).await.map(drop),
        client.send("light.switched", &json!({})).await.map(drop),
        client.publish("light.switched", &json!({}), &EventHeaders::default()).await,
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().problem().unwrap().kind(), ProblemKind::BadRequest);
    }
    assert_eq!(world.asked().len(), 4);
}

#[tokio::test]
async fn a_dry_run_over_the_bus() {
    nothing_is_sent_for_real_in_a_dry_run(World::bus(by_subject).await).await;
}

#[tokio::test]
async fn a_dry_run_over_http() {
    nothing_is_sent_for_real_in_a_dry_run(World::http(by_subject).await).await;
}

#[tokio::test]
async fn over_the_bus() {
    control_is_sent_as_it_is_meant(World::bus(by_subject).await).await;
}

#[tokio::test]
async fn over_http() {
    control_is_sent_as_it_is_meant(World::http(by_subject).await).await;
}
