//! `cancel`, `kill`, `retry`, `skip`: orders to instances, one, several or all that fit.

use clap::Args;

use super::args::Global;
use super::bulk::{Chosen, Deed, to_each};
use super::failure::Outcome;

const EXAMPLES: &str = "\
Examples:
  gearshift cancel doc-43 --reason 'withdrawn by the author'
  gearshift retry --where \"status == 'stuck' && workflow == 'order'\" --dry-run
  gearshift retry --where \"status == 'stuck' && workflow == 'order'\" --reason INC-512 --yes
  gearshift ls -o jsonl | jq -r .id | gearshift kill - --yes

`cancel` takes back what was done and lets exit actions run, `kill` does neither. `retry` re-runs
only what failed, `skip` leaves it behind. Exit 8: some of several failed.";

/// `gearshift cancel`, `kill`, `retry` and `skip`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RepairArgs {
    #[command(flatten)]
    chosen: Chosen,
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
    const fn deed(self) -> Deed {
        match self {
            Self::Cancel => Deed { verb: "cancel", done: "cancelled" },
            Self::Kill => Deed { verb: "kill", done: "killed" },
            Self::Retry => Deed { verb: "retry", done: "retried" },
            Self::Skip => Deed { verb: "skip", done: "skipped" },
        }
    }
}

/// Gives an order to each instance.
pub(super) async fn repair(global: &Global, args: &RepairArgs, verb: Verb) -> Outcome {
    let reason = &global.reason;
    to_each(global, &args.chosen, verb.deed(), async |client, id| match verb {
        Verb::Cancel => client.cancel(id, reason).await,
        Verb::Kill => client.kill(id, reason).await,
        Verb::Retry => client.retry(id, reason).await,
        Verb::Skip => client.skip(id, reason).await,
    })
    .await
}
