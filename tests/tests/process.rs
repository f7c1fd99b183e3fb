//! `gearshift dev` as a process: data directories that are damaged or taken, orderly ends.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use gearshift_client::protocol::{EventHeaders, Verdict};
use gearshift_tests::load::DEFINITIONS;
use gearshift_tests::world::{Dev, Launch, eventually};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn launch(folder: &Path) -> Launch {
    Launch {
        program: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-recorded")),
        definitions: Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITIONS),
        data: folder.join("data"),
        folder: folder.to_owned(),
        variables: vec![("GEARSHIFT_TEST_CALLS", folder.join("calls.jsonl"))],
        nats: None,
    }
}

async fn started(launch: &Launch) -> Dev {
    let mut engine = launch.spawn().unwrap();
    let ready = engine.ready().await;
    let log = || std::fs::read_to_string(launch.folder.join("stderr.log")).unwrap_or_default();
    ready.unwrap_or_else(|error| panic!("{error}:\n{}", log()));
    engine
}

async fn submitted(engine: &Dev, key: &str) {
    let data = json!({ "key": key, "op": format!("{key}-1") });
    let headers = EventHeaders { id: Some(format!("{key}-1")), ..EventHeaders::default() };
    let reply = engine.client().send_with("clock.set", &data, &headers).await.unwrap();
    let verdict = &reply.verdicts[0].verdict;
    assert!(!matches!(verdict, Verdict::Rejected { .. } | Verdict::Ignored { .. }), "{verdict:?}");
}

/// Status line and body of a probe.
async fn probe(engine: &Dev, path: &str) -> (String, String) {
    asked(engine, "GET", path).await
}

async fn asked(engine: &Dev, method: &str, path: &str) -> (String, String) {
    let address = engine.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Connection: close\r\n\r\n",
        engine.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test]
async fn e16_a_journal_that_was_deleted_is_refused_and_readiness_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path());
    let engine = started(&launch).await;
    assert!(probe(&engine, "/readyz").await.0.contains("200"));
    for number in 0..8 {
        submitted(&engine, &format!("t-{number}")).await;
    }
    let marks = launch.data.join("marks.json");
    eventually("marks beyond the first frame", || {
        let text = std::fs::read_to_string(&marks).ok()?;
        let file = serde_json::from_str::<serde_json::Value>(&text).ok()?;
        let list = file["partitions"].as_array()?.clone();
        list.iter().any(|one| one["sequence"].as_u64() > Some(1)).then_some(())
    })
    .await;
    engine.kill().await.unwrap();
    std::fs::remove_dir_all(launch.data.join("bus")).unwrap();
    let mut engine = launch.spawn().unwrap();
    let ready = engine.ready().await;
    let log = std::fs::read_to_string(folder.path().join("stderr.log")).unwrap_or_default();
    assert!(ready.is_ok(), "a damaged journal must leave an engine that says so: {log}");
    let (status, body) = probe(&engine, "/readyz").await;
    assert!(status.contains("503"), "{status}");
    assert!(body.contains("was confirmed before"), "{body}");
    assert!(probe(&engine, "/livez").await.0.contains("200"));
    let data = json!({ "key": "t-0", "op": "again" });
    let refused = engine.client().send("clock.set", &data).await;
    assert!(refused.is_err(), "it serves without its journal: {refused:?}");
}

#[tokio::test]
async fn a_path_that_is_no_text_is_a_problem_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let engine = started(&launch(folder.path())).await;
    let (status, body) = asked(&engine, "POST", "/v1/request/gearshift.event.%ff").await;
    assert!(status.contains("400"), "{status}");
    let problem = serde_json::from_str::<serde_json::Value>(&body).unwrap();
    assert_eq!(problem["status"], json!(400), "{body}");
}

#[tokio::test]
async fn c6_a_data_directory_in_use_is_refused_with_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let first = launch(folder.path());
    let engine = started(&first).await;
    let data = first.data.display().to_string();
    let definitions = first.definitions.display().to_string();
    let arguments = ["dev", &definitions, "--data", &data, "--listen", "127.0.0.1:0"];
    // `--server` is of no use to `dev`, and harmless.
    let second = engine.command(&first, &arguments, "").await.unwrap();
    assert_eq!(second.code, Some(4), "{second:?}");
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    assert!(probe(&engine, "/readyz").await.0.contains("200"), "the first was harmed");
    assert!(engine.terminate().await.unwrap().success());
}

#[tokio::test]
async fn c6_a_file_as_data_directory_ends_with_a_reason_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let helper = launch(other.path());
    let engine = started(&helper).await;
    let path = folder.path().join("data");
    std::fs::write(&path, "mine").unwrap();
    let definitions = helper.definitions.display().to_string();
    let data = path.display().to_string();
    let arguments = ["dev", &definitions, "--data", &data, "--listen", "127.0.0.1:0"];
    let ran = engine.command(&helper, &arguments, "").await.unwrap();
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    assert!(ran.stderr.contains(&data), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn an_orderly_end_keeps_everything_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path());
    let engine = started(&launch).await;
    submitted(&engine, "t-1").await;
    assert!(engine.terminate().await.unwrap().success());
    let engine = started(&launch).await;
    let instance = engine.client().instance("crash_timer/t-1").await.unwrap();
    assert_eq!(instance.vars["applied"], json!(["t-1-1"]));
    assert!(engine.terminate().await.unwrap().success());
}
