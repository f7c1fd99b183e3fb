//! The W3C suite as a judge: every document below a folder, one line each.
//!
//! `GEARSHIFT_SCXML_DIR` names the folder, and nothing else is printed then. Without it documents
//! of our own come first, their lines indented: the given ones are not the whole suite.
#![expect(clippy::print_stdout, reason = "a line of output is what this program is for")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use gearshift_tests::scxml::{Found, Verdict, find, folders, judge};

/// The ids of the folder that the project is made with; each must be there and pass.
const GIVEN: &str = include_str!("given.txt");
/// The ids that the suite requires besides; for each there is a document of our own.
const OWN: &str = include_str!("own.txt");

fn main() -> ExitCode {
    let (folder, chosen) = folders::suite();
    let own = chosen || {
        println!("documents of our own, for ids that are not given:");
        find(&folders::own()).is_ok_and(|found| run(&found, OWN, "  "))
    };
    let suite = if folder.is_dir() {
        let given = !chosen || folders::is_default_suite(&folder);
        match find(&folder) {
            Ok(found) => run(&found, if given { GIVEN } else { "" }, ""),
            Err(error) => {
                println!("cannot read {}: {error}", folder.display());
                false
            }
        }
    } else {
        println!("no folder {}: no document of the W3C suite was run", folder.display());
        !chosen
    };
    if own && suite { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Judges what was found, in which the ids of `expected` must be; did all pass?
fn run(found: &Found, expected: &str, indent: &str) -> bool {
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for document in &found.documents {
        // Whatever one document does, the others are judged too.
        let judged = catch_unwind(AssertUnwindSafe(|| judge(document, &found.children)));
        match judged.unwrap_or_else(|_| Verdict::Failed("the judge panicked".to_owned())) {
            Verdict::Passed => {
                passed += 1;
                println!("{indent}ok {}", document.id);
            }
            Verdict::Failed(reason) => {
                failed += 1;
                let reason = reason.replace('\n', " ");
                println!("{indent}FAILED {}: {reason}", document.id);
            }
        }
    }
    let known = |id: &str| found.documents.iter().any(|document| document.id == id);
    let missing: Vec<&str> = expected.split_whitespace().filter(|id| !known(id)).collect();
    for id in &missing {
        println!("{indent}FAILED {id}: there is no such document");
    }
    println!("{indent}{passed} passed, {failed} failed, {} missing", missing.len());
    failed == 0 && missing.is_empty() && passed > 0
}
