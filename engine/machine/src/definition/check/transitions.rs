//! Transitions in all their forms: `on`, `always`, `after`, `done`, `failed`, `initial`, `default`.

use std::sync::Arc;

use super::actions::Uses;
use super::context::Context;
use super::draft::{Edge, Item};
use super::nearest::did_you_mean;
use super::outline::Place;
use super::values::Env;
use crate::definition::codes;
use crate::definition::model::{Delay, Descriptor, StateKind, Trigger, reserved_token};
use crate::definition::parse::{Kind, Node};
use crate::definition::problem::{Span, quoted};

impl<'t> Context<'t> {
    /// `on:` as a mapping from events, or as a list of transitions with `event:`.
    pub(super) fn on(&self, node: &'t Node, source: Place) -> Vec<Edge> {
        match &node.kind {
            Kind::Map(entries) => entries
                .iter()
                .flat_map(|(key, value)| {
                    if matches!(&value.kind, Kind::List(items) if items.is_empty()) {
                        let message = format!("{} has no transition", quoted(&key.text));
                        let help = "write `{}` for one that does nothing".to_owned();
                        self.report.help(codes::MISSING_FIELD, value.span, message, help);
                    }
                    let descriptors = self.trigger(&key.text, key.span).into_iter().collect();
                    self.edges(value, source, &Trigger::Events(descriptors), "transition")
                })
                .collect(),
            Kind::List(items) => items
                .iter()
                .filter_map(|item| {
                    let Some(event) = item.get("event") else {
                        let message = "a transition in a list needs `event`";
                        let start = Span::new(item.span.start, item.span.start + 1);
                        self.report.add(codes::MISSING_FIELD, start, message);
                        return None;
                    };
                    if matches!(&event.kind, Kind::List(events) if events.is_empty()) {
                        let message = "the list names no event";
                        self.report.add(codes::MISSING_FIELD, event.span, message);
                    }
                    let texts = self.texts(event, "an event name");
                    let descriptors =
                        texts.iter().filter_map(|(text, span)| self.trigger(text, *span));
                    let trigger = Trigger::Events(descriptors.collect());
                    self.edge(item, source, trigger, "trigger")
                })
                .collect(),
            Kind::Scalar(_) if node.is_null() => Vec::new(),
            Kind::Scalar(_) => {
                self.wrong_type(node, "a mapping from events to transitions");
                Vec::new()
            }
        }
    }

    pub(super) fn trigger(&self, text: &Arc<str>, span: Span) -> Option<Descriptor> {
        self.triggers.borrow_mut().push((Arc::clone(text), span));
        self.descriptor(text, span)
    }

    /// A descriptor as authors may write it (rule 29).
    pub(super) fn descriptor(&self, text: &str, span: Span) -> Option<Descriptor> {
        if text.contains('~') {
            let message = format!("event name {} has a `~`", quoted(text));
            self.report.add(codes::EVENT_NAME, span, message);
            return None;
        }
        match Descriptor::parse(text) {
            Ok(descriptor) => {
                self.never_offered(&descriptor, span);
                Some(descriptor)
            }
            Err(message) => {
                self.report.add(codes::EVENT_NAME, span, message);
                None
            }
        }
    }

    /// Refuses names that the engine keeps for itself and never offers to a transition; results
    /// and errors are offered.
    fn never_offered(&self, descriptor: &Descriptor, span: Span) {
        let (Descriptor::Prefix(name) | Descriptor::Exact(name)) = descriptor else { return };
        if let Some(first @ ("after" | "workflow" | "gearshift")) = reserved_token(name) {
            let message = format!("names that begin with `{first}` are not offered to anybody");
            let help = (first == "after").then(|| "write `after:` for a timer".to_owned());
            self.report.help(codes::RESERVED_EVENT, span, message, help);
        }
    }

