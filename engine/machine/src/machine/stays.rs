//! What a rollback left, and what it is called: a step, an item of its `foreach:`, or the operation
//! that a state called.

use std::sync::Arc;

use super::instance::{RunningCall, RunningSequence};
use super::progress::{ItemState, Role, StepState, Undoable};
use super::work::Work;
use crate::definition::model::SeqStep;
use crate::value::Value;

/// Ranges of items that are named in a row.
const RANGES_MAX: usize = 16;

/// How an undo stood when its rollback was broken off.
enum Stood {
    /// It was under way.
    Sent,
    /// It was held back.
    Held,
    /// The same, and an engine that is gone may have sent it.
    Unsure,
    /// It failed, and its next attempt was to come or a person to help.
    Failed,
}

impl Stood {
    const fn of(call: &RunningCall) -> Self {
        match (call.sent, call.unsure, call.held) {
            (true, _, _) => Self::Sent,
            (false, true, _) => Self::Unsure,
            (false, false, true) => Self::Held,
            (false, false, false) => Self::Failed,
        }
    }

    /// What it was to take back, as that is left.
    fn words(&self, done: &str, call: &str) -> String {
        match self {
            Self::Sent => format!("{done} may not be taken back: `{call}` was under way"),
            Self::Unsure => {
                format!("{done} may not be taken back: `{call}` waited to be sent again")
            }
            Self::Held => format!("{done} was not taken back: `{call}` waited to be sent"),
            Self::Failed => format!("{done} was not taken back: `{call}` failed"),
        }
    }
}

impl StepState {
    /// Was a part of its items taken back, and does the rest stay?
    pub(super) fn is_partly_undone(&self) -> bool {
        let items = self.fan.iter().flat_map(|fan| (0_u32..).zip(fan.items.iter()));
        let mut done = items.filter(|(_, item)| matches!(item, ItemState::Done(_)));
        !self.stays.is_empty() && done.any(|(at, _)| !self.stays.contains(&at))
    }

    /// As it waits to run again. Items that stay are not done again, the others are.
    pub(super) fn opened_again(&mut self) -> Self {
        let stays = std::mem::take(&mut self.stays);
        let mut fan = self.fan.take().filter(|_| !stays.is_empty());
        if let Some(fan) = &mut fan {
            let all = (0_u32..).zip(fan.items.iter());
            let kept = all.map(|(at, item)| match item {
                ItemState::Done(_) if stays.contains(&at) => item.clone(),
                ItemState::Open
                | ItemState::Done(_)
                | ItemState::Failed { .. }
                | ItemState::Unkept(_) => ItemState::Open,
            });
            fan.items = kept.collect();
        }
        Self { fan, stays, ..Self::pending() }
    }

    /// Its list is made anew: where another item stands than the one that stays, that is done.
    pub(super) fn forget_moved(&mut self, list: &[Value]) {
        let Some(fan) = self.fan.as_deref_mut().filter(|_| !self.stays.is_empty()) else { return };
        let old = fan.list.as_list().unwrap_or_default();
        let same = |at: &u32| {
            let at = *at as usize;
            old.len() == list.len() && old.get(at) == list.get(at)
        };
        for at in self.stays.iter().filter(|at| !same(at)) {
            if let Some(place) = fan.items.get_mut(*at as usize) {
                *place = ItemState::Open;
            }
        }
        self.stays.retain(same);
    }
}

