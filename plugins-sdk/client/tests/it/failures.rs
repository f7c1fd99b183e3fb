//! What goes wrong, on both doors.

use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_client::protocol::{Problem, ProblemKind};
use gearshift_client::{Client, ErrorKind};
use serde_json::{Value, json};

use crate::world::{Asked, World};

fn refuses(asked: &Asked) -> Option<Result<Value, Problem>> {
    let id = asked.body["id"].as_str().unwrap_or_default();
    match id {
        "silent" => None,
        "odd" => Some(Ok(json!({"summary": 7}))),
        _ => Some(Err(Problem::new(ProblemKind::Conflict, format!("`{id}` is already approved"))
            .with_code("GS4109", "already_decided")
            .with_instance("a/k")
            .with_diagnostics(vec![json!({"code": "GS0104"})]))),
    }
}

async fn check(world: World) {
    let error = world.client.why("k").await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.kind(), problem.code.as_str()), (ProblemKind::Conflict, "GS4109"));
    assert_eq!(problem.instance.as_deref(), Some("a/k"));
    assert_eq!(problem.diagnostics, [json!({"code": "GS0104"})]);
    assert_eq!((error.to_string().as_str(), error.exit_code()), ("`k` is already approved", 4));

    let error = world.client.why("odd").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol { .. }), "{error}");
    assert_eq!(error.exit_code(), 70);

    let hasty = world.client.clone().with_timeout(Duration::from_millis(1));
    let error = hasty.why("silent").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }), "{error}");
    assert_eq!(error.exit_code(), 7);
}

#[tokio::test]
async fn refusals_and_silence_over_the_bus() {
    check(World::bus(refuses).await).await;
}

#[tokio::test]
async fn refusals_and_silence_over_http() {
    check(World::http(refuses).await).await;
}

#[tokio::test]
async fn nobody_there() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let http = Client::http(&format!("http://127.0.0.1:{port}"), "").unwrap();
    for client in [Client::bus(Bus::in_memory()), http] {
        let error = client.health().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unreachable { .. }), "{error}");
        assert_eq!(error.exit_code(), 6);
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_here() {
    let world = World::bus(|_| Some(Ok(Value::Null))).await;
    let error = world.client.send("not a subject", &Value::Null).await.unwrap_err();
    assert_eq!(error.problem().unwrap().kind(), ProblemKind::BadRequest);
    let large = Value::String("x".repeat(2 * 1024 * 1024));
    let error = world.client.send("a", &large).await.unwrap_err();
    assert_eq!(error.problem().unwrap().kind(), ProblemKind::TooLarge);
    assert!(world.asked().is_empty());
    for url in ["", "127.0.0.1:1", "https://example.org", "nats://127.0.0.1"] {
        assert_eq!(Client::http(url, "").unwrap_err().exit_code(), 2, "{url}");
    }
}
