//! Schedules: looking at them, and starts out of turn.

use gearshift_machine::definition::model::{Definition, Schedule};
use gearshift_machine::machine::{Outcome, Principal, Timestamp};
use gearshift_machine::partition::{PartitionInput, ScheduleOrder};
use gearshift_protocol::command::{TriggerReply, TriggerSchedule};
use gearshift_protocol::query::Definitions;
use gearshift_protocol::view::{Page, ScheduleView};
use gearshift_protocol::{Problem, ProblemKind};

use super::{Reply, problem, reply};
use crate::runtime::{Handle, Held, upcoming};

/// Moments of the future that a look shows.
const SHOWN: usize = 5;

/// All schedules of the newest versions, or those of one workflow.
pub(super) async fn list(handle: &Handle, query: &Definitions) -> Reply {
    let registry = handle.definitions().registry();
    let mut items = Vec::new();
    for definition in registry.iter() {
        let newest = registry.latest(&definition.name);
        let is_newest = newest.is_some_and(|newest| newest.version == definition.version);
        if is_newest && query.name.as_deref().is_none_or(|name| name == &*definition.name) {
            for schedule in &definition.schedules {
                items.push(view(handle, definition, schedule).await?);
            }
        }
    }
    reply(&Page::from(items))
}

async fn view(
    handle: &Handle,
    definition: &Definition,
    schedule: &Schedule,
) -> Result<ScheduleView, Box<Problem>> {
    let (workflow, version) = (&definition.name, definition.version);
    let text = |at: &Timestamp| at.to_string();
    let mut view = ScheduleView {
        id: format!("{workflow}/{}", schedule.name),
        workflow: workflow.to_string(),
        name: schedule.name.to_string(),
        version,
        recurrence: schedule.recurrence.to_string(),
        overlap: schedule.overlap.as_str().to_owned(),
        catch_up: schedule.catch_up.as_str().to_owned(),
        paused: handle.holds().iter().any(|(held, _)| match held {
            Held::Definition(name, held) => {
                **name == **workflow && held.is_none_or(|held| held == version)
            }
            Held::Plugin(_) => false,
        }),
        ..ScheduleView::default()
    };
    let key = Schedule::key(workflow, &schedule.name);
    let key = key.map_err(|reason| problem(ProblemKind::BadRequest, reason))?;
    let Some(state) = handle.schedule(&key).await? else { return Ok(view) };
    if state.recurrence == schedule.recurrence {
        view.next = upcoming(&state.recurrence, state.next, SHOWN).iter().map(text).collect();
    }
    view.last = state.last.as_ref().map(text);
    view.last_instance = state.last_key.map(|key| key.to_string());
    view.running = state.running.iter().map(|run| run.key.to_string()).collect();
    view.waiting = u32::try_from(state.waiting.len()).unwrap_or(u32::MAX);
    (view.started, view.skipped) = (state.started, state.skipped);
    Ok(view)
}

/// A start now.
pub(super) async fn trigger(handle: &Handle, order: &TriggerSchedule, by: Principal) -> Reply {
    let TriggerSchedule { workflow, schedule, reason: _ } = order;
    let id = format!("{workflow}/{schedule}");
    let unknown = || {
        let told = format!("no schedule is called `{}`", id.escape_debug());
        Box::new(Problem::new(ProblemKind::NotFound, told).with_code("GS4032", "unknown_schedule"))
    };
    let key = Schedule::key(workflow, schedule).map_err(|_| unknown())?;
    handle.knows(workflow, None).await?;
    let input = PartitionInput::Schedule { key: key.clone(), order: ScheduleOrder::Trigger { by } };
    let done = handle.input(handle.partition_of(&key), input).await?;
    match done.outcome {
        Outcome::Started { .. } => {
            let state = handle.schedule(&key).await?;
            let instance = state.and_then(|state| state.last_key).map(|key| key.to_string());
            reply(&TriggerReply { schedule: id, instance })
        }
        Outcome::Deferred => reply(&TriggerReply { schedule: id, instance: None }),
        Outcome::Rejected { reason, .. } => {
            let refused = Problem::new(ProblemKind::Conflict, format!("{id}: {reason}"));
            Err(Box::new(refused.with_code("GS4033", "not_started")))
        }
        Outcome::Busy { what } => {
            let told = format!("the limit of {what} is reached");
            let busy = Problem::new(ProblemKind::Unavailable, told).with_code("GS5001", "busy");
            Err(Box::new(busy.with_retry_after_ms(200)))
        }
        Outcome::NotFound { .. }
        | Outcome::Transitioned { .. }
        | Outcome::Ignored { .. }
        | Outcome::Duplicate { .. }
        | Outcome::IdReuse { .. }
        | Outcome::Denied { .. }
        | Outcome::DeadLettered { .. }
        | Outcome::Stuck { .. }
        | Outcome::Done => Err(unknown()),
    }
}
