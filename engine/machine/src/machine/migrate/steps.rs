//! Steps: those that ended keep what they gave, those under way go on, new ones wait for their
//! needs.

use std::collections::BTreeSet;

use super::Moving;
use super::calls::is_same_work;
use crate::definition::model::{Definition, Graph, SeqStep, Step, StepFailure};
use crate::machine::chunks::Chunks;
use crate::machine::ids::StateId;
use crate::machine::instance::{Instance, RunningSequence};
use crate::machine::needs::{Verdict, verdict};
use crate::machine::progress::{Phase, Progress, Role, RunningGraph, StepState, StepStatus};

/// The programs of steps and of `finally:`; the others are of states.
pub(super) fn programs(definition: &Definition) -> BTreeSet<u16> {
    let of = |graph: &Graph| {
        let steps: Vec<_> = graph.steps.iter().map(|step| step.program).collect();
        steps.into_iter().chain(graph.finally)
    };
    definition.graphs.iter().flat_map(of).collect()
}

/// The place of the step `id` in a graph.
fn at(graph: &Graph, id: &str) -> Option<u16> {
    let at = graph.steps.iter().position(|step| &*step.id == id)?;
    u16::try_from(at).ok()
}

/// A run of a graph on its way: what it is in both versions.
pub(super) struct Run<'a> {
    pub(super) old: &'a RunningGraph,
    pub(super) from: &'a Graph,
    pub(super) to: &'a Graph,
}

/// Tells of the steps that only the new version has, and whether something holds them back.
fn tell_new(run: &Run<'_>, new: &RunningGraph, notes: &mut Vec<String>) {
    let is_new = |step: &Step| at(run.from, &step.id).is_none();
    for step in run.to.steps.iter().filter(|step| is_new(step)) {
        let how = if new.phase != Phase::Running {
            "does not run any more"
        } else if step.fallback_of.is_some() {
            "is a fallback"
        } else {
            match verdict(step, new, run.to) {
                Verdict::Wait => "waits for its needs",
                Verdict::Run => "has all it needs",
                Verdict::Skip => "is skipped",
                Verdict::Never(_) => "needs what cannot come any more",
            }
        };
        notes.push(format!("step `{}` is new: it {how}", step.id));
    }
}

