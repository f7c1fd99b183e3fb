//! The main job with the real binary: the example's approval, killed after every step.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use gearshift_client::protocol::{EventHeaders, Status, Wait};
use gearshift_client::{Client, ErrorKind};
use gearshift_tests::world::{Dev, Launch, PATIENCE, eventually_async};
use serde_json::{Value, json};

const ID: &str = "document_approval/doc-42";

/// The binary stands beside this package's own programs; `tests/run` builds it.
fn binary() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_gearshift-recorded")).with_file_name("gearshift");
    assert!(program.is_file(), "{} is not built; `tests/run` builds it", program.display());
    program
}

/// A copy of the example, because its plugins work on the files beside the definition.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == "archive" => {}
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

async fn start(launch: &Launch) -> (Dev, Client) {
    let mut engine = launch.spawn().unwrap();
    let ready = engine.ready().await;
    let log = || std::fs::read_to_string(launch.folder.join("stderr.log")).unwrap_or_default();
    ready.unwrap_or_else(|error| panic!("{error}:\n{}", log()));
    let client = engine.client();
    (engine, client)
}

async fn submit(client: &Client) {
    let data = json!({ "documentId": "doc-42", "title": "Q3 report", "submitter": "eve" });
    let headers = EventHeaders { id: Some("sub-1".to_owned()), ..EventHeaders::default() };
    client.send_with("document.submitted", &data, &headers).await.unwrap();
}

#[tokio::test]
async fn a_document_is_approved_and_archived_once_though_the_engine_dies_after_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let example = folder.path().join("document-approval");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    copy(&root.join("examples/document-approval"), &example);
    let launch = Launch {
        program: binary(),
        definitions: example.clone(),
        data: folder.path().join("data"),
        folder: folder.path().to_owned(),
        nats: None,
        variables: Vec::new(),
    };
    let (engine, client) = start(&launch).await;
    submit(&client).await;
    engine.kill().await.unwrap();

    let (engine, client) = start(&launch).await;
    submit(&client).await;
    let review = Wait::State("under_review".to_owned());
    let waited = client.wait_for(ID, &review, PATIENCE).await.unwrap();
    assert!(waited.reached, "{:#?}", waited.instance);
    let vars = waited.instance.vars;
    assert_eq!(vars["title"], json!("Q3 report"));
    engine.kill().await.unwrap();

    let (engine, client) = start(&launch).await;
    let tasks = client.tasks(&Default::default()).await.unwrap().items;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    client.approve("doc-42", "numbers match").await.unwrap();
    engine.kill().await.unwrap();

    let (engine, client) = start(&launch).await;
    let again = client.approve("doc-42", "numbers match").await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::Problem(_)), "{again}");
    assert_eq!(again.exit_code(), 4, "{again}");
    let ended = client.wait_for(ID, &Wait::End, PATIENCE).await.unwrap().instance;
    assert_eq!(ended.summary.stuck_reason, None, "an effect was lost to the restart");
    assert_eq!(
        (ended.summary.status, ended.summary.active),
        (Status::Done, vec!["archived".into()])
    );
    assert_eq!(ended.vars["approved_by"], json!("ann"));
    let entry = eventually_async("the archive's entry", async || {
        let text = std::fs::read(example.join("archive/doc-42.json")).ok()?;
        serde_json::from_slice::<Value>(&text).ok()
    })
    .await;
    assert_eq!(entry["approved_by"], json!("ann"), "{entry}");
    let history = client.history(ID).await.unwrap().items;
    let took = |name: &str| {
        let taken = history.iter().flat_map(|entry| &entry.transitions);
        taken.filter(|one| one.name == name).count()
    };
    assert_eq!((took("submit_for_review"), took("approve")), (1, 1), "{history:#?}");
    assert!(engine.terminate().await.unwrap().success());
}
