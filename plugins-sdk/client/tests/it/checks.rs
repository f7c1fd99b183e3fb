//! What the client sends, and what it makes of the answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gearshift_client::WatchFilter;
use gearshift_client::protocol::command::{DeadLetterOrder, Deploy, Format, Start};
use gearshift_client::protocol::query::{DeadLetters, Definitions, Graph, Instances, Tasks};
use gearshift_client::protocol::view::Page;
use gearshift_client::protocol::{EventHeaders, Notice, NoticeKind, Problem, Verdict, Wait};
use serde_json::{Value, json};

use crate::world::{Asked, LONG, World};

/// Runs a check of the same name on both doors.
macro_rules! on_both_doors {
    ($($check:ident($answer:expr);)*) => {$(
        mod $check {
            use super::*;

            #[tokio::test]
            async fn bus() {
                super::$check(World::bus($answer).await).await;
            }

            #[tokio::test]
            async fn http() {
                super::$check(World::http($answer).await).await;
            }
        }
    )*};
}

on_both_doors! {
    events_are_asked_about(verdicts);
    commands_name_their_user(by_subject);
    queries_ask_by_subject(by_subject);
    notices_are_filtered(by_subject);
    waiting_ends_in_the_state(moving());
    waiting_needs_no_notice(moving());
    waiting_gives_up_on_an_ended_instance(ended);
    waiting_has_an_end(running);
}

pub(crate) fn verdict(verdict: &str) -> Value {
    json!({"instance": "a/k", "workflow": "a", "key": "k", "version": 1, "generation": 1,
        "step": 2, "status": "running", "active": ["s"], "verdict": verdict})
}

fn verdicts(_: &Asked) -> Option<Result<Value, Problem>> {
    Some(Ok(json!({"verdicts": [verdict("deferred")], "reached": false})))
}

async fn events_are_asked_about(world: World) {
    let data = json!({"orderId": 7});
    let reply = world.client.send("order.paid", &data).await.unwrap();
    assert_eq!(reply.verdicts[0].verdict, Verdict::Deferred);
    assert_eq!(reply.exit_code(), 7);
    let options = EventHeaders {
        id: Some("ü 1".into()),
        instance: Some("a/k".into()),
        wait_for: Wait::State("paid".into()),
        timeout_ms: Some(1234),
        ..EventHeaders::default()
    };
    world.client.send_with("order.paid", &data, &options).await.unwrap();
    let other = world.client.clone().as_user("bo b@x");
    other.publish("order.paid", &data, &options).await.unwrap();

    let asked = world.asked();
    let subjects: Vec<_> = asked.iter().map(|asked| asked.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "gearshift.event.order.paid",
            "gearshift.event.order.paid",
            "gearshift.publish.order.paid"
        ]
    );
    assert!(asked.iter().all(|asked| asked.body == data));
    assert_eq!(asked[0].header("Gearshift-Timeout-Ms"), Some("30000"));
    assert_eq!(asked[0].header("Content-Type"), Some("application/json"));
    assert_eq!(asked[1].header("Gearshift-Timeout-Ms"), Some("1234"));
    let read = EventHeaders::from_headers(|name| asked[1].header(name));
    assert_eq!(read, options);
    assert_eq!(asked[2].header("Nats-Msg-Id"), Some("%C3%BC%201"));
    assert_eq!(asked[0].header("Gearshift-User"), Some("local"));
    assert_eq!(asked[2].header("Gearshift-User"), Some("bo%20b@x"));
}