impl Work<'_> {
    /// `load`, `load[3]`.
    pub(super) fn step_named(
        &self,
        (graph, step): (u32, u16),
        item: Option<u32>,
    ) -> Option<Arc<str>> {
        let id = &self.step_of(graph, step)?.id;
        Some(item.map_or_else(|| Arc::clone(id), |item| format!("{id}[{item}]").into()))
    }

    /// The step whose call the undo takes back, with the item; `None`: a call of a state.
    pub(super) fn step_undone(&self, undo: u32) -> Option<Arc<str>> {
        let progress = self.instance.progress.as_deref()?;
        let entry = progress.undo.iter().rev().find(|it| it.id == undo)?;
        self.step_named(entry.step?, entry.item)
    }

    /// A person leaves behind what could not be taken back: its end tells of it, by whom and why.
    pub(super) fn leave_undo_out(&mut self, sequence: &RunningSequence, by: &str) {
        let Role::Undo { undo } = sequence.role else { return };
        let call = self.call_of(sequence).map(|(spec, _)| Arc::clone(&spec.operation));
        let call = call.unwrap_or_default();
        let what = match self.step_undone(undo) {
            Some(step) => format!("step `{step}` was not taken back: `{call}` was skipped{by}"),
            None => format!("what it takes back stays: `{call}` was skipped{by}"),
        };
        self.leave_out(&what);
    }

    /// ``step `book[3]` ``, or the operation that a state called.
    fn what_was_done(&self, entry: &Undoable, item: Option<u32>) -> String {
        if let Some(step) = entry.step.and_then(|step| self.step_named(step, item)) {
            return format!("step `{step}`");
        }
        let program = self.definition.sequences.get(usize::from(entry.sequence));
        let program = program.and_then(|it| it.steps.get(usize::from(entry.position)));
        match program {
            Some(SeqStep::Call { spec, .. }) => format!("`{}`", spec.operation),
            Some(
                SeqStep::Do(_)
                | SeqStep::Child { .. }
                | SeqStep::Wait { .. }
                | SeqStep::Approval { .. }
                | SeqStep::Name { .. }
                | SeqStep::JumpUnless { .. }
                | SeqStep::Jump { .. },
            )
            | None => "a call".to_owned(),
        }
    }

    /// What is not taken back, or not known to be, because a rollback is broken off now.
    pub(super) fn left_by_kill(&self) -> Vec<String> {
        if !self.is_rolling_back() {
            return Vec::new();
        }
        let (mut under_way, mut left) = (None, Vec::new());
        for sequence in &self.instance.sequences {
            let call = || self.call_of(sequence).map(|(spec, _)| Arc::clone(&spec.operation));
            match sequence.role {
                Role::Undo { undo } => {
                    let stood = sequence.call.as_ref().map_or(Stood::Failed, Stood::of);
                    under_way = Some((undo, stood, call().unwrap_or_default()));
                }
                Role::Finally { .. } => left.push("`finally` was broken off".to_owned()),
                role @ (Role::State | Role::Step { .. })
                    if self.instance.is_last_reply(sequence) =>
                {
                    let stood = match sequence.call.as_ref().is_none_or(|call| call.sent) {
                        true => "was under way",
                        false => "waited to be sent, and an engine that is gone may have done so",
                    };
                    let call = call().unwrap_or_default();
                    let of_item = matches!(role, Role::Step { item: Some(_), .. });
                    let of = if of_item { self.step_words(role) } else { String::new() };
                    left.push(format!("{of}`{call}` {stood}: if it is done, it stays"));
                }
                Role::State | Role::Step { .. } => {}
            }
        }
        let mut counted: Vec<Left> = Vec::new();
        // What its transaction takes back is not left.
        for entry in self.still_to_undo().filter(|entry| !self.is_transactions(entry.id)) {
            match &under_way {
                Some((undo, stood, call)) if *undo == entry.id => {
                    left.push(stood.words(&self.what_was_done(entry, entry.item), call));
                    continue;
                }
                Some(_) | None => {}
            }
            // Items of one step are told together: there may be thousands.
            let (what, of_items) = (self.what_was_done(entry, None), entry.item.is_some());
            let is_it = |known: &&mut Left| known.what == what && known.of_items == of_items;
            let item = entry.item.unwrap_or_default();
            match counted.iter_mut().find(is_it) {
                Some(known) => known.items.push(item),
                None => counted.push(Left { what, of_items, items: vec![item] }),
            }
        }
        left.extend(counted.into_iter().map(Left::words));
        let finals = self.finals_of_rollback();
        left.extend(finals.first().map(|_| "`finally` was not run".to_owned()));
        left
    }
}

/// Calls of one step or operation that stay.
struct Left {
    what: String,
    /// Is each that of an item?
    of_items: bool,
    /// Which; one for each call where they are no items.
    items: Vec<u32>,
}

impl Left {
    /// ``step `book[0, 3-5]` was not taken back``, `` `pay.charge` was not taken back, 2 calls``.
    fn words(self) -> String {
        let Self { what, of_items, mut items } = self;
        if !of_items {
            return match items.len() {
                1 => format!("{what} was not taken back"),
                count => format!("{what} was not taken back, {count} calls"),
            };
        }
        items.sort_unstable();
        items.dedup();
        let what = what.trim_end_matches('`');
        format!("{what}[{}]` was not taken back", ranges(&items))
    }
}

/// `0, 3-5` of sorted numbers; of many ranges the first, and how many items more.
fn ranges(items: &[u32]) -> String {
    let mut words = String::new();
    let mut rest = items;
    for _ in 0..RANGES_MAX {
        let Some((first, behind)) = rest.split_first() else { return words };
        let row = (first + 1..).zip(behind).take_while(|(next, item)| next == *item).count();
        let between = if words.is_empty() { "" } else { ", " };
        let last = first.saturating_add(u32::try_from(row).unwrap_or(u32::MAX));
        words.push_str(&match row {
            0 => format!("{between}{first}"),
            1 => format!("{between}{first}, {last}"),
            _ => format!("{between}{first}-{last}"),
        });
        rest = behind.get(row..).unwrap_or_default();
    }
    if !rest.is_empty() {
        words.push_str(&format!(" and {} more", rest.len()));
    }
    words
}
