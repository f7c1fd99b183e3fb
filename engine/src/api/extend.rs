//! Further steps for an instance that runs: checked with its definition, deployed as a derived
//! version, and run in it (decision 0026).

use std::sync::Arc;

use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{self, Extended, Format, Further};
use gearshift_machine::machine::{Command, Instance, Phase, Principal, migrate_extended};
use gearshift_protocol::command::{AddSteps, AddStepsReply, Format as Written};
use gearshift_protocol::{Problem, ProblemKind};

use super::control::{INVALID_STATE, known, refuse_as};
use super::{Reply, reply, resolve, wire};
use crate::runtime::{Error, Handle};

/// Numbers tried for a derived version: that even two are taken by other content is next to
/// impossible.
const TURNS: u32 = 4;

/// Gives an instance further steps; everything is looked at before anything is deployed.
pub(super) async fn perform(handle: &Handle, order: AddSteps, by: Principal) -> Reply {
    let key = resolve::instance(handle, &order.instance).await?;
    let (old, base) = known(handle, &key, None).await?;
    let refused = |reason: String| {
        let told = Problem::new(ProblemKind::Conflict, format!("{key}: {reason}"));
        let told = told.with_code(INVALID_STATE.0, INVALID_STATE.1);
        Box::new(told.with_instance(key.to_string()))
    };
    if old.status.is_ended() {
        return Err(refused("the instance has ended".to_owned()));
    }
    let graph = graph_of(&old, &base, order.state.as_deref()).map_err(refused)?;
    let extended = extended(handle, &base, graph, &order)?;
    let Extended { definition, added, warnings } = extended;
    let now = handle.config().clock.now();
    let planned = migrate_extended(&old, &base, &definition, now).map_err(refused)?;
    let version = definition.version;
    let answer = AddStepsReply {
        instance: key.to_string(),
        from: base.version,
        to: version,
        steps: added.iter().map(ToString::to_string).collect(),
        notes: planned.notes,
        diagnostics: warnings.iter().filter_map(|it| serde_json::to_value(it).ok()).collect(),
        dry_run: order.dry_run,
    };
    if order.dry_run {
        return reply(&answer);
    }
    handle.deploy(definition).await?;
    let command = Command::Extend { from: base.pin(), version };
    let done = handle.command(key.clone(), command, by, Arc::from(order.reason.as_str())).await?;
    refuse_as(&wire::verdict(&key, &done), INVALID_STATE)?;
    reply(&answer)
}

/// The definition with the steps, under a number that is not taken by other content.
fn extended(
    handle: &Handle,
    base: &Definition,
    graph: u16,
    order: &AddSteps,
) -> Result<Extended, Error> {
    let format = if order.format == Written::Json { Format::Json } else { Format::Yaml };
    let further = Further { text: &order.text, origin: &order.origin, format };
    let registry = handle.definitions().registry();
    let mut turn = 0;
    loop {
        let made = definition::extend(base, graph, further, turn).map_err(Error::Definition)?;
        let taken = registry.get(&base.name, made.definition.version);
        let fits = taken.is_none_or(|known| known.hash == made.definition.hash);
        turn += 1;
        // The deployment refuses a number that is taken.
        if fits || turn == TURNS {
            return Ok(made);
        }
    }
}

/// The steps that are meant: those of `state`, else the only ones that run.
fn graph_of(
    instance: &Instance,
    definition: &Definition,
    state: Option<&str>,
) -> Result<u16, String> {
    let all = || (0_u16..).zip(&definition.graphs);
    let name = |number: u16| {
        let graph = definition.graphs.get(usize::from(number));
        graph.map(|graph| format!("`{}`", definition.state(graph.state).id)).unwrap_or_default()
    };
    if let Some(state) = state {
        let found = all().find(|(_, graph)| *definition.state(graph.state).id == *state);
        return found.map(|(number, _)| number).ok_or_else(|| {
            let with: Vec<_> = all().map(|(number, _)| name(number)).collect();
            let with = if with.is_empty() { "none".to_owned() } else { with.join(", ") };
            format!("`{}` has no steps; states with steps: {with}", state.escape_debug())
        });
    }
    let runs = instance.progress.as_deref().map(|it| it.graphs.as_slice()).unwrap_or_default();
    let open: Vec<_> = runs.iter().filter(|run| run.phase == Phase::Running).collect();
    match open.as_slice() {
        [only] => Ok(only.graph),
        [] => Err("no steps run: what has ended gets no further ones".to_owned()),
        several => {
            let of: Vec<_> = several.iter().map(|run| name(run.graph)).collect();
            Err(format!("steps of {} run: say of which state the further ones are", of.join(", ")))
        }
    }
}
