//! The examples on a real NATS server: plugins in processes of their own, events from plain
//! clients.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gearshift_bus::{PrivateServer, ServerOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longer than anything takes that ends at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a state that other processes bring about is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A server, an engine with one example deployed, and the example's plugins.
struct World {
    server: PrivateServer,
    folder: TempDir,
    example: PathBuf,
    _plugins: Vec<Child>,
    _engine: (Child, Lines<BufReader<ChildStdout>>),
}

impl World {
    async fn start(example: &str, plugins: &[&str]) -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let given = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        let copied = folder.path().join(example);
        copy(&given, &copied);
        let mut engine = command(&gearshift(), &server);
        engine.args(["serve", "--no-wait", "-q", "--nats", server.url()]).arg(&copied);
        let engine = ready(engine).await;
        let mut running = Vec::new();
        for plugin in plugins {
            let program = PathBuf::from(match *plugin {
                "validator" => env!("CARGO_BIN_EXE_validator"),
                "directory" => env!("CARGO_BIN_EXE_directory"),
                "archive" => env!("CARGO_BIN_EXE_archive"),
                "inventory" => env!("CARGO_BIN_EXE_inventory"),
                "*" => {
                    let mut all =
                        command(Path::new(env!("CARGO_BIN_EXE_example_plugins")), &server);
                    running.push(all.arg(example).arg(&copied).spawn().unwrap());
                    continue;
                }
                other => panic!("no plugin is called `{other}`"),
            });
            running.push(command(&program, &server).arg(&copied).spawn().unwrap());
        }
        Self { server, folder, example: copied, _plugins: running, _engine: engine }
    }

    /// Runs a program to its end and gives what it printed.
    async fn run(&self, mut command: Command) -> String {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(self.folder.path());
        let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}\n{complaint}", output.status);
        said
    }

    async fn gearshift(&self, words: &[&str]) -> String {
        let mut program = command(&gearshift(), &self.server);
        program.args(["--server", self.server.url()]).args(words);
        self.run(program).await
    }

    /// Looks until the instance is in this state; what moves it are other processes.
    async fn until(&self, id: &str, state: &str) -> Value {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let listed = self.gearshift(&["ls", "-o", "json"]).await;
            let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
            let all = listed.as_array().or_else(|| listed["items"].as_array());
            let found = all.into_iter().flatten().find(|one| one["key"] == id);
            if let Some(found) = found
                && found["active"].as_array().is_some_and(|list| list.iter().any(|s| s == state))
            {
                return found.clone();
            }
            assert!(tokio::time::Instant::now() < end, "`{id}` not in `{state}`: {listed}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The binary that the same build made.
fn gearshift() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().and_then(Path::parent).unwrap().join("gearshift");
    assert!(binary.exists(), "build it first: cargo build -p gearshift-engine --bin gearshift");
    binary
}

fn command(program: &Path, server: &PrivateServer) -> Command {
    let mut command = Command::new(program);
    command.env("NATS_URL", server.url()).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Starts a program and waits for the first line it prints. What it prints is kept open.
async fn ready(mut command: Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
    assert!(first.is_some(), "it ended before it was ready");
    (child, lines)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), &target).unwrap()),
        }
    }
}

fn python() -> PathBuf {
    let named = std::env::var_os("GEARSHIFT_TEST_PYTHON").map(PathBuf::from);
    named.expect("GEARSHIFT_TEST_PYTHON names a Python with nats-py; `tests/run` sets it")
}

#[tokio::test]
async fn a_python_client_takes_a_document_from_submission_to_the_archive() {
    let world = World::start("document-approval", &["validator", "directory", "archive"]).await;
    let mut script = command(&python(), &world.server);
    script.arg(world.example.join("submit.py")).arg("doc-42");
    let said = world.run(script).await;
    assert!(said.contains("is done in archived"), "{said}");
    assert!(world.example.join("archive/doc-42.json").exists());
    let history = world.gearshift(&["history", "doc-42"]).await;
    assert!(history.contains("archived"), "{history}");
}

#[tokio::test]
async fn the_python_client_says_plainly_what_went_wrong_and_ends_with_1() {
    let world = World::start("document-approval", &["validator", "directory"]).await;
    let submit = async |document: &str, url: &str| {
        let mut script = command(&python(), &world.server);
        script.env("NATS_URL", url).arg(world.example.join("submit.py")).arg(document);
        let done = tokio::time::timeout(PATIENCE, script.output()).await.unwrap().unwrap();
        assert_eq!(done.status.code(), Some(1));
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "no traceback: {said}");
        said
    };
    // Its title is another one than the script says, so the validator refuses it for good.
    let said = submit("doc-13", world.server.url()).await;
    assert!(said.starts_with("submit.py: `doc-13` is stuck: "), "{said}");
    assert!(said.contains("`gearshift why doc-13` says more"), "{said}");
    let said = submit("doc-42", "nats://127.0.0.1:9").await;
    assert!(said.contains("no way to the NATS server `nats://127.0.0.1:9`"), "{said}");
    world.gearshift(&["cancel", "doc-13"]).await;
    let said = submit("doc-13", world.server.url()).await;
    assert!(said.contains("`doc-13` is cancelled"), "{said}");
}

