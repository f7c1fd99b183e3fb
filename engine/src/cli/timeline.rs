//! What decisions did, as lines: state, transition (event), effects.
//!
//! `history` shows every decision; `run` folds the calls between an event and the state it leads
//! to into one line.

use gearshift_client::protocol::view::{HistoryEntry, TransitionView};
use serde::Serialize;

use super::output::{Look, one_line};
use super::words::{self, is_hidden, states};

/// How wide the column of states is at least and at most; longer names push the rest to the right.
const STATES_WIDTH: std::ops::RangeInclusive<usize> = 14..=24;

/// The width of the column for these names.
pub(super) fn width<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    let longest = names.into_iter().map(|name| name.chars().count()).max().unwrap_or_default();
    longest.clamp(*STATES_WIDTH.start(), *STATES_WIDTH.end())
}

/// The input of an instance's first decision.
const START: &str = "start";

/// Does a life begin here, by an order or by an event?
fn is_start(entry: &HistoryEntry) -> bool {
    entry.input.split(' ').next() == Some(START)
}

/// What is to be said before the first line: the engine keeps the last decisions of an instance
/// (decision 0005).
pub(super) fn not_kept(kept: &[HistoryEntry]) -> Option<String> {
    let gone = kept.first()?.step.saturating_sub(1);
    let decisions = words::count(usize::try_from(gone).unwrap_or(usize::MAX), "decision");
    (gone > 0).then(|| format!("   …  {decisions} before these: no longer kept"))
}

/// One line. Without colors the same decisions always give the same text: tests compare it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// When it was decided, in milliseconds since 1970.
    #[serde(skip)]
    pub(super) at_ms: i64,
    /// Active states; one that waits for its calls has `…` and the state it leads to.
    pub(super) state: String,
    /// `submit_for_review (document.submitted)`; empty for a plain start.
    pub(super) cause: String,
    /// What was asked of the world.
    pub(super) effects: Vec<String>,
    /// What else is to be said.
    pub(super) notes: Vec<String>,
}

/// Why a state was left: the event and who sent it.
#[derive(Clone, Debug, Default)]
struct Origin {
    event: String,
    by: Option<String>,
    /// The author's name of the transition it took.
    name: Option<String>,
}

/// Folds decisions into lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    /// The event that the instance was started by: its first decision is called `start`.
    started_by: Option<String>,
    active: Vec<String>,
    /// The event whose calls are under way, and what happened since.
    under_way: Option<(Origin, Vec<String>)>,
}

impl Timeline {
    /// An instance that `event` starts; `None`: an explicit start.
    pub(super) fn started_by(event: Option<&str>) -> Self {
        Self { started_by: event.map(str::to_owned), ..Self::default() }
    }

    /// Takes the next decision; lines come when there are some to show. A start that goes on at
    /// once has two: where it began, and where it went.
    pub(super) fn take(&mut self, entry: &HistoryEntry) -> Vec<Row> {
        let first = entry.transitions.first().filter(|_| is_start(entry));
        let Some(first) = first else { return self.fold(entry).into_iter().collect() };
        let mut entry = entry.clone();
        if let Some(event) = &self.started_by {
            entry.input.clone_from(event);
        }
        let began = Row { at_ms: at_ms(&entry), state: first.from.clone(), ..Row::default() };
        std::iter::once(began).chain(self.fold(&entry)).collect()
    }

    fn fold(&mut self, entry: &HistoryEntry) -> Option<Row> {
        if !entry.active.is_empty() {
            self.active.clone_from(&entry.active);
        }
        let notes = notes(entry);
        let waits = self.active.iter().any(|name| is_hidden(name));
        if waits && notes.is_empty() {
            let (_, effects) = self.under_way.get_or_insert_with(|| (origin(entry), Vec::new()));
            effects.extend(entry.effects.iter().cloned());
            return None;
        }
        let (origin, mut effects) = match &mut self.under_way {
            // What is told once is not told again with the next attempt.
            Some((origin, effects)) => (Some(origin.clone()), std::mem::take(effects)),
            None => (None, Vec::new()),
        };
        if !waits {
            self.under_way = None;
        }
        effects.extend(entry.effects.iter().cloned());
        let shown = !entry.transitions.is_empty()
            || !effects.is_empty()
            || !notes.is_empty()
            || is_start(entry);
        shown.then(|| Row {
            at_ms: at_ms(entry),
            state: states(&self.active),
            cause: cause(entry, origin.as_ref()),
            effects,
            notes,
        })
    }
}

impl Row {
    /// The line of one decision alone.
    pub(super) fn of(entry: &HistoryEntry) -> Self {
        Self {
            at_ms: at_ms(entry),
            state: states(&entry.active),
            cause: if entry.transitions.is_empty() { input(entry) } else { led_to(entry) },
            effects: entry.effects.clone(),
            notes: notes(entry),
        }
    }

