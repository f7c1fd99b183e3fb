//! `def ls|show|rm`: what is deployed.

use clap::{Args, Subcommand};
use gearshift_client::Client;
use gearshift_client::protocol::query::Definitions;
use gearshift_client::protocol::view::{DefinitionSummary, ScheduleView, WorkflowMetrics};
use serde_json::json;

use super::args::Global;
use super::connect;
use super::drive::name_and_version;
use super::failure::{Failure, Outcome};
use super::ids::Tally;
use super::output::Table;
use super::words::{names, span};

const EXAMPLES: &str = "\
Examples:
  gearshift def ls
  gearshift def ls order
  gearshift def show order@2 -o json | jq -r .text
  gearshift def ls order -o json | jq '.[] | select(.instances == 0)'     for `def rm`";

/// `gearshift def`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DefArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List deployed definitions
    #[command(after_help = EXAMPLES)]
    Ls {
        /// Only the versions of this workflow
        name: Option<String>,
    },
    /// Take versions away that no living instance runs
    #[command(after_help = RM)]
    Rm {
        /// Name and version: `name@version`
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Show one definition
    #[command(after_help = EXAMPLES)]
    Show {
        /// Its name, as `name` (the newest) or `name@version`
        name: String,
    },
}

const RM: &str = "\
Examples:
  gearshift def rm order@1 order@2

Exit 4: instances live on a version, or those that ended are kept still, for 7 days; let them end,
or `gearshift migrate` them.";

const DEFINITIONS: Table<'static, DefinitionSummary> = Table {
    headings: &["WORKFLOW", "TITLE", "INSTANCES", "HASH", ""],
    cells: |one| {
        vec![
            format!("{}@{}", one.name, one.version),
            one.title.clone(),
            one.instances.to_string(),
            one.hash.chars().take(12).collect(),
            match one.derived_from {
                Some(version) => format!("derived from {version}"),
                None if one.newest => "newest".to_owned(),
                None => String::new(),
            },
        ]
    },
};

/// Looks at deployed definitions.
pub(super) async fn def(global: &Global, args: DefArgs) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    match args.what {
        What::Ls { name } => {
            let page = client.definitions(&Definitions { name }).await?;
            output.items(&page.items, &DEFINITIONS)?;
        }
        What::Rm { names } => {
            let mut tally = Tally::default();
            for name in &names {
                let result = remove(&client, name).await;
                if result.is_ok() {
                    output.json(&json!({ "removed": name }))?;
                    output.line(format!("{name}  removed"))?;
                }
                tally.add(output, global, names.len() > 1, result)?;
            }
            return Ok(tally.exit_code());
        }
        What::Show { name } => {
            let (name, version) = name_and_version(&name)?;
            let detail = client.definition(&name, version).await?;
            output.json(&detail)?;
            if output.is_text() {
                let one = &detail.summary;
                output.line(format!("workflow    {}@{}", one.name, one.version))?;
                output.line(format!("title       {}", one.title))?;
                output.line(format!("hash        {}", one.hash))?;
                output.line(format!("instances   {}", one.instances))?;
                for line in metrics(&detail.metrics, version.is_none()) {
                    output.line(line)?;
                }
                output.line(format!("events      {}", names(&detail.events)))?;
                output.line(format!("operations  {}", names(&detail.operations)))?;
                if one.newest {
                    for line in schedules(&client, &one.name).await? {
                        output.line(line)?;
                    }
                }
                output.line(&detail.text)?;
            }
        }
    }
    Ok(0)
}

/// When it starts by itself.
async fn schedules(client: &Client, name: &str) -> Result<Vec<String>, Failure> {
    let page = client.schedules(&Definitions { name: Some(name.to_owned()) }).await?;
    let line = |one: &ScheduleView| {
        let next = match (one.paused, one.next.first()) {
            (true, _) => "paused".to_owned(),
            (false, Some(next)) => format!("next {next}"),
            (false, None) => "not planned".to_owned(),
        };
        format!("schedule    {}  {}  {next}", one.name, one.recurrence)
    };
    Ok(page.items.iter().map(line).collect())
}

/// What became of the instances that are still known: of the version that was asked for, else of
/// all, those that `steps add` derived included.
fn metrics(known: &WorkflowMetrics, of_all: bool) -> Vec<String> {
    let of = if of_all { " of all versions" } else { "" };
    let WorkflowMetrics { total, completed, failed, cancelled, stuck, running, .. } = known;
    let mut lines = vec![format!(
        "known       {total}{of}: {completed} done, {failed} failed, {cancelled} cancelled, \
         {running} running, {stuck} stuck"
    )];
    if known.steps_completed + known.steps_failed + known.steps_skipped > 0 {
        lines.push(format!(
            "steps       {} completed, {} failed, {} skipped",
            known.steps_completed, known.steps_failed, known.steps_skipped
        ));
    }
    if let (Some(mean), Some(min), Some(max)) = (known.mean_ms, known.min_ms, known.max_ms) {
        lines.push(format!(
            "took        {} on average, {} to {}",
            span(mean),
            span(min),
            span(max)
        ));
    }
    lines
}

/// Takes one version away; which one has to be said.
async fn remove(client: &Client, name: &str) -> Result<u8, Failure> {
    let (name, Some(version)) = name_and_version(name)? else {
        return Err(Failure::usage(format!("`{name}` names no version"))
            .with_help("write `name@version`; `gearshift def ls` lists them"));
    };
    client.undeploy(&name, version).await?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_over_all_versions_is_told_as_that() {
        let known = WorkflowMetrics { total: 3, completed: 2, stuck: 1, ..Default::default() };
        let counts = "2 done, 0 failed, 0 cancelled, 0 running, 1 stuck";
        assert_eq!(metrics(&known, true), [format!("known       3 of all versions: {counts}")]);
        assert_eq!(metrics(&known, false), [format!("known       3: {counts}")]);
    }
}
