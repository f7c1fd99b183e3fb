//! Migration: an instance goes on under another version; first it is told what that means.

use std::sync::Arc;

use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{Command, Instance, Principal, migrate};
use gearshift_protocol::command::{Migrate, MigrateReply};
use gearshift_protocol::{Problem, ProblemKind};

use super::{Reply, commands, problem, reply, resolve, wire};
use crate::runtime::{Error, Handle};

/// Migrates one instance; everything is looked at before it is ordered.
pub(super) async fn perform(handle: &Handle, order: Migrate, by: Principal) -> Reply {
    let key = resolve::instance(handle, &order.instance).await?;
    let Some(old) = handle.instance(&key).await? else {
        let detail = format!("no instance `{key}`");
        let missing = Problem::new(ProblemKind::NotFound, detail);
        return Err(Box::new(missing.with_code("GS4002", "unknown_instance")));
    };
    let workflow = key.workflow();
    let name = match order.version {
        Some(version) => format!("{workflow}@{version}"),
        None => workflow.to_owned(),
    };
    if !handle.knows(workflow, order.version).await? {
        return Err(Error::UnknownWorkflow { name }.into());
    }
    let registry = handle.definitions().registry();
    let to = match order.version {
        Some(version) => registry.get(workflow, version),
        None => registry.latest(workflow),
    };
    let to = to.cloned().ok_or_else(|| Error::UnknownWorkflow { name })?;
    let from = registry.pinned(workflow, old.pin).cloned();
    let from = from.ok_or_else(|| {
        let name = format!("{workflow}@{}", old.pin.version);
        Error::UnknownWorkflow { name }
    })?;
    let states: Vec<(Arc<str>, Arc<str>)> = order
        .states
        .iter()
        .map(|(left, right)| (left.as_str().into(), right.as_str().into()))
        .collect();
    if old.pin == to.pin() && !old.status.is_ended() {
        return reply(&unchanged(&old, &to, order.dry_run));
    }
    let now = handle.config().clock.now();
    let planned = migrate(&old, &from, &to, &states, now).map_err(|reason| {
        let detail = format!("{key}: {reason}");
        let refused = Problem::new(ProblemKind::Conflict, detail).with_instance(key.to_string());
        Box::new(refused.with_code("GS4016", "not_migrated"))
    })?;
    let mut answer = MigrateReply {
        instance: key.to_string(),
        from: from.version,
        to: to.version,
        before: wire::state_names(&from, &old.active),
        after: wire::state_names(&to, &planned.instance.active),
        notes: planned.notes,
        unchanged: false,
        dry_run: order.dry_run,
    };
    if order.dry_run {
        return reply(&answer);
    }
    let command = Command::Migrate { version: to.version, states };
    let reason = Arc::from(order.reason.as_str());
    let done = handle.command(key.clone(), command, by, reason).await?;
    let verdict = wire::verdict(&key, &done);
    if let Err(refused) = commands::refuse(&verdict) {
        // It may have moved on since it was looked at; somebody else may have migrated it, too.
        let now = handle.instance(&key).await?;
        if let Some(now) = now.filter(|now| now.pin == to.pin() && !now.status.is_ended()) {
            return reply(&unchanged(&now, &to, false));
        }
        let told = problem(refused.kind(), refused.detail.clone());
        let told = told.with_code("GS4016", "not_migrated").with_instance(key.to_string());
        return Err(Box::new(told));
    }
    answer.after = verdict.active;
    reply(&answer)
}

/// The answer for an instance that runs the version already.
fn unchanged(instance: &Instance, definition: &Definition, dry_run: bool) -> MigrateReply {
    let active = wire::state_names(definition, &instance.active);
    MigrateReply {
        instance: instance.key.to_string(),
        from: definition.version,
        to: definition.version,
        before: active.clone(),
        after: active,
        notes: Vec::new(),
        unchanged: true,
        dry_run,
    }
}