    /// `under_review    submit_for_review (document.submitted)  call validator.validate_document`.
    pub(super) fn render(&self, look: Look, width: usize) -> String {
        let (green, dim) = (look.green(), look.dim());
        let state = one_line(&self.state);
        let mut text = format!("{green}{state:<width$}{green:#}");
        let parts = std::iter::once(&self.cause).chain(&self.effects);
        let mut parts = parts.filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            let again = std::iter::from_fn(|| parts.next_if_eq(&part)).count();
            let times = if again > 0 { format!(" ×{}", again + 1) } else { String::new() };
            text.push_str(&format!("  {}{times}", one_line(part).trim_end()));
        }
        for note in &self.notes {
            text.push_str(&format!("  {dim}[{}]{dim:#}", one_line(note)));
        }
        text.trim_end().to_owned()
    }
}

/// What else is to be said of a decision: its note, and guards where nothing was taken.
fn notes(entry: &HistoryEntry) -> Vec<String> {
    let guards = entry.guards.iter().filter_map(|guard| {
        let name = words::event(guard.transition.trim_start_matches('='));
        match &guard.error {
            Some(error) => Some(format!("{name}: guard failed: {error}")),
            None if entry.transitions.is_empty() => Some(format!("{name}: guard is false")),
            None => None,
        }
    });
    entry.note.iter().map(|note| words::plain(note)).chain(guards).collect()
}

fn event_of(transition: &TransitionView, entry: &HistoryEntry) -> String {
    transition.event.clone().unwrap_or_else(|| entry.input.clone())
}

/// What began it all: the first transition's event, or the input.
fn origin(entry: &HistoryEntry) -> Origin {
    let event = entry.transitions.first().map(|transition| event_of(transition, entry));
    let event = event.unwrap_or_else(|| entry.input.clone());
    let name = entry.transitions.first().map(|transition| transition.name.clone());
    Origin { event, name, by: entry.by.clone() }
}

/// The input of a decision, and who gave it: `skip by ann`.
fn input(entry: &HistoryEntry) -> String {
    with_person(words::event(&entry.input), entry.by.as_deref())
}

/// The transitions, and before them the command or reply that led to them: `skip by ann → …`.
/// A decision on an approval shows in its event.
fn led_to(entry: &HistoryEntry) -> String {
    let shown = |start: &str| entry.input.starts_with(start);
    if shown("reply ")
        || was_taken_by_a_step(entry)
        || (shown("command ") && !shown("command decide"))
    {
        let others = HistoryEntry { by: None, ..entry.clone() };
        return format!("{} → {}", input(entry), cause(&others, None));
    }
    cause(entry, None)
}

/// Did a step wait for the event, so that only what came of it is a transition?
fn was_taken_by_a_step(entry: &HistoryEntry) -> bool {
    let own = ["timer", "command ", "reply "].iter().any(|start| entry.input.starts_with(start));
    let only_ends = |it: &TransitionView| {
        it.event
            .as_deref()
            .is_some_and(|event| event != entry.input && words::event(event) == "done")
    };
    !own && !is_start(entry) && entry.transitions.iter().all(only_ends)
}

/// The transitions with what triggered them; the input where none was taken.
fn cause(entry: &HistoryEntry, began: Option<&Origin>) -> String {
    if entry.transitions.is_empty() {
        return match began {
            Some(began) => with_person(&began.event, began.by.as_deref()),
            None if is_start(entry) => String::new(),
            None => with_person(&entry.input, entry.by.as_deref()),
        };
    }
    let told = entry.transitions.iter().map(|transition| {
        let event = event_of(transition, entry);
        match began {
            Some(began) if event.starts_with("done.state.") && is_hidden(&event) => {
                let name = began.name.as_ref().unwrap_or(&transition.name);
                named(name, &began.event, began.by.as_deref())
            }
            Some(_) | None => named(&transition.name, &event, entry.by.as_deref()),
        }
    });
    told.collect::<Vec<_>>().join(" · ")
}

/// `approve (user.action by ann)`, `pay (done)`, `(done)`; a transition without a name of its
/// own is called like its event.
fn named(name: &str, event: &str, by: Option<&str>) -> String {
    let word = words::event(event);
    let is_done = word == "done";
    let trigger = with_person(word, by);
    let has_name = name != event && !name.starts_with('=') && !name.contains(" | ");
    match (has_name, trigger.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{name} ({trigger})"),
        (false, _) if is_done => format!("({trigger})"),
        (false, true) => name.to_owned(),
        (false, false) => trigger,
    }
}

fn with_person(word: &str, by: Option<&str>) -> String {
    match by.filter(|by| !by.is_empty()) {
        Some(by) => format!("{word} by {by}").trim_start().to_owned(),
        None => word.to_owned(),
    }
}

/// Seconds and milliseconds: `04.112`.
pub(super) fn elapsed(ms: i64) -> String {
    let ms = ms.max(0);
    format!("{:02}.{:03}", ms / 1_000, ms % 1_000)
}

fn at_ms(entry: &HistoryEntry) -> i64 {
    entry.at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
