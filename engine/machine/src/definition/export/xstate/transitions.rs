//! Transitions: the library tries the longest descriptor first, we try the first one written.

use super::super::json::Json;
use super::actions::delay;
use super::events::Pattern;
use super::machine::Export;
use crate::definition::model::{Delay, State, StateKind, Transition, Trigger};
use crate::machine::{StateId, TransitionId};

impl Export<'_, '_> {
    /// `on` by descriptor, and what stands for `done` of a state with children.
    ///
    /// Under each descriptor stands everything that could take such an event, in our order: so the
    /// order of the descriptors decides nothing.
    pub(super) fn on(&mut self, id: StateId, state: &State) -> (Vec<(String, Json)>, Vec<Json>) {
        let definition = self.definition;
        let own = format!("=done.state.{}", state.id);
        let lost = format!("error.communication.invoke.{}", state.id);
        let starts = !self.invokes_nothing(id);
        let mut done = Vec::new();
        let mut all: Vec<(TransitionId, Pattern)> = Vec::new();
        for transition in &state.transitions {
            let Trigger::Events(list) = &definition.transition(*transition).trigger else {
                continue;
            };
            let is = |wanted: &str| list.iter().any(|it| it.to_string() == *wanted);
            if is(&own) {
                // Of a state without children it is the end of its actors, which say it.
                done.extend(
                    (!state.children.is_empty()).then(|| self.transition(*transition, None)),
                );
                continue;
            }
            for descriptor in list {
                let text = descriptor.to_string();
                if starts && is(&lost) && text.contains(".invoke.") {
                    continue;
                }
                all.extend(self.patterns(descriptor).into_iter().map(|it| (*transition, it)));
            }
        }
        let mut keys: Vec<&str> = Vec::new();
        for (_, pattern) in &all {
            if !keys.contains(&&*pattern.key) {
                keys.push(&pattern.key);
            }
        }
        let mut on = Vec::new();
        for key in keys {
            let mut under: Vec<Json> = Vec::new();
            for (transition, pattern) in all.iter().filter(|(_, pattern)| pattern.covers(key)) {
                let edge = self.transition(*transition, pattern.only.as_deref());
                if under.last() != Some(&edge) {
                    under.push(edge);
                }
            }
            on.push((key.to_owned(), Json::List(under)));
        }
        (on, done)
    }

    fn invokes_nothing(&self, id: StateId) -> bool {
        !self.definition.sequences.iter().any(|sequence| sequence.state == id)
    }

    /// `after` by milliseconds, or by the name of a delay.
    pub(super) fn after(&mut self, state: &State) -> Vec<(String, Json)> {
        let mut timers: Vec<(String, Vec<(Json, bool)>)> = Vec::new();
        for after in &state.after {
            let key = match &after.delay {
                Delay::Fixed(ms) => ms.to_string(),
                Delay::Computed(_) => {
                    let mut text = String::new();
                    delay(&after.delay).write(0, &mut text);
                    text.split_whitespace().collect::<Vec<_>>().join(" ")
                }
            };
            let stays = self.definition.transition(after.transition).targets.is_empty();
            let edge = self.transition(after.transition, None);
            match timers.iter_mut().find(|(known, _)| *known == key) {
                Some((_, edges)) => edges.push((edge, stays)),
                None => timers.push((key, vec![(edge, stays)])),
            }
        }
        let mut out = Vec::new();
        for (key, edges) in timers {
            let last = edges.len() - 1;
            if edges.iter().take(last).any(|(_, stays)| *stays) {
                let message = "each of these timers fires here, and only the first one there";
                self.refusals.add(&state.id, &["after"], message);
            }
            out.push((key, Json::List(edges.into_iter().map(|(edge, _)| edge).collect())));
        }
        out
    }

    /// One transition; `only` is what must be true besides its guard.
    pub(super) fn transition(&mut self, id: TransitionId, only: Option<&str>) -> Json {
        let definition = self.definition;
        let transition = definition.transition(id);
        let target = (!transition.targets.is_empty()).then(|| {
            let targets = self.targets(&transition.targets);
            Json::one_or_all(targets)
        });
        // There leaving the source is the exception, here staying in it.
        let leaves = target.is_some() && self.leaves(transition);
        let guard = transition.guard.as_ref().map(|guard| guard.source().trim());
        let guard = match (only, guard) {
            (Some(only), Some(guard)) => Some(format!("{only} && ({guard})")),
            (only, guard) => only.or(guard).map(str::to_owned),
        };
        let guard = guard.map(|expression| {
            let params = Json::object([("expression", Some(Json::text(expression)))]);
            Json::object([("type", Some(Json::text("cel"))), ("params", Some(params))])
        });
        Json::object([
            ("target", target),
            ("reenter", leaves.then(|| Json::Raw("true".to_owned()))),
            ("guard", guard),
            ("actions", Json::List(self.actions(&transition.actions)).filled()),
            ("description", transition.name.as_deref().map(Json::text)),
        ])
    }

    /// Does it leave its source? The library would leave too little where that is a region.
    fn leaves(&mut self, transition: &Transition) -> bool {
        let definition = self.definition;
        let source = definition.state(transition.source);
        if source.parent.is_none() || matches!(transition.trigger, Trigger::Initial) {
            return false;
        }
        let inside =
            transition.targets.iter().all(|it| definition.is_descendant(*it, transition.source));
        if transition.internal && source.kind == StateKind::Compound && inside {
            return false;
        }
        let around = |up: &StateId| {
            transition.targets.iter().all(|target| definition.is_descendant(*target, *up))
        };
        let least = definition.ancestors(transition.source).find(around);
        if least.is_some_and(|up| definition.state(up).kind == StateKind::Parallel) {
            let keys = ["on", "always", "after", "done", "failed"];
            let message = "a transition between regions restarts all of them, and only the regions \
                           concerned in XState";
            self.refusals.add(&source.id, &keys, message);
        }
        true
    }
}
