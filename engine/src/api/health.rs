//! How the engine, its neighbours and the partitions are.

use futures_util::future::join_all;
use gearshift_protocol::view::{EngineView, Health, HealthStatus, PartitionHealth, SourceHealth};

use super::{Reply, holds, reply};
use crate::runtime::{EngineInfo, Handle, IntakeHealth, PartitionHealth as Known};

/// Unread messages of a source from which on health warns.
const LAG_MANY: u64 = 10_000;

/// Health through whichever engine: every partition is asked where it is.
pub(super) async fn health(handle: &Handle) -> Reply {
    let known = handle.health();
    let partitions = join_all(known.into_iter().map(|one| partition(handle, one))).await;
    let told = |one: &PartitionHealth| {
        let reason = one.reason.as_deref()?;
        Some(format!("partition {}: {reason}", one.partition))
    };
    let mut warnings = partitions.iter().filter_map(told).collect::<Vec<_>>();
    warnings.extend(handle.missing_definitions());
    warnings.extend(handle.bus_absence());
    let loads = handle.what_loads();
    let status = if handle.is_stopping() {
        HealthStatus::Draining
    } else if loads.is_some() && warnings.is_empty() {
        HealthStatus::Starting
    } else if warnings.is_empty() {
        HealthStatus::Ready
    } else {
        HealthStatus::Degraded
    };
    warnings.extend(loads);
    // Doors work although a source of bare events is refused.
    let sources = handle.intake();
    warnings.extend(sources.iter().filter_map(behind));
    // What the engine stands on may be weak, and it serves all the same.
    warnings.extend(handle.config().warnings.iter().cloned());
    warnings.extend(holds::warnings(handle));
    reply(&Health {
        status,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        partitions,
        engines: handle.cluster().into_iter().map(engine).collect(),
        sources: sources.into_iter().map(source).collect(),
        warnings,
    })
}

/// What is wrong with a source, in words.
fn behind(source: &IntakeHealth) -> Option<String> {
    let IntakeHealth { stream, lag, reason, .. } = source;
    if let Some(reason) = reason {
        return Some(format!("events of `{stream}` are not read: {reason}"));
    }
    (*lag >= LAG_MANY).then(|| {
        format!(
            "{lag} messages of `{stream}` are stored and not read yet, {LAG_MANY} are many; see \
             whether partitions are busy"
        )
    })
}

fn source(known: IntakeHealth) -> SourceHealth {
    let IntakeHealth { source, stream, position, lag, reason } = known;
    SourceHealth { source: u32::from(source), stream, position, lag, reason }
}

async fn partition(handle: &Handle, known: Known) -> PartitionHealth {
    let mut view = PartitionHealth {
        partition: u32::from(known.partition),
        serving: false,
        epoch: known.epoch,
        position: known.position,
        instances: 0,
        reason: known.reason,
        owner: known.owner,
    };
    if view.reason.is_some() {
        return view;
    }
    match handle.standing(known.partition).await {
        Ok(Some(standing)) => {
            view.serving = true;
            view.epoch = standing.epoch;
            view.position = standing.position;
            view.instances = standing.instances;
        }
        Ok(None) => view.reason = Some("its owner does not answer".to_owned()),
        Err(error) => view.reason = Some(error.to_string()),
    }
    view
}

fn engine(info: EngineInfo) -> EngineView {
    EngineView {
        node: info.node,
        name: info.name,
        version: info.version,
        leaving: info.leaving,
        partitions: info.partitions,
    }
}
