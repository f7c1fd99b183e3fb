//! Forks: a new life that begins where another instance was (decision 0023).
//!
//! Nothing of the other one changes. What it did stays its own: the fork takes none of it back.

use std::sync::Arc;

use super::commands::rejected;
use super::decide::{unchanged, user};
use super::deferral::starts_known;
use super::done_again::{is_final, still_done};
use super::effect::NoticeKind;
use super::ids::{Generation, InstanceKey, StateId, Timestamp};
use super::input::{Fork, Principal};
use super::instance::{Instance, RunningSequence, Status, TimerKind};
use super::macrostep::{Again, Cause, Taken};
use super::outcome::{Decision, Outcome};
use super::progress::{Phase, Progress, Role, RunningGraph, StepState, StepStatus};
use super::transaction::{Verb, verb_of};
use super::work::{Overrun, Work};
use crate::definition::model::{Definition, Graph, Sequence, StateKind, StepFailure};
use crate::value::Value;

/// The definition that a fork of `old` from `from` runs: that of the checkpoint, else its own.
#[must_use]
pub fn fork_pin(old: &Instance, from: &str) -> super::ids::Pin {
    let saved = old.checkpoints().iter().find(|known| *known.name == *from);
    saved.map_or(old.pin, |checkpoint| checkpoint.pin)
}

/// Why an instance is not forked so, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFork {
    /// There is no such point.
    #[error("{0}")]
    NoPoint(String),
    /// Nothing lies before the step: it did not begin, or it waits to begin again.
    #[error("{0}")]
    NotBegun(String),
    /// What the instance did is being taken back.
    #[error("{0}")]
    TakenBack(String),
    /// It lies in a transaction that the fork would not belong to.
    #[error("{0}")]
    InTransaction(String),
}

impl From<String> for NoFork {
    fn from(reason: String) -> Self {
        Self::NoPoint(reason)
    }
}

/// What a fork of `old` begins with: its state at the checkpoint `from`, or before the step
/// `from` ran. A checkpoint wins over a step of the same name.
///
/// # Errors
/// Why not: there is no such point, the step did not begin yet, or a transaction lies around it.
pub fn fork_of(old: &Instance, definition: &Definition, from: &str) -> Result<Fork, NoFork> {
    if old.progress.as_deref().is_some_and(|progress| progress.rollback.is_some()) {
        return Err(NoFork::TakenBack(
            "what it did is being taken back: wait for the end of that".to_owned(),
        ));
    }
    let saved = old.checkpoints().iter().find(|known| *known.name == *from);
    let seed = match saved {
        Some(checkpoint) => Instance {
            active: checkpoint.active.clone(),
            vars: checkpoint.vars.clone(),
            history: checkpoint.history.clone(),
            sequences: checkpoint.sequences.clone(),
            progress: with_graphs(still_done(old, definition, checkpoint)),
            pin: checkpoint.pin,
            ..old.clone()
        },
        None => before_step(old, definition, from)?,
    };
    if is_within(old, definition, (&seed, from, saved.is_some())) {
        return Err(NoFork::InTransaction(format!(
            "`{from}` lies in a transaction, and a fork belongs to none: what the definition asks \
             of it there could not be done; fork from before its `begin` or `join`"
        )));
    }
    let seed = Instance {
        status: Status::Running,
        stuck: None,
        initiator: None,
        timers: Vec::new(),
        deferred: Vec::new(),
        parked: Vec::new(),
        marks: Vec::new(),
        votes: Vec::new(),
        output: Value::Null,
        parent: None,
        // What it did stays in the hands of the other one's transaction; the fork is in none.
        transaction: None,
        // Another life in another trace.
        trace_context: None,
        sequences: anew(seed.sequences),
        ..seed
    };
    let origin = old.key.to_string().into();
    Ok(Fork { origin, from: from.into(), pin: seed.pin, seed: seed.encode() })
}

/// Does the point lie behind the `begin` or `join` of a transaction that is not over there?
///
/// Only a definition that asks something of transactions can meet the difference.
fn is_within(
    old: &Instance,
    definition: &Definition,
    (seed, from, is_saved): (&Instance, &str, bool),
) -> bool {
    if !definition.sequences.iter().any(|program| verbs(program).next().is_some()) {
        return false;
    }
    let progress = old.progress.as_deref();
    let (begun, ended) = kept_verbs(seed, definition);
    if is_saved {
        let within = progress.is_some_and(|it| it.within.iter().any(|name| **name == *from));
        // The answer to `commit` comes before the word that all is settled.
        return within && (ended == 0 || begun > ended);
    }
    // Did the graph begin when the instance was a member already?
    let since = old.membership().filter(|member| member.standing.is_bound()).map(|it| it.since);
    let graph = definition.step_named(from).map(|(graph, _)| graph);
    let run = progress.and_then(|it| it.graphs.iter().find(|run| Some(run.graph) == graph));
    let inside = since.zip(run).is_some_and(|(since, run)| run.id >= since);
    begun + usize::from(inside) > ended
}

