//! `cancel`, `kill`, `retry`, `skip`: orders to instances, one, several or all that fit.

use clap::Args;

use super::args::Global;
use super::bulk::{Chosen, Deed, to_each};
use super::failure::Outcome;

const EXAMPLES: &str = "\
Examples:
  gearshift cancel doc-43 --reason 'withdrawn by the author' --wait
  gearshift retry --where \"status == 'stuck' && workflow == 'order'\" --dry-run
  gearshift retry --where \"status == 'stuck' && workflow == 'order'\" --reason INC-512 --yes
  gearshift ls -o jsonl | jq -r .id | gearshift kill - --yes

`cancel` takes back what was done and lets exit actions run, `kill` does neither. Of a member,
either rolls back its transaction, and so what all its members did. `retry` re-runs only what
failed, `skip` leaves it behind. `--dry-run` tells of each whether it would be taken, or refused
and why, which transaction would be rolled back, which children end with it, and what would be
left out (calls under way, which may be done all the same); it ends as the order would: nothing is
done. Exit 8: some of several failed.";

/// `gearshift cancel`, `kill`, `retry` and `skip`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RepairArgs {
    #[command(flatten)]
    chosen: Chosen,
}

/// `gearshift cancel`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Wait until what was done is taken back, or an undo of it needs a person
    #[arg(long)]
    wait: bool,
}

/// Which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// End at once.
    Kill,
    /// Re-run what failed.
    Retry,
    /// Leave behind what failed.
    Skip,
}

impl Verb {
    const fn deed(self) -> Deed {
        match self {
            Self::Kill => Deed::new("kill", "killed"),
            Self::Retry => Deed::new("retry", "retried"),
            Self::Skip => Deed::new("skip", "skipped"),
        }
    }
}

/// Ends instances softly.
pub(super) async fn cancel(global: &Global, args: &CancelArgs) -> Outcome {
    let deed = Deed { waits: args.wait, ..Deed::new("cancel", "cancelled") };
    let reason = &global.reason;
    to_each(global, &args.chosen, deed, async |client, id| client.cancel(id, reason).await).await
}

/// Gives an order to each instance.
pub(super) async fn repair(global: &Global, args: &RepairArgs, verb: Verb) -> Outcome {
    let reason = &global.reason;
    to_each(global, &args.chosen, verb.deed(), async |client, id| match verb {
        Verb::Kill => client.kill(id, reason).await,
        Verb::Retry => client.retry(id, reason).await,
        Verb::Skip => client.skip(id, reason).await,
    })
    .await
}
