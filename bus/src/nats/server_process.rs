//! The process behind a private server, and the guard that ends it should we die first.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::{ServerError, Version};

/// How long a server may take until it answers; recovering large streams takes its time.
const START_MAX: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(5);

/// Lines of the server's log that an error quotes.
const LOG_LINES_MAX: usize = 5;

/// Waits for the end of its input, which is our end, and then ends the server; it looks first
/// whether the process still is that server.
const GUARD: &str = r#"
read -r _
running=$(ps -p "$1" -o args= 2>/dev/null || tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)
case "$running" in *"$2"*) kill -9 "$1" ;; esac
"#;

/// A running server and its guard.
#[derive(Debug)]
pub(super) struct Process {
    server: Child,
    guard: Child,
}

/// Where a server listens.
#[derive(Debug, Deserialize)]
pub(super) struct Ports {
    #[serde(default)]
    pub(super) nats: Vec<String>,
    #[serde(default)]
    pub(super) monitoring: Vec<String>,
    #[serde(default)]
    pub(super) cluster: Vec<String>,
}

/// What a server says of itself where it is monitored: there it answers everybody, whatever it
/// demands of clients.
#[derive(Debug, Deserialize)]
pub(super) struct About {
    pub(super) server_name: String,
    pub(super) version: String,
}

impl Process {
    pub(super) fn spawn(
        program: &Path,
        configuration: &Path,
        dir: &Path,
    ) -> Result<Self, ServerError> {
        let failed =
            |error: std::io::Error| ServerError::Start(format!("`{}`: {error}", program.display()));
        // What it says before it knows where its log is belongs there too.
        let log = OpenOptions::new().create(true).append(true).open(log_path(dir));
        let log = log.map_err(failed)?;
        // Its own group: a Ctrl-C in the terminal reaches us, and we end it in our order.
        let mut server = Command::new(program)
            .arg("-c")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &server.id().to_string()])
            .arg(configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { server, guard }),
            Err(error) => {
                end(&mut server);
                Err(failed(error))
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.server.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.server.try_wait(), Ok(None))
    }

    /// Ends it with kill -9; the guard goes first, so that it never meets a reused id.
    pub(super) fn kill(&mut self) {
        end(&mut self.guard);
        end(&mut self.server);
    }

    pub(super) async fn signal(&self, signal: &str) -> std::io::Result<()> {
        let pid = self.pid().to_string();
        let status = tokio::process::Command::new("kill").args([signal, &pid]).status().await?;
        if status.success() { Ok(()) } else { Err(std::io::Error::other(status.to_string())) }
    }

    /// Waits until it stands still after `-STOP`.
    pub(super) async fn stopped(&self) -> std::io::Result<()> {
        loop {
            match self.state().await? {
                Some(b'T') => return Ok(()),
                Some(_) => sleep(POLL).await,
                None => return Err(std::io::Error::other("it has ended")),
            }
        }
    }

    /// The first letter of what the system says it is doing.
    async fn state(&self) -> std::io::Result<Option<u8>> {
        let pid = self.pid().to_string();
        // Systems without the one have the other.
        if let Ok(stat) = tokio::fs::read_to_string(format!("/proc/{pid}/stat")).await {
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.bytes().next());
            return Ok(state);
        }
        let args = ["-o", "stat=", "-p", &pid];
        let output = tokio::process::Command::new("ps").args(args).output().await?;
        Ok(output.stdout.trim_ascii_start().first().copied())
    }

    /// Waits until it ended of its own.
    pub(super) async fn ended(&mut self) {
        while !self.has_ended() {
            sleep(POLL).await;
        }
        self.kill();
    }

    /// Waits until the server has told where it listens, and answers.
    pub(super) async fn ready(&mut self, dir: &Path) -> Result<(Ports, About), ServerError> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if self.has_ended() {
                return Err(ServerError::Start(log_tail(dir)));
            }
            if let Some(ports) = self.ports(dir)
                && let Some(address) = ports.monitoring.first().and_then(|url| address_of(url))
                && let Ok(Some(about)) = timeout_at(deadline, about(address)).await
            {
                return Ok((ports, about));
            }
            if Instant::now() >= deadline {
                let seconds = START_MAX.as_secs();
                let text = format!("no answer within {seconds} s; {}", log_tail(dir));
                return Err(ServerError::Start(text));
            }
            sleep(POLL).await;
        }
    }

    /// The file with the ports, once it is written.
    fn ports(&self, dir: &Path) -> Option<Ports> {
        let suffix = format!("_{}.ports", self.pid());
        let entries = std::fs::read_dir(dir).ok()?.flatten();
        let path = entries.map(|entry| entry.path()).find(|path| ends_with(path, &suffix))?;
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Takes away what an earlier server wrote there about its ports.
pub(super) fn remove_ports_files(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)?.flatten() {
        if ends_with(&entry.path(), ".ports") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The program to start: as given, else of `NATS_SERVER_BIN`, else on the PATH.
pub(super) fn program(given: Option<&Path>) -> Result<PathBuf, ServerError> {
    if let Some(path) = given {
        return existing(path, "the option");
    }
    if let Some(path) = std::env::var_os("NATS_SERVER_BIN").filter(|path| !path.is_empty()) {
        return existing(Path::new(&path), "`NATS_SERVER_BIN`");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("nats-server"));
    found.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let text = "`nats-server` is not on the PATH; install nats-server 2.15 or set \
                    `NATS_SERVER_BIN` to the program";
        ServerError::Missing(text.to_owned())
    })
}

fn existing(path: &Path, source: &str) -> Result<PathBuf, ServerError> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let text = format!("{source} names `{}`, which is not a file", path.display());
    Err(ServerError::Missing(text))
}

fn end(child: &mut Child) {
    // A process that ended already cannot be killed; waiting takes it off the table.
    if child.kill().is_ok() {
        child.wait().ok();
    }
}

fn ends_with(path: &Path, suffix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(suffix))
}

pub(super) fn address_of(url: &str) -> Option<SocketAddr> {
    url.split_once("://")?.1.parse().ok()
}

async fn about(address: SocketAddr) -> Option<About> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET /varz HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (_head, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

/// What the program says of its version, such as `nats-server: v2.15.1`.
pub(super) async fn version_of(program: &Path) -> Result<Version, ServerError> {
    let failed = |text: &dyn std::fmt::Display| {
        ServerError::Start(format!("`{}`: {text}", program.display()))
    };
    let mut command = tokio::process::Command::new(program);
    let output = command.arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| failed(&error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().strip_prefix("nats-server: ").map(Version::parse);
    version.ok_or_else(|| failed(&"it does not tell the version of a nats-server"))
}

fn log_path(dir: &Path) -> PathBuf {
    dir.join("server.log")
}

fn log_tail(dir: &Path) -> String {
    let path = log_path(dir);
    let log = std::fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let lines = &lines[lines.len().saturating_sub(LOG_LINES_MAX)..];
    format!("the end of `{}` is `{}`", path.display(), lines.join(" | "))
}
