//! When an engine has nothing more to do before its clock moves.

use std::time::Duration;

use gearshift_machine::machine::{Effect, Timestamp};
use gearshift_machine::partition::{Definitions, Partition};

use super::stand_in::StandIn;
use crate::runtime::{Clock, Error, Handle};

/// Looks that must see the same before it counts as quiet: what was published may be on its way
/// back in.
const ROUNDS: u32 = 6;
/// Real time between them.
const BETWEEN: Duration = Duration::from_millis(5);
/// How long something may be under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one partition looks like.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    state: Vec<u8>,
    next_due: Option<i64>,
    /// Messages that are not confirmed yet.
    unsent: usize,
    /// Attempts whose answer is waited for.
    asked: Vec<(String, u32)>,
}

/// Returns once nothing happens any more; tells when something is due next.
pub(super) async fn settle(
    handle: &Handle,
    plugins: &StandIn,
    clock: &Clock,
) -> Result<Option<Timestamp>, String> {
    let waited = tokio::time::timeout(PATIENCE, until_quiet(handle, plugins, clock)).await;
    match waited {
        Ok(next) => next.map_err(|error| error.to_string()),
        Err(_) => Err(format!("something is still under way after {PATIENCE:?}")),
    }
}

async fn until_quiet(
    handle: &Handle,
    plugins: &StandIn,
    clock: &Clock,
) -> Result<Option<Timestamp>, Error> {
    let (mut last, mut same) = (Vec::new(), 0);
    loop {
        let definitions = handle.definitions().registry();
        let seen = handle.look_everywhere(move |partition| look(partition, &definitions)).await?;
        let is_busy = seen.iter().any(|one| is_busy(one, plugins, clock.now()));
        same = if !is_busy && seen == last { same + 1 } else { 0 };
        if same == ROUNDS {
            return Ok(seen.iter().filter_map(|one| one.next_due).min().map(Timestamp));
        }
        last = seen;
        tokio::time::sleep(BETWEEN).await;
    }
}

fn look(partition: &Partition, definitions: &Definitions) -> Seen {
    let pending = partition.pending_effects(definitions);
    let unsent = pending.iter().filter(|(_, effect)| !matches!(effect, Effect::Call(_))).count();
    let instances = partition.instances_from(None, usize::MAX);
    let calls = instances.iter().flat_map(|instance| &instance.sequences);
    let calls = calls.filter_map(|running| running.call.as_ref());
    let asked = calls.filter(|call| call.sent).map(|call| (call.id.to_string(), call.attempt));
    Seen {
        state: partition.state_bytes(),
        next_due: partition.next_due().map(|due| due.0),
        unsent,
        asked: asked.collect(),
    }
}

fn is_busy(seen: &Seen, plugins: &StandIn, now: Timestamp) -> bool {
    let is_due = seen.next_due.is_some_and(|due| due <= now.0);
    let is_asked = seen.asked.iter().any(|(call, attempt)| !plugins.is_silent(call, *attempt));
    is_due || seen.unsent > 0 || is_asked
}