pub(crate) fn by_subject(asked: &Asked) -> Option<Result<Value, Problem>> {
    let what = asked.subject.rsplit('.').next().unwrap_or_default();
    let summary = json!({"name": "a", "version": 1, "hash": "00", "text": "workflow: a"});
    let letter = json!({"id": "d1", "event": "e", "reason": "unhandled", "at": "now"});
    Some(Ok(match what {
        "deploy" => json!({"definitions": [{"name": "a", "version": 2, "hash": "00"}]}),
        "start" => json!({"verdict": verdict("done"), "reached": true, "output": 7}),
        "decide" | "cancel" | "kill" | "retry" | "skip" | "pause" | "resume" | "rollback"
        | "set" | "checkpoint" | "timer_fire" | "timer_move" => verdict("done"),
        "fork" => {
            let mut reply = verdict("done");
            reply["origin"] = json!("a/k");
            reply["from"] = json!("half");
            reply
        }
        "dlq_replay" | "dlq_drop" => {
            let mut result = verdict("no_instance");
            result["id"] = json!("d1");
            json!({"results": [result]})
        }
        "instances" | "tasks" | "definitions" | "dead_letters" | "history" => {
            json!({"items": [], "next": "c"})
        }
        "instance" => detail("running", &["s"]),
        "why" => json!({"summary": "it waits"}),
        "definition" => summary,
        "dead_letter" => letter,
        "health" => json!({"status": "ready"}),
        "graph" => json!({"text": "stateDiagram-v2"}),
        other => panic!("unknown subject token `{other}`"),
    }))
}

async fn commands_name_their_user(world: World) {
    let client = world.client.clone().as_user("ann@x.org");
    let deploy = Deploy { text: "workflow: a".into(), origin: String::new(), format: Format::Yaml };
    assert_eq!(client.deploy(&deploy).await.unwrap().definitions[0].version, 2);
    let start = Start { workflow: "a".into(), wait: Wait::End, ..Start::default() };
    assert_eq!(client.start(&start).await.unwrap().output, Some(json!(7)));
    client.approve("k", "fine").await.unwrap();
    client.reject("k", "").await.unwrap();
    client.cancel("k", "r").await.unwrap();
    client.kill("k", "r").await.unwrap();
    client.retry("k", "r").await.unwrap();
    assert_eq!(client.skip("k", "r").await.unwrap().verdict, Verdict::Done);
    let order = DeadLetterOrder { ids: vec!["d1".into()], ..DeadLetterOrder::default() };
    let reply = client.dlq_replay(&order).await.unwrap();
    assert_eq!(reply.results[0].verdict.verdict, Verdict::NoInstance);
    client.dlq_drop(&order).await.unwrap();

    let asked = world.asked();
    let subjects: Vec<_> = asked.iter().map(|asked| asked.subject.as_str()).collect();
    let verbs = [
        "deploy",
        "start",
        "decide",
        "decide",
        "cancel",
        "kill",
        "retry",
        "skip",
        "dlq_replay",
        "dlq_drop",
    ];
    let expected = verbs.map(|verb| format!("gearshift.command.ann@x=2Eorg.{verb}"));
    assert_eq!(subjects, expected);
    assert_eq!(asked[2].body, json!({"instance": "k", "choice": "approve", "reason": "fine"}));
    assert_eq!(asked[4].body, json!({"instance": "k", "reason": "r"}));
}

fn is_last<T>(page: &Page<T>) -> bool {
    page.items.is_empty() && page.next.as_deref() == Some("c")
}

async fn queries_ask_by_subject(world: World) {
    let client = &world.client;
    let filter = Some("status == 'stuck'".to_owned());
    let list = Instances { filter, ..Instances::default() };
    assert!(is_last(&client.instances(&list).await.unwrap()));
    assert_eq!(client.instance("k").await.unwrap().summary.id, "a/k");
    client.instance_at("k", 9).await.unwrap();
    assert!(is_last(&client.history("k").await.unwrap()));
    assert_eq!(client.why("k").await.unwrap().summary, "it waits");
    assert!(is_last(&client.tasks(&Tasks::default()).await.unwrap()));
    assert!(is_last(&client.definitions(&Definitions::default()).await.unwrap()));
    assert_eq!(client.definition("a", None).await.unwrap().text, "workflow: a");
    assert!(is_last(&client.dead_letters(&DeadLetters::default()).await.unwrap()));
    assert_eq!(client.dead_letter("d1").await.unwrap().reason, "unhandled");
    client.health().await.unwrap();
    let graph = Graph { name: "a".into(), ..Graph::default() };
    assert_eq!(client.graph(&graph).await.unwrap(), "stateDiagram-v2");

    let asked = world.asked();
    assert!(asked.iter().all(|asked| asked.subject.starts_with("gearshift.query.")));
    assert_eq!(asked[0].body, json!({"where": "status == 'stuck'"}));
    assert_eq!(asked[2].body, json!({"id": "k", "min_step": 9}));
}

