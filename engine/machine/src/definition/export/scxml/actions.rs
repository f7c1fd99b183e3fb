//! Actions → executable content; what has no equivalent is carried as it is written.

use std::sync::Arc;

use super::document::{Export, words};
use super::element::Element;
use super::values::is_location;
use crate::definition::parse::{Kind, Node, canonical};

/// Names that loops around bind.
pub(super) type Locals = [Arc<str>];

/// The kinds of actions; `call` and `route` come first because `set` may belong to them.
const KINDS: [&str; 12] = [
    "call",
    "route",
    "publish",
    "set",
    "raise",
    "log",
    "timer",
    "send",
    "cancel",
    "if",
    "each",
    "checkpoint",
];

impl Export<'_> {
    /// What a block does.
    pub(super) fn actions(&mut self, node: &Node, locals: &Locals) -> Vec<Element> {
        match &node.kind {
            Kind::List(items) => {
                let mut out = Vec::new();
                for item in items {
                    out.extend(self.actions(item, locals));
                }
                out
            }
            Kind::Scalar(_) if node.is_null() => Vec::new(),
            Kind::Scalar(_) => self.named(node),
            Kind::Map(_) => self.inline(node, locals),
        }
    }

    /// A named action: what it does, or its name where that cannot be said.
    fn named(&mut self, node: &Node) -> Vec<Element> {
        let root = self.root;
        let name = words(node);
        let Some(action) = root.get("actions").and_then(|all| all.get(&name)) else {
            return vec![Element::carrying("gearshift:action", &canonical(node))];
        };
        let before = self.carried.clone();
        let elements = self.actions(action, &[]);
        if !elements.iter().any(Element::carries) {
            return elements;
        }
        // `actions` tells all of them, so what is inside is said there.
        self.carried = before;
        self.carried.insert("actions".to_owned());
        vec![Element::carrying("gearshift:action", &canonical(node))]
    }

    fn inline(&mut self, node: &Node, locals: &Locals) -> Vec<Element> {
        let kind = KINDS.into_iter().find(|kind| node.get(kind).is_some()).unwrap_or_default();
        let Some(value) = node.get(kind) else { return Vec::new() };
        let with = node.get("with");
        let before = self.carried.clone();
        let native = match kind {
            "set" => Self::assigns(value),
            "raise" => self.raise(value, with, locals),
            "send" => self.send(value, with, locals),
            "timer" => self.timer(value, locals),
            "cancel" => self.cancel(value, locals),
            "log" => self.log(value, locals),
            "if" => Some(self.branches(value, locals)),
            "each" => self.each(value, locals),
            _ => None,
        };
        let native = native.filter(|elements| elements.iter().all(Element::is_legal));
        native.unwrap_or_else(|| {
            self.carried = before;
            self.carried.insert(kind.to_owned());
            vec![Element::carrying("gearshift:action", &canonical(node))]
        })
    }

    fn assigns(node: &Node) -> Option<Vec<Element>> {
        let mut assigns = Vec::new();
        for (path, value) in node.entries().filter(|entries| !entries.is_empty())? {
            if !is_location(&path.text) {
                return None;
            }
            let assign = Element::new("assign").with("location", &*path.text);
            let assign = assign.with("expr", words(value).trim());
            // They are one action here.
            let more = (!assigns.is_empty()).then(|| "true".to_owned());
            assigns.push(assign.with_some("gearshift:more", more));
        }
        Some(assigns)
    }

    fn raise(&self, node: &Node, with: Option<&Node>, locals: &Locals) -> Option<Vec<Element>> {
        let Some(with) = with else {
            return Some(vec![Element::new("raise").with("event", words(node))]);
        };
        let send = Element::new("send").with("event", words(node)).with("target", "#_internal");
        Some(vec![send.holding(self.payload(with, locals)?)])
    }

    fn cancel(&self, node: &Node, locals: &Locals) -> Option<Vec<Element>> {
        let cancel = Element::new("cancel");
        let template = self.template(node, locals)?;
        Some(vec![match super::send::plain(&template) {
            Some(id) => cancel.with("sendid", id),
            None => cancel.with("sendidexpr", self.whole(&template)?),
        }])
    }

    fn log(&self, node: &Node, locals: &Locals) -> Option<Vec<Element>> {
        let (label, value) = match &node.kind {
            Kind::Scalar(_) => (None, Some(node)),
            Kind::Map(_) | Kind::List(_) => (node.get("label"), node.get("value")),
        };
        let mut log = Element::new("log");
        if let Some(label) = label {
            let label = words(label);
            if label.trim() != label {
                return None;
            }
            log = log.with("label", label);
        }
        Some(vec![match value {
            Some(value) => self.value(log, value, locals)?,
            None => log,
        }])
    }

    fn branches(&mut self, node: &Node, locals: &Locals) -> Vec<Element> {
        let list: &[Node] = match &node.kind {
            Kind::List(items) => items,
            Kind::Map(_) | Kind::Scalar(_) => std::slice::from_ref(node),
        };
        let cond = |branch: &Node| branch.get("when").map(|when| words(when).trim().to_owned());
        let Some(first) = list.first() else { return Vec::new() };
        let first = cond(first).unwrap_or_else(|| "true".to_owned());
        let mut whole = Element::new("if").with("cond", first);
        for (at, branch) in list.iter().enumerate() {
            if at > 0 {
                whole.push(match cond(branch) {
                    Some(cond) => Element::new("elseif").with("cond", cond),
                    None => Element::new("else"),
                });
            }
            let body = branch.get("do").map(|body| self.actions(body, locals));
            whole = whole.holding(body.unwrap_or_default());
        }
        vec![whole]
    }

    /// A loop. Its names are variables of the document there, and its own here.
    fn each(&mut self, node: &Node, locals: &Locals) -> Option<Vec<Element>> {
        let item = node.get("as").map_or_else(|| "item".to_owned(), words);
        let index = node.get("index").filter(|index| !index.is_null()).map(words);
        let each = Element::new("foreach")
            .with("array", words(node.get("in")?).trim())
            .with("item", item.as_str())
            .with_some("index", index.clone())
            .with("gearshift:names", "own");
        let mut inner = locals.to_vec();
        inner.push(item.into());
        inner.extend(index.map(Arc::from));
        let body = node.get("do").map(|body| self.actions(body, &inner));
        Some(vec![each.holding(body.unwrap_or_default())])
    }
}
