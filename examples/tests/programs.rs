//! The programs of this package from outside, where no server is needed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

const PLUGINS: [(&str, &str, &str); 4] = [
    ("validator", env!("CARGO_BIN_EXE_validator"), "documents"),
    ("directory", env!("CARGO_BIN_EXE_directory"), "directory.json"),
    ("archive", env!("CARGO_BIN_EXE_archive"), "documents"),
    ("inventory", env!("CARGO_BIN_EXE_inventory"), "stock.json"),
];

/// Runs a program to its end in this folder, with no server anywhere.
fn run(program: &str, folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command.env("NATS_URL", "nats://127.0.0.1:9").env_remove("GEARSHIFT_SERVER");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_program_answers_help_and_refuses_what_it_does_not_know() {
    let empty = tempfile::tempdir().unwrap();
    let publisher = ("publish_events", env!("CARGO_BIN_EXE_publish_events"), "events.yaml");
    for (name, program, needed) in PLUGINS.into_iter().chain([publisher]) {
        for flag in ["--help", "-h"] {
            let done = run(program, empty.path(), &[flag]);
            let said = text(&done.stdout);
            assert_eq!(done.status.code(), Some(0), "{name} {flag}");
            assert!(said.contains(&format!("Usage: {name} [FOLDER]")), "{said}");
            assert!(said.contains(&format!("`{needed}`")), "{said}");
        }
        for words in [&["--nats"][..], &["one", "two"]] {
            let done = run(program, empty.path(), words);
            assert_eq!(done.status.code(), Some(2), "{name} {words:?}");
            let wrong = format!("error: `{}` is not known", words[words.len() - 1]);
            assert!(text(&done.stderr).starts_with(&wrong), "{}", text(&done.stderr));
        }
    }
}

#[test]
fn a_plugin_without_its_files_does_not_start() {
    let empty = tempfile::tempdir().unwrap();
    for (name, program, needed) in PLUGINS {
        for words in [&[][..], &["."], &["nowhere"]] {
            let done = run(program, empty.path(), words);
            assert_eq!(done.status.code(), Some(3), "{name} {words:?}");
            let said = text(&done.stderr);
            assert!(said.starts_with(&format!("error: there is no `{needed}` in `")), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}

#[test]
fn what_fails_is_told_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let publisher = env!("CARGO_BIN_EXE_publish_events");
    let done = run(publisher, place.path(), &["nowhere"]);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    assert!(said.starts_with("error: `nowhere/events.yaml` could not be read: No such"), "{said}");
    std::fs::write(place.path().join("events.yaml"), "- event: x\n").unwrap();
    let done = run(publisher, place.path(), &["."]);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    assert!(said.starts_with("error: `nats://127.0.0.1:9`: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn all_plugins_of_an_example_are_one_program() {
    let empty = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_example_plugins");
    let done = run(program, empty.path(), &["--help"]);
    assert_eq!(done.status.code(), Some(0));
    assert!(text(&done.stdout).contains("Usage: example_plugins EXAMPLE [FOLDER]"));
    let wrong: [(&[&str], i32, &str); 4] = [
        (&[], 2, "`` is no example"),
        (&["nothing"], 2, "`nothing` is no example; there are data-aggregation, "),
        (&["order", ".", "--nats"], 2, "`--nats` is not known"),
        (&["order"], 3, "there is no folder `examples/order`"),
    ];
    for (words, code, said) in wrong {
        let done = run(program, empty.path(), words);
        assert_eq!(done.status.code(), Some(code), "{words:?}");
        assert!(text(&done.stderr).contains(said), "{}", text(&done.stderr));
    }
}
