//! How far step graphs are: durable progress → what people read.

use std::sync::Arc;

use gearshift_machine::definition::model::{Definition, Graph, NeedKind, SeqStep, Step};
use gearshift_machine::machine::{
    FanState, Instance, ItemState, Phase, Role, RunningGraph, RunningSequence, Status, StepState,
    StepStatus, Timestamp,
};
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::view::{
    ItemsView, RollbackView, StepErrorView, StepStatus as Wire, StepView, StepsView,
    WorkflowMetrics,
};

use super::{items, wire};

/// The heaviest result that a view shows.
const RESULT_MAX: usize = 4 * 1_024;

/// Waiting steps that are told one by one.
const PENDING_TOLD: usize = 10;

/// All steps of the instance's graphs. A graph that did not run yet shows as pending while the
/// instance lives.
pub(super) fn view(instance: &Instance, definition: &Definition, now: Timestamp) -> StepsView {
    let mut all = StepsView::default();
    let mut settled = 0_u32;
    for (number, graph) in (0_u16..).zip(&definition.graphs) {
        let run = run_of(instance, number);
        if run.is_none() && instance.status.is_ended() {
            continue;
        }
        for (at, step) in graph.steps.iter().enumerate() {
            let state = run.and_then(|run| run.steps.get(at));
            let one = step_view(instance, graph, (step, at), run.zip(state), now);
            let is_settled = state.is_some_and(|state| state.ended_at.is_some());
            settled += u32::from(is_settled && is_through(one.status));
            all.total_steps += 1;
            all.completed_steps += u32::from(one.status == Wire::Completed);
            if matches!(one.status, Wire::Running | Wire::Retrying) {
                all.current_step.push(one.id.clone());
            }
            all.steps.push(one);
        }
    }
    if all.total_steps > 0 {
        let done = instance.status == Status::Done;
        all.progress =
            Some(if done { 1.0 } else { f64::from(settled) / f64::from(all.total_steps) });
    }
    all.rollback = rollback(instance, definition);
    all
}

/// What is known of each step, for filters: `steps.<id>.status` and its like.
pub(super) fn facts(instance: &Instance, definition: &Definition) -> Map {
    let mut all = Map::new();
    for (number, graph) in (0_u16..).zip(&definition.graphs) {
        let run = run_of(instance, number);
        for (at, step) in graph.steps.iter().enumerate() {
            let pending = StepState::default();
            let state = run.and_then(|run| run.steps.get(at)).unwrap_or(&pending);
            let is_cut_off = run.is_some_and(|run| is_cut_off(instance, run.id, (at, state)));
            all.insert(Arc::clone(&step.id), fact(state, is_cut_off));
        }
    }
    all
}

fn fact(state: &StepState, is_cut_off: bool) -> Value {
    let error = state.error.as_deref().map(|error| {
        Value::from(Map::from_iter([
            ("kind", Value::from(error.kind.as_str())),
            ("code", Value::String(Arc::clone(&error.code))),
            ("message", Value::String(Arc::clone(&error.message))),
        ]))
    });
    let status = if is_cut_off { StepStatus::Cancelled } else { state.status };
    let fields = [
        ("status", Value::from(status.as_str())),
        ("result", state.output.clone()),
        ("error", error.unwrap_or_default()),
        ("retry_count", Value::Int(i64::from(state.attempts.saturating_sub(1)))),
        ("cached", Value::from(state.cached)),
    ];
    Map::from_iter(fields).into()
}

/// Is the step done for good? What failed, was cut off or taken back is not, although it is over.
const fn is_through(status: Wire) -> bool {
    matches!(status, Wire::Completed | Wire::Skipped)
}

fn run_of(instance: &Instance, number: u16) -> Option<&RunningGraph> {
    instance.progress.as_deref()?.graphs.iter().find(|run| run.graph == number)
}

