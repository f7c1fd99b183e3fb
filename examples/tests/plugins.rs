//! The plugins of the examples, on copies of the examples' own files.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use gearshift_bus::Bus;
use gearshift_examples::{NAMES, Script, ScriptError, Step, plugins, serve_all};
use gearshift_plugins_sdk::{Failure, TestPlugin};
use serde_json::{Value, json};
use tempfile::TempDir;

fn folder(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(example)
}

/// A copy of an example's files, to be changed at will.
fn copy(example: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    copy_files(&folder(example), dir.path());
    dir
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // What an earlier run left behind is no part of the example.
        if ["archive", "reservations", "output", "processed"].iter().any(|made| name == *made) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy_files(&entry.path(), &to.join(name));
        } else {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

fn plugin(example: &str, dir: &Path, name: &str) -> TestPlugin {
    let mut all = plugins(example, dir).unwrap().into_iter();
    all.find(|plugin| plugin.name() == name).unwrap().test()
}

fn submitted(id: &str, title: &str) -> Value {
    json!({"documentId": id, "title": title, "submitter": "eve"})
}

#[tokio::test]
async fn the_validator_reads_the_document() {
    let dir = copy("document-approval");
    let long = format!("# Long\n{}", "word ".repeat(5_000));
    std::fs::write(dir.path().join("documents/long.md"), long).unwrap();
    std::fs::write(dir.path().join("documents/bare.md"), "word ".repeat(10)).unwrap();
    let validator = plugin("document-approval", dir.path(), "validator");
    let check = async |id, title| validator.call("validate_document", submitted(id, title)).await;

    let report = check("doc-42", "Q3 report").await.unwrap();
    assert_eq!(report["valid"], true);
    let text = std::fs::read_to_string(dir.path().join("documents/doc-42.md")).unwrap();
    assert_eq!(report["words"], text.split_whitespace().count());
    assert!(check("doc-43", "Budget").await.is_ok());

    for (id, title, fault) in [
        ("doc-42", " ", "title is missing"),
        ("doc-42", "Q4 report", "title `Q4 report` differs from heading `Q3 report`"),
        ("doc-13", "Merger plan", "`lorem ipsum` is not allowed; `tbd` is not allowed"),
        ("long", "Long", "document of 5002 words is not within 10 to 5000"),
        ("bare", "Bare", "the document has no heading"),
        ("doc-99", "Any", "there is no document `doc-99`"),
        ("../directory", "Any", "`../directory` is not usable as a file name"),
        ("", "Any", "`` is not usable as a file name"),
    ] {
        let failure = check(id, title).await.unwrap_err();
        assert_eq!((failure.message(), failure.is_retryable()), (fault, false), "{id}");
    }
}

#[tokio::test]
async fn the_directory_picks_who_has_the_fewest_open_reviews() {
    let dir = copy("document-approval");
    let directory = plugin("document-approval", dir.path(), "directory");
    let pick = async |submitter: &str| -> Result<Value, Failure> {
        let picked = directory.call("pick_reviewer", json!({"submitter": submitter})).await?;
        Ok(picked["userId"].clone())
    };
    assert_eq!(pick("eve").await.unwrap(), "ann");
    assert_eq!(pick("ann").await.unwrap(), "cho");

    let file = dir.path().join("directory.json");
    std::fs::write(&file, "[]").unwrap();
    let nobody = pick("eve").await.unwrap_err();
    assert_eq!((nobody.code_text(), nobody.is_retryable()), ("no_reviewer", false));
    std::fs::remove_file(&file).unwrap();
    assert!(pick("eve").await.unwrap_err().is_retryable());
}

/// SHA-256 of `# Budget` and a line end, computed by another program.
const DIGEST: &str = "362973a2792825c8d21562b1248cb7f886f1ccb33fbb6961f52f65e004558b71";

fn files_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_archive_keeps_content_by_digest_once_per_call() {
    let dir = copy("document-approval");
    let archive = plugin("document-approval", dir.path(), "archive");
    let kept = dir.path().join("archive");
    let store = json!({"id": "doc-43", "title": "Budget", "approved_by": "ann"});

    let first = archive.clone().call_id("c1").call("store", store.clone()).await.unwrap();
    let digest = first["sha256"].as_str().unwrap().to_owned();
    assert_eq!(files_in(&kept), [format!("{digest}.md"), "doc-43.json".to_owned()]);
    let original = std::fs::read(dir.path().join("documents/doc-43.md")).unwrap();
    assert_eq!(std::fs::read(kept.join(format!("{digest}.md"))).unwrap(), original);
    assert_eq!(first["bytes"], original.len());

    // The document changes: the same call answers as before, another call stores the new one.
    std::fs::write(dir.path().join("documents/doc-43.md"), "# Budget\n").unwrap();
    let again = archive.clone().call_id("c1").attempt(2).call("store", store.clone()).await;
    assert_eq!(again.unwrap(), first);
    let second = archive.clone().call_id("c2").call("store", store).await.unwrap();
    assert_eq!(second["sha256"], DIGEST);
    // Nobody has the first content any more.
    assert_eq!(files_in(&kept), [format!("{DIGEST}.md"), "doc-43.json".to_owned()]);

    assert_eq!(archive.call("remove", json!({"id": "doc-43"})).await.unwrap()["removed"], true);
    assert_eq!(archive.call("remove", json!({"id": "doc-43"})).await.unwrap()["removed"], false);
    assert!(files_in(&kept).is_empty());
    let missing = archive.call("store", json!({"id": "doc-99"})).await.unwrap_err();
    assert_eq!((missing.code_text(), missing.is_retryable()), ("404", false));
}

#[tokio::test]
async fn content_two_documents_share_stays_until_the_second_goes() {
    let dir = copy("document-approval");
    let documents = dir.path().join("documents");
    std::fs::copy(documents.join("doc-42.md"), documents.join("twin.md")).unwrap();
    let archive = plugin("document-approval", dir.path(), "archive");
    for id in ["doc-42", "twin"] {
        archive.call("store", json!({"id": id})).await.unwrap();
    }
    assert_eq!(files_in(&dir.path().join("archive")).len(), 3);
    archive.call("remove", json!({"id": "twin"})).await.unwrap();
    assert_eq!(files_in(&dir.path().join("archive")).len(), 2);
    archive.call("remove", json!({"id": "doc-42"})).await.unwrap();
    assert!(files_in(&dir.path().join("archive")).is_empty());
}

#[tokio::test]
async fn the_inventory_never_promises_a_piece_twice() {
    let dir = copy("order");
    let inventory = plugin("order", dir.path(), "inventory");
    let reserve = async |id: &str, items: Value| {
        inventory.call("reserve", json!({"orderId": id, "items": items})).await
    };
    assert_eq!(reserve("o-1", json!({"desk": 2, "lamp": 1})).await.unwrap(), json!({"pieces": 3}));
    // The same order again holds what it held.
    assert_eq!(reserve("o-1", json!({"desk": 2, "lamp": 1})).await.unwrap(), json!({"pieces": 3}));
    let refused = reserve("o-2", json!({"desk": 1})).await.unwrap_err();
    assert_eq!(refused.code_text(), "out_of_stock");
    assert_eq!(refused.message(), "1 of `desk` are wanted, 0 are left");
    assert!(reserve("o-3", json!({"sofa": 1})).await.is_err());
    assert_eq!(reserve("o-4", Value::Null).await.unwrap(), json!({"pieces": 0}));
    let release = async |id: &str| inventory.call("release", json!({"orderId": id})).await;
    assert_eq!(release("o-1").await.unwrap(), json!({"released": true}));
    assert_eq!(release("o-1").await.unwrap(), json!({"released": false}));
    assert!(reserve("o-2", json!({"desk": 1})).await.is_ok());
}

#[tokio::test]
async fn every_example_is_whole() {
    for name in NAMES {
        let dir = folder(name);
        script_leads_to_what_is_expected(name, &dir);
        assert!(files_in(&dir).iter().any(|file| file.ends_with(".workflow.yaml")), "{name}");
        assert!(dir.join("README.md").exists(), "{name}");

        let bus = Bus::in_memory();
        let running = serve_all(&bus, plugins(name, &dir).unwrap()).await.unwrap();
        let found = bus.requests().discover().await.unwrap();
        assert_eq!(found.len(), running.len());
        // Every operation the workflow calls is there.
        let workflow = files_in(&dir).into_iter().find(|file| file.ends_with(".workflow.yaml"));
        let text = std::fs::read_to_string(dir.join(workflow.unwrap())).unwrap();
        assert!(!calls(&text).is_empty(), "{name}");
        for operation in calls(&text) {
            let (plugin, operation) = operation.split_once('.').unwrap();
            let served = found.iter().any(|info| {
                info.name == plugin && info.endpoints.iter().any(|one| one.name == operation)
            });
            assert!(served, "{name}: {plugin}.{operation}");
        }
    }
    assert!(plugins("no-such-example", Path::new(".")).is_none());
}

/// A workflow of steps needs no script, but says what it writes.
fn script_leads_to_what_is_expected(name: &str, dir: &Path) {
    let expected = std::fs::read_to_string(dir.join("expected.txt")).unwrap();
    if !dir.join("events.yaml").exists() {
        assert!(dir.join("expected").is_dir(), "{name}");
        assert!(expected.contains("completed") || expected.contains("undone"), "{name}");
        return;
    }
    let script = Script::read(dir).unwrap();
    assert!(matches!(script.steps.first(), Some(Step::Event { .. })), "{name}");
    let Some(Step::Wait { state }) = script.steps.last() else {
        panic!("the script of {name} does not end in a state")
    };
    let last = expected.lines().last().unwrap();
    assert_eq!(last.split_whitespace().next(), Some(state.as_str()), "{name}");
}

/// The operations behind `call:` and `undo:`.
fn calls(text: &str) -> Vec<&str> {
    let after = |key| text.split(key).skip(1);
    after("call: ")
        .chain(after("undo: "))
        .filter_map(|rest| rest.split([' ', '\n', ',', '}']).next())
        // A mapping holds a `call:` of its own.
        .filter(|operation| *operation != "{")
        .collect()
}

#[test]
fn scripts_are_read_strictly() {
    let text = "- event: a.b\n  data: { n: 1, t: '2' }\n- decide: approve\n- wait: done\n";
    let steps = Script::parse(text).unwrap().steps;
    assert_eq!(
        steps,
        [
            Step::Event { event: "a.b".into(), data: json!({"n": 1, "t": "2"}) },
            Step::Decide { choice: "approve".into(), by: "local".into(), reason: String::new() },
            Step::Wait { state: "done".into() },
        ]
    );
    for (text, number) in
        [("- event: a\n  wait: b", 1), ("- wait: a\n- by: ann", 2), ("- wait: a\n  by: b", 1)]
    {
        match Script::parse(text) {
            Err(ScriptError::Step { number: found }) => assert_eq!(found, number, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(Script::parse("- evnt: a"), Err(ScriptError::Syntax(_))));
    assert!(matches!(Script::read(Path::new("/nowhere")), Err(ScriptError::Read { .. })));
}
