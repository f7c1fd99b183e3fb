//! What is allowed but probably not meant (L1-L7), and loops that never end (L3).

use std::sync::Arc;

use super::context::Context;
use super::graph::{endless_loops, reachable, transitions_of, unguarded};
use super::lints_events;
use crate::definition::codes;
use crate::definition::model::{Definition, Descriptor, StateKind, Transition, Trigger};
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
    let lint = Lint { context, definition, spans, reachable: reachable(definition) };
    for (transition, path) in endless_loops(definition) {
        let mut names: Vec<&str> = path.iter().map(|id| &*definition.state(*id).id).collect();
        names.extend(names.first().copied());
        let message = format!("`{}` and so on, without event or guard", names.join("` → `"));
        context.report.add(codes::UNBOUNDED_LOOP, lint.span(transition), message);
    }
    for id in lint.ids() {
        lint.unreachable_state(id);
        if definition.state(id).hidden_for.is_none() {
            lint.shadowed(id);
        }
        lint.dead_end(id);
        for transition in transitions_of(definition, id) {
            lint.restarts_regions(transition);
            lint.runs_twice(transition);
        }
    }
    lints_events::lint(&lint);
}

impl Lint<'_, '_> {
    pub(super) fn ids(&self) -> impl Iterator<Item = StateId> + use<> {
        let count = u16::try_from(self.definition.states.len()).unwrap_or(u16::MAX);
        (0..count).map(StateId)
    }

    pub(super) fn is_reachable(&self, id: StateId) -> bool {
        self.reachable.get(id.index()).copied().unwrap_or_default()
    }

    /// The place of a transition: a short one as a whole, a long one by its beginning.
    pub(super) fn span(&self, transition: TransitionId) -> Span {
        let (span, _) = self.spans.transitions.get(transition.index()).copied().unwrap_or_default();
        let text = self.context.report.slice(span);
        let line = text.lines().next().unwrap_or_default().trim_end();
        Span::new(span.start, span.start + line.len().max(1))
    }

    pub(super) fn state_span(&self, id: StateId) -> Span {
        self.spans.states.get(id.index()).copied().unwrap_or_default()
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

    /// L4: an atomic state that nothing leads out of.
    fn dead_end(&self, id: StateId) {
        let definition = self.definition;
        let state = definition.state(id);
        if state.kind != StateKind::Atomic || !self.is_reachable(id) {
            return;
        }
        // Regions may wait for one another: the whole parallel state counts.
        let around = definition
            .ancestors(id)
            .filter(|up| definition.state(*up).kind == StateKind::Parallel)
            .last()
            .unwrap_or(id);
        let moves = |id: StateId| {
            transitions_of(definition, id).any(|id| !definition.transition(id).targets.is_empty())
        };
        let inside = self.ids().filter(|id| *id == around || definition.is_descendant(*id, around));
        if !inside.chain(definition.ancestors(id)).any(moves) {
            let message = format!("state `{}` is not final, and nothing leads out of it", state.id);
            self.context.report.add(codes::DEAD_END, self.state_span(id), message);
        }
    }

    /// L1: a transition that leaves and enters again the parallel state around it.
    fn restarts_regions(&self, id: TransitionId) {
        let definition = self.definition;
        let transition = definition.transition(id);
        let [target] = transition.targets.as_slice() else { return };
        let source = transition.source;
        let inside_source = definition.is_descendant(*target, source) && transition.internal;
        if inside_source || definition.state(source).hidden_for.is_some() {
            return;
        }
        let domain = definition.common_compound(source, &[*target]);
        let restarted = definition.ancestors(source).take_while(|up| *up != domain).find(|up| {
            definition.state(*up).kind == StateKind::Parallel
                && definition.is_descendant(*target, *up)
                && definition.state(*up).children.len() > 1
        });
        if let Some(parallel) = restarted {
            let parallel = &definition.state(parallel).id;
            let message = format!("it leaves and enters again every region of `{parallel}`");
            let (_, to) = self.spans.transitions.get(id.index()).copied().unwrap_or_default();
            self.context.report.add(codes::RESTARTS_REGIONS, to, message);
        }
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