/// How many steps that stay done began or joined a transaction, and how many ended one.
fn kept_verbs(seed: &Instance, definition: &Definition) -> (usize, usize) {
    let (mut begun, mut ended) = (0, 0);
    for run in seed.progress.iter().flat_map(|it| &it.graphs) {
        let Some(graph) = definition.graphs.get(usize::from(run.graph)) else { continue };
        let all = graph.steps.iter().zip(run.steps.iter());
        let kept = all.filter(|(_, state)| state.status == StepStatus::Completed);
        let programs =
            kept.filter_map(|(step, _)| definition.sequences.get(usize::from(step.program)));
        for verb in programs.flat_map(verbs) {
            match verb {
                Verb::Begin | Verb::Join => begun += 1,
                Verb::Commit | Verb::RollBack => ended += 1,
            }
        }
    }
    (begun, ended)
}

/// What a program asks of transactions.
fn verbs(program: &Sequence) -> impl Iterator<Item = Verb> {
    program.steps.iter().filter_map(|step| verb_of(&step.call()?.operation))
}

fn with_graphs(graphs: Vec<RunningGraph>) -> Option<Box<Progress>> {
    (!graphs.is_empty()).then(|| Box::new(Progress { graphs, ..Progress::default() }))
}

/// Sequences of states, each to be gone on with at the call it stood at.
fn anew(sequences: Vec<RunningSequence>) -> Vec<RunningSequence> {
    let of_states = sequences.into_iter().filter(|it| it.role == Role::State);
    of_states.map(|sequence| RunningSequence { call: None, ..sequence }).collect()
}

/// The instance as if the step `name`, and all that needs it, had not run.
fn before_step(old: &Instance, definition: &Definition, name: &str) -> Result<Instance, NoFork> {
    let Some((number, step)) = definition.step_named(name) else {
        return Err(unknown(old, name).into());
    };
    let graphs = old.progress.as_deref().map(|it| it.graphs.clone()).unwrap_or_default();
    let run = graphs.iter().find(|run| run.graph == number);
    let began = run.and_then(|run| run.steps.get(usize::from(step)));
    if began.is_none_or(|state| state.status == StepStatus::Pending) {
        return Err(NoFork::NotBegun(why_pending(run, definition, name, began)));
    }
    let Some(graph) = definition.graphs.get(usize::from(number)) else {
        return Err(unknown(old, name).into());
    };
    let active = if old.active.binary_search(&graph.state).is_ok() {
        old.active.clone()
    } else {
        path_to(definition, graph.state)?
    };
    let graphs = graphs
        .into_iter()
        .map(|mut run| {
            let Some(graph) = definition.graphs.get(usize::from(run.graph)) else { return run };
            if active.binary_search(&graph.state).is_ok() {
                let first = if run.graph == number { vec![step] } else { Vec::new() };
                // The order is to do these anew.
                for at in
                    first.iter().copied().flat_map(|at| [graph.needing(at), vec![at]].concat())
                {
                    if let Some(state) = run.steps.get_mut(usize::from(at)) {
                        state.begins_anew();
                    }
                }
                reopen(&mut run, graph, first);
            }
            run
        })
        .collect();
    let sequences = if old.status.is_ended() { Vec::new() } else { old.sequences.clone() };
    Ok(Instance { active, sequences, progress: with_graphs(graphs), ..old.clone() })
}

/// Why a step that waits is no point to fork from: it did not begin yet, or it was cut off when
/// something was taken back, and begins again with that.
fn why_pending(
    run: Option<&RunningGraph>,
    definition: &Definition,
    name: &str,
    state: Option<&StepState>,
) -> String {
    if state.is_none_or(|state| state.started_at.is_none()) {
        return format!("step `{name}` did not begin yet: there is nothing before it to keep");
    }
    let steps = run.and_then(|run| {
        let graph = definition.graphs.get(usize::from(run.graph))?;
        let mut all = graph.steps.iter().zip(run.steps.iter());
        all.find(|(_, state)| state.status == StepStatus::Undone).map(|(spec, _)| &spec.id)
    });
    let instead = steps.map_or_else(String::new, |undone| {
        format!("; fork from `{undone}`, which was taken back: that begins both again")
    });
    format!(
        "step `{name}` was cut off when something was taken back, and waits to begin again: there \
         is nothing before it to keep{instead}"
    )
}

/// The states from the root to `state`; the regions beside it are not known any more.
fn path_to(definition: &Definition, state: StateId) -> Result<Vec<StateId>, String> {
    let mut path: Vec<_> = definition.ancestors(state).collect();
    if path.iter().any(|id| definition.state(*id).kind == StateKind::Parallel) {
        let name = &definition.state(state).id;
        return Err(format!(
            "`{name}` was left, and what its parallel regions were in is not known any more: fork \
             from a checkpoint"
        ));
    }
    path.reverse();
    path.push(state);
    Ok(path)
}

/// No checkpoint and no step has this name.
fn unknown(old: &Instance, name: &str) -> String {
    let known = super::checkpoint::names(old.checkpoints());
    let known = if known.is_empty() { "there is none".to_owned() } else { known };
    format!("no checkpoint and no step is called `{}`; checkpoints: {known}", name.escape_debug())
}

