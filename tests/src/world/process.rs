//! [`Dev`]: `gearshift dev` in a process of its own, and other commands that talk to it.

use std::fs::File;
use std::io::Error;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gearshift_client::Client;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::wait::PATIENCE;

/// How an engine process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// The folder with definitions.
    pub definitions: PathBuf,
    /// The data directory.
    pub data: PathBuf,
    /// The working directory, where `stderr.log` is too.
    pub folder: PathBuf,
    /// Variables for the process.
    pub variables: Vec<(&'static str, PathBuf)>,
    /// The NATS server it joins; else its bus is embedded.
    pub nats: Option<String>,
}

/// A running engine process; killed when dropped.
#[derive(Debug)]
pub struct Dev {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    /// Its address, once it is ready.
    pub url: String,
    /// Its token, once it is ready.
    pub token: String,
}

/// The one line of JSON that says that it is ready.
#[derive(Deserialize)]
struct Ready {
    url: String,
    token: String,
    pid: u32,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code, none after a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Launch {
    /// Starts a process, without waiting until it is ready.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(&self) -> Result<Dev, Error> {
        let log = File::options().create(true).append(true).open(self.folder.join("stderr.log"))?;
        let mut child = command(&self.program, &self.folder)
            .arg("dev")
            .arg(&self.definitions)
            .arg("--data")
            .arg(&self.data)
            .args(["--listen", "127.0.0.1:0", "-o", "json"])
            .args(self.nats.iter().map(|url| format!("--nats={url}")))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Dev { child, stdout, url: String::new(), token: String::new() })
    }
}

/// A command with nothing of this environment that the program would take for its own.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GEARSHIFT_") {
            command.env_remove(name);
        }
    }
    command
}

impl Dev {
    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It ended instead, or took too long, or said something else.
    pub async fn ready(&mut self) -> Result<(), Error> {
        let Some(stdout) = &mut self.stdout else { return Err(Error::other("no stdout")) };
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await;
        let count = read.map_err(|_| Error::other("not ready in time"))??;
        if count == 0 {
            return Err(Error::other("ended before it was ready"));
        }
        let ready = serde_json::from_str::<Ready>(&line)?;
        if Some(ready.pid) != self.child.id() {
            return Err(Error::other(format!("another process answered: {}", ready.pid)));
        }
        self.url = ready.url;
        self.token = ready.token;
        Ok(())
    }

    /// A client over its HTTP door.
    ///
    /// # Panics
    /// Before it was ready.
    #[must_use]
    pub fn client(&self) -> Client {
        let client = Client::http(&self.url, &self.token);
        client.unwrap_or_else(|error| panic!("`{}`: {error}", self.url)).as_user("ann")
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn kill(mut self) -> Result<ExitStatus, Error> {
        self.child.start_kill()?;
        self.child.wait().await
    }

    /// Asks it with SIGTERM to end, and waits.
    ///
    /// # Errors
    /// It did not end in 30 seconds.
    pub async fn terminate(mut self) -> Result<ExitStatus, Error> {
        let Some(pid) = self.child.id() else { return self.child.wait().await };
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        if !sent.success() {
            return Err(Error::other("SIGTERM was not sent"));
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.map_err(|_| Error::other("did not end within 30 s of SIGTERM"))?
    }

    /// Runs another command of the program against it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub async fn command(
        &self,
        launch: &Launch,
        arguments: &[&str],
        input: &str,
    ) -> Result<Ran, Error> {
        let mut child = command(&launch.program, &launch.folder)
            .args(arguments)
            .args(["--server", &self.url, "--token", &self.token])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let ended = child.wait_with_output().await?;
        Ok(Ran {
            code: ended.status.code(),
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        })
    }
}
