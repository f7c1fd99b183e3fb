//! `cancel`, `kill`, `retry`, `skip`: orders to instances, one, several or all that fit.

use clap::Args;
use gearshift_client::Client;
use gearshift_client::protocol::{InstanceVerdict, ProblemKind};

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::ids::{Tally, alive, confirm, given};
use super::verdicts::in_words;
use super::words::{count, states};

const EXAMPLES: &str = "\
Examples:
  gearshift cancel doc-43 --reason 'withdrawn by the author'
  gearshift retry --where \"status == 'stuck' && workflow == 'order'\" --dry-run
  gearshift retry --where \"status == 'stuck' && workflow == 'order'\" --reason INC-512 --yes
  gearshift ls -o jsonl | jq -r .id | gearshift kill - --yes

`cancel` lets exit actions run, `kill` does not. `retry` re-runs only what failed, `skip` leaves
it behind. Exit 8: some of several failed.";

/// `gearshift cancel`, `kill`, `retry` and `skip`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RepairArgs {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required_unless_present = "filter")]
    ids: Vec<String>,
    /// All instances for which this CEL expression is true
    #[arg(long = "where", id = "filter", value_name = "CEL", conflicts_with = "ids")]
    filter: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// End softly.
    Cancel,
    /// End at once.
    Kill,
    /// Re-run what failed.
    Retry,
    /// Leave behind what failed.
    Skip,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Kill => "kill",
            Self::Retry => "retry",
            Self::Skip => "skip",
        }
    }

    /// What was done to an instance.
    const fn done(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Kill => "killed",
            Self::Retry => "retried",
            Self::Skip => "skipped",
        }
    }
}

/// Gives an order to each instance.
pub(super) async fn repair(global: &Global, args: &RepairArgs, verb: Verb) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    let ids = match &args.filter {
        Some(filter) => alive(&client, filter).await?,
        None => given(&args.ids)?,
    };
    let many = count(ids.len(), "instance");
    if args.dry_run {
        output.json(&ids)?;
        for id in &ids {
            output.line(id)?;
        }
        output.line(format!("would {} {many}", verb.as_str()))?;
        return Ok(0);
    }
    if args.filter.is_some() && !ids.is_empty() {
        confirm(global, &format!("{} {many}", verb.as_str()))?;
    }
    let several = ids.len() > 1 || args.filter.is_some();
    let mut tally = Tally::default();
    for id in &ids {
        let result = match order(&client, verb, id, &global.reason).await {
            Ok(verdict) => {
                output.json(&verdict)?;
                output.line(format!("{}  {}", verdict.key, in_words(&verdict)))?;
                Ok(verdict.verdict.exit_code())
            }
            Err(failure) => Err(ending(&client, id, failure).await),
        };
        tally.add(output, global, several, result)?;
    }
    if several {
        output.line(tally.summary(verb.done()))?;
    }
    Ok(tally.exit_code())
}

/// Where a life is over, how it ended.
async fn ending(client: &Client, id: &str, failure: Failure) -> Failure {
    if failure.problem.kind() != ProblemKind::Conflict {
        return failure;
    }
    let Ok(detail) = client.instance(id).await else { return failure };
    let one = detail.summary;
    if !one.status.is_ended() {
        return failure;
    }
    let (status, states) = (one.status.as_str(), states(&one.active));
    let place = if states.is_empty() { String::new() } else { format!(" in `{states}`") };
    failure.with_help(format!(
        "it is {status}{place} since {}; `gearshift history {}` tells how it came to that",
        one.updated_at, one.key
    ))
}

async fn order(
    client: &Client,
    verb: Verb,
    id: &str,
    reason: &str,
) -> Result<InstanceVerdict, Failure> {
    let answer = match verb {
        Verb::Cancel => client.cancel(id, reason).await,
        Verb::Kill => client.kill(id, reason).await,
        Verb::Retry => client.retry(id, reason).await,
        Verb::Skip => client.skip(id, reason).await,
    };
    Ok(answer?)
}