    /// `failed:` belongs to the calls on the way to a target: without them it would mean nothing.
    fn useless_failed(&self, node: &Node, edge: &Edge) {
        let calls = edge.items.iter().any(Item::calls);
        let Some(failed) = node.get("failed") else { return };
        if calls && node.get("to").is_some() {
            return;
        }
        let (message, help) = if calls {
            let help = "give the transition a `to`, or the state a `failed`";
            ("`failed` without `to`: the state itself waits for these calls", help)
        } else {
            (
                "`failed` without a call in `do` is never used",
                "remove it, or call something in `do`",
            )
        };
        let start = Span::new(failed.span.start, failed.span.start + 1);
        self.report.help(codes::USELESS_FAILED, start, message, help.to_owned());
    }

    /// A target, a transition, or a list of transitions.
    pub(super) fn edges(
        &self,
        node: &'t Node,
        source: Place,
        trigger: &Trigger,
        table: &str,
    ) -> Vec<Edge> {
        match &node.kind {
            Kind::List(items) => items
                .iter()
                .filter_map(|item| self.edge(item, source, trigger.clone(), table))
                .collect(),
            Kind::Scalar(_) | Kind::Map(_) => {
                self.edge(node, source, trigger.clone(), table).into_iter().collect()
            }
        }
    }

    /// One transition: a mapping, or only its target.
    pub(super) fn edge(
        &self,
        node: &'t Node,
        source: Place,
        trigger: Trigger,
        table: &str,
    ) -> Option<Edge> {
        let env = edge_env(&trigger);
        let errors = self.report.count();
        let mut edge = Edge {
            name: None,
            source,
            trigger,
            guard: None,
            targets: Vec::new(),
            internal: false,
            items: Vec::new(),
            actions: Vec::new(),
            failed: Vec::new(),
            span: node.span,
            to_span: node.span,
            uses: Uses::new(),
            unread: false,
        };
        if node.scalar().is_some() {
            self.targets(node, &mut edge);
            return Some(edge);
        }
        let what = if table == "initial" { "this transition" } else { "a transition" };
        let mut sound = true;
        for (key, value) in self.fields(node, table, what) {
            match &*key.text {
                "name" => edge.name = self.text(value, "a name"),
                "when" => {
                    edge.guard = self.guard(value, env);
                    sound &= edge.guard.is_some();
                }
                "do" => edge.items = self.block(value, env, &mut edge.uses),
                "to" => {
                    edge.to_span = value.span;
                    self.targets(value, &mut edge);
                }
                "internal" => edge.internal = self.bool(value).unwrap_or_default(),
                "failed" => {
                    let trigger = Trigger::Events(vec![Descriptor::Prefix("error".into())]);
                    edge.failed = self.edges(value, source, &trigger, "transition");
                }
                _ => {}
            }
        }
        // What is wrong inside may be why no call was found.
        if self.report.count() == errors {
            self.useless_failed(node, &edge);
        }
        // What stands in the way of others counts, though nobody knows how.
        edge.unread |= !sound;
        (sound || edge.trigger == Trigger::Always).then_some(edge)
    }

    fn targets(&self, node: &Node, edge: &mut Edge) {
        let errors = self.report.count();
        if let Kind::List(items) = &node.kind
            && items.is_empty()
        {
            let help = match edge.trigger {
                Trigger::Initial => "name the state, or one state of each region",
                Trigger::Events(_) | Trigger::Always | Trigger::After { .. } => {
                    "leave `to` out for a transition that only acts, and stays where it is"
                }
            };
            let message = "a list of targets without any";
            self.report.help(codes::ILLEGAL_TARGETS, node.span, message, help.to_owned());
        }
        for (name, span) in self.texts(node, "the id of a state") {
            if let Some(place) = self.target(&name, span) {
                edge.targets.push(place);
            }
        }
        edge.unread |= self.report.count() > errors;
        self.legal_together(&edge.targets, node.span);
    }

    fn target(&self, name: &str, span: Span) -> Option<Place> {
        let place = self.outline.places.get(name).copied();
        if place.is_none() {
            let known = self.outline.state_ids.iter().map(|id| &**id);
            let message = format!("no state {}", quoted(name));
            self.report.help(codes::UNKNOWN_STATE, span, message, did_you_mean(name, known));
        }
        place
    }

