//! Words on arrows: `event [guard] / calls`.

use crate::definition::duration;
use crate::definition::expr::Template;
use crate::definition::model::{Action, Definition, Delay, SeqStep, Transition, Trigger};

/// Letters of a guard that are shown.
pub(super) const GUARD_MAX: usize = 60;
/// Letters of what a transition does.
const CALLS_MAX: usize = 120;
/// Letters of what it waits for.
const TRIGGER_MAX: usize = 120;

/// `document.submitted [data.ok] / validate_document`; `when` stands for the trigger if given.
pub(super) fn line(
    definition: &Definition,
    transition: &Transition,
    when: Option<&str>,
    calls: &[String],
) -> String {
    let mut parts = Vec::new();
    let trigger = when.map_or_else(|| trigger(definition, transition), str::to_owned);
    if !trigger.is_empty() {
        parts.push(shortened(&trigger, TRIGGER_MAX));
    }
    if let Some(guard) = &transition.guard {
        parts.push(format!("[{}]", shortened(guard.source(), GUARD_MAX)));
    }
    if !calls.is_empty() {
        parts.push(format!("/ {}", shortened(&calls.join(", "), CALLS_MAX)));
    }
    parts.join(" ")
}

/// `after 24h`.
pub(super) fn after(delay: &Delay) -> String {
    match delay {
        Delay::Fixed(ms) => format!("after {}", duration::format(*ms)),
        Delay::Computed(template) => format!("after {}", text(template)),
    }
}

/// What actions make the world do: calls by their name, messages by where they go. What they do
/// to the instance itself is not drawn.
pub(super) fn actions(definition: &Definition, actions: &[Action]) -> Vec<String> {
    let mut words = Vec::new();
    for action in actions {
        action_words(definition, action, &mut words);
    }
    words
}

fn action_words(definition: &Definition, action: &Action, words: &mut Vec<String>) {
    match action {
        Action::Publish { subject, .. } => words.push(format!("publish {}", text(subject))),
        Action::Raise { event, .. } => words.push(format!("raise {event}")),
        Action::Send { event, .. } => words.push(format!("send {}", text(event))),
        Action::Tell(spec) => words.push(spec.name.to_string()),
        Action::Route(_) => words.push("route".to_owned()),
        Action::Sequence(place) => program_words(definition, *place, words),
        Action::If(branches) => {
            for action in branches.iter().flat_map(|(_, body)| body) {
                action_words(definition, action, words);
            }
        }
        Action::Each { body, .. } => {
            for action in body {
                action_words(definition, action, words);
            }
        }
        // A graph is drawn as one.
        Action::Set(_)
        | Action::Cancel { .. }
        | Action::Log { .. }
        | Action::Checkpoint { .. }
        | Action::Graph(_) => {}
    }
}

/// What the program at `place` makes the world do.
pub(super) fn program(definition: &Definition, place: u16) -> Vec<String> {
    let mut words = Vec::new();
    program_words(definition, place, &mut words);
    words
}

fn program_words(definition: &Definition, place: u16, words: &mut Vec<String>) {
    let sequence = definition.sequences.get(usize::from(place));
    for step in sequence.iter().flat_map(|sequence| &sequence.steps) {
        match step {
            SeqStep::Do(action) => action_words(definition, action, words),
            SeqStep::Call { spec, .. } => words.push(spec.name.to_string()),
            SeqStep::Child { spec, .. } => words.push(format!("invoke {}", text(&spec.workflow))),
            SeqStep::Wait { events, .. } => {
                let events: Vec<String> = events.iter().map(ToString::to_string).collect();
                words.push(format!("wait {}", events.join(", ")));
            }
            SeqStep::Approval { approval, .. } => {
                words.push(format!("approval: {}", approval.choices.join(" | ")));
            }
            SeqStep::Name { .. } | SeqStep::JumpUnless { .. } | SeqStep::Jump { .. } => {}
        }
    }
}

/// The events, with the loader's own ones as the author knows them: `done` and `failed`.
fn trigger(definition: &Definition, transition: &Transition) -> String {
    let Trigger::Events(descriptors) = &transition.trigger else { return String::new() };
    let own = &definition.state(transition.source).id;
    let mut words: Vec<String> = Vec::new();
    for descriptor in descriptors {
        let text = descriptor.to_string();
        let plain = text.trim_start_matches('=');
        let word = if plain.strip_prefix("done.state.") == Some(own) {
            "done"
        } else if plain.starts_with("error.") && plain.ends_with(&format!(".invoke.{own}")) {
            "failed"
        } else {
            &text
        };
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words.join(", ")
}

fn text(template: &Template) -> String {
    match template.as_const() {
        Some(value) => value.to_string(),
        None => "…".to_owned(),
    }
}

/// On one line, and no longer than that many letters.
pub(super) fn shortened(source: &str, max: usize) -> String {
    let line = source.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let head: String = line.chars().take(max - 1).collect();
    format!("{head}…")
}
