//! `migrate`: instances go on under another version of their definition.

use std::collections::BTreeMap;

use clap::Args;
use gearshift_client::Client;
use gearshift_client::protocol::command::{Migrate, MigrateReply};

use super::args::Global;
use super::connect;
use super::failure::{CONFLICT, Failure, Outcome};
use super::ids::{Tally, alive, confirm, given};
use super::words::{count, states};

const EXAMPLES: &str = "\
Examples:
  gearshift migrate order-77 --to 6 --dry-run
  gearshift migrate order-77 --to 6 --map awaiting_payment=waiting
  gearshift migrate --where \"workflow == 'order' && version == 5\" --to 6 --reason INC-512 --yes

Every instance is looked at first; where one cannot go on, none is migrated (exit 4). States,
variables, timers and calls are carried over by their names; `gearshift diff order@5 order@6` tells
what has changed. The history of the former version ends there.";

/// `gearshift migrate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MigrateArgs {
    /// Full id, key, or unique end of one; `-` reads ids from stdin
    #[arg(required_unless_present = "filter")]
    ids: Vec<String>,
    /// All instances for which this CEL expression is true
    #[arg(long = "where", id = "filter", value_name = "CEL", conflicts_with = "ids")]
    filter: Option<String>,
    /// The version to go on under: `6` or `order@6`; the newest where absent
    #[arg(long, value_name = "VERSION", value_parser = version)]
    to: Option<To>,
    /// A state that is called differently there. May be repeated
    #[arg(long = "map", value_name = "OLD=NEW", value_parser = pair)]
    states: Vec<(String, String)>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// `6` or `order@6`.
#[derive(Clone, Debug)]
struct To {
    workflow: Option<String>,
    version: u32,
}

fn version(text: &str) -> Result<To, String> {
    let (workflow, number) = match text.rsplit_once('@') {
        Some((workflow, number)) => (Some(workflow.to_owned()), number),
        None => (None, text),
    };
    let number = number.parse().ok().filter(|number| *number > 0);
    let version =
        number.ok_or_else(|| format!("`{text}` is no version, such as `6` or `order@6`"))?;
    Ok(To { workflow, version })
}

impl To {
    /// A version of another workflow is none to go on under.
    fn check(&self, instance: &str) -> Result<(), Failure> {
        let of = instance.split_once('/').map_or(instance, |(workflow, _)| workflow);
        match self.workflow.as_deref() {
            Some(wanted) if wanted != of => {
                let told = format!("`{instance}` is no instance of `{wanted}`");
                Err(Failure::new(CONFLICT, told).with_help("an instance stays with its workflow"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        Some(_) | None => Err(format!("`{text}` is not OLD=NEW")),
    }
}

/// Migrates each instance, after all of them were looked at.
pub(super) async fn migrate(global: &Global, args: &MigrateArgs) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    let ids = match &args.filter {
        Some(filter) => alive(&client, filter).await?,
        None => given(&args.ids)?,
    };
    let many = count(ids.len(), "instance");
    let plans = plans(global, args, &client, &ids).await?;
    if args.dry_run {
        output.json(&plans)?;
        output.line(format!("would migrate {many}"))?;
        return Ok(0);
    }
    if args.filter.is_some() && !ids.is_empty() {
        confirm(global, &format!("migrate {many}"))?;
    }
    let several = ids.len() > 1 || args.filter.is_some();
    let mut tally = Tally::default();
    for plan in &plans {
        let result = match client.migrate(&order(global, args, &plan.instance, false)).await {
            Ok(reply) => {
                output.json(&reply)?;
                output.line(line(&reply))?;
                Ok(0)
            }
            Err(error) => Err(Failure::from(error)),
        };
        tally.add(output, global, several, result)?;
    }
    if several {
        output.line(tally.summary("migrated"))?;
    }
    Ok(tally.exit_code())
}

/// What would become of each instance. Where one is refused, the others are looked at all the
/// same, and nothing is done.
async fn plans(
    global: &Global,
    args: &MigrateArgs,
    client: &Client,
    ids: &[String],
) -> Result<Vec<MigrateReply>, Failure> {
    let output = global.out();
    let mut plans = Vec::new();
    let mut refused: Vec<Failure> = Vec::new();
    for id in ids {
        match client.migrate(&order(global, args, id, true)).await {
            Ok(plan) => {
                if let Some(to) = &args.to {
                    to.check(&plan.instance)?;
                }
                if args.dry_run {
                    output.line(line(&plan))?;
                }
                plans.push(plan);
            }
            Err(error) => {
                let failure = Failure::from(error);
                if failure.exit != CONFLICT {
                    return Err(failure);
                }
                refused.push(failure);
            }
        }
    }
    let number = refused.len();
    let Some(first) = refused.into_iter().next() else { return Ok(plans) };
    let help = "say which state takes its place with `--map OLD=NEW`; nothing was done";
    if number == 1 {
        return Err(first.with_help(help));
    }
    let total = ids.len();
    let detail = format!("{number} of {total} instances cannot be migrated; {}", first.problem);
    let mut failure = Failure::new(CONFLICT, detail);
    failure.help = Some(help.to_owned());
    Err(failure)
}

fn order(global: &Global, args: &MigrateArgs, id: &str, dry_run: bool) -> Migrate {
    Migrate {
        instance: id.to_owned(),
        version: args.to.as_ref().map(|to| to.version),
        states: args.states.iter().cloned().collect::<BTreeMap<_, _>>(),
        dry_run,
        reason: global.reason.clone(),
    }
}

/// `order/o-7  order@5 → order@6  awaiting_payment → waiting  (variable `x` is dropped)`.
fn line(reply: &MigrateReply) -> String {
    let MigrateReply { instance, from, to, before, after, notes, .. } = reply;
    let workflow = instance.split('/').next().unwrap_or_default();
    let (before, after) = (states(before), states(after));
    let place = if before == after { after } else { format!("{before} → {after}") };
    let mut text = format!("{instance}  {workflow}@{from} → {workflow}@{to}  {place}");
    if !notes.is_empty() {
        text.push_str(&format!("  ({})", notes.join("; ")));
    }
    text
}
