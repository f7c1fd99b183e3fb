//! Which parts of a step are done again behind a rollback: those that were taken back, and no
//! others. What a person left out stays (decision 0050), what was committed is final, and what a
//! rollback did not reach is done (decision 0064).

use std::sync::Arc;

use super::fork::reopen;
use super::instance::Instance;
use super::progress::{
    Checkpoint, FanState, ItemState, Progress, RunningGraph, StepState, StepStatus, Undoable,
};
use super::work::Work;
use crate::definition::model::{Definition, Graph, StepFailure};
use crate::value::Value;

/// What a step did in a transaction that is committed: nothing takes it back any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The transaction's name.
    pub transaction: Arc<str>,
    /// Items of the step's `foreach:`, as rows of the first and the last; empty where it is none.
    pub items: Vec<(u32, u32)>,
}

impl Committed {
    /// Was this item committed with it?
    #[must_use]
    pub fn has(&self, item: u32) -> bool {
        self.items.iter().any(|(first, last)| (*first..=*last).contains(&item))
    }

    /// Sorted items as rows.
    fn rows(items: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
        let mut rows: Vec<(u32, u32)> = Vec::new();
        for item in items {
            match rows.last_mut() {
                Some((_, last)) if item <= *last => {}
                Some((_, last)) if item == last.saturating_add(1) => *last = item,
                Some(_) | None => rows.push((item, item)),
            }
        }
        rows
    }
}

impl FanState {
    /// Was an item of it taken back, and not begun again?
    fn has_undone(&self) -> bool {
        self.items.iter().any(|item| matches!(item, ItemState::Undone))
    }

    /// The items that are done and not taken back.
    fn done(&self) -> impl Iterator<Item = u32> {
        let all = (0_u32..).zip(self.items.iter());
        all.filter(|(_, item)| matches!(item, ItemState::Done(_))).map(|(at, _)| at)
    }
}

impl StepState {
    /// Was a part of its items taken back, and does the rest stay?
    pub(super) fn is_partly_undone(&self) -> bool {
        let undone = self.fan.as_deref().is_some_and(FanState::has_undone);
        undone && self.status != StepStatus::Undone
    }

    /// The transaction that the item was committed in.
    #[must_use]
    pub fn committed_in(&self, item: u32) -> Option<&Arc<str>> {
        self.committed.iter().find(|known| known.has(item)).map(|known| &known.transaction)
    }

    /// Is all of it committed? It keeps its result, whatever is done again.
    fn is_final(&self) -> bool {
        if self.status != StepStatus::Completed || self.committed.is_empty() {
            return false;
        }
        self.fan.as_deref().is_none_or(|fan| {
            !fan.has_undone() && fan.done().all(|item| self.committed_in(item).is_some())
        })
    }

    /// As it waits to run again. Items that stay are not done again, nor those that were committed;
    /// where others were taken back, what is done is done.
    pub(super) fn opened_again(&mut self) -> Self {
        let (stays, committed) =
            (std::mem::take(&mut self.stays), std::mem::take(&mut self.committed));
        let all = self.is_partly_undone();
        let mut fan = self.fan.take();
        if let Some(fan) = &mut fan {
            let is_final =
                |at: u32| all || stays.contains(&at) || committed.iter().any(|known| known.has(at));
            let items = (0_u32..).zip(fan.items.iter());
            let kept = items.map(|(at, item)| match item {
                ItemState::Done(_) if is_final(at) => item.clone(),
                ItemState::Open
                | ItemState::Done(_)
                | ItemState::Undone
                | ItemState::Failed { .. }
                | ItemState::Unkept(_) => ItemState::Open,
            });
            fan.items = kept.collect();
        }
        let fan = fan.filter(|fan| fan.done().next().is_some());
        // What is no `foreach:` is called anew.
        let committed = if fan.is_some() { committed } else { Vec::new() };
        Self { fan, stays, committed, ..Self::pending() }
    }

