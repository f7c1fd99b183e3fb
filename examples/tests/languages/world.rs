//! A server, an engine on it, plugins in every language, and the programs they need.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use gearshift_bus::{PrivateServer, ServerOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Longer than anything takes that ends at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How often is looked at what other processes bring about.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(crate) const VALIDATE: &str = "gearshift.plugin.title_validator.v1.validate_title";

/// A plugin by its language.
pub(crate) struct Language {
    pub(crate) name: &'static str,
    /// Does it answer MessagePack in MessagePack?
    pub(crate) packs: bool,
    /// Does it answer at SIGTERM what it has taken, and end with 0?
    pub(crate) drains: bool,
    /// Does it tell its schemas?
    pub(crate) tells: bool,
}

pub(crate) const LANGUAGES: [Language; 5] = [
    Language { name: "rust", packs: true, drains: true, tells: true },
    Language { name: "python", packs: true, drains: true, tells: true },
    Language { name: "typescript", packs: true, drains: true, tells: true },
    Language { name: "bare-python", packs: true, drains: false, tells: false },
    Language { name: "bare-typescript", packs: false, drains: false, tells: false },
];

/// A server, an engine on it, and a plain client.
pub(crate) struct World {
    pub(crate) server: PrivateServer,
    pub(crate) client: async_nats::Client,
    pub(crate) folder: TempDir,
    definitions: Vec<PathBuf>,
    engine: Mutex<Child>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::serving(folder, vec![examples().join("review.workflow.yaml")]).await
    }

    /// An engine that serves these definitions, working in the folder.
    pub(crate) async fn serving(folder: TempDir, definitions: Vec<PathBuf>) -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let engine = Mutex::new(engine(&server, &folder, &definitions).await);
        Self { server, client, folder, definitions, engine }
    }

    /// Kills the engine.
    pub(crate) async fn kill_engine(&self) {
        self.engine.lock().await.kill().await.unwrap();
    }

    /// Starts an engine where the one before was killed.
    pub(crate) async fn next_engine(&self) {
        let mut running = self.engine.lock().await;
        *running = engine(&self.server, &self.folder, &self.definitions).await;
    }

    /// Starts the plugin in this language.
    pub(crate) fn plugin(&self, language: &str) -> Child {
        let source = examples().join(language);
        let command = match language {
            "rust" => Command::new(env!("CARGO_BIN_EXE_review_validator")),
            "python" | "bare-python" => python(&source.join("validator.py")),
            "typescript" => self.node("validator.ts"),
            "bare-typescript" => self.node("bare.ts"),
            other => panic!("there is no plugin in `{other}`"),
        };
        self.spawn(command)
    }

    /// Starts a plugin that finds the server.
    pub(crate) fn spawn(&self, mut command: Command) -> Child {
        command.env("NATS_URL", self.server.url()).kill_on_drop(true);
        command.stdin(Stdio::null()).spawn().unwrap()
    }

    /// Node with a copy of a file in TypeScript where its imports are found.
    pub(crate) fn node(&self, file: &str) -> Command {
        let folder = self.folder.path().join(file.replace('.', "-"));
        let copy = folder.join(file);
        if !copy.exists() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("package.json"), r#"{ "type": "module" }"#).unwrap();
            let modules = tool("GEARSHIFT_TEST_NODE_MODULES");
            std::os::unix::fs::symlink(modules, folder.join("node_modules")).unwrap();
            std::fs::copy(examples().join("typescript").join(file), &copy).unwrap();
        }
        let mut command = Command::new(tool("GEARSHIFT_TEST_NODE"));
        command.arg(copy);
        command
    }

    pub(crate) async fn ask(
        &self,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Message, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let asked = self.client.request_with_headers(VALIDATE, map, body.to_vec().into());
        let reply = tokio::time::timeout(PATIENCE, asked).await.unwrap();
        reply.map_err(|error| error.to_string())
    }

    /// Looks until the plugin answers, or until it does so no more.
    pub(crate) async fn until(&self, answers: bool) {
        let end = Instant::now() + PATIENCE;
        while self.ask(&[], br#"{"title":"a"}"#).await.is_ok() != answers {
            assert!(Instant::now() < end, "in vain: answers = {answers}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) async fn gearshift(&self, words: &[&str]) -> Value {
        let mut command = command_of(gearshift());
        command.args(["--server", self.server.url(), "-o", "json"]).args(words);
        let output = output(command.current_dir(self.folder.path())).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {said} {output:?}");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The conformance kit, which asks with a sample.
    pub(crate) async fn check(&self, language: &Language) {
        let mut command = command_of(gearshift());
        command.args(["plugin", "check", "title_validator", "-d", "title=a b"]);
        let done = output(command.args(["--nats", self.server.url()])).await;
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{}: {said}", language.name);
        // Warnings are for what the protocol leaves to the plugin, such as schemas.
        assert_eq!(said.contains("all is well"), language.tells, "{}: {said}", language.name);
    }

    /// Sends a review through the workflow; the instance as it ends.
    pub(crate) async fn review(&self, id: &str, title: &str, busy: u32) -> Value {
        let (id, title) = (format!("documentId={id}"), format!("title={title}"));
        let busy = format!("busyTimes={busy}");
        let data = ["-d", &id, "-d", &title, "-d", &busy];
        let words = [&["send", "review.requested"][..], &data, &["--wait-for", "@end"]].concat();
        self.gearshift(&words).await;
        self.gearshift(&["show", id.trim_start_matches("documentId=")]).await
    }
}

/// Starts an engine on the server, and waits until it is there.
async fn engine(server: &PrivateServer, folder: &TempDir, definitions: &[PathBuf]) -> Child {
    let mut engine = command_of(gearshift());
    engine.args(["serve", "--no-wait", "-q", "--nats", server.url()]);
    engine.args(definitions).current_dir(folder.path());
    let mut engine = engine.kill_on_drop(true).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
    assert!(first.is_some(), "the engine ended before it was ready");
    engine
}

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins")
}

pub(crate) fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("plugins-sdk/python")
}

/// The binary that the same build made.
pub(crate) fn gearshift() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().and_then(Path::parent).unwrap().join("gearshift");
    assert!(binary.exists(), "build it first: cargo build -p gearshift-engine --bin gearshift");
    binary
}

/// A command without what only tests know: the binary refuses variables that it does not know.
pub(crate) fn command_of(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_remove("GEARSHIFT_LONG");
    command
}

/// What `tests/run` installs where it is not there.
pub(crate) fn tool(variable: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    named.unwrap_or_else(|| panic!("{variable} is not set; `tests/run` sets it"))
}

/// Python with the package as it is in the tree.
pub(crate) fn python(script: &Path) -> Command {
    let mut command = command_of(tool("GEARSHIFT_TEST_PYTHON"));
    command.env("PYTHONPATH", package()).env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
    command
}

pub(crate) async fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

pub(crate) fn told<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
}
