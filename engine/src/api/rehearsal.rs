//! Orders that are carried out, or only looked at: the same decision either way.

use std::sync::Arc;

use gearshift_machine::machine::{Command, Instance, InstanceKey, Principal};
use gearshift_machine::partition::{Done, Partition, PartitionInput};
use gearshift_protocol::{Problem, ProblemKind};

use super::foreseen::{self, Foreseen};
use crate::runtime::Handle;

/// Is an order carried out, or is it only told what would become of it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// It is carried out.
    ForReal,
    /// Nothing is written.
    Dry,
}

impl From<bool> for Run {
    fn from(dry_run: bool) -> Self {
        if dry_run { Self::Dry } else { Self::ForReal }
    }
}

/// Gives the order to the instance, or to a copy of it as it stands now: the answer, and what is
/// left out then of what cleans up, where the order may leave something out; of a copy also what it
/// takes back and does again.
pub(super) async fn ordered(
    handle: &Handle,
    key: &InstanceKey,
    command: Command,
    (by, reason): (Principal, &str),
    run: Run,
) -> Result<(Done, Foreseen), Box<Problem>> {
    let reason = Arc::from(reason);
    let leaves_out = matches!(
        command,
        Command::Cancel | Command::Kill | Command::Skip | Command::RollBack { .. }
    );
    let left_out = |behind: Option<&Instance>| match behind.filter(|_| leaves_out) {
        Some(behind) => behind.left_out().iter().map(ToString::to_string).collect(),
        None => Vec::new(),
    };
    if run == Run::ForReal {
        let done = handle.command(key.clone(), command, by, reason).await?;
        // It was carried out: that nobody can be asked any more makes no failure of it.
        let behind = if leaves_out { handle.instance(key).await.ok().flatten() } else { None };
        let left_out = left_out(behind.as_ref());
        return Ok((done, Foreseen { left_out, ..Foreseen::default() }));
    }
    let Some(instance) = handle.instance(key).await? else {
        let told = Problem::new(ProblemKind::NotFound, format!("no instance `{key}`"));
        return Err(Box::new(told.with_code("GS4002", "unknown_instance")));
    };
    let is_known =
        || handle.definitions().registry().pinned(key.workflow(), instance.pin).is_some();
    // Another engine may have deployed it; where nobody has it, the decision says so.
    if !is_known() {
        handle.refresh().await?;
    }
    let index = handle.definitions().index();
    let again = matches!(command, Command::Retry);
    let order = PartitionInput::Command { key: key.clone(), command, by, reason };
    let now = handle.config().clock.now();
    let before = (key, Some(instance.clone()));
    let (done, behind) = Partition::rehearse(before, &index.definitions, order, now);
    let registry = handle.definitions().registry();
    let definition = registry.pinned(key.workflow(), instance.pin);
    let mut foreseen = Foreseen { left_out: left_out(behind.as_ref()), ..Foreseen::default() };
    if let (Some(behind), Some(definition)) = (&behind, definition) {
        foreseen.takes_back = foreseen::takes_back(&instance, behind, definition);
        if again {
            foreseen.does_again = foreseen::does_again(&instance, behind, definition);
        }
    }
    Ok((done, foreseen))
}

/// What the order to begin as a fork would come to for `key`, and the instance behind that.
pub(super) async fn forked(
    handle: &Handle,
    key: &InstanceKey,
    command: Command,
    (by, reason): (Principal, &str),
) -> Result<(Done, Option<Instance>), Box<Problem>> {
    let there = handle.instance(key).await?;
    let index = handle.definitions().index();
    let order =
        PartitionInput::Command { key: key.clone(), command, by, reason: Arc::from(reason) };
    let now = handle.config().clock.now();
    Ok(Partition::rehearse((key, there), &index.definitions, order, now))
}
