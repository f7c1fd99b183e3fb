//! Transitions in all their forms.

use super::document::{Export, words};
use super::element::Element;
use crate::definition::parse::{Kind, Node};

impl Export<'_> {
    /// The transitions behind `on`, `always`, `done` or `failed` of a state.
    pub(super) fn transitions(&mut self, state: &str, key: &str, node: &Node) -> Vec<Element> {
        let mut list = Vec::new();
        match (key, &node.kind) {
            ("on", Kind::Map(entries)) => {
                for (event, value) in entries {
                    for edge in edges(value) {
                        list.push(event_of(self.edge(edge), &event.text));
                    }
                }
            }
            ("on", Kind::List(items)) => {
                for item in items {
                    let events = item.get("event").map(words).unwrap_or_default();
                    list.push(event_of(self.edge(item), &events));
                }
            }
            ("done", _) => {
                let flagged = |element: Element| {
                    let event = format!("done.state.{state}");
                    element.with_first("event", event).with("gearshift:key", "done")
                };
                list.extend(edges(node).map(|edge| flagged(self.edge(edge))));
            }
            ("failed", _) => {
                let event =
                    format!("error.communication.invoke.{state} error.platform.invoke.{state}");
                let flagged = |element: Element| {
                    element.with_first("event", event.as_str()).with("gearshift:key", "failed")
                };
                list.extend(edges(node).map(|edge| flagged(self.edge(edge))));
            }
            (_, _) => list.extend(edges(node).map(|edge| self.edge(edge))),
        }
        if list.iter().all(Element::is_legal) { list } else { vec![self.key(key, node)] }
    }

    /// One transition, without what it waits for.
    pub(super) fn edge(&mut self, node: &Node) -> Element {
        let mut element = Element::new("transition");
        if node.scalar().is_some() {
            return element.with("target", words(node));
        }
        for (key, value) in node.entries().unwrap_or_default() {
            element = match &*key.text {
                "when" => element.with("cond", words(value).trim()),
                "to" => element.with("target", words(value)),
                "internal" if words(value) == "true" => element.with("type", "internal"),
                "internal" | "event" => element,
                "do" => {
                    let actions = self.actions(value, &[]);
                    element.holding(actions)
                }
                "name" => element.with("gearshift:name", words(value)),
                other => element.holding([self.key(other, value)]),
            };
        }
        element
    }
}

/// A target, a transition, or a list of transitions.
pub(super) fn edges(node: &Node) -> impl Iterator<Item = &Node> {
    let list: &[Node] = match &node.kind {
        Kind::List(items) => items,
        Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(node),
    };
    list.iter().filter(|edge| !edge.is_null())
}

/// The same for these events. SCXML matches by prefix only; what is meant exactly stands beside.
fn event_of(element: Element, written: &str) -> Element {
    let plain: Vec<_> = written.split(' ').map(|it| it.strip_prefix('=').unwrap_or(it)).collect();
    let plain = plain.join(" ");
    let exact = (plain != written).then(|| written.to_owned());
    element.with_first("event", plain).with_some("gearshift:event", exact)
}
