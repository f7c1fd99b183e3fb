//! Steps by name: what each `steps:` lists, before any of it is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Report, wrong_type};
use super::outline::Place;
use super::values::name_problem;
use crate::definition::codes;
use crate::definition::parse::{Kind, Node};
use crate::definition::problem::{Span, quoted};

/// The most steps of a definition: each costs an instance that runs them memory.
pub(super) const STEPS_MAX: usize = 1_000;

/// One `steps:`.
pub(super) struct Listed<'t> {
    /// The state they belong to.
    pub(super) place: Place,
    /// The state, or the definition: `mode:` and the like stand there.
    pub(super) owner: &'t Node,
    /// In document order; a fallback that is written inside a step follows it.
    pub(super) steps: Vec<NamedStep<'t>>,
}

/// One step.
pub(super) struct NamedStep<'t> {
    pub(super) id: Arc<str>,
    pub(super) span: Span,
    pub(super) node: &'t Node,
    /// The place of the step that it is written in, as its fallback.
    pub(super) inside: Option<usize>,
}

impl Listed<'_> {
    /// The place of the step `id`.
    pub(super) fn at(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| &*step.id == id)
    }

    /// Of each step the step whose fallback it is; what is wrong with it is told elsewhere.
    pub(super) fn fallbacks(&self) -> Vec<Option<usize>> {
        let mut of: Vec<Option<usize>> = self.steps.iter().map(|step| step.inside).collect();
        for (at, step) in self.steps.iter().enumerate() {
            let named = step.node.get("fallback").and_then(Node::scalar);
            let target = named.and_then(|scalar| self.at(&scalar.text));
            if let Some(slot) = target.and_then(|target| of.get_mut(target)) {
                slot.get_or_insert(at);
            }
        }
        of
    }
}

/// Reads the names of the `steps:` that `owner` has.
pub(super) fn listed<'t>(
    report: &Report<'_>,
    seen: &mut BTreeMap<Arc<str>, Span>,
    place: Place,
    owner: &'t Node,
) -> Option<Listed<'t>> {
    let node = owner.get("steps")?;
    let mut listed = Listed { place, owner, steps: Vec::new() };
    match &node.kind {
        Kind::Map(entries) => {
            for (key, step) in entries {
                if let Some(id) = step.get("id") {
                    let message = "the step's name is its key already";
                    report.add(codes::UNKNOWN_FIELD, id.span, message);
                }
                listed.add(report, seen, (Arc::clone(&key.text), key.span), step);
            }
        }
        Kind::List(items) => {
            for step in items {
                let id = step.get("id").and_then(|id| Some((id.scalar()?, id.span)));
                let Some((id, span)) = id else {
                    let start = Span::new(step.span.start, step.span.start + 1);
                    report.add(codes::MISSING_FIELD, start, "a step in a list needs `id`");
                    continue;
                };
                listed.add(report, seen, (Arc::clone(&id.text), span), step);
            }
        }
        Kind::Scalar(_) => wrong_type(report, node, "a mapping from step ids to steps"),
    }
    if listed.steps.is_empty() && node.scalar().is_none_or(|_| node.is_null()) {
        report.add(codes::STEPS, node.span, "there are no steps");
    }
    Some(listed)
}

impl<'t> Listed<'t> {
    fn add(
        &mut self,
        report: &Report<'_>,
        seen: &mut BTreeMap<Arc<str>, Span>,
        (id, span): (Arc<str>, Span),
        node: &'t Node,
    ) {
        self.named(report, seen, (Arc::clone(&id), span), node, None);
        let Some(inline) = node.get("fallback").filter(|node| node.entries().is_some()) else {
            return;
        };
        let own = inline.get("id").and_then(|id| Some((Arc::clone(&id.scalar()?.text), id.span)));
        let (id, span) = own.unwrap_or_else(|| {
            let start = Span::new(inline.span.start, inline.span.start + 1);
            (Arc::from(format!("{id}_fallback")), start)
        });
        let inside = self.steps.len().checked_sub(1);
        self.named(report, seen, (id, span), inline, inside);
    }

    fn named(
        &mut self,
        report: &Report<'_>,
        seen: &mut BTreeMap<Arc<str>, Span>,
        (id, span): (Arc<str>, Span),
        node: &'t Node,
        inside: Option<usize>,
    ) {
        if seen.len() >= STEPS_MAX {
            if seen.len() == STEPS_MAX {
                report.add(codes::TOO_LARGE, span, format!("more than {STEPS_MAX} steps"));
            }
            seen.entry(id).or_insert(span);
            return;
        }
        if let Some(problem) = name_problem(&id, false) {
            report.add(codes::NAME, span, format!("step {} {problem}", quoted(&id)));
        }
        if let Some(first) = seen.get(&id) {
            let message = format!("step {} exists already", quoted(&id));
            let also = vec![(*first, "first here".to_owned())];
            report.full(codes::DUPLICATE_STEP, span, message, None, also);
        }
        seen.entry(Arc::clone(&id)).or_insert(span);
        self.steps.push(NamedStep { id, span, node, inside });
    }
}