/// Was the step under way, and is not any more because something is taken back? It is settled only
/// when all is taken back.
fn is_cut_off(instance: &Instance, graph: u32, (at, state): (usize, &StepState)) -> bool {
    let rolls_back =
        instance.progress.as_deref().is_some_and(|progress| progress.rollback.is_some());
    let works = matches!(state.status, StepStatus::Running | StepStatus::Retrying);
    let is_own = |running: &RunningSequence| match running.role {
        Role::Step { graph: of, step, .. } => (of, usize::from(step)) == (graph, at),
        Role::State | Role::Undo { .. } | Role::Finally { .. } => false,
    };
    rolls_back && works && !instance.sequences.iter().any(is_own)
}

fn step_view(
    instance: &Instance,
    graph: &Graph,
    (step, at): (&Step, usize),
    known: Option<(&RunningGraph, &StepState)>,
    now: Timestamp,
) -> StepView {
    let mut one =
        StepView { id: step.id.to_string(), title: step.title.to_string(), ..StepView::default() };
    let Some((run, state)) = known else { return one };
    let is_cut_off = is_cut_off(instance, run.id, (at, state));
    one.status = if is_cut_off { Wire::Cancelled } else { status(state.status) };
    let weight = state.output.weight();
    if weight <= RESULT_MAX {
        one.result = wire::json(&state.output);
    } else {
        one.result_bytes = u64::try_from(weight).ok();
    }
    one.error = state.error.as_deref().map(|error| StepErrorView {
        kind: error.kind.as_str().to_owned(),
        code: error.code.to_string(),
        message: error.message.to_string(),
    });
    one.retry_count = state.attempts.saturating_sub(1);
    one.cached = state.cached;
    one.started_at = state.started_at.map(|at| at.to_string());
    // What failed and waits for a person, or for its fallback, takes no longer for that.
    let failed_at = state.stopped_at.filter(|_| one.status == Wire::Failed);
    let ended_at = state.ended_at.or(failed_at);
    one.ended_at = ended_at.map(|at| at.to_string());
    let works = matches!(one.status, Wire::Running | Wire::Retrying);
    let until = ended_at.or_else(|| works.then_some(now));
    one.duration_ms = state.started_at.zip(until).map(|(began, until)| until.since_ms(began));
    one.items = state.fan.as_deref().map(counted);
    items::add(&mut one, state);
    let goes_on = instance.progress.as_deref().is_none_or(|progress| progress.rollback.is_none());
    if state.status == StepStatus::Pending && run.phase == Phase::Running && goes_on {
        one.waits_for = waits_for(graph, run, step);
    }
    one
}

const fn status(status: StepStatus) -> Wire {
    match status {
        StepStatus::Pending => Wire::Pending,
        StepStatus::Running => Wire::Running,
        StepStatus::Retrying => Wire::Retrying,
        StepStatus::Completed => Wire::Completed,
        StepStatus::Failed => Wire::Failed,
        StepStatus::Skipped => Wire::Skipped,
        StepStatus::Cancelled => Wire::Cancelled,
        StepStatus::Undone => Wire::Undone,
    }
}

fn counted(fan: &FanState) -> ItemsView {
    let mut counted = ItemsView::default();
    for item in fan.items.iter() {
        counted.total += 1;
        match item {
            ItemState::Open => {}
            ItemState::Done(_) => counted.done += 1,
            ItemState::Failed(_) | ItemState::Unkept(_) => counted.failed += 1,
        }
    }
    counted
}

