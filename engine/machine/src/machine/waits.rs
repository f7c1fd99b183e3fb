//! Steps that wait for an event (decision 0023).

use super::gate::Offered;
use super::input::Event;
use super::instance::RunningSequence;
use super::macrostep::is_own;
use super::progress::{Phase, Role, StepStatus};
use super::tasks::Asker;
use super::work::{Failure, Origin, Overrun, Work};
use crate::definition::expr::Expr;
use crate::definition::model::{Descriptor, SeqStep, SetPath};
use crate::value::Value;

/// What a waiting sequence waits for.
struct Awaited<'d> {
    events: &'d [Descriptor],
    when: Option<&'d Expr>,
    set: &'d [(SetPath, Expr)],
}

impl<'a> Work<'a> {
    fn awaited(&self, running: &RunningSequence) -> Option<Awaited<'a>> {
        let program = self.definition.sequences.get(usize::from(running.sequence))?;
        match program.steps.get(usize::from(running.position))? {
            SeqStep::Wait { events, when, set } => {
                Some(Awaited { events, when: when.as_ref(), set })
            }
            SeqStep::Do(_)
            | SeqStep::Call { .. }
            | SeqStep::Child { .. }
            | SeqStep::Approval { .. }
            | SeqStep::Name { .. }
            | SeqStep::JumpUnless { .. }
            | SeqStep::Jump { .. } => None,
        }
    }

    /// Gives an event that no transition takes to the steps that wait for it; false where there
    /// are none.
    ///
    /// A decision is for the approvals that it decides, and for nobody else where it names one.
    pub(super) fn steps_take(&mut self, event: &Event, offered: &Offered) -> Result<bool, Overrun> {
        if self.steps_decided(event, &offered.decides)? {
            return Ok(true);
        }
        if matches!(offered.bound, Some(Asker::Step { .. })) {
            return Ok(false);
        }
        let waiting: Vec<_> = self
            .instance
            .sequences
            .iter()
            .filter(|running| {
                let awaited = self.awaited(running);
                awaited.is_some_and(|it| it.events.iter().any(|one| one.matches(&event.name)))
            })
            .cloned()
            .collect();
        let mut taken = false;
        for running in waiting {
            let Some(Awaited { when, set, .. }) = self.awaited(&running) else { continue };
            self.bind_item(running.role);
            let holds = match when {
                None => true,
                Some(guard) => self.holds(guard, Some(event))?,
            };
            if holds {
                taken = true;
                let output = event.data.clone().unwrap_or_default();
                self.wait_over(&running, set, event, output)?;
            }
            self.locals.clear();
        }
        Ok(taken)
    }

    /// Will a step that has not started wait for the event? Then it is kept until that step does.
    pub(super) fn steps_will_take(&self, event: &Event) -> bool {
        let Some(progress) = self.instance.progress.as_deref() else { return false };
        if is_own(event) {
            return false;
        }
        let waits = |program: u16| {
            let program = self.definition.sequences.get(usize::from(program));
            program.is_some_and(|program| {
                program.steps.iter().any(|step| {
                    matches!(step, SeqStep::Wait { events, .. }
                        if events.iter().any(|one| one.matches(&event.name)))
                })
            })
        };
        progress.graphs.iter().filter(|run| run.phase == Phase::Running).any(|run| {
            let graph = self.definition.graphs.get(usize::from(run.graph));
            let steps = graph.map(|graph| graph.steps.as_slice()).unwrap_or_default();
            steps
                .iter()
                .zip(run.steps.iter())
                .any(|(step, state)| state.status == StepStatus::Pending && waits(step.program))
        })
    }

    /// What is kept of the call, child or event that a sequence stands at.
    pub(super) fn set_of(&self, running: &RunningSequence) -> &'a [(SetPath, Expr)] {
        let program = self.definition.sequences.get(usize::from(running.sequence));
        let at = program.and_then(|program| program.steps.get(usize::from(running.position)));
        at.map_or(&[], SeqStep::kept)
    }

    /// The event came: the step is over.
    pub(super) fn wait_over(
        &mut self,
        running: &RunningSequence,
        set: &[(SetPath, Expr)],
        event: &Event,
        output: Value,
    ) -> Result<(), Overrun> {
        self.output = Some(output.clone());
        let kept = self.run_set(set, Some(event));
        self.output = None;
        // Should it have to be kept again, it is kept as what came with this event.
        let own = RunningSequence { event: Some(Box::new(event.clone())), ..running.clone() };
        match (kept, running.role) {
            (Ok(()), _) => self.gave(&own, &output),
            (Err(Failure::Overrun(overrun)), _) => Err(overrun),
            (Err(Failure::Error(error)), Role::Step { graph, step, item }) => {
                let halted = self.halt_with(own, &output);
                self.step_error((graph, step, item), Some(halted), &error)
            }
            (
                Err(Failure::Error(error)),
                Role::State | Role::Undo { .. } | Role::Finally { .. },
            ) => {
                let halted = self.halt_with(own, &output);
                let (state, sequence) = (Some(halted.state), Some(halted));
                self.queue_error(error, Origin { state, sequence, ..Origin::default() })
            }
        }
    }
}
