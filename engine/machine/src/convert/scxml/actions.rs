//! Executable content: what runs on entry, on exit and on transitions.

use std::sync::Arc;

use roxmltree::Node;

use super::super::yaml::Yaml;
use super::document::Document;
use super::expression::Site;
use super::ids::{is_event, is_name};
use super::source::{attribute, children, inner_text, named, own_attribute, own_name, text};

impl Document<'_> {
    /// The blocks of `onentry` or `onexit`; several of them stay apart.
    pub(super) fn blocks(&self, node: Node<'_, '_>, key: &'static str) -> Option<Yaml> {
        let mut blocks: Vec<Yaml> = named(node, key).filter_map(|it| self.block(it)).collect();
        match blocks.len() {
            0 => None,
            1 => blocks.pop(),
            _ => Some(Yaml::List(blocks)),
        }
    }

    /// The actions inside an element, as a list.
    pub(super) fn block(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let actions: Vec<Yaml> = self.actions(node.children());
        (!actions.is_empty()).then_some(Yaml::List(actions))
    }

    /// The actions among some nodes.
    fn actions<'d, 'i: 'd>(&self, nodes: impl Iterator<Item = Node<'d, 'i>>) -> Vec<Yaml> {
        let mut actions: Vec<Yaml> = Vec::new();
        for node in nodes.filter(Node::is_element) {
            let Some(action) = self.action(node) else { continue };
            let more = own_attribute(node, "more").and_then(|_| actions.last_mut());
            if more.is_some_and(|last| same_set(last, &action)) {
                continue;
            }
            actions.push(action);
        }
        actions
    }

    fn action(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let one = |key: &str, value: Yaml| Some(Yaml::map([(key, Some(value))]));
        if own_attribute(node, "part").is_some() || own_name(node) == Some("key") {
            // It belongs to the timer of a state, or to the transition, which say it.
            return None;
        }
        match super::source::name(node) {
            Some("raise") => one("raise", Yaml::text(self.event_name(node)?)),
            Some("send") => self.send(node),
            Some("cancel") => {
                let literal = text(node, "sendid").map(|id| Yaml::text(id.replace("${", "$${")));
                let id = literal.or_else(|| self.template(node, "sendidexpr"));
                if id.is_none() && attribute(node, "sendidexpr").is_none() {
                    self.source.missing(node, "`cancel` has no `sendid`");
                }
                one("cancel", id?)
            }
            Some("log") => {
                let label = text(node, "label").map(Yaml::text);
                one("log", Yaml::map([("label", label), ("value", self.template(node, "expr"))]))
            }
            Some("assign") => self.assign(node),
            Some("if") => self.branches(node),
            Some("foreach") => self.each(node),
            Some(other) => {
                self.source.refuse(node, format!("`{other}` has no equivalent"));
                None
            }
            None if own_name(node) == Some("action") => self.piece(node, &inner_text(node)),
            None => {
                self.source.refuse(node, "actions of other namespaces have no equivalent");
                None
            }
        }
    }

    /// The name of an event that is raised or sent.
    pub(super) fn event_name<'d>(&self, node: Node<'d, '_>) -> Option<&'d str> {
        let Some(event) = text(node, "event") else {
            self.source.missing(node, "the event has no name");
            return None;
        };
        if !is_event(event) {
            let message = format!("event `{event}` is not `[A-Za-z0-9_-]` tokens");
            match attribute(node, "event") {
                Some(attribute) => self.source.refuse_value(&attribute, message),
                None => self.source.refuse(node, message),
            }
        }
        Some(event)
    }

    /// The expression in an attribute, as data.
    pub(super) fn template(&self, node: Node<'_, '_>, key: &str) -> Option<Yaml> {
        let expression = self.expression(node, key, Site::Value)?;
        let marked = own_attribute(node, "form") == Some("data");
        if let Some(data) = marked.then(|| super::data::data_of(&expression)).flatten() {
            return Some(data);
        }
        if let Some(data) = self.literal(&expression) {
            return Some(data);
        }
        Some(Yaml::Text(format!("${{ {expression} }}")))
    }

    /// The place an attribute names.
    pub(super) fn location(&self, node: Node<'_, '_>, key: &str) -> Option<String> {
        self.expressions().location(&attribute(node, key)?)
    }

    fn assign(&self, node: Node<'_, '_>) -> Option<Yaml> {
        if attribute(node, "location").is_none() {
            self.source.missing(node, "`assign` has no `location`");
        }
        let path = self.location(node, "location");
        let value = match attribute(node, "expr") {
            Some(_) => self.expression(node, "expr", Site::Value),
            None => Some(self.content(node).unwrap_or_default().to_json()),
        };
        let set = Yaml::Map(vec![(path?, Yaml::Text(value?))]);
        Some(Yaml::map([("set", Some(set))]))
    }

    /// `if`, split at `elseif` and `else`.
    fn branches(&self, node: Node<'_, '_>) -> Option<Yaml> {
        if attribute(node, "cond").is_none() {
            self.source.missing(node, "`if` has no `cond`");
        }
        let mut branches = vec![(self.expression(node, "cond", Site::Guard), Vec::new())];
        for child in node.children().filter(Node::is_element) {
            match super::source::name(child) {
                Some("elseif") => {
                    branches.push((self.expression(child, "cond", Site::Guard), Vec::new()));
                }
                Some("else") => branches.push((None, Vec::new())),
                Some(_) | None => {
                    if let Some((_, body)) = branches.last_mut() {
                        body.extend(self.action(child));
                    }
                }
            }
        }
        let branch = |(when, body): (Option<String>, Vec<Yaml>)| {
            Yaml::map([("when", when.map(Yaml::Text)), ("do", Some(Yaml::List(body)))])
        };
        let list = branches.into_iter().map(branch).collect();
        Some(Yaml::map([("if", Some(Yaml::List(list)))]))
    }

    /// `foreach`: its names are variables that outlive it, so the loop's own are copied to them.
    fn each(&self, node: Node<'_, '_>) -> Option<Yaml> {
        if attribute(node, "array").is_none() || attribute(node, "item").is_none() {
            self.source.missing(node, "`foreach` needs `array` and `item`");
        }
        let list = self.expression(node, "array", Site::Value);
        if own_attribute(node, "names") == Some("own") {
            return self.own_each(node, list?);
        }
        let item = self.location(node, "item");
        let index = self.location(node, "index");
        let item_local = self.free_name("item");
        let index_local = self.free_name("index");
        let mut set = vec![(item?, Yaml::text(item_local.as_str()))];
        let counted = index.is_some();
        set.extend(index.map(|index| (index, Yaml::text(index_local.as_str()))));
        let mut body = vec![Yaml::map([("set", Some(Yaml::Map(set)))])];
        body.extend(self.actions(node.children()));
        let each = Yaml::map([
            ("in", Some(Yaml::Text(list?))),
            ("as", Some(Yaml::Text(item_local))),
            ("index", counted.then_some(Yaml::Text(index_local))),
            ("do", Some(Yaml::List(body))),
        ]);
        Some(Yaml::map([("each", Some(each))]))
    }

    /// A loop with names of its own.
    fn own_each(&self, node: Node<'_, '_>, list: String) -> Option<Yaml> {
        let (item, index) = (text(node, "item")?, text(node, "index"));
        let depth = self.locals.borrow().len();
        self.locals.borrow_mut().extend([item].into_iter().chain(index).map(Arc::from));
        let body = self.actions(node.children());
        self.locals.borrow_mut().truncate(depth);
        let each = Yaml::map([
            ("in", Some(Yaml::Text(list))),
            ("as", Some(Yaml::text(item))),
            ("index", index.map(Yaml::text)),
            ("do", Some(Yaml::List(body))),
        ]);
        Some(Yaml::map([("each", Some(each))]))
    }

    /// A name that no variable has.
    fn free_name(&self, wish: &str) -> String {
        let mut name = wish.to_owned();
        while self.ids.vars.iter().any(|known| **known == *name) {
            name.push('_');
        }
        name
    }

    /// What `param`, `namelist` and `content` make together.
    pub(super) fn payload(&self, node: Node<'_, '_>) -> Option<Yaml> {
        if let Some(content) = named(node, "content").next() {
            return match attribute(content, "expr") {
                Some(_) => self.template(content, "expr"),
                None => self.content(content).as_ref().map(Yaml::data),
            };
        }
        self.given(node)
    }

    /// What `param` and `namelist` give; the `content` of an `invoke` is the child itself.
    pub(super) fn given(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        let mut add = |name: &str, value: Yaml| {
            entries.retain(|(known, _)| known != name);
            entries.push((name.to_owned(), value));
        };
        for name in text(node, "namelist").unwrap_or_default().split_whitespace() {
            if is_name(name) && self.ids.vars.iter().any(|known| **known == *name) {
                add(name, Yaml::Text(format!("${{ vars.{name} }}")));
            } else if let Some(attribute) = attribute(node, "namelist") {
                let message = format!("`{name}` is not declared in a `datamodel`");
                self.source.refuse_value(&attribute, message);
            }
        }
        for (_, param) in children(node).filter(|(kind, _)| *kind == "param") {
            let Some(name) = text(param, "name") else {
                self.source.missing(param, "`param` has no `name`");
                continue;
            };
            let value = match attribute(param, "expr") {
                Some(_) => self.template(param, "expr"),
                None => {
                    let path = self.location(param, "location");
                    path.map(|path| Yaml::Text(format!("${{ vars.{path} }}")))
                }
            };
            if let Some(value) = value {
                add(name, value);
            }
        }
        (!entries.is_empty()).then_some(Yaml::Map(entries))
    }
}

/// Puts a `set` to the one before it, of which it is a part.
fn same_set(last: &mut Yaml, more: &Yaml) -> bool {
    let (Yaml::Map(last), Yaml::Map(more)) = (last, more) else { return false };
    let (Some((key, Yaml::Map(all))), [(other, Yaml::Map(entries))]) =
        (last.first_mut(), more.as_slice())
    else {
        return false;
    };
    let fits = key == "set" && other == "set";
    let known = entries.iter().any(|(path, _)| all.iter().any(|(it, _)| it == path));
    if fits && !known {
        all.extend(entries.iter().cloned());
    }
    fits && !known
}
