//! [`Node`]: a process that is killed, stopped, ended and started again.

use std::ffi::OsString;
use std::fs::File;
use std::io::Error;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name, also that of its log.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its variables; others of ours are taken away.
    pub variables: Vec<(&'static str, OsString)>,
    /// Its working directory.
    pub folder: PathBuf,
}

/// A process that should be running.
#[derive(Debug)]
pub struct Node {
    program: Program,
    child: Option<Child>,
}

/// Between two looks whether a process stands still.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How long a process may take to end after SIGTERM.
const END_MAX: Duration = Duration::from_secs(30);

impl Node {
    /// Starts it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn start(program: Program) -> Result<Self, Error> {
        let mut node = Self { program, child: None };
        node.restart()?;
        Ok(node)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Starts it again after it has gone.
    ///
    /// # Errors
    /// Those of the system.
    pub fn restart(&mut self) -> Result<(), Error> {
        let program = &self.program;
        let log = program.folder.join(format!("{}.log", program.name));
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(&program.path);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GEARSHIFT_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(&program.arguments)
            .envs(program.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&program.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// Ends it with SIGKILL.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn kill(&mut self) -> Result<(), Error> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Ends it with SIGTERM; with SIGKILL where that does not help in time.
    ///
    /// # Errors
    /// Those of the system, and that it did not end.
    pub async fn end(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.signal("-TERM").await?;
        let Some(mut child) = self.child.take() else { return Ok(None) };
        if let Ok(ended) = tokio::time::timeout(END_MAX, child.wait()).await {
            return ended.map(Some);
        }
        child.kill().await?;
        Err(Error::other(format!("{} did not end within {END_MAX:?} of SIGTERM", self.name())))
    }

    /// Sends a signal, such as `-STOP`.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn signal(&self, signal: &str) -> Result<(), Error> {
        let Some(pid) = self.child.as_ref().and_then(Child::id) else { return Ok(()) };
        let sent = Command::new("kill").args([signal, &pid.to_string()]).status().await?;
        if sent.success() {
            return Ok(());
        }
        Err(Error::other(format!("{signal} was not sent to {}", self.name())))
    }

    /// Stops it with SIGSTOP, and waits until all of it stands still: for a moment after the signal
    /// its threads go on.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn stop(&self) -> Result<(), Error> {
        self.signal("-STOP").await?;
        let Some(pid) = self.child.as_ref().and_then(Child::id) else { return Ok(()) };
        while !stands_still(pid)? {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// How it ended, where it did so by itself.
    ///
    /// # Errors
    /// Those of the system.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.as_mut().map_or(Ok(None), Child::try_wait)
    }
}

/// Does no thread of the process run? Systems that do not tell are taken at their word.
fn stands_still(pid: u32) -> Result<bool, Error> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Ok(true) };
    for thread in threads {
        // One that has ended meanwhile does not run.
        let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
        if !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
            return Ok(false);
        }
    }
    Ok(true)
}
