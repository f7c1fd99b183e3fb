//! Which transitions of the definitions the scenarios took, and which never.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_machine::definition::model::{Definition, Transition, Trigger};
use gearshift_machine::machine::TransitionId;
use gearshift_machine::partition::Definitions;
use serde::Serialize;

use crate::cli::stage::Happened;

/// The transitions that were taken, by definition.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<(String, u32), BTreeSet<TransitionId>>);

/// One definition and how much of it was taken.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Covered {
    /// `workflow@version`.
    pub(super) workflow: String,
    /// Where it is written.
    pub(super) file: String,
    /// How many transitions it has.
    pub(super) transitions: usize,
    /// How many of them were taken.
    pub(super) taken: usize,
    /// Those that never were.
    pub(super) never: Vec<Never>,
}

/// A transition that was never taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Never {
    /// The state it leaves from.
    pub(super) from: String,
    /// Its name, or what triggers it.
    pub(super) name: String,
    /// Its line in the file; 0 where it has none.
    pub(super) line: u32,
}

impl Taken {
    /// Adds what happened.
    pub(super) fn add(&mut self, happened: &Happened) {
        let Some(definition) = &happened.done.definition else { return };
        let Some(trace) = &happened.done.trace else { return };
        let taken = self.0.entry((definition.name.to_string(), definition.version)).or_default();
        taken.extend(trace.fired.iter().map(|fired| fired.transition));
    }

    /// How much was taken of each definition, in the order of their names.
    pub(super) fn of(
        &self,
        definitions: &Definitions,
        origins: &BTreeMap<(String, u32), String>,
    ) -> Vec<Covered> {
        let covered = definitions.iter().map(|definition| {
            let name = (definition.name.to_string(), definition.version);
            let taken = self.0.get(&name);
            let all: Vec<_> = written(definition).collect();
            let never = all.iter().filter(|(id, _)| !taken.is_some_and(|set| set.contains(id)));
            let never = never.map(|(_, transition)| Never {
                from: source(definition, transition),
                name: label(definition, transition),
                line: transition.line,
            });
            let never: Vec<_> = never.collect();
            Covered {
                workflow: format!("{}@{}", name.0, name.1),
                file: origins.get(&name).cloned().unwrap_or_default(),
                transitions: all.len(),
                taken: all.len() - never.len(),
                never,
            }
        });
        covered.collect()
    }
}

/// The transitions that an author wrote: not those into initial states, and those with calls on
/// the way only once.
fn written(definition: &Definition) -> impl Iterator<Item = (TransitionId, &Transition)> {
    let all = (0..).map(TransitionId).zip(&definition.transitions);
    all.filter(|(_, transition)| {
        let hidden_for = definition.state(transition.source).hidden_for;
        let is_second_half =
            hidden_for.is_some() && transition.targets.first().copied() == hidden_for;
        transition.trigger != Trigger::Initial && !is_second_half
    })
}

/// Its name, or what triggers it, in the words of the author: `done` and `failed` of its state are
/// events of the engine.
fn label(definition: &Definition, transition: &Transition) -> String {
    let plain = || crate::api::transition_label(definition, transition);
    let Trigger::Events(list) = &transition.trigger else { return plain() };
    let source = definition.state(transition.source);
    if transition.name.is_some() || source.hidden_for.is_some() {
        return plain();
    }
    let mut words: Vec<String> = list.iter().map(ToString::to_string).collect();
    if words.contains(&format!("error.platform.invoke.{}", source.id)) && words.len() > 1 {
        return "failed".to_owned();
    }
    let done = format!("done.state.{}", source.id);
    for word in &mut words {
        if word.trim_start_matches('=') == done {
            "done".clone_into(word);
        }
    }
    words.join(" | ")
}

/// The state it leaves from; behind calls on the way, the one they lead to.
fn source(definition: &Definition, transition: &Transition) -> String {
    let state = definition.state(transition.source);
    match state.hidden_for {
        Some(target) => format!("… {}", definition.state(target).id),
        None => state.id.to_string(),
    }
}
