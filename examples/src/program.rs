//! [`serve`]: a plugin of an example as a process of its own, with what a program needs around it:
//! `--help`, a look at its files before it takes calls, logs, an exit code.

use std::error::Error;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

use crate::{NAMES, needs, plugin, plugins};

/// Exit codes are those of `gearshift`.
const ENDED_BADLY: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;

/// What is logged unless `RUST_LOG` says otherwise: what the plugin does, and what is wrong.
const LOGGED: &str = "warn,async_nats=off,gearshift=info";

/// Answers the calls of one plugin over NATS until the process is told to end: the `main` of the
/// programs of this package. The plugin works in the folder that the command line names, else in
/// `examples/<example>`.
pub async fn serve(example: &str, name: &str) -> ExitCode {
    let dir = match folder(std::env::args_os().skip(1), &Path::new("examples").join(example)) {
        Ok(Wanted::Folder(dir)) => dir,
        Ok(Wanted::Help) => return print(&help(example, name)),
        Err(word) => {
            let word = word.display();
            return fail(USAGE, format!("`{word}` is not known; see `{name} --help`"));
        }
    };
    if let Some(missing) = needs(name).iter().find(|file| !dir.join(file).exists()) {
        let dir = dir.display();
        let hint = format!("name the example's folder: `{name} examples/{example}`");
        return fail(NOT_FOUND, format!("there is no `{missing}` in `{dir}`; {hint}"));
    }
    let Some(plugin) = plugin(example, &dir, name) else {
        return fail(ENDED_BADLY, format!("no plugin `{name}`"));
    };
    log();
    match plugin.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(ENDED_BADLY, innermost(&error)),
    }
}

const ALL_HELP: &str = "\
Answers the calls of all plugins of an example, over NATS.

Usage: example_plugins EXAMPLE [FOLDER]

  EXAMPLE  its name, such as data-processing
  FOLDER   where its files are [default: examples/EXAMPLE]

The server is NATS_URL or GEARSHIFT_SERVER, else nats://127.0.0.1:4222.
";

/// Answers the calls of all plugins of an example over NATS until the process is told to end: the
/// `main` of `example_plugins`.
pub async fn serve_example() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let first = words.next();
    let name = first.as_deref().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    if name == "--help" || name == "-h" {
        return print(ALL_HELP);
    }
    let dir = match folder(words, &Path::new("examples").join(&name)) {
        Ok(Wanted::Folder(dir)) => dir,
        Ok(Wanted::Help) => return print(ALL_HELP),
        Err(word) => return fail(USAGE, format!("`{}` is not known; see --help", word.display())),
    };
    let Some(plugins) = plugins(&name, &dir) else {
        let known = NAMES.join(", ");
        return fail(USAGE, format!("`{name}` is no example; there are {known}"));
    };
    if !dir.is_dir() {
        return fail(NOT_FOUND, format!("there is no folder `{}`", dir.display()));
    }
    log();
    let mut running = JoinSet::new();
    for plugin in plugins {
        running.spawn(plugin.run());
    }
    // Each of them hears the signal that ends the process.
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return fail(ENDED_BADLY, innermost(&error)),
            Err(error) => return fail(ENDED_BADLY, error),
        }
    }
    ExitCode::SUCCESS
}

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To be told how to start it.
    Help,
    /// To work with this folder.
    Folder(PathBuf),
}

/// Reads a command line that names at most a folder; else gives the word that does not fit.
///
/// # Errors
///
/// A flag other than `--help`, or a second folder.
pub fn folder(words: impl Iterator<Item = OsString>, default: &Path) -> Result<Wanted, OsString> {
    let mut folder = None;
    for word in words {
        if word == "--help" || word == "-h" {
            return Ok(Wanted::Help);
        }
        if word.as_encoded_bytes().starts_with(b"-") || folder.is_some() {
            return Err(word);
        }
        folder = Some(PathBuf::from(word));
    }
    Ok(Wanted::Folder(folder.unwrap_or_else(|| default.to_owned())))
}

fn help(example: &str, name: &str) -> String {
    format!(
        "Answers the calls of the plugin `{name}` of the example {example}, over NATS.\n\n\
         Usage: {name} [FOLDER]\n\n  \
         FOLDER  where its files are [default: examples/{example}]; it needs {}\n\n\
         The server is NATS_URL or GEARSHIFT_SERVER, else nats://127.0.0.1:4222; a login is given \
         by\nGEARSHIFT_NATS_USER and GEARSHIFT_NATS_PASSWORD, GEARSHIFT_NATS_CREDENTIALS and so \
         on,\nas for `gearshift`. A server that is away is waited for. SIGTERM or Ctrl-C ends it \
         once\nthe calls it took are answered. RUST_LOG says what is logged.\n",
        needs(name).iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ")
    )
}

/// Logs to stderr; colored at a terminal, and without what the NATS client tells of itself.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let color = wanted && std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color);
    logs.with_target(false).with_writer(std::io::stderr).init();
}

/// Prints to stdout; nobody reading it is no failure.
#[must_use]
pub fn print(text: &str) -> ExitCode {
    drop(std::io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

/// Says on stderr what went wrong.
#[must_use]
pub fn fail(code: u8, reason: impl std::fmt::Display) -> ExitCode {
    drop(writeln!(std::io::stderr(), "error: {reason}"));
    ExitCode::from(code)
}

/// The end of a chain of sources says what happened.
#[must_use]
pub fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Wanted, OsString> {
        folder(line.split_whitespace().map(OsString::from), Path::new("default"))
    }

    #[test]
    fn a_command_line_is_a_folder_or_a_cry_for_help() {
        assert_eq!(read(""), Ok(Wanted::Folder("default".into())));
        assert_eq!(read("there"), Ok(Wanted::Folder("there".into())));
        assert_eq!(read("there --help"), Ok(Wanted::Help));
        assert_eq!(read("-h"), Ok(Wanted::Help));
        assert_eq!(read("--nats"), Err("--nats".into()));
        assert_eq!(read("here there"), Err("there".into()));
    }

    #[test]
    fn help_names_the_files_that_are_needed() {
        let help = help("order", "inventory");
        assert!(help.contains("it needs `stock.json`"), "{help}");
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}
