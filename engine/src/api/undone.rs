//! The items of a `foreach` that are taken back, and those that stay.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_machine::definition::model::{Definition, SeqStep};
use gearshift_machine::machine::{
    Ending, Instance, ItemState, Progress, Role, StepState, StepStatus, StuckKind, Undoable,
};
use gearshift_protocol::view::{StayingItemView, StepView};

use super::{items, plain};

/// Items that are named: an answer has to fit a message.
const NAMED_MAX: usize = 200;

/// Tells of a step how many of its items are taken back and, where some stay, which and why.
pub(super) fn add(
    one: &mut StepView,
    (instance, definition): (&Instance, &Definition),
    (run, at, state): (u32, usize, &StepState),
) {
    let known = instance.progress.as_deref().zip(state.fan.as_deref());
    let Some((progress, fan)) = known else { return };
    let items = (0_u32..).zip(fan.items.iter());
    let done = items.filter(|(_, item)| matches!(item, ItemState::Done(_))).map(|(item, _)| item);
    if state.status == StepStatus::Undone {
        one.undone_items = done.count() as u64;
        return;
    }
    let broken_off = is_broken_off(instance);
    let takes_back = progress.rollback.is_some() || broken_off || !state.stays.is_empty();
    if !takes_back || !has_undo(definition, progress, (run, at)) {
        return;
    }
    let own: Vec<_> = entries(progress, (run, at)).collect();
    // Earlier programs did not write down which item it was.
    if own.iter().any(|entry| entry.item.is_none()) {
        return;
    }
    let left: BTreeSet<u32> = own.iter().filter_map(|entry| entry.item).collect();
    let is_undone = |item: &u32| !left.contains(item) && !state.stays.contains(item);
    one.undone_items = done.filter(is_undone).count() as u64;
    let mut stay: BTreeMap<u32, String> = BTreeMap::new();
    for item in &state.stays {
        stay.insert(*item, told(instance, one, *item, "its undo was skipped"));
    }
    for item in left.iter().filter(|_| broken_off) {
        stay.insert(*item, told(instance, one, *item, "the rollback was broken off by a kill"));
    }
    if let Some((item, reason)) = failed(instance, &own) {
        stay.insert(item, reason);
    }
    one.staying_items_left = stay.len().saturating_sub(NAMED_MAX) as u64;
    one.staying_items = stay
        .into_iter()
        .take(NAMED_MAX)
        .map(|(index, why)| {
            let (item, item_bytes) = items::of_list(fan, index as usize);
            StayingItemView { index: u64::from(index), item, item_bytes, why }
        })
        .collect();
}

/// Did a `kill` end it while something was taken back?
fn is_broken_off(instance: &Instance) -> bool {
    instance.end().is_some_and(|end| end.how == Ending::Killed) && !instance.left_out().is_empty()
}

/// Does a call of the step have an undo?
fn has_undo(definition: &Definition, progress: &Progress, (run, at): (u32, usize)) -> bool {
    let graph = progress.run(run).and_then(|run| definition.graphs.get(usize::from(run.graph)));
    let program = graph.and_then(|graph| graph.steps.get(at)).map(|step| step.program);
    let program = program.and_then(|program| definition.sequences.get(usize::from(program)));
    let undoable = |step: &SeqStep| step.call().is_some_and(|spec| spec.undo.is_some());
    program.is_some_and(|program| program.steps.iter().any(undoable))
}

/// What the step did and is not taken back.
fn entries(progress: &Progress, (run, at): (u32, usize)) -> impl Iterator<Item = &Undoable> {
    progress.undo.iter().filter(move |entry| {
        entry.step.is_some_and(|(of, step)| (of, usize::from(step)) == (run, at))
    })
}

/// The item whose undo failed and waits for a person.
fn failed(instance: &Instance, own: &[&Undoable]) -> Option<(u32, String)> {
    let stuck = instance.stuck.as_deref().filter(|stuck| stuck.kind == StuckKind::UndoFailed)?;
    let Role::Undo { undo } = stuck.sequence.as_ref()?.role else { return None };
    let entry = own.iter().find(|entry| entry.id == undo)?;
    Some((entry.item?, plain(&stuck.reason)))
}

/// What was told of the item when it was left out, or `else_words`.
fn told(instance: &Instance, one: &StepView, item: u32, else_words: &str) -> String {
    let start = format!("step `{}[{item}]` ", one.id);
    let mut told = instance.left_out().iter().rev();
    let words = told.find_map(|what| what.strip_prefix(&*start));
    let words = words.map(|it| it.strip_prefix("was not taken back: ").unwrap_or(it));
    words.unwrap_or(else_words).to_owned()
}
