//! States: each key of each, natively where SCXML has a word for it.

use super::document::{Export, words};
use super::element::Element;
use crate::definition::parse::{Kind, Node};

impl Export<'_> {
    /// The states below a state or the document.
    pub(super) fn children(&mut self, node: &Node) -> Vec<Element> {
        let entries = node.entries().unwrap_or_default();
        entries.iter().map(|(key, state)| self.state(&key.text, state)).collect()
    }

    fn state(&mut self, id: &str, node: &Node) -> Element {
        if let Some(kind) = node.get("history") {
            let element = Element::new("history").with("id", id).with("type", words(kind));
            let arrow = node.get("default").map(|arrow| self.arrow(arrow));
            return element.holding(arrow);
        }
        let mut element = Element::new(self.kind(id)).with("id", id);
        let (timers, mut transitions) = match node.get("after") {
            Some(after) => self.after(id, after),
            None => (Vec::new(), Vec::new()),
        };
        element = element.holding(timers);
        let (mut always, mut results, mut on) = (Vec::new(), Vec::new(), Vec::new());
        let mut below = Vec::new();
        for (key, value) in node.entries().unwrap_or_default() {
            match &*key.text {
                "final" | "history" | "default" | "after" => {}
                "states" | "parallel" => below = self.children(value),
                "initial" => {
                    let arrow = self.arrow(value);
                    below_initial(&mut element, arrow);
                }
                "entry" => element = element.holding(self.blocks("onentry", value)),
                "exit" => element = element.holding(self.blocks("onexit", value)),
                "invoke" => element = element.holding(self.invokes(value)),
                "run" => element = element.holding([self.run(value)]),
                "always" => always = self.transitions(id, "always", value),
                "on" | "true" => on = self.transitions(id, "on", value),
                "done" => results.extend(self.transitions(id, "done", value)),
                "failed" => results.extend(self.transitions(id, "failed", value)),
                "output" => {
                    let payload = self.payload(value, &[]);
                    element.push(match payload {
                        Some(payload) => Element::new("donedata").holding(payload),
                        None => self.key("output", value),
                    });
                }
                other => element.push(self.key(other, value)),
            }
        }
        // The first one wins, also before a `*` of the same state.
        transitions.append(&mut on);
        element.holding(always).holding(transitions).holding(results).holding(below)
    }

    fn kind(&self, id: &str) -> &'static str {
        use crate::definition::model::StateKind;
        let state = self.definition.state_named(id).map(|id| self.definition.state(id).kind);
        match state {
            Some(StateKind::Parallel) => "parallel",
            Some(StateKind::Final) => "final",
            Some(StateKind::Atomic | StateKind::Compound | StateKind::History { .. }) | None => {
                "state"
            }
        }
    }

    fn blocks(&mut self, name: &'static str, node: &Node) -> Vec<Element> {
        let blocks: Vec<&Node> = match &node.kind {
            Kind::List(items) if items.iter().any(|it| matches!(it.kind, Kind::List(_))) => {
                items.iter().collect()
            }
            Kind::List(_) | Kind::Scalar(_) | Kind::Map(_) => vec![node],
        };
        let blocks = blocks.into_iter().map(|block| self.actions(block, &[]));
        let filled = blocks.filter(|actions| !actions.is_empty());
        filled.map(|actions| Element::new(name).holding(actions)).collect()
    }

    /// `initial:` and `default:`: where to, and what to do on the way.
    fn arrow(&mut self, node: &Node) -> Element {
        let (to, actions) = match &node.kind {
            Kind::Map(_) => (node.get("to").map(words), node.get("do")),
            Kind::Scalar(_) | Kind::List(_) => (Some(words(node)), None),
        };
        let actions = actions.map(|actions| self.actions(actions, &[])).unwrap_or_default();
        Element::new("transition").with_some("target", to).holding(actions)
    }
}

fn below_initial(element: &mut Element, arrow: Element) {
    element.push(Element::new("initial").holding([arrow]));
}
