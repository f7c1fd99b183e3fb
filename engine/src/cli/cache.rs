//! `cache clear`: results of calls that are kept for the same calls again.

use clap::{Args, Subcommand};
use gearshift_client::protocol::command::{ClearCache, ClearCacheReply, KeptResults};

use super::args::Global;
use super::connect;
use super::data;
use super::failure::{Failure, Outcome};
use super::ids::confirm;
use super::output::Table;
use super::words::count;

const EXAMPLES: &str = "\
Examples:
  gearshift cache clear --all --dry-run                      what is kept, and of what
  gearshift cache clear scoring --yes                        all results of a workflow
  gearshift cache clear scoring rate --reason 'new rates'    those that one step asked for
  gearshift cache clear scoring rate customer-17             those with this `key`

The next call that is the same asks its plugin again; what instances have already stays theirs. A
key is JSON if it parses, else text; where the definition has no `key`, it is the whole input, such
as '{\"id\":17}'. Exit 0 also where nothing was kept.";

/// `gearshift cache`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

/// What to do with kept results.
#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Forget results that `cache:` keeps: the same calls ask their plugins again
    #[command(after_help = EXAMPLES)]
    Clear(ClearArgs),
}

#[derive(Debug, Args)]
struct ClearArgs {
    /// Only those of this workflow, whichever its version
    workflow: Option<String>,
    /// Only those that this step, or state, asked for
    step: Option<String>,
    /// Only those with this key
    key: Option<String>,
    /// Those of all workflows
    #[arg(long, conflicts_with = "workflow")]
    all: bool,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
}

const RESULTS: Table<'static, KeptResults> = Table {
    headings: &["WORKFLOW", "STEP", "OPERATION", "RESULTS"],
    cells: |one| {
        let step = if one.step.is_empty() { "-" } else { &one.step };
        let workflow = one.workflow.clone();
        vec![workflow, step.to_owned(), one.operation.clone(), one.count.to_string()]
    },
};

/// Forgets results.
pub(super) async fn cache(global: &Global, args: &CacheArgs) -> Outcome {
    let CacheCommand::Clear(args) = &args.command;
    if args.workflow.is_none() && !args.all {
        let told = "it is not said which results to forget: name a workflow, or say `--all`";
        let help = "`gearshift cache clear --all --dry-run` counts what is kept, and of what";
        return Err(Failure::usage(told).with_help(help));
    }
    let client = connect::client(global).await?;
    let order = ClearCache {
        workflow: args.workflow.clone(),
        step: args.step.clone(),
        key: args.key.as_deref().map(data::value_of),
        dry_run: true,
        reason: global.reason.clone(),
    };
    let is_broad = args.step.is_none();
    if args.dry_run {
        let found = client.clear_cache(&order).await?;
        return told(global, &found, "would forget");
    }
    if is_broad && !global.yes {
        let found = client.clear_cache(&order).await?;
        if found.count() > 0 {
            confirm(global, &format!("forget {} {}", results(&found), whose(args)))?;
        }
    }
    let done = client.clear_cache(&ClearCache { dry_run: false, ..order }).await?;
    told(global, &done, "forgot")
}

/// Whose results are meant where no step is named.
fn whose(args: &ClearArgs) -> String {
    match &args.workflow {
        Some(workflow) => format!("that are kept for workflow `{workflow}`"),
        None => "that are kept for all workflows".to_owned(),
    }
}

fn results(reply: &ClearCacheReply) -> String {
    count(usize::try_from(reply.count()).unwrap_or(usize::MAX), "result")
}

fn told(global: &Global, reply: &ClearCacheReply, verb: &str) -> Outcome {
    let output = global.out();
    output.json(reply)?;
    if output.is_text() {
        output.items(&reply.results, &RESULTS)?;
        output.line(format!("{verb} {}", results(reply)))?;
    }
    Ok(0)
}