#[tokio::test]
async fn a_plugins_log_is_plain_text_about_the_plugin() {
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stock.json"), "{}").unwrap();
    let mut plugin = command(Path::new(env!("CARGO_BIN_EXE_inventory")), &server);
    plugin.arg(folder.path()).stderr(Stdio::piped()).env_remove("RUST_LOG");
    let mut plugin = plugin.spawn().unwrap();
    let mut lines = BufReader::new(plugin.stderr.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(!first.contains('\u{1b}'), "{first:?}");
    assert!(first.ends_with("plugin answers calls name=inventory version=1.0.0"), "{first:?}");
    let pid = plugin.id().unwrap().to_string();
    assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
    let last = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(last.contains("plugin ends once its calls are answered"), "{last:?}");
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert_eq!(plugin.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_plugin_that_may_not_hear_its_calls_does_not_start() {
    let mut options = ServerOptions::default();
    options.config = "authorization { users: [{ user: deaf, password: pw, permissions: {
        subscribe: { deny: \"gearshift.plugin.>\" } } }] }"
        .to_owned();
    let server = PrivateServer::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stock.json"), "{}").unwrap();
    let mut plugin = command(Path::new(env!("CARGO_BIN_EXE_inventory")), &server);
    plugin.arg(folder.path()).env("GEARSHIFT_NATS_USER", "deaf");
    plugin.env("GEARSHIFT_NATS_PASSWORD", "pw");
    let done = tokio::time::timeout(PATIENCE, plugin.output()).await.unwrap().unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(
        said.contains("does not let this login subscribe to `gearshift.plugin.inventory.v1."),
        "{said}"
    );
}

#[tokio::test]
async fn a_plain_rust_client_publishes_the_events_of_an_order() {
    let world = World::start("order", &["inventory"]).await;
    let publisher = PathBuf::from(env!("CARGO_BIN_EXE_publish_events"));
    let mut publisher = command(&publisher, &world.server);
    publisher.arg(&world.example);
    world.run(publisher).await;
    let orders = std::fs::read_to_string(world.example.join("events.yaml")).unwrap();
    let key = orders.split("orderId:").nth(1).unwrap().trim_start();
    let key = key.split([',', '}', '\n', ' ']).next().unwrap().trim_matches('"');
    world.until(key, "confirmed").await;
}

/// Each line of `expected.txt` of an example of steps: a step and where it ends.
fn expected_steps(example: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(example.join("expected.txt")).unwrap();
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

async fn steps_end_as_expected(name: &str, workflow: &str) -> World {
    let world = World::start(name, &["*"]).await;
    let words = ["start", workflow, "--key", "n-1", "--wait", "--timeout", "60s", "-o", "json"];
    world.gearshift(&words).await;
    let shown = world.gearshift(&["show", "n-1", "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["status"], "done", "{name}: {shown}");
    let word = |step: &Value, field: &str| step[field].as_str().unwrap().to_owned();
    let steps = shown["steps"].as_array().unwrap().iter();
    let steps: Vec<_> = steps.map(|step| vec![word(step, "id"), word(step, "status")]).collect();
    assert_eq!(steps, expected_steps(&world.example), "{name}");
    world
}

/// The steps whose results came from the cache.
async fn cached_steps(world: &World, key: &str) -> Vec<String> {
    let words = ["start", "data_analysis", "--key", key, "--wait", "--timeout", "60s"];
    world.gearshift(&words).await;
    let shown = world.gearshift(&["show", key, "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let steps = shown["steps"].as_array().unwrap().iter();
    let cached = steps.filter(|step| step["cached"] == true);
    cached.map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn decision_34_a_second_analysis_of_a_file_is_answered_from_the_cache() {
    let world = steps_end_as_expected("data-analysis", "data_analysis").await;
    assert_eq!(cached_steps(&world, "n-2").await, ["process_small"]);
    let history = world.gearshift(&["history", "n-2"]).await;
    assert!(
        history.contains(
            "(process_small)  call chart_generator.create_basic_charts  [from the cache]"
        ),
        "{history}"
    );
    let shown = world.gearshift(&["show", "n-2"]).await;
    assert!(
        shown.lines().any(|it| it.contains("process_small") && it.contains("cached")),
        "{shown}"
    );
}

#[tokio::test]
async fn examples_of_steps_run_with_their_plugins_in_another_process() {
    steps_end_as_expected("data-processing", "data_processing").await;
    steps_end_as_expected("document-processing", "document_processing").await;
    steps_end_as_expected("document-router", "document_router").await;
}

#[tokio::test]
async fn examples_of_fan_out_and_rollback_run_with_their_plugins_in_another_process() {
    steps_end_as_expected("parallel-media", "parallel_media").await;
    steps_end_as_expected("data-aggregation", "data_aggregation").await;
    steps_end_as_expected("system-update", "system_update").await;
}