/// Steps that are to run again: those of `first`, those that did not come to an end of their own,
/// and all that need one of them.
pub(super) fn reopen(run: &mut RunningGraph, graph: &Graph, first: Vec<u16>) {
    let again = |at: u16, state: &StepState| match state.status {
        StepStatus::Completed => state.is_partly_undone(),
        StepStatus::Pending | StepStatus::Skipped => false,
        StepStatus::Running | StepStatus::Retrying | StepStatus::Cancelled | StepStatus::Undone => {
            true
        }
        StepStatus::Failed => graph.steps.get(usize::from(at)).is_none_or(|step| {
            !state.is_settled() || !(step.optional || step.on_failure != StepFailure::Abort)
        }),
    };
    let all = (0_u16..).zip(run.steps.iter());
    let mut open: Vec<u16> = all.filter(|(at, it)| again(*at, it)).map(|(at, _)| at).collect();
    open.extend(first);
    let mut next = 0;
    while let Some(at) = open.get(next).copied() {
        next += 1;
        if let Some(state) = run.steps.get_mut(usize::from(at)) {
            *state = state.opened_again();
        }
        let Some(step) = graph.steps.get(usize::from(at)) else { continue };
        // A step and its fallback end together, so they begin together.
        let fallback = match step.on_failure {
            StepFailure::Fallback(other) => Some(other),
            StepFailure::Abort | StepFailure::Skip => None,
        };
        let with_it = step.dependents.iter().copied().chain(fallback).chain(step.fallback_of);
        for other in with_it {
            // What is committed is done for good: it keeps what it gave.
            if !open.contains(&other) && !is_final(run, graph, other) {
                open.push(other);
            }
        }
    }
    let left = run.steps.iter().filter(|state| !state.is_settled()).count();
    run.open = u16::try_from(left).unwrap_or(u16::MAX);
    if run.open > 0 {
        run.phase = Phase::Running;
        run.ended_at = None;
    }
}

/// A life begins where another instance was.
pub(super) fn begin_fork(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    (fork, by, reason): (&Fork, &Principal, &Arc<str>),
    now: Timestamp,
) -> Decision {
    let refuse = |reason: &str| unchanged(rejected(reason));
    let Ok(seed) = Instance::decode(key, &fork.seed) else {
        return refuse("what the fork begins with cannot be read");
    };
    if seed.pin != definition.pin() {
        return refuse("the fork is of another definition");
    }
    let generation = Generation(old.map_or(1, |old| old.generation.0.saturating_add(1)));
    let instance = Instance {
        generation,
        marks: starts_known(old),
        step: 0,
        initiator: user(by),
        started_at: now,
        updated_at: now,
        ..seed
    };
    let input = instance.input.clone();
    let mut work = Work::new(definition, instance, None, now, "fork".into());
    work.entry.by = user(by);
    work.note(format!("of {} from {}", fork.origin, fork.from));
    if !reason.is_empty() {
        work.note(Arc::clone(reason));
    }
    let origin = Value::String(Arc::clone(&fork.origin));
    let from = Value::String(Arc::clone(&fork.from));
    let fields = vec![("input", input), ("fork_of", origin), ("from", from)];
    work.notice(NoticeKind::Started, fields);
    work.ever_moved = true;
    let taken = work.attempt(&|| Again::Event(None), Work::go_on_as_fork);
    if taken == Taken::RolledBack {
        let reason = work.instance.stuck.as_ref().map(|stuck| Arc::clone(&stuck.reason));
        return unchanged(rejected(reason.unwrap_or_default()));
    }
    let to = work.leaves();
    work.finish(Outcome::Started { to })
}

impl Work<'_> {
    /// What a fork was in the middle of begins again: timers in full, calls, steps.
    fn go_on_as_fork(&mut self) -> Result<Taken, Overrun> {
        for id in self.instance.active.clone() {
            self.arm_after(id, None)?;
        }
        self.ready.extend(self.instance.sequences.iter().map(|sequence| sequence.id));
        let definition = self.definition;
        let mut begun = Vec::new();
        let progress = self.instance.progress.as_deref_mut();
        for run in progress.into_iter().flat_map(|progress| &mut progress.graphs) {
            let Some(graph) = definition.graphs.get(usize::from(run.graph)) else { continue };
            if run.phase == Phase::Running {
                reopen(run, graph, Vec::new());
            }
            begun.push((run.id, run.phase, graph));
        }
        for (id, phase, graph) in begun {
            match (phase, graph.finally) {
                (Phase::Running, _) => {
                    if let Some(timeout) = graph.timeout_ms {
                        self.arm(timeout, TimerKind::Steps { graph: id, step: None });
                    }
                    let all = u16::try_from(graph.steps.len()).unwrap_or(u16::MAX);
                    self.wakes.extend((0..all).map(|step| (id, step)));
                }
                (Phase::Finally, Some(program)) => self.start_finally(id, program, graph.state)?,
                (Phase::Finally, None) | (Phase::Ended, _) => {}
            }
        }
        self.macrostep(Cause::Resume(None))
    }
}
