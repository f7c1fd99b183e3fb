//! Answers that the servers do not carry: whoever asked hears of it at once.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use async_nats::{HeaderMap, Message};
use futures_util::StreamExt as _;
use gearshift_bus::{Bus, PrivateServer, ServerOptions};
use gearshift_plugins_sdk::{Failure, NatsOptions, OperationOptions, Plugin};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);
/// Below what the SDK sends within a message.
const LIMIT: usize = 8_192;

async fn words(size: usize) -> Result<String, Failure> {
    Ok("x".repeat(size))
}

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
}

#[tokio::test]
async fn an_answer_that_the_servers_do_not_carry_is_a_failure_and_no_silence() {
    let mut options = ServerOptions::default();
    options.config = format!("max_payload: {LIMIT}");
    let server = PrivateServer::start(options).await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
    let long = OperationOptions::new().long(Duration::from_secs(5));
    let plugin = Plugin::new("writer", "1.0.0").operation("write", words);
    let running = plugin.operation_with("write_long", words, long).serve(&bus).await.unwrap();

    // One that takes its headers to be too large, one that is anyway, and one after them that fits.
    for (size, is_large) in [(LIMIT - 2, true), (LIMIT * 2, true), (LIMIT / 2, false)] {
        let mut list = HeaderMap::new();
        list.insert("Content-Type", "application/msgpack");
        let body = rmp_serde::to_vec_named(&json!(size)).unwrap();
        let asked =
            client.request_with_headers("gearshift.plugin.writer.v1.write", list, body.into());
        let reply = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
        let code = header(&reply, "Nats-Service-Error-Code");
        assert_eq!(code, is_large.then_some("413"), "{size}");
        if is_large {
            let text = header(&reply, "Nats-Service-Error").unwrap();
            assert!(text.contains("exceeds the limit of 8192 bytes"), "{text}");
            assert_eq!(header(&reply, "Gearshift-Error-Kind"), Some("permanent"));
        }
    }

    let stream = async_nats::jetstream::new(client.clone());
    let subjects = vec!["gearshift.result.>".to_owned()];
    stream
        .create_stream(Config { name: "results".into(), subjects, ..Config::default() })
        .await
        .unwrap();
    let mut results = client.subscribe("gearshift.result.c1").await.unwrap();
    let mut list = HeaderMap::new();
    list.insert("Gearshift-Call-Id", "c1");
    list.insert("Gearshift-Result-To", "gearshift.result.c1");
    let body = (LIMIT * 2).to_string();
    let asked =
        client.request_with_headers("gearshift.plugin.writer.v1.write_long", list, body.into());
    let promise = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert!(header(&promise, "Nats-Service-Error-Code").is_none(), "{promise:?}");
    let result = tokio::time::timeout(PATIENCE, results.next()).await.unwrap().unwrap();
    assert_eq!(header(&result, "Nats-Service-Error-Code"), Some("413"), "{result:?}");
    running.drain().await;
}
