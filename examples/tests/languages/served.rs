//! One workflow served in turn by the same plugin in every language.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{LANGUAGES, LOOK_AGAIN, Language, PATIENCE, VALIDATE, World};
use crate::world::{examples, output, python, told};

/// What everybody can ask a plugin without an engine.
async fn is_answered_by_hand(world: &World, language: &Language) {
    let name = language.name;
    let reply = world.ask(&[], br#"{"title":"a b"}"#).await.unwrap();
    let output: Value = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(output, json!({ "valid": true, "words": 2 }), "{name}");
    let packed = b"\x81\xa5title\xa5a b c";
    let reply = world.ask(&[("Content-Type", "application/msgpack")], packed).await.unwrap();
    if language.packs {
        assert_eq!(&*reply.payload, b"\x82\xa5valid\xc3\xa5words\x03", "{name}");
        assert_eq!(told(&reply, "Content-Type"), Some("application/msgpack"), "{name}");
    } else {
        let output: Value = serde_json::from_slice(&reply.payload).unwrap();
        assert_eq!(output["words"], 3, "JSON is always allowed: {name}");
    }
    let info = world.client.request("$SRV.INFO.title_validator", "".into()).await.unwrap();
    let info: Value = serde_json::from_slice(&info.payload).unwrap();
    assert_eq!(info["metadata"]["gearshift.plugin"], "1", "{name}");
    assert_eq!(info["endpoints"][0]["subject"], VALIDATE, "{name}");
    let schema = info["endpoints"][0]["metadata"]["gearshift.input"].as_str();
    let schema: Option<Value> = schema.map(|text| serde_json::from_str(text).unwrap());
    assert_eq!(schema.is_some(), language.tells, "{name}");
    if let Some(schema) = schema {
        assert_eq!(schema["properties"]["title"]["type"], "string", "{name}: {schema}");
    }
}

/// What a definition sees of it.
async fn serves_the_workflow(world: &World, language: &Language) {
    let name = language.name;
    let id = |what: &str| format!("{name}-{what}");
    let accepted = world.review(&id("accepted"), "Budget of the year", 0).await;
    assert_eq!(accepted["output"], json!({ "words": 4 }), "{name}");
    let busy = world.review(&id("busy"), "Budget", 2).await;
    assert_eq!(busy["output"], json!({ "words": 1 }), "{name}");
    let history = world.gearshift(&["history", &id("busy")]).await.to_string();
    for attempt in ["attempt 1 retryable 503: busy", "attempt 2 retryable 503: busy"] {
        assert!(history.contains(attempt), "{name}: {history}");
    }
    let refused = world.review(&id("refused"), "", 0).await;
    assert_eq!(
        refused["output"],
        json!({ "code": "422", "message": "title is missing" }),
        "{name}"
    );
    let history = world.gearshift(&["history", &id("refused")]).await.to_string();
    assert!(!history.contains("attempt 2"), "a permanent failure is final: {history}");
}

#[tokio::test]
async fn one_workflow_is_served_in_turn_by_plugins_in_every_language() {
    let world = World::start().await;
    for language in &LANGUAGES {
        let mut plugin = world.plugin(language.name);
        world.until(true).await;
        world.check(language).await;
        is_answered_by_hand(&world, language).await;
        serves_the_workflow(&world, language).await;
        let pid = plugin.id().unwrap().to_string();
        assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, plugin.wait()).await.unwrap().unwrap();
        assert_eq!(ended.success(), language.drains, "{}: {ended}", language.name);
        world.until(false).await;
    }
}

#[tokio::test]
async fn a_cancelled_call_ends_in_typescript() {
    let world = World::start().await;
    let _plugin = world.plugin("typescript");
    world.until(true).await;
    let headers = [("Gearshift-Call-Id", "call-1")];
    let asked = world.ask(&headers, br#"{"title":"a","takesMs":600000}"#);
    let cancel = async {
        // Until it is under way nobody hears of it.
        loop {
            world.client.publish("gearshift.cancel.call-1", "".into()).await.unwrap();
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let reply = tokio::select! {
        biased;
        reply = asked => reply.unwrap(),
        () = cancel => unreachable!("it goes on for ever"),
    };
    assert_eq!(told(&reply, "Nats-Service-Error-Code"), Some("499"));
}

#[tokio::test]
async fn a_workflow_is_built_and_run_from_python() {
    let world = World::start().await;
    let run = async |source: &str| {
        let mut command = python(&examples().join("python/data_pipeline.py"));
        command.env("NATS_URL", world.server.url()).arg(examples().join("python").join(source));
        let done = output(&mut command).await;
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let said = run("input.csv").await;
    assert!(said.contains("transform  completed  [0.0, 1.0, 0.5]"), "{said}");
    assert!(said.contains("is done, 100% done"), "{said}");
    let said = run("nothing.csv").await;
    assert!(said.contains("load       failed     there is no `"), "{said}");
    assert!(said.contains("is stuck, 0% done"), "{said}");
}
