//! How far step graphs are: durable progress → what people read.

use std::collections::BTreeSet;
use std::sync::Arc;

use gearshift_machine::definition::model::{Definition, Graph, NeedKind, Step};
use gearshift_machine::machine::{
    EffectId, FanState, HELD_BACK, Instance, ItemState, Phase, Role, RunningGraph, RunningSequence,
    Status, StepError, StepState, StepStatus, Timestamp,
};
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::view::{
    ItemsView, RollbackView, StepErrorView, StepStatus as Wire, StepView, StepsView,
    WorkflowMetrics,
};

use super::{items, plain, undone, wire};

/// The heaviest result that a view shows.
const RESULT_MAX: usize = 4 * 1_024;

/// All steps of the instance's graphs. A graph that did not run yet shows as pending while the
/// instance lives.
pub(super) fn view(instance: &Instance, definition: &Definition, now: Timestamp) -> StepsView {
    let mut all = StepsView::default();
    let mut settled = 0_u32;
    let seen = Seen { instance, definition, kept: kept(instance), now };
    for (number, graph) in (0_u16..).zip(&definition.graphs) {
        let run = run_of(instance, number);
        if run.is_none() && instance.status.is_ended() {
            continue;
        }
        for (at, step) in graph.steps.iter().enumerate() {
            let state = run.and_then(|run| run.steps.get(at));
            let one = step_view(&seen, graph, (step, at), run.zip(state));
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
            let stands = run.map_or(state.status, |run| stands(instance, run.id, (at, state)));
            all.insert(Arc::clone(&step.id), fact(state, stands));
        }
    }
    all
}

fn fact(state: &StepState, status: StepStatus) -> Value {
    let error = state.error.as_deref().map(|error| {
        Value::from(Map::from_iter([
            ("kind", Value::from(kind_of(error))),
            ("code", Value::String(Arc::clone(&error.code))),
            ("message", Value::String(Arc::clone(&error.message))),
        ]))
    });
    let fields = [
        ("status", Value::from(status.as_str())),
        ("result", state.output.clone()),
        ("error", error.unwrap_or_default()),
        ("retry_count", Value::Int(i64::from(state.attempts.saturating_sub(1)))),
        ("cached", Value::from(state.cached)),
    ];
    Map::from_iter(fields).into()
}

/// The kind of a failure, in the word that people and filters read: what was held back was asked of
/// nobody, whatever kind the machine keeps it as.
pub(super) fn kind_of(error: &StepError) -> &'static str {
    if error.is_held() { HELD_BACK } else { error.kind.as_str() }
}

/// Is the step done for good? What failed, was cut off or taken back is not, although it is over.
const fn is_through(status: Wire) -> bool {
    matches!(status, Wire::Completed | Wire::Skipped)
}

fn run_of(instance: &Instance, number: u16) -> Option<&RunningGraph> {
    instance.progress.as_deref()?.graphs.iter().find(|run| run.graph == number)
}

/// An instance that is looked at.
struct Seen<'i> {
    instance: &'i Instance,
    definition: &'i Definition,
    /// Calls whose answer is kept.
    kept: BTreeSet<EffectId>,
    now: Timestamp,
}

fn kept(instance: &Instance) -> BTreeSet<EffectId> {
    instance.kept_replies().map(|reply| reply.call).collect()
}

/// The work of a step, or of its items.
fn works_of(
    instance: &Instance,
    (graph, at): (u32, usize),
) -> impl Iterator<Item = &RunningSequence> {
    instance.sequences.iter().filter(move |running| match running.role {
        Role::Step { graph: of, step, .. } => (of, usize::from(step)) == (graph, at),
        Role::State | Role::Undo { .. } | Role::Finally { .. } => false,
    })
}

