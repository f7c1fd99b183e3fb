//! What becomes of one document.

use std::fmt;

use gearshift_machine::convert::from_scxml;
use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{Format, Problem, load_all};

use super::{Document, Ending, Stage, resolved};

/// The judgement of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It ended as it should.
    Passed,
    /// It did not, for this reason.
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => formatter.write_str("passed"),
            Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

/// The definitions of a document and of the children it names, in YAML; its own workflow first.
///
/// # Errors
/// What cannot be converted.
pub fn yaml(document: &Document, children: &[Document]) -> Result<(String, String), String> {
    let mut parts = Vec::new();
    let mut workflow = None;
    let named = children.iter().filter(|child| document.text.contains(&child.stem));
    for document in std::iter::once(document).chain(named) {
        for (name, text) in resolved(document)?.texts {
            let converted = from_scxml(&text, &name).map_err(|problems| first(&problems))?;
            workflow = workflow.or_else(|| converted.workflows.first().cloned());
            parts.push(converted.yaml);
        }
    }
    Ok((workflow.unwrap_or_default(), parts.join("---\n")))
}

/// Converts a document, loads what it became, runs it, and looks where it ended.
#[must_use]
pub fn judge(document: &Document, children: &[Document]) -> Verdict {
    match yaml(document, children) {
        Ok((workflow, yaml)) => judge_yaml(&workflow, &yaml),
        Err(reason) => Verdict::Failed(reason),
    }
}

/// Loads definitions, runs `workflow`, and looks where it ended.
#[must_use]
pub fn judge_yaml(workflow: &str, yaml: &str) -> Verdict {
    let loaded = match load_all(yaml, "document", Format::Yaml) {
        Ok(loaded) => loaded,
        Err(problems) => return Verdict::Failed(first(&problems)),
    };
    let definitions: Vec<Definition> = loaded.into_iter().map(|it| it.definition).collect();
    let judged = definitions.iter().find(|definition| *definition.name == *workflow);
    let judges_itself = judged.is_some_and(|it| it.state_named("pass").is_some());
    match run_twice(&definitions, workflow) {
        Ok(ending) => verdict(ending, judges_itself),
        Err(reason) => Verdict::Failed(reason),
    }
}

/// Runs it, and again with a partition that is restored from its journal before every input: both
/// must write the same journal.
fn run_twice(definitions: &[Definition], workflow: &str) -> Result<Ending, String> {
    let mut stage = Stage::new(definitions)?;
    let ending = stage.run(workflow);
    let mut forgetful = Stage::new(definitions)?.forgetful();
    let again = forgetful.run(workflow);
    if again != ending {
        return Err(format!("{ending:?} became {again:?} where everything was forgotten"));
    }
    let same = stage.journal().iter().zip(forgetful.journal()).take_while(|(a, b)| a == b).count();
    if stage.journal() != forgetful.journal() {
        return Err(format!("frame {} differs where everything was forgotten", same + 1));
    }
    Ok(ending)
}

/// A document passes in its final state `pass`; one without it, where it ends at all but in `fail`.
pub(super) fn verdict(ending: Ending, judges_itself: bool) -> Verdict {
    let is_good = |state: &String| if judges_itself { state == "pass" } else { state != "fail" };
    match ending {
        Ending::Final(states) if states.iter().any(is_good) => Verdict::Passed,
        Ending::Final(states) => Verdict::Failed(format!("ended in {}", states.join(", "))),
        Ending::Waits(states) => Verdict::Failed(format!("no progress in {}", states.join(", "))),
        Ending::Broken(reason) => Verdict::Failed(reason),
    }
}

fn first(problems: &[Problem]) -> String {
    problems.iter().find(|it| it.is_error()).map_or_else(String::new, ToString::to_string)
}
