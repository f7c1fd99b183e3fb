//! The documents of the W3C suite once more, and ours for what they leave out: YAML → SCXML → YAML
//! keeps what they do.

use gearshift_machine::convert::from_scxml;
use gearshift_machine::definition::export::{SourceText, scxml};
use gearshift_machine::definition::{Format, Problem, load_all};
use gearshift_tests::scxml::{Verdict, folders, judge_yaml, yaml};

#[test]
fn documents_do_the_same_after_a_round_trip() {
    let found = folders::all().unwrap_or_else(|error| panic!("{error}"));
    let mut failed = Vec::new();
    for document in &found.documents {
        let verdict =
            yaml(document, &found.children).and_then(|(workflow, text)| {
                match judge_yaml(&workflow, &there_and_back(&text)?) {
                    Verdict::Passed => Ok(()),
                    Verdict::Failed(reason) => Err(reason),
                }
            });
        failed.extend(verdict.err().map(|reason| format!("{}: {reason}", document.id)));
    }
    assert!(!found.documents.is_empty(), "there is no document");
    let count = found.documents.len();
    assert!(failed.is_empty(), "{} of {count} failed:\n{}", failed.len(), failed.join("\n"));
}

/// Every definition of a text as SCXML, and that as definitions again.
fn there_and_back(text: &str) -> Result<String, String> {
    let words = |problems: Vec<Problem>| {
        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
        words.join("; ")
    };
    let source = SourceText { text, origin: "there", format: Format::Yaml };
    let mut back = Vec::new();
    for loaded in load_all(text, "there", Format::Yaml).map_err(words)? {
        let document = scxml(&loaded.definition, source).map_err(words)?;
        back.push(from_scxml(&document.text, &loaded.definition.name).map_err(words)?.yaml);
    }
    Ok(back.join("---\n"))
}
