//! What an order would take back or do again, found out by comparing the instance before it with a
//! copy behind it.

use gearshift_machine::definition::model::{Definition, SeqStep};
use gearshift_machine::machine::{
    Instance, Role, RunningSequence, StepState, StepStatus, StuckKind, Undoable,
};
use gearshift_protocol::InstanceVerdict;

use super::steps;

/// Entries that are named: an answer has to fit a message.
const NAMED_MAX: usize = 200;

/// What comes of an order beside its verdict.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    /// What is left out of what cleans up, and what stays.
    pub(super) left_out: Vec<String>,
    /// What would be taken back, in order.
    pub(super) takes_back: Vec<String>,
    /// The steps that would be done again.
    pub(super) does_again: Vec<String>,
}

impl Foreseen {
    /// Tells it with the verdict.
    pub(super) fn beside(self, verdict: InstanceVerdict) -> InstanceVerdict {
        let Self { left_out, takes_back, does_again } = self;
        InstanceVerdict { left_out, takes_back, does_again, ..verdict }
    }
}

/// What the rollback that began with the order takes back: what it waits for first, then each undo
/// in order. Nothing where none is under way, or was under way before.
pub(super) fn takes_back(
    before: &Instance,
    behind: &Instance,
    definition: &Definition,
) -> Vec<String> {
    let is_under_way =
        |it: &Instance| it.progress.as_deref().is_some_and(|it| it.rollback.is_some());
    if is_under_way(before) || !is_under_way(behind) {
        return Vec::new();
    }
    let awaited = behind.sequences.iter().filter(|it| behind.is_last_reply(it));
    let awaited = awaited.filter_map(|it| awaited_words(behind, definition, it));
    let undone = behind.still_to_undo().filter_map(|it| undone_words(behind, definition, it));
    named(awaited.chain(undone).collect())
}

/// All of a few; of many the first, and how many more.
fn named(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        all.truncate(NAMED_MAX);
        all.push(format!("and {more} more"));
    }
    all
}

/// ``step `pay`: `bank.refund` ``.
fn undone_words(instance: &Instance, definition: &Definition, entry: &Undoable) -> Option<String> {
    let (call, undo) = calls(definition, (entry.sequence, entry.position))?;
    let step = steps::name_of(definition, instance, Role::Undo { undo: entry.id });
    Some(match step {
        Some(step) => format!("step `{step}`: `{undo}`"),
        None => format!("`{call}` of state `{}`: `{undo}`", definition.state(entry.state).id),
    })
}

/// ``step `pay`: waits for `bank.pay`, and takes it back with `bank.refund` if it succeeds``.
fn awaited_words(
    instance: &Instance,
    definition: &Definition,
    running: &RunningSequence,
) -> Option<String> {
    let (call, undo) = calls(definition, (running.sequence, running.position))?;
    let whose = match steps::name_of(definition, instance, running.role) {
        Some(step) => format!("step `{step}`"),
        None => format!("state `{}`", definition.state(running.state).id),
    };
    Some(format!(
        "{whose}: `{call}` is under way: waits for its answer, and if it is done, `{undo}`"
    ))
}

/// The operation of a call, and that of its undo.
fn calls(definition: &Definition, (sequence, position): (u16, u16)) -> Option<(&str, &str)> {
    let program = definition.sequences.get(usize::from(sequence))?;
    let spec = program.steps.get(usize::from(position)).and_then(SeqStep::call)?;
    Some((&*spec.operation, &*spec.undo.as_ref()?.operation))
}

/// The steps that were over, or were cut off, and begin again with the order.
pub(super) fn does_again(
    before: &Instance,
    behind: &Instance,
    definition: &Definition,
) -> Vec<String> {
    let rolled_back =
        before.stuck.as_deref().is_some_and(|stuck| stuck.kind == StuckKind::RolledBack);
    let runs = behind.progress.iter().flat_map(|progress| &progress.graphs);
    let again = runs.flat_map(|run| {
        let was = before.progress.as_deref().and_then(|progress| progress.run(run.id));
        let specs = definition.graphs.get(usize::from(run.graph)).map(|graph| &graph.steps);
        let states = was.into_iter().flat_map(|was| was.steps.iter()).zip(run.steps.iter());
        specs.into_iter().flatten().zip(states).filter_map(|(spec, (was, now))| {
            let why = why_again(was, now, rolled_back)?;
            Some(format!("step `{}`: {why}", spec.id))
        })
    });
    named(again.collect())
}

/// The steps that a fork of `old` does again, and those that it begins with.
pub(super) fn of_fork(old: &Instance, fork: &Instance, definition: &Definition) -> Vec<String> {
    let runs = fork.progress.iter().flat_map(|progress| &progress.graphs);
    let again = runs.flat_map(|run| {
        let mut all = old.progress.iter().flat_map(|progress| &progress.graphs);
        let was = all.find(|was| was.id == run.id && was.graph == run.graph);
        let specs = definition.graphs.get(usize::from(run.graph)).map(|graph| &graph.steps);
        let states = run.steps.iter().enumerate();
        specs.into_iter().flatten().zip(states).filter_map(move |(spec, (at, now))| {
            let was = was.and_then(|was| was.steps.get(at))?;
            let began = was.started_at.is_some() && !now.status.is_over();
            began.then(|| format!("step `{}`: it is {} there", spec.id, was.status.as_str()))
        })
    });
    named(again.collect())
}

fn why_again(was: &StepState, now: &StepState, rolled_back: bool) -> Option<&'static str> {
    if now.status.is_over() {
        return None;
    }
    match was.status {
        StepStatus::Undone => Some("it was taken back"),
        StepStatus::Completed if rolled_back && !was.stays.is_empty() => {
            Some("a part of it was taken back")
        }
        StepStatus::Completed => Some("it is done, and needs what is done again"),
        StepStatus::Skipped => Some("it was skipped, and needs what is done again"),
        StepStatus::Failed => Some("it failed"),
        StepStatus::Cancelled => Some("it was cut off"),
        StepStatus::Pending if was.started_at.is_some() => Some("it was cut off"),
        StepStatus::Pending | StepStatus::Running | StepStatus::Retrying => None,
    }
}