    /// Its list is made anew: where another item stands than the one that stays, that is done.
    pub(super) fn forget_moved(&mut self, list: &[Value]) {
        let Self { fan, stays, committed, .. } = self;
        let Some(fan) = fan.as_deref_mut() else { return };
        let FanState { list: old, items, .. } = fan;
        let old = old.as_list().unwrap_or_default();
        let same = |at: u32| {
            let at = at as usize;
            old.len() == list.len() && old.get(at) == list.get(at)
        };
        let rows = committed.iter().flat_map(|known| &known.items);
        let final_items = rows.flat_map(|(first, last)| *first..=*last);
        let moved: Vec<u32> =
            stays.iter().copied().chain(final_items).filter(|at| !same(*at)).collect();
        for at in &moved {
            if let Some(place) = items.get_mut(*at as usize) {
                *place = ItemState::Open;
            }
        }
        if moved.is_empty() {
            return;
        }
        stays.retain(|at| same(*at));
        for known in committed.iter_mut() {
            let all = known.items.iter().flat_map(|(first, last)| *first..=*last);
            known.items = Committed::rows(all.filter(|at| same(*at)));
        }
        committed.retain(|known| !known.items.is_empty());
    }

    /// An undo of the item is done. `false`: a person left another one of it out.
    fn item_undone(&mut self, item: u32) {
        if self.stays.contains(&item) {
            return;
        }
        let place = self.fan.as_deref_mut().and_then(|fan| fan.items.get_mut(item as usize));
        let Some(place) = place else { return };
        match place {
            ItemState::Done(_) | ItemState::Unkept(_) => *place = ItemState::Undone,
            ItemState::Open | ItemState::Undone | ItemState::Failed { .. } => {}
        }
    }

    /// It is done anew as a whole, what was committed too.
    pub(super) fn begins_anew(&mut self) {
        self.committed.clear();
        if let Some(fan) = &mut self.fan {
            let stays = &self.stays;
            let all = (0_u32..).zip(fan.items.iter());
            let kept = all.map(|(at, item)| match item {
                ItemState::Done(_) if stays.contains(&at) => item.clone(),
                ItemState::Open
                | ItemState::Done(_)
                | ItemState::Undone
                | ItemState::Failed { .. }
                | ItemState::Unkept(_) => ItemState::Open,
            });
            fan.items = kept.collect();
        }
    }

    /// What was committed since of what a checkpoint knows as done.
    pub(super) fn take_committed(&mut self, since: &Self) {
        if self.fan.is_some() == since.fan.is_some()
            && (self.fan.is_some() || self.status == StepStatus::Completed)
        {
            self.committed.clone_from(&since.committed);
        }
    }
}

/// Is what the step gave committed, by itself or by its fallback?
pub(super) fn is_final(run: &RunningGraph, graph: &Graph, at: u16) -> bool {
    let state = |at: u16| run.steps.get(usize::from(at));
    let own = state(at).filter(|own| own.status == StepStatus::Completed);
    let fallback = match graph.steps.get(usize::from(at)).map(|step| step.on_failure) {
        Some(StepFailure::Fallback(other)) => state(other),
        Some(StepFailure::Abort | StepFailure::Skip) | None => None,
    };
    own.is_some_and(|own| own.is_final() || fallback.is_some_and(StepState::is_final))
}

