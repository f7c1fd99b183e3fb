//! `checkpoint` and `fork`: named points of a life, and lives that begin there.

use clap::Args;
use gearshift_client::protocol::command::Fork;
use serde_json::{Value, json};

use super::args::Global;
use super::bulk::foreseen;
use super::connect;
use super::failure::Outcome;
use super::words::states;

const CHECKPOINT_EXAMPLES: &str = "\
Examples:
  gearshift checkpoint import-7 before-load --reason 'the next step is risky'
  gearshift fork import-7 --from before-load --key import-7b

A checkpoint keeps where the instance is, its variables and what its steps gave. One of the same
name is replaced; an instance keeps 16.";

const FORK_EXAMPLES: &str = "\
Examples:
  gearshift fork import-7 --from before-load
  gearshift fork import-7 --from transform --key import-7b --reason 'with the new mapping'
  gearshift fork import-7 --from transform --dry-run      which steps would be done again

A new instance begins with the input of the old one: where it was at a checkpoint, or as if a step
and all that needs it had not run. Timers and calls that were under way begin anew. The old one
stays as it is, and the new one takes back nothing of what the old one did. Exit 3: there is no
such instance, checkpoint or step; 4: the key is taken (GS4019), or the step waits to begin
(GS4041).";

/// `gearshift checkpoint`.
#[derive(Debug, Args)]
#[command(after_help = CHECKPOINT_EXAMPLES)]
pub(super) struct CheckpointArgs {
    /// Full id, key, or unique end of one
    id: String,
    /// What to call it
    name: String,
}

/// `gearshift fork`.
#[derive(Debug, Args)]
#[command(after_help = FORK_EXAMPLES)]
pub(super) struct ForkArgs {
    /// Full id, key, or unique end of one
    id: String,
    /// The checkpoint, or the step to run again
    #[arg(long, value_name = "CHECKPOINT|STEP")]
    from: String,
    /// The key of the new instance; made up where absent
    #[arg(long)]
    key: Option<String>,
    /// Only tell what would begin: where, and which steps would be done again. Exits as the order
    #[arg(long)]
    dry_run: bool,
}

/// Saves a point to fork from.
pub(super) async fn checkpoint(global: &Global, args: &CheckpointArgs) -> Outcome {
    let client = connect::client(global).await?;
    let verdict = client.checkpoint(&args.id, &args.name, &global.reason).await?;
    let output = global.out();
    output.json(&verdict)?;
    let place = states(&verdict.active);
    output.line(format!("{}  checkpoint `{}` saved in {place}", verdict.key, args.name))?;
    Ok(verdict.verdict.exit_code())
}

/// Begins a new instance where another one was.
pub(super) async fn fork(global: &Global, args: &ForkArgs) -> Outcome {
    let client = connect::client(global).await?;
    let fork = Fork {
        instance: args.id.clone(),
        from: args.from.clone(),
        key: args.key.clone(),
        reason: global.reason.clone(),
        dry_run: args.dry_run,
    };
    let reply = client.fork(&fork).await?;
    let output = global.out();
    let mut document = json!(reply);
    let (verdict, place) = (&reply.verdict, states(&reply.verdict.active));
    let told = if args.dry_run {
        document["dry_run"] = Value::Bool(true);
        // A key that is made up is made up anew for the fork itself.
        if args.key.is_some() {
            "would be forked from"
        } else {
            "(or another key) would be forked from"
        }
    } else {
        "forked from"
    };
    output.json(&document)?;
    let (key, origin, from) = (&verdict.key, &reply.origin, &reply.from);
    output.line(format!("{key}  {told} {origin} at {from}: {place}"))?;
    foreseen(output, verdict)?;
    Ok(verdict.verdict.exit_code())
}
