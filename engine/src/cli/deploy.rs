//! `deploy`: makes definitions available; moves no running instance.

use std::path::PathBuf;

use clap::Args;
use gearshift_client::Client;
use gearshift_client::protocol::command::{Deploy, DeployReply, Deployed, Format as WireFormat};
use gearshift_client::protocol::query::Instances;
use gearshift_machine::definition::Format;

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::ids::Tally;
use super::output::{Output, clean, tell};
use super::sources::{Source, files};
use super::words::{count, states};

/// Instances of older versions that are listed.
const LEFT_BEHIND_SHOWN: u32 = 10;

const EXAMPLES: &str = "\
Examples:
  gearshift deploy order.workflow.yaml
  gearshift deploy workflows/                     all definitions below a folder

Running instances stay on their version, and are listed; new ones take the newest. A deployed version never
changes: raise `version:` to deploy other content (exit 4 otherwise).";

/// `gearshift deploy`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeployArgs {
    /// Definition files, or folders with them
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
}

/// Deploys each file.
pub(super) async fn deploy(global: &Global, args: &DeployArgs) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    let paths = files(&args.paths)?;
    let mut tally = Tally::default();
    for path in &paths {
        let result = match send(&client, global, path).await {
            Ok(reply) => {
                output.json(&reply)?;
                for one in &reply.definitions {
                    output.line(line(one))?;
                    if output.is_text() && one.older_instances > 0 {
                        left_behind(&client, output, one).await?;
                    }
                }
                Ok(0)
            }
            Err(failure) => Err(failure),
        };
        tally.add(output, global, paths.len() > 1, result)?;
    }
    Ok(tally.exit_code())
}

/// Checks one file here, then deploys it.
pub(super) async fn send(
    client: &Client,
    global: &Global,
    path: &std::path::Path,
) -> Result<DeployReply, Failure> {
    let source = Source::read(path)?;
    check(&source, global)?;
    Ok(client.deploy(&order(&source)).await?)
}

/// Shows what is wrong with a file here, where its text is at hand.
fn check(source: &Source, global: &Global) -> Result<(), Failure> {
    let Err(problems) = source.load() else { return Ok(()) };
    tell(source.render(&problems, global.stderr_look().color).trim_end());
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let detail = format!("`{}` has {}", source.origin, count(errors, "error"));
    Err(Failure::invalid(detail, &problems))
}

/// The command that deploys `source`.
pub(super) fn order(source: &Source) -> Deploy {
    let format = match source.format {
        Format::Yaml => WireFormat::Yaml,
        Format::Json => WireFormat::Json,
    };
    Deploy { text: source.text.clone(), origin: source.origin.clone(), format }
}

fn line(one: &Deployed) -> String {
    let hash: String = one.hash.chars().take(12).collect();
    let what = if one.unchanged { "unchanged" } else { "deployed" };
    let stays = match one.older_instances {
        0 => String::new(),
        older => format!("  ({older} stay on older versions)"),
    };
    format!("{}@{}  {what}  {hash}{stays}", one.name, one.version)
}

/// The living instances of older versions, as many as a person reads.
async fn left_behind(client: &Client, output: Output, one: &Deployed) -> Result<(), Failure> {
    let Deployed { name, version, older_instances, .. } = one;
    let living = "status != 'done' && status != 'failed' && status != 'cancelled'";
    let filter = format!("workflow == '{name}' && version < {version} && {living}");
    let ask = Instances {
        filter: Some(filter.clone()),
        workflow: Some(name.clone()),
        limit: Some(LEFT_BEHIND_SHOWN),
        ..Instances::default()
    };
    let page = client.instances(&ask).await?;
    for item in &page.items {
        output.line(format!(
            "  {}  {}@{}  {}",
            clean(&item.key),
            item.workflow,
            item.version,
            states(&item.active)
        ))?;
    }
    let more = older_instances.saturating_sub(u64::from(LEFT_BEHIND_SHOWN));
    if more > 0 {
        output.line(format!("  and {more} more: gearshift ls --where \"{filter}\""))?;
    }
    output.line(format!("  gearshift migrate lets them go on under {name}@{version}"))
}