/// The graphs of a checkpoint: what was taken back since has to be done again.
pub(super) fn still_done(
    old: &Instance,
    definition: &Definition,
    checkpoint: &Checkpoint,
) -> Vec<RunningGraph> {
    let mut graphs = checkpoint.graphs.clone();
    if checkpoint.pin != old.pin {
        return graphs;
    }
    let mut known = old.progress.clone().unwrap_or_default();
    known.mark_undone_of_before();
    for run in &mut graphs {
        let since = known.run(run.id);
        let Some(since) = since.filter(|since| since.graph == run.graph) else { continue };
        let mut again = false;
        for at in 0..run.steps.len() {
            let (Some(state), Some(now)) = (run.steps.get_mut(at), since.steps.get(at)) else {
                continue;
            };
            let is_undone = now.status == StepStatus::Undone || now.is_partly_undone();
            // Of a `foreach` that was under way then, a part may be done and not taken back.
            let was_done = state.status == StepStatus::Completed || state.fan.is_some();
            if was_done && is_undone {
                state.clone_from(now);
                again = true;
            } else {
                state.take_committed(now);
            }
        }
        let graph = definition.graphs.get(usize::from(run.graph)).filter(|_| again);
        if let Some(graph) = graph
            && checkpoint.active.binary_search(&graph.state).is_ok()
        {
            reopen(run, graph, Vec::new());
        }
    }
    graphs
}

impl Progress {
    /// Earlier programs did not mark what was taken back of a step of which an item stays: all that
    /// is done and has no undo any more.
    pub(super) fn mark_undone_of_before(&mut self) {
        let Self { graphs, undo, .. } = self;
        for run in graphs {
            for at in 0..run.steps.len() {
                let is_it = |state: &StepState| {
                    let fan = state.fan.as_deref();
                    !state.stays.is_empty() && fan.is_some_and(|fan| !fan.has_undone())
                };
                if !run.steps.get(at).is_some_and(is_it) {
                    continue;
                }
                let own = |entry: &&Undoable| {
                    entry.step.is_some_and(|(of, step)| (of, usize::from(step)) == (run.id, at))
                };
                let left: Vec<_> = undo.iter().filter(own).map(|entry| entry.item).collect();
                let Some(state) = run.steps.get_mut(at).filter(|_| !left.contains(&None)) else {
                    continue;
                };
                let done: Vec<u32> = state.fan.iter().flat_map(|fan| fan.done()).collect();
                for item in done {
                    if !left.contains(&Some(item)) && state.committed_in(item).is_none() {
                        state.item_undone(item);
                    }
                }
            }
        }
    }
}

impl Work<'_> {
    /// An undo of the step is through: keeps what is taken back of it and what stays, and tells
    /// whether all of it is taken back now.
    pub(super) fn part_undone(
        &mut self,
        (graph, step): (u32, u16),
        item: Option<u32>,
        done: bool,
    ) -> bool {
        // What is left of the step stands at the end, or nearly so.
        let rest = self.instance.progress.as_deref().is_some_and(|progress| {
            progress.undo.iter().rev().any(|entry| entry.step == Some((graph, step)))
        });
        let Some(progress) = self.instance.progress.as_deref_mut() else { return false };
        // The output of an item that is taken back counts no more.
        progress.forget_weight();
        let Some(state) = self.step_state_mut(graph, step) else { return false };
        match item {
            Some(item) if done => state.item_undone(item),
            Some(item) => state.stays.push(item),
            None => {}
        }
        let stays = || {
            let done = || state.fan.as_deref().and_then(|fan| fan.done().next());
            let some = item.is_some() && done().is_some();
            some || !state.stays.is_empty() || !state.committed.is_empty()
        };
        done && !rest && !stays()
    }

    /// What was done with these undos is committed.
    pub(super) fn commit_steps(&mut self, transaction: &Arc<str>, entries: &[Undoable]) {
        let mut steps: Vec<((u32, u16), Vec<u32>)> = Vec::new();
        for entry in entries {
            let Some(step) = entry.step else { continue };
            match steps.iter_mut().find(|(known, _)| *known == step) {
                Some((_, items)) => items.extend(entry.item),
                None => steps.push((step, entry.item.into_iter().collect())),
            }
        }
        for ((graph, step), mut items) in steps {
            items.sort_unstable();
            let items = Committed::rows(items.into_iter());
            if let Some(state) = self.step_state_mut(graph, step)
                && state.fan.is_none() == items.is_empty()
            {
                let transaction = Arc::clone(transaction);
                state.committed.push(Committed { transaction, items });
            }
        }
    }
}
