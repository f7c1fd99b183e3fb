//! Children that are done when their parent takes back what it did: what they did stays, as a step
//! that runs a child has no `undo`, and that is told (decision 0061).

use std::sync::Arc;

use super::end::REASON_MAX;
use super::ids::Timestamp;
use super::progress::{ItemState, RunningGraph, StepState, StepStatus, Then};
use super::stays::ranges;
use super::work::Work;
use crate::definition::model::{SeqStep, Step, StepFailure};

impl Work<'_> {
    /// Something begins to be taken back: tells the children that are done, and stay.
    pub(super) fn tell_children_that_stay(&mut self) {
        for what in self.children_that_stay() {
            let Some(progress) = self.instance.progress.as_deref_mut() else { return };
            // One that was told before still stays.
            if progress.left_out.iter().any(|known| **known == *what) {
                continue;
            }
            let known = progress.left_out.iter().map(|words| words.len()).sum::<usize>();
            if known + what.len() <= REASON_MAX {
                progress.left_out.push(what.as_str().into());
            }
            self.note(what);
        }
    }

    fn children_that_stay(&self) -> Vec<String> {
        let Some(progress) = self.instance.progress.as_deref() else { return Vec::new() };
        let Some(rollback) = progress.rollback.as_deref() else { return Vec::new() };
        let only = match &rollback.then {
            Then::Raise { graph, .. } => Some(*graph),
            // What ends without ever having done what can be taken back takes back nothing.
            Then::Cancel { .. } | Then::Orphaned | Then::Hold { .. } => {
                if !self.has_undo() && !self.has_undo_under_way(|_| true) {
                    return Vec::new();
                }
                None
            }
            Then::Fail | Then::Transaction => return Vec::new(),
        };
        // Children of a member are members: its transaction takes them back.
        if self.instance.is_bound() {
            return Vec::new();
        }
        let since = match rollback.down_to {
            None => Timestamp(i64::MIN),
            Some(least) => {
                let first = progress.undo.iter().find(|entry| entry.id >= least);
                first.map_or(self.now, |entry| entry.at)
            }
        };
        let runs = progress.graphs.iter().filter(|run| only.is_none_or(|only| run.id == only));
        runs.flat_map(|run| self.done_children(run, since)).collect()
    }

    /// Children of the steps of one run that are done since then.
    fn done_children(&self, run: &RunningGraph, since: Timestamp) -> Vec<String> {
        let Some(graph) = self.definition.graphs.get(usize::from(run.graph)) else {
            return Vec::new();
        };
        let told = |(spec, state): (&Step, &StepState)| {
            let child = self.child_of(spec)?;
            let later = state.ended_at.is_none_or(|ended| ended >= since);
            let made_up = matches!(spec.on_failure, StepFailure::Fallback(other)
                if run.steps.get(usize::from(other)).is_some_and(|it| it.started_at.is_some()));
            if !later || made_up {
                return None;
            }
            let id = &spec.id;
            let Some(fan) = &state.fan else {
                let done = state.status == StepStatus::Completed;
                return done.then(|| format!("step `{id}` stays: its child `{child}` is done"));
            };
            let items = (0_u32..).zip(fan.items.iter());
            let done = items.filter(|(_, item)| matches!(item, ItemState::Done(_)));
            let done: Vec<u32> = done.map(|(at, _)| at).collect();
            let items = ranges(&done);
            (!done.is_empty())
                .then(|| format!("step `{id}[{items}]` stays: its children `{child}` are done"))
        };
        graph.steps.iter().zip(run.steps.iter()).filter_map(told).collect()
    }

    /// The workflow of the child that a step runs, as it is written.
    fn child_of(&self, spec: &Step) -> Option<Arc<str>> {
        let program = self.definition.sequences.get(usize::from(spec.program))?;
        program.steps.iter().find_map(|part| match part {
            SeqStep::Child { spec, .. } => {
                let name = spec.workflow.as_const().and_then(|name| name.as_str());
                Some(name.unwrap_or("of a computed name").into())
            }
            SeqStep::Do(_)
            | SeqStep::Call { .. }
            | SeqStep::Wait { .. }
            | SeqStep::Approval { .. }
            | SeqStep::Name { .. }
            | SeqStep::JumpUnless { .. }
            | SeqStep::Jump { .. } => None,
        })
    }
}
