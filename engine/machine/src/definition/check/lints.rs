//! What is allowed but probably not meant (L1-L7), and loops that never end (L3).

use std::sync::Arc;

use super::context::Context;
use super::graph::{endless_loops, reachable, transitions_of, unguarded};
use super::{lints_dead_ends, lints_events, lints_regions, plugins};
use crate::definition::codes;
use crate::definition::model::{Definition, Descriptor, Transition, Trigger};
use crate::definition::problem::Span;
use crate::machine::{StateId, TransitionId};

/// Where everything is written.
pub(super) struct Spans {
    pub(super) states: Vec<Span>,
    pub(super) transitions: Vec<(Span, Span)>,
    pub(super) uses: Vec<Vec<(Arc<str>, Span)>>,
    pub(super) entry_uses: Vec<Vec<(Arc<str>, Span)>>,
}

/// One look at the whole graph.
pub(super) struct Lint<'a, 't> {
    pub(super) context: &'a Context<'t>,
    pub(super) definition: &'a Definition,
    pub(super) spans: &'a Spans,
    pub(super) reachable: Vec<bool>,
}

/// Looks at the whole graph.
pub(super) fn lint(context: &Context<'_>, definition: &Definition, spans: &Spans) {
    let looped = loops(context, definition, spans);
    let lint = Lint { context, definition, spans, reachable: reachable(definition) };
    for id in lint.ids() {
        lint.unreachable_state(id);
        if definition.state(id).hidden_for.is_none() {
            lint.shadowed(id);
        }
        transitions_of(definition, id).for_each(|transition| lint.runs_twice(transition));
    }
    lints_dead_ends::lint(&lint, &looped);
    lints_regions::lint(&lint);
    lints_events::lint(&lint);
    plugins::lint(context);
}

/// Tells the loops that never end; the states in them.
pub(super) fn loops(context: &Context<'_>, definition: &Definition, spans: &Spans) -> Vec<StateId> {
    let mut looped = Vec::new();
    for (transition, path) in endless_loops(definition) {
        let mut names: Vec<&str> = path.iter().map(|id| &*definition.state(*id).id).collect();
        names.extend(names.first().copied());
        let message = format!("`{}` and so on, without event or guard", names.join("` → `"));
        let place = first_line(context, spans, transition);
        context.report.add(codes::UNBOUNDED_LOOP, place, message);
        looped.extend(path);
    }
    looped
}

/// The place of a transition: a short one as a whole, a long one by its beginning.
fn first_line(context: &Context<'_>, spans: &Spans, transition: TransitionId) -> Span {
    let (span, _) = spans.transitions.get(transition.index()).copied().unwrap_or_default();
    let text = context.report.slice(span);
    let line = text.lines().next().unwrap_or_default().trim_end();
    Span::new(span.start, span.start + line.len().max(1))
}

impl Lint<'_, '_> {
    pub(super) fn ids(&self) -> impl Iterator<Item = StateId> + use<> {
        let count = u16::try_from(self.definition.states.len()).unwrap_or(u16::MAX);
        (0..count).map(StateId)
    }

    pub(super) fn is_reachable(&self, id: StateId) -> bool {
        self.reachable.get(id.index()).copied().unwrap_or_default()
    }

    pub(super) fn span(&self, transition: TransitionId) -> Span {
        first_line(self.context, self.spans, transition)
    }

    pub(super) fn state_span(&self, id: StateId) -> Span {
        self.spans.states.get(id.index()).copied().unwrap_or_default()
    }

    /// The place of what stands behind `key` in a state; else that of the state.
    pub(super) fn key(&self, id: StateId, key: &str) -> Span {
        let outline = &self.context.outline;
        let place = outline.places.get(&self.definition.state(id).id).copied();
        let node = place.and_then(|place| outline.state(place).node.get(key));
        node.map_or_else(|| self.state_span(id), |node| node.span)
    }