impl Moving<'_> {
    /// The graph in place of the one at `number`: that of the state in place of its state.
    pub(super) fn graph(&self, number: u16) -> Option<u16> {
        let state = self.state(self.from.graphs.get(usize::from(number))?.state)?;
        let found = self.to.graphs.iter().position(|graph| graph.state == state)?;
        u16::try_from(found).ok()
    }

    /// How far the steps are, by their names; run after [`Moving::timers`].
    pub(super) fn progress(
        &self,
        active: &[StateId],
        instance: &mut Instance,
        notes: &mut Vec<String>,
    ) -> Result<(), String> {
        let old = self.old.progress.as_deref().cloned().unwrap_or_default();
        let mut graphs: Vec<RunningGraph> = Vec::new();
        for run in &old.graphs {
            let Some(from) = self.from.graphs.get(usize::from(run.graph)) else { continue };
            let name = &self.from.state(from.state).id;
            let open = run.phase != Phase::Ended;
            let found = self.graph(run.graph);
            let place = found.and_then(|number| {
                let to = self.to.graphs.get(usize::from(number))?;
                (!open || active.contains(&to.state)).then_some((number, to))
            });
            let Some((number, to)) = place else {
                if open {
                    return Err(format!(
                        "steps of `{name}` are under way, and {} runs none in its place: wait for \
                         their end, or say which state takes its place (`--map {name}=STATE`)",
                        self.there()
                    ));
                }
                notes.push(format!("what the steps of `{name}` gave is dropped"));
                continue;
            };
            if graphs.iter().any(|other| other.graph == number) {
                let there = &self.to.state(to.state).id;
                return Err(format!("steps of `{name}` and of others would be those of `{there}`"));
            }
            let both = Run { old: run, from, to };
            let steps = self.steps(&both, notes)?;
            self.step_timers(&both, &steps, instance, notes);
            let unsettled = steps.iter().filter(|state| !state.is_settled()).count();
            let open = if run.phase == Phase::Running { unsettled } else { 0 };
            let open = u16::try_from(open).unwrap_or(u16::MAX);
            let new = RunningGraph { graph: number, steps, open, ..run.clone() };
            tell_new(&both, &new, notes);
            graphs.push(new);
        }
        self.tell_unstarted(active, &graphs, notes);
        let undo = self.undo(&old)?;
        let adrift = self.adrift(&old)?;
        let mut progress = Progress { graphs, undo, adrift, ..old };
        progress.forget_weight();
        instance.progress = self.old.progress.as_ref().map(|_| Box::new(progress));
        Ok(())
    }

    /// The steps of a run, in the order of the new version.
    fn steps(&self, run: &Run<'_>, notes: &mut Vec<String>) -> Result<Chunks<StepState>, String> {
        for (step, state) in run.from.steps.iter().zip(run.old.steps.iter()) {
            let there = at(run.to, &step.id).and_then(|it| run.to.steps.get(usize::from(it)));
            match there {
                Some(there) => self.fits(run, (step, state), there)?,
                None => self.gone(step, state, notes)?,
            }
        }
        let ended = run.old.phase != Phase::Running;
        let mut steps: Vec<StepState> = Vec::with_capacity(run.to.steps.len());
        for step in &run.to.steps {
            let before = at(run.from, &step.id).and_then(|it| run.old.steps.get(usize::from(it)));
            steps.push(match before {
                Some(state) => {
                    let mut state = state.clone();
                    if let Some(fan) = state.fan.as_deref_mut() {
                        fan.forget_unkept();
                    }
                    state
                }
                None if ended => self.passed_over(),
                None => StepState::pending(),
            });
        }
        // A fallback is over when the step is that it is for.
        for (step, spec) in run.to.steps.iter().enumerate() {
            let primary = spec.fallback_of.and_then(|it| steps.get(usize::from(it)));
            let over = primary.is_some_and(StepState::is_settled);
            if over
                && let Some(state) = steps.get_mut(step)
                && state.status == StepStatus::Pending
            {
                *state = self.passed_over();
            }
        }
        Ok(steps.into_iter().collect())
    }

    fn passed_over(&self) -> StepState {
        StepState { status: StepStatus::Skipped, ended_at: Some(self.now), ..StepState::pending() }
    }

    /// A step without counterpart: what it gave goes with it; under way it refuses.
    fn gone(&self, step: &Step, state: &StepState, notes: &mut Vec<String>) -> Result<(), String> {
        let id = &step.id;
        if state.is_settled() {
            if state.status == StepStatus::Completed {
                notes.push(format!("step `{id}` is gone, and what it gave"));
            }
            return Ok(());
        }
        if state.status == StepStatus::Pending {
            notes.push(format!("step `{id}`, which waited, is gone"));
            return Ok(());
        }
        let there = self.there();
        Err(format!("step `{id}` is under way, and {there} has no such step: wait for its end"))
    }

    /// Can a step that is under way go on as `there`?
    fn fits(
        &self,
        run: &Run<'_>,
        (step, state): (&Step, &StepState),
        there: &Step,
    ) -> Result<(), String> {
        if state.is_settled() || state.status == StepStatus::Pending {
            return Ok(());
        }
        let refused = |why: &str| {
            let (id, version) = (&step.id, self.there());
            Err(format!("step `{id}` is under way, and {version} {why}: wait for its end"))
        };
        if state.fan.is_some() != there.each.is_some() {
            return refused(if there.each.is_some() {
                "runs it for each item of a list"
            } else {
                "runs it once, not for each item of a list"
            });
        }
        let fallback = |graph: &Graph, step: &Step| match step.on_failure {
            StepFailure::Fallback(other) => {
                graph.steps.get(usize::from(other)).map(|step| step.id.clone())
            }
            StepFailure::Abort | StepFailure::Skip => None,
        };
        let before = fallback(run.from, step);
        if state.status == StepStatus::Failed
            && before.is_some()
            && before != fallback(run.to, there)
        {
            return refused("has another fallback for it, while its own runs");
        }
        Ok(())
    }

    /// What a step or `finally:` has under way, at its new place.
    pub(super) fn sequence_of_steps(
        &self,
        running: &RunningSequence,
    ) -> Result<RunningSequence, String> {
        let (of, step) = match running.role {
            Role::Step { graph, step, .. } => (graph, Some(step)),
            Role::Finally { graph } => (graph, None),
            Role::State | Role::Undo { .. } => return Ok(running.clone()),
        };
        let progress = self.old.progress.as_deref();
        // `finally:` may go on while its graph begins anew, with another run.
        let of_run = progress.and_then(|progress| progress.run(of)).map(|run| run.graph);
        let of_program = || {
            let all = (0_u16..).zip(&self.from.graphs);
            let mut own = all.filter(|(_, graph)| graph.finally == Some(running.sequence));
            own.next().map(|(number, _)| number)
        };
        let pair = of_run.or_else(of_program).and_then(|number| {
            let from = self.from.graphs.get(usize::from(number))?;
            Some((from, self.to.graphs.get(usize::from(self.graph(number)?))?))
        });
        let what = self.step_words(running);
        let no_place = || {
            let there = self.there();
            format!("{what} is under way, and {there} has no place for it: wait for its end")
        };
        let (from, to) = pair.ok_or_else(no_place)?;
        let named = |step: u16| at(to, &from.steps.get(usize::from(step))?.id);
        let new = step.map(|step| named(step).ok_or_else(no_place)).transpose()?;
        let program = match new {
            Some(step) => to.steps.get(usize::from(step)).map(|step| step.program),
            None => to.finally,
        };
        let sequence = program.ok_or_else(no_place)?;
        let work = |definition: &'_ Definition, sequence: u16| -> Option<SeqStep> {
            let program = definition.sequences.get(usize::from(sequence))?;
            program.steps.get(usize::from(running.position)).cloned()
        };
        let (before, after) = (work(self.from, running.sequence), work(self.to, sequence));
        if !before.zip(after).is_some_and(|(before, after)| is_same_work(&before, &after)) {
            let there = self.there();
            return Err(format!(
                "{what} is under way, and {there} does something else there: wait for its end"
            ));
        }
        let role = match (running.role, new) {
            (Role::Step { graph, item, .. }, Some(step)) => Role::Step { graph, step, item },
            (role, _) => role,
        };
        Ok(RunningSequence { state: to.state, sequence, role, ..running.clone() })
    }

    /// `call `bank.pay` of step `pay``.
    fn step_words(&self, running: &RunningSequence) -> String {
        let what = self.what(running);
        let step = match running.role {
            Role::Step { graph, step, .. } => {
                let progress = self.old.progress.as_deref();
                let run = progress.and_then(|progress| progress.run(graph));
                run.and_then(|run| self.from.step(run.graph, step))
            }
            Role::State | Role::Undo { .. } | Role::Finally { .. } => None,
        };
        match step {
            Some(step) => format!("{what} of step `{}`", step.id),
            None => format!("{what} of `finally`"),
        }
    }

    /// States are not entered: steps that they begin with, and did not before, are not begun.
    fn tell_unstarted(&self, active: &[StateId], graphs: &[RunningGraph], notes: &mut Vec<String>) {
        for (number, graph) in (0_u16..).zip(&self.to.graphs) {
            let begun = graphs.iter().any(|run| run.graph == number);
            if active.contains(&graph.state) && !begun {
                let name = &self.to.state(graph.state).id;
                notes.push(format!("`{name}` begins its steps when it is entered: not done now"));
            }
        }
    }
}
