//! States, and the transitions between them.

use roxmltree::Node;

use super::super::yaml::Yaml;
use super::carried::{Role, exact, order_of_starts, role};
use super::document::Document;
use super::expression::Site;
use super::ids::{is_event, is_state};
use super::source::{attribute, children, named, own_attribute, text};

/// The keys of one state.
pub(super) type Keys = Vec<(String, Yaml)>;

impl Document<'_> {
    /// The states directly below an element, by their names.
    pub(super) fn states(&self, parent: Node<'_, '_>) -> Keys {
        let below = |kind: &str| matches!(kind, "state" | "parallel" | "final" | "history");
        children(parent)
            .filter(|(kind, _)| below(kind))
            .map(|(kind, node)| {
                let keys =
                    if kind == "history" { self.history(node) } else { self.state(kind, node) };
                (self.ids.place(node).to_string(), Yaml::Map(keys))
            })
            .collect()
    }

    /// `initial:` of a state or of the document; none where its first child is meant.
    pub(super) fn initial(&self, node: Node<'_, '_>) -> Option<Yaml> {
        if let Some(targets) = self.targets(node, "initial") {
            return Some(targets);
        }
        let transition = named(node, "initial").find_map(|it| named(it, "transition").next())?;
        self.arrow(transition)
    }

    /// A transition without event and guard: where to, and what to do on the way.
    fn arrow(&self, transition: Node<'_, '_>) -> Option<Yaml> {
        let to = self.targets(transition, "target");
        if to.is_none() {
            self.source.missing(transition, "the transition has no `target`");
        }
        let body = self.block(transition);
        match body {
            None => to,
            Some(body) => Some(Yaml::map([("to", to), ("do", Some(body))])),
        }
    }

    fn history(&self, node: Node<'_, '_>) -> Keys {
        let kind = match text(node, "type") {
            None | Some("shallow") => "shallow",
            Some("deep") => "deep",
            Some(other) => {
                self.source.refuse(node, format!("history `{other}` is not `shallow` or `deep`"));
                "shallow"
            }
        };
        let transition = named(node, "transition").next();
        if transition.is_none() {
            self.source.missing(node, "`history` has no `transition`: where it leads at first");
        }
        let mut keys = vec![("history".to_owned(), Yaml::text(kind))];
        if let Some(default) = transition.and_then(|it| self.arrow(it)) {
            keys.push(("default".to_owned(), default));
        }
        keys
    }

    fn state(&self, kind: &str, node: Node<'_, '_>) -> Keys {
        let mut keys = Keys::new();
        let mut add = |key: &str, value: Option<Yaml>| {
            keys.extend(value.map(|value| (key.to_owned(), value)));
        };
        self.known_children(kind, node);
        add("final", (kind == "final").then(|| Yaml::Literal("true".to_owned())));
        add("output", self.output(node));
        add("entry", self.blocks(node, "onentry"));
        add("exit", self.blocks(node, "onexit"));
        add("invoke", self.invokes(node));
        add("run", self.run(node));
        add("always", self.always(node));
        add("after", self.after(node));
        add("on", self.on(node));
        add("done", self.results(node, "done"));
        add("failed", self.results(node, "failed"));
        let parallel = kind == "parallel";
        let compound = !parallel && children(node).any(|(_, child)| is_state(child));
        add("initial", if compound { self.initial(node) } else { None });
        let below = self.states(node);
        let key = if parallel { "parallel" } else { "states" };
        add(key, (!below.is_empty()).then_some(Yaml::Map(below)));
        let mut keys = self.with_carried(node, keys);
        order_of_starts(node, &mut keys);
        keys
    }

    fn known_children(&self, kind: &str, node: Node<'_, '_>) {
        for (name, child) in children(node) {
            let known = match name {
                "onentry" | "onexit" => true,
                "donedata" => kind == "final",
                "transition" | "state" | "parallel" | "history" | "datamodel" | "invoke" => {
                    kind != "final"
                }
                "final" | "initial" => kind == "state",
                _ => false,
            };
            if !known {
                self.source.refuse(child, format!("`{name}` does not belong into `{kind}`"));
            }
        }
    }

    /// The result of a final state.
    fn output(&self, node: Node<'_, '_>) -> Option<Yaml> {
        named(node, "donedata").find_map(|it| self.payload(it))
    }

    fn always(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let eventless = named(node, "transition").filter(|it| role(*it) == Role::Always);
        let list: Vec<Yaml> = eventless.map(|it| self.transition(it, None)).collect();
        (!list.is_empty()).then_some(Yaml::List(list))
    }

    fn on(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let list: Vec<Yaml> = named(node, "transition")
            .filter(|it| role(*it) == Role::On)
            .filter_map(|it| Some(self.transition(it, Some(self.event(it, text(it, "event")?)))))
            .collect();
        (!list.is_empty()).then_some(Yaml::List(list))
    }

    /// The descriptors of a transition.
    fn event(&self, transition: Node<'_, '_>, written: &str) -> Yaml {
        if let Some(exact) = exact(transition, written) {
            return Yaml::List(exact.map(Yaml::text).collect());
        }
        let descriptors: Vec<String> =
            written.split_whitespace().map(|text| self.ids.descriptor(text)).collect();
        for descriptor in &descriptors {
            if descriptor != "*" && !is_event(descriptor) {
                let message = format!("event `{descriptor}` is not `[A-Za-z0-9_-]` tokens");
                match attribute(transition, "event") {
                    Some(attribute) => self.source.refuse_value(&attribute, message),
                    None => self.source.refuse(transition, message),
                }
            }
        }
        match descriptors.as_slice() {
            [only] => Yaml::text(only.as_str()),
            several => Yaml::List(several.iter().map(|it| Yaml::text(it.as_str())).collect()),
        }
    }

    pub(super) fn transition(&self, node: Node<'_, '_>, event: Option<Yaml>) -> Yaml {
        let internal = match text(node, "type") {
            None | Some("external") => None,
            Some("internal") => Some(Yaml::Literal("true".to_owned())),
            Some(other) => {
                let message = format!("type `{other}` is not `internal` or `external`");
                self.source.refuse(node, message);
                None
            }
        };
        let keys = [
            ("event", event),
            ("name", own_attribute(node, "name").map(Yaml::text)),
            ("when", self.expression(node, "cond", Site::Guard).map(Yaml::Text)),
            ("do", self.block(node)),
            ("to", self.targets(node, "target")),
            ("internal", internal),
        ];
        let present = |(key, value): (&str, Option<Yaml>)| Some((key.to_owned(), value?));
        Yaml::Map(self.with_carried(node, keys.into_iter().filter_map(present).collect()))
    }
}
