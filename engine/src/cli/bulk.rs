//! The same order to one instance, to several, or to all that a filter finds.

use clap::Args;
use gearshift_client::protocol::{InstanceVerdict, ProblemKind};
use gearshift_client::{Client, Error};

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::ids::{Tally, alive, confirm, given};
use super::verdicts::in_words;
use super::words::{count, states};

/// Which instances.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Chosen {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required_unless_present = "filter")]
    pub(super) ids: Vec<String>,
    /// All instances for which this CEL expression is true
    #[arg(long = "where", id = "filter", value_name = "CEL", conflicts_with = "ids")]
    pub(super) filter: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// What is done to each, in the words of the command line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    /// `would cancel 3 instances`.
    pub(super) verb: &'static str,
    /// `cancelled 3 instances`.
    pub(super) done: &'static str,
}

/// Gives an order to each instance chosen.
pub(super) async fn to_each(
    global: &Global,
    chosen: &Chosen,
    deed: Deed,
    order: impl AsyncFn(&Client, &str) -> Result<InstanceVerdict, Error>,
) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    let ids = match &chosen.filter {
        Some(filter) => alive(&client, filter).await?,
        None => given(&chosen.ids)?,
    };
    let many = count(ids.len(), "instance");
    if chosen.dry_run {
        output.json(&ids)?;
        for id in &ids {
            output.line(id)?;
        }
        output.line(format!("would {} {many}", deed.verb))?;
        return Ok(0);
    }
    if chosen.filter.is_some() && !ids.is_empty() {
        confirm(global, &format!("{} {many}", deed.verb))?;
    }
    let several = ids.len() > 1 || chosen.filter.is_some();
    let mut tally = Tally::default();
    for id in &ids {
        let result = match order(&client, id).await {
            Ok(verdict) => {
                output.json(&verdict)?;
                output.line(format!("{}  {}", verdict.key, in_words(&verdict)))?;
                Ok(verdict.verdict.exit_code())
            }
            Err(error) => Err(ending(&client, id, Failure::from(error)).await),
        };
        tally.add(output, global, several, result)?;
    }
    if several {
        output.line(tally.summary(deed.done))?;
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