/// Where a step stands. What was under way when something began to be taken back is settled only
/// when all is taken back: until then it is cut off, or runs on where its answer is waited for.
fn stands(instance: &Instance, graph: u32, (at, state): (usize, &StepState)) -> StepStatus {
    let progress = instance.progress.as_deref();
    if progress.is_none_or(|progress| progress.rollback.is_none()) {
        return state.status;
    }
    let works = || works_of(instance, (graph, at)).next().is_some();
    match state.status {
        StepStatus::Running | StepStatus::Retrying if !works() => StepStatus::Cancelled,
        StepStatus::Pending if works() => StepStatus::Running,
        StepStatus::Pending
        | StepStatus::Running
        | StepStatus::Retrying
        | StepStatus::Completed
        | StepStatus::Failed
        | StepStatus::Skipped
        | StepStatus::Cancelled
        | StepStatus::Undone => state.status,
    }
}

/// Is all that the step waits for answered, and kept until the instance goes on?
fn is_answered(seen: &Seen<'_>, of: (u32, usize)) -> bool {
    if seen.kept.is_empty() {
        return false;
    }
    let is_kept = |running: &RunningSequence| {
        running.call.as_ref().is_some_and(|call| seen.kept.contains(&call.id))
    };
    let mut works = works_of(seen.instance, of).peekable();
    works.peek().is_some() && works.all(is_kept)
}

fn step_view(
    seen: &Seen<'_>,
    graph: &Graph,
    (step, at): (&Step, usize),
    known: Option<(&RunningGraph, &StepState)>,
) -> StepView {
    let instance = seen.instance;
    let mut one =
        StepView { id: step.id.to_string(), title: step.title.to_string(), ..StepView::default() };
    let Some((run, state)) = known else { return one };
    one.status = status(stands(instance, run.id, (at, state)));
    let weight = state.output.weight();
    if weight <= RESULT_MAX {
        one.result = wire::json(&state.output);
    } else {
        one.result_bytes = u64::try_from(weight).ok();
    }
    one.error = state.error.as_deref().map(|error| StepErrorView {
        kind: kind_of(error).to_owned(),
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
    one.answered = works && is_answered(seen, (run.id, at));
    let answered_at = state.stopped_at.filter(|_| one.answered);
    let until = ended_at.or(answered_at).or_else(|| works.then_some(seen.now));
    one.duration_ms = state.started_at.zip(until).map(|(began, until)| until.since_ms(began));
    one.items = state.fan.as_deref().map(counted);
    items::add(&mut one, state);
    undone::add(&mut one, (instance, seen.definition), (run.id, at, state));
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
            // Those that are taken back are told beside it.
            ItemState::Done(_) | ItemState::Undone => counted.done += 1,
            ItemState::Failed { .. } | ItemState::Unkept(_) => counted.failed += 1,
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
    let undoes = |running: &&RunningSequence| matches!(running.role, Role::Undo { .. });
    let current = instance.sequences.iter().find(undoes);
    let step = current.and_then(|running| name_of(definition, instance, running.role));
    let least = rollback.down_to.unwrap_or_default();
    let left = progress.undo.iter().filter(|entry| entry.id >= least).count();
    let awaited = instance.sequences.iter().filter(|it| instance.is_last_reply(it)).count();
    Some(RollbackView {
        reason: plain(&rollback.reason),
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
            let entry = progress.undo.iter().find(|entry| entry.id == undo)?;
            let (graph, step) = entry.step?;
            (graph, step, entry.item)
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

#[cfg(test)]
mod tests {
    use gearshift_machine::machine::{BREAKER_OPEN, ErrorKind};

    use super::*;

    #[test]
    fn filters_see_a_held_call_as_held_and_no_plugin_as_missing() {
        let kind = |code: &str| {
            let (kind, code) = (ErrorKind::PluginNotFound, code.into());
            let error = Some(Box::new(StepError { kind, code, message: "no".into() }));
            let state = StepState { error, ..StepState::default() };
            let Value::Map(told) = fact(&state, StepStatus::Retrying) else { return None };
            let Some(Value::Map(error)) = told.get("error") else { return None };
            error.get("kind").cloned()
        };
        assert_eq!(kind(BREAKER_OPEN), Some(Value::from(HELD_BACK)));
        assert_eq!(kind("plugin_not_found"), Some(Value::from("plugin_not_found")));
    }
}
