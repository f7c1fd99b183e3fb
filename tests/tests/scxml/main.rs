//! The W3C suite as a judge: every document below a folder, one line each.
#![expect(clippy::print_stdout, reason = "a line of output is what this program is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gearshift_tests::scxml::{Found, Verdict, find, judge};

/// The ids of the folder that the project is made with; each must be there and pass.
const GIVEN: &str = include_str!("given.txt");

fn main() -> ExitCode {
    let (folder, chosen) = folder();
    if !folder.is_dir() {
        println!("no folder {}: no document of the W3C suite was run", folder.display());
        return if chosen { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    match find(&folder) {
        Ok(found) => run(&found, !chosen || is_default(&folder)),
        Err(error) => {
            println!("cannot read {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// Where the documents lie, and whether somebody said so.
fn folder() -> (PathBuf, bool) {
    match std::env::var_os("GEARSHIFT_SCXML_DIR") {
        Some(folder) => (PathBuf::from(folder), true),
        None => (root().join("../shared/scxml-irp"), false),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Is it the folder of the given documents, by whatever path?
fn is_default(folder: &Path) -> bool {
    let default = root().join("../shared/scxml-irp").canonicalize();
    default.is_ok_and(|default| folder.canonicalize().is_ok_and(|folder| folder == default))
}

fn run(found: &Found, given: bool) -> ExitCode {
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for document in &found.documents {
        match judge(document, &found.children) {
            Verdict::Passed => {
                passed += 1;
                println!("ok {}", document.id);
            }
            Verdict::Failed(reason) => {
                failed += 1;
                let reason = reason.replace('\n', " ");
                println!("FAILED {}: {reason}", document.id);
            }
        }
    }
    let known = |id: &str| found.documents.iter().any(|document| document.id == id);
    let missing: Vec<&str> = GIVEN.split_whitespace().filter(|id| given && !known(id)).collect();
    for id in &missing {
        println!("FAILED {id}: there is no such document");
    }
    println!("{passed} passed, {failed} failed, {} missing", missing.len());
    if failed == 0 && missing.is_empty() && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
