//! What an author meets first: a short plugin, and words where a handler has a wrong form.
//!
//! What the compiler says is part of the interface. It is run by hand over the library as it was
//! built for this test: a crate for such tests would build everything a second time.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A program with this handler, over the library.
fn program(handler: &str) -> String {
    format!(
        "use gearshift_plugins_sdk::{{Context, Failure, Plugin, State}};\n\
         {handler}\n\
         fn main() {{ drop(Plugin::new(\"p\", \"1.0.0\").operation(\"o\", handler)); }}\n"
    )
}

/// What the compiler says of a program; empty where it is fine.
fn compile(library: &Path, program: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("main.rs");
    std::fs::write(&source, program).unwrap();
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--edition", "2024", "--emit", "metadata", "--crate-type", "bin", "--out-dir"])
        .arg(dir.path())
        .arg("--extern")
        .arg(format!("gearshift_plugins_sdk={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", library.parent().unwrap().display()))
        .arg(&source)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The library that was built with this test. There may be others beside it, of other compilers or
/// older sources; the newest that a right program compiles with is the one.
fn library() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let mut found: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(deps)
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let is_ours = name.starts_with("libgearshift_plugins_sdk-") && name.ends_with(".rlib");
            is_ours.then(|| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))?
        })
        .collect();
    found.sort_unstable();
    let right = program("async fn handler(name: String) -> Result<String, Failure> { Ok(name) }");
    let fits = |library: &PathBuf| !compile(library, &right).contains("error");
    let newest = found.into_iter().rev().map(|(_, path)| path).find(fits);
    newest.expect("no built library accepts a right handler")
}

#[test]
fn a_wrong_handler_is_told_what_would_be_right() {
    let library = library();
    let forms = "not `async fn(I)`, `async fn(Context, I)` or `async fn(State<S>, Context, I)`";
    let note = "the input needs `Deserialize` and `JsonSchema`";
    for handler in [
        // No input, too many, and in the wrong order.
        "async fn handler() -> Result<(), Failure> { Ok(()) }",
        "async fn handler(_: Context, _: String, _: u8) -> Result<(), Failure> { Ok(()) }",
        "async fn handler(_: String, _: Context) -> Result<(), Failure> { Ok(()) }",
        "async fn handler(_: State<u8>, _: String) -> Result<(), Failure> { Ok(()) }",
        // Not async, no result.
        "fn handler(_: String) -> Result<(), Failure> { Ok(()) }",
        "async fn handler(_: String) -> u8 { 7 }",
    ] {
        let said = compile(&library, &program(handler));
        assert!(said.contains("cannot be an operation"), "{handler}\n{said}");
        assert!(said.contains(forms) && said.contains(note), "{handler}\n{said}");
    }
}

/// Each bound by itself: the compiler names what is not met, and nothing that is fine.
#[test]
fn a_handler_of_a_right_form_is_told_which_bound_it_misses() {
    let library = library();
    for (handler, words) in [
        (
            "async fn handler(_: String) -> Result<(), Failure> {\n\
             let held = std::rc::Rc::new(7); std::future::ready(()).await; drop(held); Ok(()) }",
            &["cannot be sent between threads safely", "held"][..],
        ),
        (
            "async fn handler(_: String) -> Result<(), Failure> {\n\
             let lock = std::sync::Mutex::new(7); let held = lock.lock();\n\
             std::future::ready(()).await; drop(held); Ok(()) }",
            &["cannot be sent between threads safely", "held"],
        ),
        (
            "struct Odd; async fn handler(_: Odd) -> Result<(), Failure> { Ok(()) }",
            &["`Odd: JsonSchema`", "Odd: serde::de::DeserializeOwned"],
        ),
        (
            "struct Odd; async fn handler(_: u8) -> Result<Odd, Failure> { Ok(Odd) }",
            &["`Odd: JsonSchema`", "Odd: serde::Serialize"],
        ),
        ("async fn handler(_: u8) -> Result<u8, String> { Ok(7) }", &["`String: Into<Failure>`"]),
    ] {
        let said = compile(&library, &program(handler));
        for words in words {
            assert!(said.contains(words), "{words}\n{said}");
        }
        assert!(!said.contains("cannot be an operation"), "{said}");
    }
}

/// The first example of the library's documentation is a whole plugin, and a doc test.
#[test]
fn a_whole_plugin_has_fewer_than_twenty_lines() {
    let text = include_str!("../src/lib.rs");
    let (_, example) = text.split_once("//! ```no_run\n").unwrap();
    let (example, _) = example.split_once("//! ```\n").unwrap();
    assert!(example.contains("async fn main()") && example.contains(".run().await"), "{example}");
    let lines = example.lines().count();
    assert!(lines < 20, "{lines} lines");
}
