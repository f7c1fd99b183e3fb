//! The items of a `foreach` that have no result: which, and why.

use gearshift_machine::machine::{FanState, ItemState, StepError, StepState, StepStatus};
use gearshift_machine::value::Value as Own;
use gearshift_protocol::view::{ItemView, StepErrorView, StepStatus as Wire, StepView};
use serde_json::Value;

use super::steps::kind_of;
use super::wire;

/// The heaviest item that a view shows, in bytes.
const ITEM_MAX: usize = 512;
/// What the items of one step weigh in a view at most, in bytes: an answer has to fit a message.
const LIST_MAX: usize = 128 * 1_024;
/// What an item weighs beside its value and the words of its error, in bytes.
const AROUND: usize = 128;
/// The longest words of an error that a view shows, in bytes.
const WORDS_MAX: usize = 1_024;
/// Items that `why` names.
const NAMED: usize = 5;

/// Tells of a step which items failed and, once it is over, which others have no result.
pub(super) fn add(one: &mut StepView, state: &StepState) {
    let Some(fan) = state.fan.as_deref() else { return };
    let is_over = !matches!(state.status, StepStatus::Running | StepStatus::Retrying);
    let mut room = LIST_MAX;
    // Where not all can be listed, what failed says more than what was not begun.
    for failed in [true, false] {
        if !failed && !is_over {
            break;
        }
        for (at, item) in fan.items.iter().enumerate() {
            let error = item.error();
            if matches!(item, ItemState::Done(_) | ItemState::Undone) || error.is_some() != failed {
                continue;
            }
            let view = view(fan, at, (item, error));
            let words = error.map_or(0, |error| error.message.len().min(WORDS_MAX));
            let weight = AROUND + words + if view.item_bytes.is_some() { 0 } else { ITEM_MAX };
            match room.checked_sub(weight) {
                Some(left) if one.missing_items_left == 0 => {
                    room = left;
                    one.missing_items.push(view);
                }
                Some(_) | None => one.missing_items_left += 1,
            }
        }
    }
    one.missing_items.sort_by_key(|item| item.index);
}

/// An item of the list, or how heavy it is.
pub(super) fn of_list(fan: &FanState, at: usize) -> (Value, Option<u64>) {
    let own = fan.list.as_list().and_then(|list| list.get(at));
    match own.map_or(0, Own::weight) {
        weight if weight > ITEM_MAX => (Value::Null, u64::try_from(weight).ok()),
        _ => (own.map(wire::json).unwrap_or_default(), None),
    }
}

fn view(fan: &FanState, at: usize, (state, error): (&ItemState, Option<&StepError>)) -> ItemView {
    let (item, item_bytes) = of_list(fan, at);
    let retry_count = match state {
        ItemState::Failed { retries, .. } => *retries,
        ItemState::Open | ItemState::Done(_) | ItemState::Undone | ItemState::Unkept(_) => 0,
    };
    let index = at as u64;
    let mut one = ItemView { index, item, item_bytes, retry_count, ..ItemView::default() };
    one.status = match error {
        Some(_) => Wire::Failed,
        None if at < fan.next as usize => Wire::Cancelled,
        None => Wire::Pending,
    };
    one.error = error.map(|error| StepErrorView {
        kind: kind_of(error).to_owned(),
        code: error.code.to_string(),
        message: shortened(&error.message),
    });
    one
}

fn shortened(words: &str) -> String {
    match words.char_indices().map(|(at, _)| at).find(|at| *at >= WORDS_MAX) {
        Some(end) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words.to_owned(),
    }
}

/// `item 3 of `each` failed: "b.example": permanent: no such shop`, of the first that failed.
pub(super) fn why(step: &StepView, lines: &mut Vec<String>) {
    let is_failed = |item: &&ItemView| item.error.is_some();
    for one in step.missing_items.iter().filter(is_failed).take(NAMED) {
        let ItemView { index, error, .. } = one;
        let StepErrorView { kind, message, .. } = error.clone().unwrap_or_default();
        let (id, own) = (&step.id, own(one));
        let tried = match one.retry_count {
            0 => String::new(),
            retries => format!(" after {} attempts", u64::from(retries) + 1),
        };
        lines.push(format!("item {index} of `{id}` failed{tried}: {own}: {kind}: {message}"));
    }
    let failed = step.items.unwrap_or_default().failed;
    if let Some(more) = failed.checked_sub(NAMED as u64).filter(|more| *more > 0) {
        lines.push(format!("{more} more items of `{}` failed", step.id));
    }
}

/// The item itself, or how large it is.
fn own(one: &ItemView) -> String {
    match one.item_bytes {
        Some(bytes) => format!("({bytes} bytes)"),
        None => shortened(&one.item.to_string()),
    }
}
