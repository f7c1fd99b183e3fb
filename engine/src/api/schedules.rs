//! Schedules: looking at them, and starts out of turn.

use gearshift_machine::definition::model::{Definition, Schedule};
use gearshift_machine::machine::{InstanceKey, Outcome, Principal, Timestamp};
use gearshift_machine::partition::{PartitionInput, ScheduleOrder, ScheduleState};
use gearshift_protocol::command::{HoldSchedule, TriggerReply, TriggerSchedule};
use gearshift_protocol::query::Definitions;
use gearshift_protocol::view::{
    LeftOutView, Page, ScheduleOrderView, SchedulePauseView, ScheduleView,
};
use gearshift_protocol::{Problem, ProblemKind};

use super::control::INVALID_STATE;
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
    view.last_instance = state.last_key.as_ref().map(ToString::to_string);
    view.running = state.running.iter().map(|run| run.key.to_string()).collect();
    view.waiting = u32::try_from(state.waiting.len()).unwrap_or(u32::MAX);
    (view.started, view.skipped) = (state.started, state.skipped);
    by_people(&mut view, &state);
    Ok(view)
}

/// What people did with it, and why it left moments out.
fn by_people(view: &mut ScheduleView, state: &ScheduleState) {
    view.pause = state.paused.as_ref().map(|pause| SchedulePauseView {
        since: pause.since.to_string(),
        by: pause.by.to_string(),
        reason: pause.reason.to_string(),
    });
    view.paused |= view.pause.is_some();
    view.left_out = state.left_out.as_ref().map(|left_out| LeftOutView {
        at: left_out.at.to_string(),
        reason: left_out.reason.to_string(),
    });
    let orders = state.orders.iter().map(|order| ScheduleOrderView {
        at: order.at.to_string(),
        what: order.what.to_string(),
        by: order.by.to_string(),
        reason: order.reason.to_string(),
        came: order.came.to_string(),
    });
    view.orders = orders.collect();
}

/// A start now.
pub(super) async fn trigger(handle: &Handle, order: &TriggerSchedule, by: Principal) -> Reply {
    let TriggerSchedule { workflow, schedule, reason } = order;
    let meant = Meant::new(workflow, schedule)?;
    let order = ScheduleOrder::Trigger { by, reason: reason.as_str().into() };
    let outcome = meant.give(handle, order).await?;
    let instance = if let Outcome::Started { .. } = outcome {
        let state = handle.schedule(&meant.key).await?;
        state.and_then(|state| state.last_key).map(|key| key.to_string())
    } else if outcome == Outcome::Deferred {
        None
    } else {
        return Err(meant.refused(outcome, ("GS4033", "not_started")));
    };
    reply(&TriggerReply { schedule: meant.id, instance })
}

/// No starts by the calendar, or starts again.
pub(super) async fn hold(
    handle: &Handle,
    order: &HoldSchedule,
    pauses: bool,
    by: Principal,
) -> Reply {
    let HoldSchedule { workflow, schedule, reason } = order;
    let meant = Meant::new(workflow, schedule)?;
    let reason = reason.as_str().into();
    let order = match pauses {
        true => ScheduleOrder::Pause { by, reason },
        false => ScheduleOrder::Resume { by, reason },
    };
    let outcome = meant.give(handle, order).await?;
    if outcome != Outcome::Done {
        return Err(meant.refused(outcome, INVALID_STATE));
    }
    let registry = handle.definitions().registry();
    let latest = registry.latest(workflow);
    let declared = latest.and_then(|latest| Some((latest, latest.schedule(schedule)?)));
    let (definition, schedule) = declared.ok_or_else(|| meant.unknown())?;
    reply(&view(handle, definition, schedule).await?)
}

/// The schedule that an order names.
struct Meant {
    id: String,
    key: InstanceKey,
}

impl Meant {
    fn new(workflow: &str, schedule: &str) -> Result<Self, Box<Problem>> {
        let id = format!("{workflow}/{schedule}");
        match Schedule::key(workflow, schedule) {
            Ok(key) => Ok(Self { id, key }),
            Err(_) => Err(unknown(&id)),
        }
    }

    fn unknown(&self) -> Box<Problem> {
        unknown(&self.id)
    }

    /// What comes of an order that its partition is given.
    async fn give(&self, handle: &Handle, order: ScheduleOrder) -> Result<Outcome, Box<Problem>> {
        let workflow = Schedule::of_key(&self.key).map_or("", |(workflow, _)| workflow);
        handle.knows(workflow, None).await?;
        let input = PartitionInput::Schedule { key: self.key.clone(), order };
        Ok(handle.input(handle.partition_of(&self.key), input).await?.outcome)
    }

    /// What the asker is told whose order was not done.
    fn refused(&self, outcome: Outcome, (code, name): (&str, &str)) -> Box<Problem> {
        match outcome {
            Outcome::Rejected { reason, .. } => {
                let told = format!("{}: {reason}", self.id);
                Box::new(Problem::new(ProblemKind::Conflict, told).with_code(code, name))
            }
            Outcome::Busy { what } => {
                let told = format!("the limit of {what} is reached");
                let busy = Problem::new(ProblemKind::Unavailable, told).with_code("GS5001", "busy");
                Box::new(busy.with_retry_after_ms(200))
            }
            Outcome::NotFound { .. }
            | Outcome::Started { .. }
            | Outcome::Deferred
            | Outcome::Transitioned { .. }
            | Outcome::Ignored { .. }
            | Outcome::Duplicate { .. }
            | Outcome::IdReuse { .. }
            | Outcome::Denied { .. }
            | Outcome::DeadLettered { .. }
            | Outcome::Stuck { .. }
            | Outcome::Done => self.unknown(),
        }
    }
}

fn unknown(id: &str) -> Box<Problem> {
    let told = format!("no schedule is called `{id}`");
    Box::new(Problem::new(ProblemKind::NotFound, told).with_code("GS4032", "unknown_schedule"))
}