    /// Only the outermost of several is reported.
    fn unreachable_state(&self, id: StateId) {
        let state = self.definition.state(id);
        let around = state.parent.is_none_or(|parent| self.is_reachable(parent));
        if !self.is_reachable(id) && around && state.hidden_for.is_none() {
            let message = format!("state `{}` can never be entered", state.id);
            self.context.report.add(codes::UNREACHABLE_STATE, self.state_span(id), message);
        }
    }

    /// L2: a transition behind one that takes all its events.
    fn shadowed(&self, id: StateId) {
        let state = self.definition.state(id);
        let mut taken: Vec<(&Descriptor, TransitionId)> = Vec::new();
        for transition in &state.transitions {
            let descriptors = descriptors(self.definition.transition(*transition));
            let by = |descriptor: &Descriptor| {
                taken.iter().find(|(earlier, _)| covers(earlier, descriptor)).map(|found| found.1)
            };
            let covered: Vec<Option<TransitionId>> = descriptors.iter().map(by).collect();
            if let Some(Some(first)) = covered.first()
                && covered.iter().all(Option::is_some)
            {
                self.never_taken(*transition, *first);
            }
            if unguarded(self.definition, *transition) {
                taken.extend(descriptors.iter().map(|descriptor| (descriptor, *transition)));
            }
        }
        let first = state.always.iter().position(|id| unguarded(self.definition, *id));
        for transition in first.iter().flat_map(|first| state.always.iter().skip(first + 1)) {
            if let Some(first) = first.and_then(|first| state.always.get(first)) {
                self.never_taken(*transition, *first);
            }
        }
    }

    fn never_taken(&self, transition: TransitionId, first: TransitionId) {
        let line = self.definition.transition(first).line;
        let message = format!("the transition in line {line} takes the same events without guard");
        let also = vec![(self.span(first), "always taken first".to_owned())];
        let span = self.span(transition);
        self.context.report.full(codes::UNREACHABLE_TRANSITION, span, message, None, also);
    }

    /// An action of a transition that `entry` of its target runs again.
    fn runs_twice(&self, id: TransitionId) {
        let transition = self.definition.transition(id);
        let uses = self.spans.uses.get(id.index()).map_or(&[][..], Vec::as_slice);
        for target in &transition.targets {
            let entry = self.spans.entry_uses.get(target.index()).map_or(&[][..], Vec::as_slice);
            for (name, span) in uses {
                let Some((_, again)) = entry.iter().find(|(other, _)| other == name) else {
                    continue;
                };
                let report = &self.context.report;
                let message = format!(
                    "`{name}` runs twice on the way into `{}`: transition (line {}) and entry \
                     (line {})",
                    self.definition.state(*target).id,
                    report.line(*span),
                    report.line(*again)
                );
                let also = vec![(*again, "and here".to_owned())];
                report.full(codes::RUNS_TWICE, *span, message, None, also);
            }
        }
    }
}

/// What a transition waits for; nothing where it waits for no event.
pub(super) fn descriptors(transition: &Transition) -> &[Descriptor] {
    match &transition.trigger {
        Trigger::Events(descriptors) => descriptors,
        Trigger::Always | Trigger::After { .. } | Trigger::Initial => &[],
    }
}

/// Does `wide` match every event that `narrow` matches?
fn covers(wide: &Descriptor, narrow: &Descriptor) -> bool {
    match (wide, narrow) {
        (Descriptor::Any, _) => true,
        (_, Descriptor::Any) => false,
        (Descriptor::Prefix(_), Descriptor::Prefix(name) | Descriptor::Exact(name)) => {
            wide.matches(name)
        }
        (Descriptor::Exact(wide), Descriptor::Exact(narrow)) => wide == narrow,
        (Descriptor::Exact(_), Descriptor::Prefix(_)) => false,
    }
}

/// Is there an event that both match?
pub(super) fn overlap(left: &Descriptor, right: &Descriptor) -> bool {
    covers(left, right) || covers(right, left)
}
