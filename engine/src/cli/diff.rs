//! `diff`: what changed between two definitions, and what that means for living instances.

mod calls;
mod edges;
mod live;
mod meaning;
mod render;
mod schedules;
mod tree;

use std::path::{Path, PathBuf};

use clap::Args;
use gearshift_machine::definition::Format as Written;
use gearshift_machine::definition::model::Definition;
use serde::Serialize;

use super::args::Global;
use super::connect;
use super::drive::name_and_version;
use super::failure::{Failure, Outcome, USAGE};
use super::output::tell;
use super::sources::Source;
use live::Living;
use meaning::Meaning;
use tree::Change;

const EXAMPLES: &str = "\
Examples:
  gearshift diff order@1 order@2                   both as deployed
  gearshift diff order order.workflow.yaml         the newest deployed, and a file
  gearshift diff old.workflow.yaml new.workflow.yaml -o json | jq .changes

First every change of the text by its path, then what it means: states, history, approvals, calls,
transitions with their guards, timers, variables, events and limits that are lost, new or changed.
Where the former definition is deployed, how many instances live on it, and in which states.

Where they are only written otherwise (a list of one for one, a default written out), it says so.

Exit 0: the same, but for the version; 1: they differ, if only as text; 2: one of them is no definition.";

/// They differ.
const DIFFERS: u8 = 1;

/// `gearshift diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiffArgs {
    /// The former definition: a file, or the name of a deployed workflow
    #[arg(value_name = "FILE|WORKFLOW")]
    from: String,
    /// The new one
    #[arg(value_name = "FILE|WORKFLOW")]
    to: String,
}

/// What two definitions differ in.
#[derive(Debug, Serialize)]
struct Report {
    from: String,
    to: String,
    /// They say the same; their versions may differ.
    same: bool,
    /// Whatever is written otherwise, they are the same machine: nothing changes for instances.
    equivalent: bool,
    changes: Vec<Change>,
    /// What the changes mean.
    meaning: Vec<Meaning>,
    /// States that instances may be in and the new definition does not have.
    lost_states: Vec<String>,
    /// Variables whose values would be lost.
    lost_vars: Vec<String>,
    /// Instances that live on the former definition, where it is deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    living: Option<Living>,
}

/// Compares two definitions.
pub(super) async fn diff(global: &Global, args: &DiffArgs) -> Outcome {
    let (from, is_deployed) = definition(global, &args.from).await?;
    let (to, _) = definition(global, &args.to).await?;
    let changes = tree::changes(&from, &to);
    let same = from.hash == to.hash
        || (!changes.is_empty() && changes.iter().all(|change| change.path == "version"));
    let living = match is_deployed {
        true => Some(live::living(&connect::client(global).await?, &from).await?),
        false => None,
    };
    let report = Report {
        from: format!("{}@{}", from.name, from.version),
        to: format!("{}@{}", to.name, to.version),
        same,
        equivalent: same || meaning::is_none(&from, &to),
        changes,
        meaning: meaning::of(&from, &to),
        lost_states: meaning::lost_states(&from, &to),
        lost_vars: meaning::lost_vars(&from, &to),
        living,
    };
    let output = global.out();
    output.json(&report)?;
    output.line(render::render(&report, output.look))?;
    Ok(if same { 0 } else { DIFFERS })
}

/// A definition, and whether it is deployed.
async fn definition(global: &Global, what: &str) -> Result<(Definition, bool), Failure> {
    let path = Path::new(what);
    let is_file = path.exists() || path.extension().is_some_and(|end| end != "workflow");
    let source = if is_file {
        Source::read(path).map_err(no_definition)?
    } else {
        let (name, version) = name_and_version(what)?;
        let detail = connect::client(global).await?.definition(&name, version).await?;
        let (path, origin) = (PathBuf::from(what), what.to_owned());
        Source { path, origin, text: detail.text, format: Written::Json }
    };
    let mut loaded = source.load().map_err(|problems| {
        tell(source.render(&problems, global.stderr_look().color).trim_end());
        no_definition(Failure::invalid(format!("`{}` has errors", source.origin), &problems))
    })?;
    match (loaded.pop(), loaded.is_empty()) {
        (Some(only), true) => Ok((only.definition, !is_file)),
        (_, _) => Err(Failure::usage(format!("`{what}` holds several definitions"))),
    }
}

/// 1 says that they differ: what cannot be compared is something else.
fn no_definition(mut failure: Failure) -> Failure {
    if failure.exit == DIFFERS {
        failure.exit = USAGE;
    }
    failure
}