/// What a pending step needs that is not over yet.
fn waits_for(graph: &Graph, run: &RunningGraph, step: &Step) -> Vec<String> {
    let name = |at: u16| graph.steps.get(usize::from(at)).map(|step| step.id.to_string());
    let open = |at: u16| {
        run.steps.get(usize::from(at)).is_some_and(|state: &StepState| state.ended_at.is_none())
    };
    if let Some(primary) = step.fallback_of {
        return name(primary).map(|primary| format!("failure of {primary}")).into_iter().collect();
    }
    let mut list = Vec::new();
    for need in &step.needs {
        let waiting = need.of.iter().copied().filter(|at| open(*at)).filter_map(name);
        let of = || need.of.iter().copied().filter_map(name).collect::<Vec<_>>().join(", ");
        let met = |least: usize| {
            let states = need.of.iter().filter_map(|at| run.steps.get(usize::from(*at)));
            states.filter(|state| state.status == StepStatus::Completed).count() >= least
        };
        match need.kind {
            NeedKind::All | NeedKind::After => {
                for name in waiting {
                    if !list.contains(&name) {
                        list.push(name);
                    }
                }
            }
            NeedKind::Any if !met(1) => list.push(format!("one of {}", of())),
            NeedKind::AtLeast(least) if !met(usize::from(least)) => {
                list.push(format!("{least} of {}", of()));
            }
            NeedKind::Any | NeedKind::AtLeast(_) => {}
        }
    }
    list
}

fn rollback(instance: &Instance, definition: &Definition) -> Option<RollbackView> {
    let progress = instance.progress.as_deref()?;
    let rollback = progress.rollback.as_deref()?;
    let current = instance.sequences.iter().find_map(|running| match running.role {
        Role::Undo { undo } => progress.undo.iter().find(|entry| entry.id == undo),
        Role::State | Role::Step { .. } | Role::Finally { .. } => None,
    });
    let step = current.and_then(|entry| entry.step).and_then(|(run, step)| {
        let graph = progress.run(run)?.graph;
        Some(definition.step(graph, step)?.id.to_string())
    });
    let least = rollback.down_to.unwrap_or_default();
    let left = progress.undo.iter().filter(|entry| entry.id >= least).count();
    let awaited = instance.sequences.iter().filter(|it| instance.is_last_reply(it)).count();
    Some(RollbackView {
        reason: rollback.reason.to_string(),
        step,
        left: u64::try_from(left).unwrap_or(u64::MAX),
        awaited: u64::try_from(awaited).unwrap_or(u64::MAX),
    })
}

/// The name of the step that a sequence works for, with the number of its item.
pub(super) fn name_of(definition: &Definition, instance: &Instance, role: Role) -> Option<String> {
    let (graph, step, item) = match role {
        Role::State => return None,
        Role::Step { graph, step, item } => (graph, step, item),
        Role::Undo { undo } => {
            let progress = instance.progress.as_deref()?;
            let (graph, step) = progress.undo.iter().find(|entry| entry.id == undo)?.step?;
            (graph, step, None)
        }
        Role::Finally { .. } => return Some("finally".to_owned()),
    };
    let run = instance.progress.as_deref()?.run(graph)?;
    let id = &definition.step(run.graph, step)?.id;
    Some(item.map_or_else(|| id.to_string(), |item| format!("{id}[{item}]")))
}

/// What the timer of a graph, or of one of its steps, is called.
pub(super) fn deadline_name(
    definition: &Definition,
    instance: &Instance,
    graph: u32,
    step: Option<u16>,
) -> String {
    let run = instance.progress.as_deref().and_then(|progress| progress.run(graph));
    let step = step.and_then(|step| definition.step(run?.graph, step));
    match step {
        Some(step) => format!("deadline of step {}", step.id),
        None => "timeout of the steps".to_owned(),
    }
}

