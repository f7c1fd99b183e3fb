//! A private folder to run commands in, and a running `gearshift dev`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// The program that tests start as NATS server.
const SERVER_BIN: &str = "NATS_SERVER_BIN";

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    const AGAIN: Duration = Duration::from_millis(20);
    // A look takes time as well, so that this is a limit from below.
    for _ in 0..limit.as_millis() / AGAIN.as_millis() {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(AGAIN);
    }
    panic!("not within {limit:?}");
}

/// What a command printed and how it ended.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Self { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Asserts the exit code, and shows everything where it is another.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A folder of its own, in which commands run.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A copy of one of the examples: their plugins write into their folder.
    pub(crate) fn copy_example(&self, name: &str) -> PathBuf {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let to = self.path(name);
        copy(&from, &to);
        to
    }

    /// The binary, in this folder, without the variables of whoever runs the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_gearshift"));
        command.args(arguments);
        command
    }

    /// A line for the shell, in this folder.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = self.program("sh");
        command.args(["-c", line]);
        command
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("GEARSHIFT_") || (text.starts_with("NATS_") && text != SERVER_BIN) {
                command.env_remove(name);
            }
        }
        // No contexts of whoever runs the tests.
        command.env("XDG_CONFIG_HOME", self.folder.path().join(".config"));
        command.env_remove("RUST_LOG").env_remove("NO_COLOR").env("USER", "tester");
        command
    }

    pub(crate) fn gearshift(&self, arguments: &[&str]) -> Done {
        Done::of(&self.command(arguments).output().unwrap())
    }

    pub(crate) fn gearshift_with_input(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Done::of(&child.wait_with_output().unwrap())
    }

    /// Starts `gearshift dev` here and waits until it says where it listens.
    pub(crate) fn dev(&self, arguments: &[&str]) -> Dev {
        let mut line = vec!["dev", "--listen", "127.0.0.1:0", "-o", "json"];
        line.extend(arguments);
        let mut dev = Dev::spawn(self.command(&line));
        let first = dev.line();
        dev.about = serde_json::from_str(&first).unwrap_or_else(|error| panic!("{error}: {first}"));
        dev
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            // What an earlier run left behind is not part of the example.
            if name != "archive" && name != "reservations" {
                copy(&entry.path(), &target);
            }
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A running command; it ends with the test.
pub(crate) struct Dev {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What it said about itself.
    pub(crate) about: Value,
}

impl Dev {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, about: Value::Null }
    }

    /// The next line of its stdout.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it ended: {:?}", self.child.wait());
        line.trim_end().to_owned()
    }

    /// Reads lines until one of them fits.
    #[track_caller]
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.about[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {}", self.about))
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// The exit code, once it has ended.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