    /// Each two must lie in different regions of a common parallel state (rule 16).
    fn legal_together(&self, targets: &[Place], span: Span) {
        let outline = &self.outline;
        let lineage = |place: Place| -> Vec<Place> {
            std::iter::successors(Some(place), |place| outline.state(*place).parent).collect()
        };
        for (at, left) in targets.iter().enumerate() {
            for right in targets.iter().skip(at + 1) {
                let above = lineage(*left);
                let common = lineage(*right).into_iter().find(|place| above.contains(place));
                let legal = common.is_some_and(|common| {
                    common != *left
                        && common != *right
                        && outline.state(common).kind == StateKind::Parallel
                });
                if !legal {
                    let (left, right) = (&outline.state(*left).id, &outline.state(*right).id);
                    let message = format!(
                        "`{left}` and `{right}` are not in different regions of a parallel state"
                    );
                    self.report.add(codes::ILLEGAL_TARGETS, span, message);
                    return;
                }
            }
        }
    }

    /// `after:`: one timer for each entry (rule 30).
    pub(super) fn after(&self, node: &'t Node, source: Place) -> Vec<(Delay, Edge)> {
        let Some(entries) = node.entries() else {
            self.wrong_type(node, "a mapping from durations to transitions");
            return Vec::new();
        };
        let mut found = Vec::new();
        for (key, value) in entries {
            let delay = self.delay(&key.text, key.span, Env::ACTION);
            let before = found.len();
            let trigger =
                |index: usize| Trigger::After { index: u16::try_from(index).unwrap_or(0) };
            for (at, mut edge) in
                self.edges(value, source, &Trigger::Always, "transition").into_iter().enumerate()
            {
                edge.trigger = trigger(before + at);
                if let Some(delay) = &delay {
                    found.push((delay.clone(), edge));
                }
            }
        }
        for (index, (_, edge)) in found.iter_mut().enumerate() {
            edge.trigger = Trigger::After { index: u16::try_from(index).unwrap_or(0) };
        }
        found
    }

    /// `initial:` or `default:`: below `owner`, no event, no guard, no call.
    pub(super) fn default_edge(&self, node: &'t Node, owner: Place, name: &str) -> Option<Edge> {
        let list = matches!(node.kind, Kind::List(_));
        let mut edge = if list {
            let mut edge = self.edge(&NOWHERE, owner, Trigger::Initial, "initial")?;
            (edge.span, edge.to_span) = (node.span, node.span);
            self.targets(node, &mut edge);
            edge
        } else {
            self.edge(node, owner, Trigger::Initial, "initial")?
        };
        if let Some(call) = edge.items.iter().find_map(Item::first_call) {
            let message = format!("a call in `{name}` has no state that could wait for it");
            self.report.add(codes::CALL_PLACE, call, message);
            edge.items.clear();
        }
        if node.entries().is_some() && node.get("to").is_none() {
            let message = format!("`{name}` has no `to`");
            self.report.add(codes::MISSING_FIELD, node.span, message);
        }
        Some(edge)
    }
}

static NOWHERE: Node = Node { span: Span::new(0, 0), kind: Kind::Map(Vec::new()) };

/// A transition on an error, or on any event, may have an error in hand.
fn edge_env(trigger: &Trigger) -> Env<'static> {
    let Trigger::Events(descriptors) = trigger else { return Env::ACTION };
    let about_errors = |descriptor: &Descriptor| {
        let (Descriptor::Prefix(name) | Descriptor::Exact(name)) = descriptor else { return true };
        name.split('.').next() == Some("error")
    };
    if descriptors.iter().any(about_errors) { Env::ERROR } else { Env::ACTION }
}

/// The descriptors of `done:` of the state `id`.
pub(super) fn done_trigger(id: &str) -> Trigger {
    Trigger::Events(vec![Descriptor::Exact(Arc::from(format!("done.state.{id}")))])
}

/// The descriptors of `failed:` of the state `id`.
pub(super) fn failed_trigger(id: &str) -> Trigger {
    Trigger::Events(vec![
        Descriptor::Prefix(Arc::from(format!("error.communication.invoke.{id}"))),
        Descriptor::Prefix(Arc::from(format!("error.platform.invoke.{id}"))),
    ])
}