/// What steps wait for that no call, child or timer tells of: an event, their needs, a person.
pub(super) fn waits(instance: &Instance, definition: &Definition, view: &StepsView) -> Vec<String> {
    let mut lines = Vec::new();
    // Behind the last of it runs what its end is for.
    if let Some(rollback) = view.rollback.as_ref().filter(|it| it.left + it.awaited > 0) {
        let now = rollback.step.as_ref().map_or_else(String::new, |step| format!(", now `{step}`"));
        let left = rollback.left;
        lines.push(format!("takes back what was done: {}{now}, {left} left", rollback.reason));
        if rollback.awaited > 0 {
            let awaited = rollback.awaited;
            lines.push(format!(
                "waits first for calls under way, {awaited} of them: what succeeds is taken back too"
            ));
        }
    }
    for running in &instance.sequences {
        let Some(events) = awaited(definition, running) else { continue };
        let step = name_of(definition, instance, running.role).unwrap_or_default();
        lines.push(format!("step `{step}` waits for event {events}"));
    }
    let mut pending = 0;
    for step in &view.steps {
        match (step.status, &step.error) {
            (Wire::Failed, Some(error)) => {
                lines.push(format!("step `{}` failed: {}: {}", step.id, error.kind, error.message));
                items::why(step, &mut lines);
            }
            (Wire::Retrying, Some(error)) => lines.push(format!(
                "step `{}` will be tried again after {}: {}",
                step.id, error.kind, error.message
            )),
            (Wire::Running, _) if step.items.is_some() => {
                let ItemsView { total, done, failed } = step.items.unwrap_or_default();
                lines.push(format!(
                    "step `{}` has {done} of {total} items done, {failed} failed",
                    step.id
                ));
                items::why(step, &mut lines);
            }
            (Wire::Pending, _) if !step.waits_for.is_empty() && is_due(definition, &step.id) => {
                pending += 1;
                if pending <= PENDING_TOLD {
                    lines.push(format!("step `{}` needs {}", step.id, step.waits_for.join(", ")));
                }
            }
            (_, _) => {}
        }
    }
    if pending > PENDING_TOLD {
        lines.push(format!("{} more steps wait for others", pending - PENDING_TOLD));
    }
    lines
}

/// A fallback waits for a failure: that is no reason why something does not go on.
fn is_due(definition: &Definition, step: &str) -> bool {
    let found = definition.step_named(step).and_then(|(graph, at)| definition.step(graph, at));
    found.is_some_and(|step| step.fallback_of.is_none())
}

/// The events that a sequence waits for.
fn awaited(definition: &Definition, running: &RunningSequence) -> Option<String> {
    let program = definition.sequences.get(usize::from(running.sequence))?;
    let Some(SeqStep::Wait { events, .. }) = program.steps.get(usize::from(running.position))
    else {
        return None;
    };
    Some(events.iter().map(|event| format!("`{event}`")).collect::<Vec<_>>().join(" or "))
}

/// Adds what became of one instance.
pub(super) fn count(metrics: &mut WorkflowMetrics, took: &mut u64, instance: &Instance) {
    metrics.total += 1;
    let place = match instance.status {
        Status::Done => &mut metrics.completed,
        Status::Failed => &mut metrics.failed,
        Status::Cancelled => &mut metrics.cancelled,
        Status::Stuck => &mut metrics.stuck,
        Status::Running | Status::Paused | Status::Compensating => &mut metrics.running,
    };
    *place += 1;
    let runs = instance.progress.iter().flat_map(|progress| &progress.graphs);
    for state in runs.flat_map(|run| run.steps.iter()) {
        match state.status {
            StepStatus::Completed => metrics.steps_completed += 1,
            StepStatus::Failed => metrics.steps_failed += 1,
            StepStatus::Skipped => metrics.steps_skipped += 1,
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Retrying
            | StepStatus::Cancelled
            | StepStatus::Undone => {}
        }
    }
    if instance.status != Status::Done {
        return;
    }
    let spent = instance.updated_at.since_ms(instance.started_at);
    *took = took.saturating_add(spent);
    metrics.min_ms = Some(metrics.min_ms.map_or(spent, |least| least.min(spent)));
    metrics.max_ms = Some(metrics.max_ms.map_or(spent, |most| most.max(spent)));
    metrics.mean_ms = took.checked_div(metrics.completed);
}
