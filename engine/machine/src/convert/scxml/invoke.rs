//! `invoke`: documents that run as children.

use roxmltree::Node;

use super::super::yaml::Yaml;
use super::document::Document;
use super::expression::Site;
use super::ids::workflow_of;
use super::source::{attribute, children, inner_text, name, named, own_attribute, own_name, text};

/// The names SCXML has for its own documents.
const TYPES: [&str; 3] = ["scxml", "http://www.w3.org/TR/scxml/", "http://www.w3.org/TR/scxml"];

impl Document<'_> {
    /// `invoke:` of a state.
    pub(super) fn invokes(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let list: Vec<Yaml> =
            node.children().filter_map(|child| self.invoked(node, child)).collect();
        (!list.is_empty()).then_some(Yaml::List(list))
    }

    fn invoked(&self, state: Node<'_, '_>, child: Node<'_, '_>) -> Option<Yaml> {
        if own_name(child) == Some("invoke") {
            return self.piece(child, &inner_text(child));
        }
        (name(child) == Some("invoke") && own_attribute(child, "key").is_none())
            .then(|| self.invoke(state, child))?
    }

    /// `run:` of a state: a child without a name.
    pub(super) fn run(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let mut runs = named(node, "invoke");
        let run = runs.find(|invoke| own_attribute(*invoke, "key") == Some("run"))?;
        self.invoke(node, run)
    }

    fn invoke(&self, state: Node<'_, '_>, node: Node<'_, '_>) -> Option<Yaml> {
        if let Some(kind) = attribute(node, "type")
            && !TYPES.contains(&kind.value().trim())
        {
            let message = format!("a child of type `{}` has no equivalent", kind.value());
            self.source.refuse_value(&kind, message);
        }
        let workflow = self.child(state, node);
        // Without `with` a child would be started with the data of the event in hand.
        let event = own_attribute(node, "with") == Some("event");
        let with = self.given(node).or_else(|| (!event).then(|| Yaml::Map(Vec::new())));
        let forward = text(node, "autoforward") == Some("true");
        Some(Yaml::map([
            ("id", text(node, "id").map(Yaml::text)),
            ("id_to", self.location(node, "idlocation").map(Yaml::Text)),
            ("workflow", Some(workflow?)),
            ("with", with),
            ("set", self.finalize(node)),
            ("forward", forward.then(|| Yaml::Literal("true".to_owned()))),
        ]))
    }

    /// Which workflow the child runs.
    fn child(&self, state: Node<'_, '_>, node: Node<'_, '_>) -> Option<Yaml> {
        let inline = named(node, "content")
            .find_map(|content| content.children().find(|child| name(*child) == Some("scxml")));
        let written = if let Some(inline) = inline {
            let own =
                text(node, "id").map_or_else(|| self.ids.place(state).to_string(), str::to_owned);
            let wish = super::ids::cleaned(&format!("{}_{own}", self.workflow), true);
            Yaml::Text(self.run.document(inline, Some(wish)))
        } else if let Some(address) = text(node, "src") {
            let workflow = workflow_of(address);
            let kept = address.strip_prefix("file:").unwrap_or(address);
            if kept != workflow && kept.strip_suffix(".scxml") != Some(&*workflow) {
                let message = format!("`{address}` is the workflow `{workflow}` here");
                self.source.note(node.range().start, message);
            }
            Yaml::Text(workflow)
        } else if attribute(node, "srcexpr").is_some() {
            // What it gives is the name of a workflow.
            self.template(node, "srcexpr")?
        } else {
            self.source.refuse(node, "`invoke` has neither `src` nor an `scxml` in its `content`");
            return None;
        };
        if attribute(node, "typeexpr").is_none() {
            return Some(written);
        }
        let kind = self.expression(node, "typeexpr", Site::Value)?;
        let Yaml::Text(workflow) = written else { return Some(written) };
        let inner = workflow.strip_prefix("${").and_then(|it| it.strip_suffix('}'));
        let value = inner.map_or_else(|| format!("'{workflow}'"), |it| it.trim().to_owned());
        let known: Vec<String> = TYPES.iter().map(|it| format!("'{it}'")).collect();
        // No workflow has an empty name: another type is an error, as SCXML wants it.
        let text = format!("${{ ({kind}) in [{}] ? {value} : '' }}", known.join(", "));
        Some(Yaml::Text(text))
    }

    /// `set:`: what to keep of the child's events.
    fn finalize(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let finalize = named(node, "finalize").next()?;
        let mut set: Vec<(String, Yaml)> = Vec::new();
        for (kind, child) in children(finalize) {
            match kind {
                "assign" => {
                    let path = self.location(child, "location");
                    let value = self.expression(child, "expr", Site::Finalize);
                    if attribute(child, "expr").is_none() {
                        self.source.missing(child, "`assign` in `finalize` has no `expr`");
                    }
                    if let (Some(path), Some(value)) = (path, value) {
                        set.retain(|(known, _)| *known != path);
                        set.push((path, Yaml::Text(value)));
                    }
                }
                other => {
                    let message = format!("`{other}` in `finalize` has no equivalent");
                    self.source.refuse(child, message);
                }
            }
        }
        if set.is_empty() {
            set = self.returned(node);
        }
        (!set.is_empty()).then_some(Yaml::Map(set))
    }

    /// An empty `finalize` takes back what was given to the child by place.
    fn returned(&self, node: Node<'_, '_>) -> Vec<(String, Yaml)> {
        let mut set: Vec<(String, Yaml)> = Vec::new();
        let names = text(node, "namelist").unwrap_or_default().split_whitespace();
        let given = names.map(|name| (name.to_owned(), name.to_owned()));
        let params = named(node, "param").filter_map(|param| {
            Some((self.location(param, "location")?, text(param, "name")?.to_owned()))
        });
        for (path, name) in given.chain(params) {
            if !set.iter().any(|(known, _)| *known == path) {
                set.push((path, Yaml::Text(format!("output.{name}"))));
            }
        }
        set
    }
}