fn notice(workflow: &str, key: &str, step: u64) -> Notice {
    Notice {
        workflow: workflow.into(),
        key: key.into(),
        generation: 1,
        step,
        at: "2026-01-01T00:00:00.000Z".into(),
        kind: NoticeKind::Transitioned,
        data: json!({"to": ["ü"]}),
    }
}

async fn notices_are_filtered(world: World) {
    let filter = WatchFilter { workflow: Some("a.b".into()), key: Some("k & l".into()) };
    let mut watch = world.client.watch(filter).await.unwrap();
    for (workflow, key, step) in
        [("a", "k & l", 1), ("a.b", "m", 2), ("a.b", "k & l", 3), ("a.b", "k & l", 4)]
    {
        world.notify(&notice(workflow, key, step)).await;
    }
    for step in [3, 4] {
        let next = tokio::time::timeout(LONG, watch.next()).await.unwrap().unwrap();
        assert_eq!(next.unwrap(), notice("a.b", "k & l", step));
    }
    let asked = world.asked();
    assert!(asked.iter().all(|asked| asked.body == "workflow=a.b&key=k+%26+l"));
}

pub(crate) fn detail(status: &str, active: &[&str]) -> Value {
    json!({"id": "a/k", "workflow": "a", "version": 1, "key": "k", "generation": 1,
        "status": status, "active": active, "started_at": "", "updated_at": "", "age_s": 1,
        "vars": {}, "input": null, "within": ["outer"]})
}

/// In `s` at the first two looks, in `t` from then on.
fn moving() -> impl Fn(&Asked) -> Option<Result<Value, Problem>> + Send + Sync {
    let looks = AtomicUsize::new(0);
    move |asked| {
        let full = asked.body["id"] == "a/k";
        let first = looks.fetch_add(1, Ordering::SeqCst) == 0;
        assert_eq!(full, !first, "only the first look resolves the id");
        let moved = looks.load(Ordering::SeqCst) > 2;
        Some(Ok(detail("running", if moved { &["t"] } else { &["s"] })))
    }
}

async fn waiting_ends_in_the_state(world: World) {
    let wait = Wait::State("t".into());
    let waiting = world.client.wait_for("k", &wait, LONG);
    // The second look, after the watch began, finds nothing new; the notice makes the client look
    // once more.
    let moves = async {
        world.until_asked("gearshift.query.instance", 2).await;
        world.notify(&notice("a", "k", 1)).await;
    };
    let (waited, ()) = tokio::join!(waiting, moves);
    let waited = waited.unwrap();
    assert!(waited.reached);
    assert_eq!(waited.instance.summary.active, ["t"]);
}

/// Notices may be lost, so the client looks again by itself.
async fn waiting_needs_no_notice(world: World) {
    let waited = world.client.wait_for("k", &Wait::State("t".into()), LONG).await;
    assert!(waited.unwrap().reached);
}

fn ended(_: &Asked) -> Option<Result<Value, Problem>> {
    Some(Ok(detail("cancelled", &["s"])))
}

async fn waiting_gives_up_on_an_ended_instance(world: World) {
    let wait = async |wait: Wait| world.client.wait_for("k", &wait, LONG).await.unwrap().reached;
    assert!(!wait(Wait::State("t".into())).await);
    assert!(wait(Wait::State("s".into())).await);
    assert!(wait(Wait::State("outer".into())).await);
    assert!(wait(Wait::End).await);
    assert!(wait(Wait::Quiescent).await);
}

fn running(_: &Asked) -> Option<Result<Value, Problem>> {
    Some(Ok(detail("running", &["s"])))
}

async fn waiting_has_an_end(world: World) {
    let wait = world.client.wait_for("k", &Wait::End, Duration::from_millis(50));
    assert_eq!(wait.await.unwrap_err().exit_code(), 7);
}
