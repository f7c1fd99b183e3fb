//! The items of a `foreach` that are taken back, and those that stay.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_machine::definition::model::{Definition, SeqStep};
use gearshift_machine::machine::{
    Ending, FanState, Instance, ItemState, Progress, Role, StepState, StepStatus, StuckKind,
    Undoable,
};
use gearshift_protocol::view::{StayingItemView, StepView};

use super::{items, plain};

/// Items that are named: an answer has to fit a message.
const NAMED_MAX: usize = 200;
/// Why an item stays whose rollback did not come to its end.
const BROKEN_OFF: &str = "the rollback was broken off by a kill";
/// What is told of an item that a `kill` left.
const NOT_TAKEN_BACK: &str = "was not taken back";

/// Tells of a step how many of its items are taken back and, where some stay, which and why.
pub(super) fn add(
    one: &mut StepView,
    (instance, definition): (&Instance, &Definition),
    (run, at, state): (u32, usize, &StepState),
) {
    let known = instance.progress.as_deref().zip(state.fan.as_deref());
    let Some((progress, fan)) = known else { return };
    let items = || (0_u32..).zip(fan.items.iter());
    let of = |done: bool| {
        items().filter(move |(_, item)| match item {
            ItemState::Done(_) => done,
            ItemState::Undone => !done,
            ItemState::Open | ItemState::Failed { .. } | ItemState::Unkept(_) => false,
        })
    };
    one.undone_items = of(false).count() as u64;
    if state.status == StepStatus::Undone {
        // Earlier programs left them as they were.
        one.undone_items += of(true).count() as u64;
        return;
    }
    let killed = is_killed(instance);
    let some = one.undone_items > 0;
    let takes_back = progress.rollback.is_some() || killed || some || !state.stays.is_empty();
    if !takes_back || !has_undo(definition, progress, (run, at)) {
        return;
    }
    let own: Vec<_> = entries(progress, (run, at)).collect();
    // Earlier programs did not write down which item it was.
    if own.iter().any(|entry| entry.item.is_none()) {
        return;
    }
    let left: BTreeSet<u32> = own.iter().filter_map(|entry| entry.item).collect();
    if !some && !state.stays.is_empty() {
        // Nor which was taken back.
        let is_undone = |(item, _): &(u32, _)| {
            !left.contains(item)
                && !state.stays.contains(item)
                && state.committed_in(*item).is_none()
        };
        one.undone_items = of(true).filter(is_undone).count() as u64;
    }
    let mut stay: BTreeMap<u32, String> = BTreeMap::new();
    for item in &state.stays {
        stay.insert(*item, told(instance, one, *item, "its undo was skipped"));
    }
    for (item, _) in of(true) {
        if let Some(name) = state.committed_in(item) {
            stay.insert(item, format!("committed in `{name}`"));
        } else if left.contains(&item) && killed {
            let mut all = instance.left_out().iter();
            let why = match all.any(|what| is_told(what, &one.id, item)) {
                true => BROKEN_OFF,
                false => "it was killed",
            };
            stay.insert(item, told(instance, one, item, why));
        } else if some && left.contains(&item) && progress.rollback.is_none() {
            stay.insert(item, "the rollback did not go back so far".to_owned());
        }
    }
    if let Some((item, reason)) = failed(instance, &own) {
        stay.insert(item, reason);
    }
    name_staying(one, fan, stay);
}

/// Names the first of those that stay, and counts the rest.
fn name_staying(one: &mut StepView, fan: &FanState, stay: BTreeMap<u32, String>) {
    one.staying_items_left = stay.len().saturating_sub(NAMED_MAX) as u64;
    let named = stay.into_iter().take(NAMED_MAX).map(|(index, why)| {
        let (item, item_bytes) = items::of_list(fan, index as usize);
        StayingItemView { index: u64::from(index), item, item_bytes, why }
    });
    one.staying_items = named.collect();
}

/// Did a `kill` end it, and leave something?
fn is_killed(instance: &Instance) -> bool {
    instance.end().is_some_and(|end| end.how == Ending::Killed) && !instance.left_out().is_empty()
}

/// Does what was left name the item, of a rollback that a `kill` broke off? So
/// ``step `book[0-4, 7]` was not taken back`` does.
fn is_told(what: &str, step: &str, item: u32) -> bool {
    let rest = what.strip_prefix("step `").and_then(|rest| rest.strip_prefix(step));
    let named = rest.and_then(|rest| rest.strip_prefix('[')?.split_once("]` "));
    let Some((rows, words)) = named else { return false };
    let broken_off = words.starts_with("may not be taken back: ")
        || words.starts_with(NOT_TAKEN_BACK) && !words.contains("` was skipped");
    // Of very many only some are named: `0, 31 and 7 more`.
    let (rows, more) = rows.split_once(" and ").map_or((rows, false), |(rows, _)| (rows, true));
    let mut last = 0;
    let mut named = false;
    for row in rows.split(", ") {
        let (from, to) = row.split_once('-').unwrap_or((row, row));
        let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) else { return false };
        named |= (from..=to).contains(&item);
        last = to;
    }
    broken_off && (named || more && item > last)
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
    let words = words.filter(|it| *it != NOT_TAKEN_BACK);
    let words = words.map(|it| it.strip_prefix("was not taken back: ").unwrap_or(it));
    words.unwrap_or(else_words).to_owned()
}

#[cfg(test)]
mod tests {
    use super::is_told;

    #[test]
    fn only_what_a_rollback_left_was_broken_off_by_a_kill() {
        let told = |what: &str| (0..12).filter(|at| is_told(what, "book", *at)).collect::<Vec<_>>();
        assert_eq!(told("step `book[0-2, 5]` was not taken back"), [0, 1, 2, 5]);
        let (held, failed) = ("waited to be sent", "failed");
        assert_eq!(told(&format!("step `book[3]` was not taken back: `p.undo` {held}")), [3]);
        assert_eq!(told(&format!("step `book[3]` was not taken back: `p.undo` {failed}")), [3]);
        assert_eq!(told("step `book[4]` may not be taken back: `p.undo` was under way"), [4]);
        assert_eq!(told("step `book[0, 9 and 2 more]` was not taken back"), [0, 9, 10, 11]);
        for other in [
            "step `book[3]`: `p.do` was under way: if it is done, it stays",
            "step `book[3]` was not taken back: `p.undo` was skipped by ann",
            "step `books[3]` was not taken back",
            "step `book` was not taken back",
            "`finally` was not run",
        ] {
            assert_eq!(told(other), [] as [u32; 0], "{other}");
        }
    }
}
