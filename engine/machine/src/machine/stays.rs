//! What a rollback left, and what it is called: a step, an item of its `foreach:`, or the operation
//! that a state called.

use std::sync::Arc;

use super::doubt::UNANSWERED;
use super::ids::StateId;
use super::instance::{RunningCall, RunningSequence, StuckKind};
use super::progress::{Role, Undoable};
use super::work::Work;
use crate::definition::model::SeqStep;

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
        let (what, call) = (self.undone_words(undo), call.unwrap_or_default());
        self.leave_out(&format!("{what} was not taken back: `{call}` was skipped{by}"));
    }

    /// What the undo with this id takes back.
    pub(super) fn undone_words(&self, undo: u32) -> String {
        let progress = self.instance.progress.as_deref();
        let entry = progress.and_then(|it| it.undo.iter().rev().find(|it| it.id == undo));
        entry.map_or_else(|| "a call".to_owned(), |it| self.what_was_done(it, it.item))
    }

    /// ``state `open` ``; of a call before a state is entered ``the way to `open` ``.
    fn state_words(&self, state: StateId) -> String {
        let own = self.state(state);
        match own.hidden_for {
            Some(target) => format!("the way to `{}`", self.state(target).id),
            None => format!("state `{}`", own.id),
        }
    }

    /// ``step `book[3]`: ``, ``state `open`: ``: who makes a call that nothing takes back.
    fn caller_words(&self, sequence: &RunningSequence) -> String {
        match sequence.role {
            role @ Role::Step { .. } => self.step_words(role),
            Role::State => format!("{}: ", self.state_words(sequence.state)),
            Role::Undo { .. } => String::new(),
            Role::Finally { .. } => "`finally`: ".to_owned(),
        }
    }

    /// ``step `pay`: `bank.charge` was under way: if it is done, it stays``.
    pub(super) fn cut_off_words(&self, sequence: &RunningSequence, stood: &str) -> String {
        let call = self.call_of(sequence).map(|(spec, _)| Arc::clone(&spec.operation));
        let (whose, call) = (self.caller_words(sequence), call.unwrap_or_default());
        format!("{whose}`{call}` {stood}: if it is done, it stays")
    }

    /// ``step `book[3]` ``, or the operation that a state called, and which.
    fn what_was_done(&self, entry: &Undoable, item: Option<u32>) -> String {
        if let Some(step) = entry.step.and_then(|step| self.step_named(step, item)) {
            return format!("step `{step}`");
        }
        let program = self.definition.sequences.get(usize::from(entry.sequence));
        let program = program.and_then(|it| it.steps.get(usize::from(entry.position)));
        program.and_then(SeqStep::call).map_or_else(
            || "a call".to_owned(),
            |spec| format!("`{}` of {}", spec.operation, self.state_words(entry.state)),
        )
    }

    /// What a `kill` breaks off now and may be done all the same, and what is not taken back
    /// because of it, or not known to be.
    pub(super) fn left_by_kill(&self) -> Vec<String> {
        let mut left = self.cut_off_by_kill();
        if self.is_rolling_back() {
            self.broken_off_by_kill(&mut left);
        }
        left
    }

    /// Calls that may have been sent and that nobody waits for any more.
    fn cut_off_by_kill(&self) -> Vec<String> {
        let words = |sequence: &RunningSequence| {
            if let Role::Finally { .. } = sequence.role {
                return Some("`finally` was broken off".to_owned());
            }
            let (Role::State | Role::Step { .. }) = sequence.role else { return None };
            let call = sequence.call.as_ref().filter(|call| call.child.is_none())?;
            let stood = match (call.sent, call.unsure, call.held) {
                (true, _, _) => "was under way",
                (false, true, true) => {
                    "waited to be sent, and an engine that is gone may have done so"
                }
                (false, true, false) => UNANSWERED,
                (false, false, _) => return None,
            };
            Some(self.cut_off_words(sequence, stood))
        };
        let mut left: Vec<_> = self.instance.sequences.iter().filter_map(words).collect();
        let adrift = self.instance.adrift().iter().filter(|it| it.call.is_some());
        left.extend(adrift.map(|it| self.adrift_words(it)));
        let unknown = |kind: StuckKind| kind == StuckKind::OutcomeUnknown;
        let stuck = self.instance.stuck.as_deref().filter(|stuck| unknown(stuck.kind));
        if let Some(sequence) = stuck.and_then(|stuck| stuck.sequence.as_ref())
            && matches!(sequence.role, Role::State | Role::Step { .. })
            && sequence.call.as_ref().is_some_and(|it| self.instance.adrift_with(it.id).is_none())
        {
            left.push(self.cut_off_words(sequence, "has an unknown outcome"));
        }
        left
    }

    /// What is not taken back because a rollback is broken off now.
    fn broken_off_by_kill(&self, left: &mut Vec<String>) {
        let undo = self.instance.sequences.iter().find_map(|sequence| {
            let Role::Undo { undo } = sequence.role else { return None };
            let call = self.call_of(sequence).map(|(spec, _)| Arc::clone(&spec.operation));
            let stood = sequence.call.as_ref().map_or(Stood::Failed, Stood::of);
            Some((undo, stood, call.unwrap_or_default()))
        });
        let mut counted: Vec<Left> = Vec::new();
        // What its transaction takes back is not left.
        for entry in self.still_to_undo().filter(|entry| !self.is_transactions(entry.id)) {
            match &undo {
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
pub(super) fn ranges(items: &[u32]) -> String {
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
