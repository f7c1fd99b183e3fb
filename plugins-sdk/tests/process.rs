//! A plugin as a process: health, a drain that waits for long work, a second signal that does not.
//!
//! The process is this test once more, with [`CHILD`] set.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use gearshift_bus::{
    Bus, Inbox, Message, NatsOptions, PrivateServer, ServerOptions, Subject, SubjectPattern,
};
use gearshift_plugins_sdk::{Context, Error, Failure, OperationOptions, Plugin};
use gearshift_protocol::{CallHeaders, Pending, subjects};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// Set in the process that is the plugin.
const CHILD: &str = "GEARSHIFT_TEST_PLUGIN";
/// Generous: only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at something in another process.
const LOOK: Duration = Duration::from_millis(10);

/// Works until there is a file.
async fn work(_: Context, file: PathBuf) -> Result<PathBuf, Failure> {
    while !file.exists() {
        sleep(LOOK).await;
    }
    Ok(file)
}

/// The plugin, where this process is to be one; else there is nothing to be tested here.
#[test]
fn plugin() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let options = OperationOptions::new().long(Duration::from_millis(300));
    let plugin = Plugin::new("worker", "1.0.0").operation_with("work", work, options);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let code = match runtime.block_on(plugin.run()) {
        Ok(()) => 0,
        Err(Error::Interrupted) => 9,
        Err(_) => 1,
    };
    std::process::exit(code);
}

struct World {
    #[expect(dead_code, reason = "held for its drop")]
    server: PrivateServer,
    bus: Bus,
    inbox: Inbox,
    dir: tempfile::TempDir,
    health: std::net::SocketAddr,
    child: Child,
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

impl World {
    /// A server, and a plugin on it that is ready.
    async fn start() -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
        let inbox = bus.inbox("results").await.unwrap();
        inbox.capture(&[SubjectPattern::parse("gearshift.result.>").unwrap()]).await.unwrap();
        // A port that was free a moment ago.
        let health = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "plugin"])
            .env_clear()
            .env(CHILD, "1")
            .env("NATS_URL", server.url())
            .env("GEARSHIFT_HEALTH", health.to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let world = Self { server, bus, inbox, dir, health, child };
        world.until_health("/readyz", "200 OK", "active").await;
        world
    }

    async fn until_health(&self, path: &str, status: &str, body: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let told = ask(self.health, path).await.unwrap_or_default();
            if told.starts_with(&format!("HTTP/1.1 {status}"))
                && told.ends_with(&format!("{body}\n"))
            {
                return;
            }
            assert!(Instant::now() < until, "{path}: {told}");
            sleep(LOOK).await;
        }
    }

    /// Starts work that lasts until [`World::let_go`].
    async fn begin(&self) {
        let subject = Subject::parse("gearshift.plugin.worker.v1.work").unwrap();
        let body = serde_json::to_vec(&self.file()).unwrap();
        let mut message = Message::new(subject, body);
        let call = CallHeaders {
            call_id: "c1".to_owned(),
            attempt: 1,
            result_to: Some(subjects::result("c1")),
            ..CallHeaders::default()
        };
        for (name, value) in call.to_headers() {
            message.headers.insert(name, &value).unwrap();
        }
        let reply = self.bus.requests().request(message, PATIENCE).await.unwrap();
        assert!(Pending::from_headers(|name| reply.headers.get(name)).is_some());
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("done")
    }

    fn let_go(&self) {
        std::fs::write(self.file(), "").unwrap();
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    async fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the plugin does not end");
            sleep(LOOK).await;
        }
    }
}

async fn ask(health: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(health).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await?;
    let mut told = String::new();
    stream.read_to_string(&mut told).await?;
    Ok(told)
}

#[tokio::test]
async fn a_signal_ends_a_plugin_once_its_long_work_is_stored() {
    let mut world = World::start().await;
    world.begin().await;
    world.terminate();
    world.until_health("/readyz", "503 Service Unavailable", "deactivating").await;
    world.until_health("/livez", "200 OK", "ok").await;
    assert!(world.child.try_wait().unwrap().is_none(), "it waits for its work");
    world.let_go();
    assert_eq!(world.ended().await.code(), Some(0));
    let result = world.inbox.read_from(1, 2).await.unwrap();
    assert_eq!(result.len(), 1);
    let output: PathBuf = serde_json::from_slice(&result[0].message.payload).unwrap();
    assert_eq!(output.as_path(), Path::new(&world.file()));
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let mut world = World::start().await;
    world.begin().await;
    world.terminate();
    world.until_health("/readyz", "503 Service Unavailable", "deactivating").await;
    world.terminate();
    assert_eq!(world.ended().await.code(), Some(9));
    assert_eq!(world.inbox.tail().await.unwrap().last, 0);
}
