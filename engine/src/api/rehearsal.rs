//! Orders that are carried out, or only looked at: the same decision either way.

use std::sync::Arc;

use gearshift_machine::machine::{Command, InstanceKey, Principal};
use gearshift_machine::partition::{Done, Partition, PartitionInput};
use gearshift_protocol::{Problem, ProblemKind};

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

/// Gives the order to the instance, or to a copy of it as it stands now.
pub(super) async fn ordered(
    handle: &Handle,
    key: &InstanceKey,
    command: Command,
    (by, reason): (Principal, &str),
    run: Run,
) -> Result<Done, Box<Problem>> {
    let reason = Arc::from(reason);
    if run == Run::ForReal {
        return Ok(handle.command(key.clone(), command, by, reason).await?);
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
    let order = PartitionInput::Command { key: key.clone(), command, by, reason };
    let now = handle.config().clock.now();
    Ok(Partition::rehearse(instance, &index.definitions, order, now))
}
