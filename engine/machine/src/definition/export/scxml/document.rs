//! The document: its head, and what is said of the definition as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::place::{Refusals, SourceText};
use super::element::Element;
use super::variables::variables;
use crate::definition::expr::{Expr, ExprKind, NameSet, Names};
use crate::definition::load::Format;
use crate::definition::model::{Definition, OnError};
use crate::definition::parse::{Kind, Node, canonical, parse};
use crate::definition::problem::Problem;

/// The namespace of what SCXML has no word for.
pub(crate) const NAMESPACE: &str = "urn:gearshift:scxml";

/// A definition as a document of SCXML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scxml {
    /// The document.
    pub text: String,
    /// Keys that stand in it as they are written, in the namespace `urn:gearshift:scxml`: a
    /// conversion back reads them, other tools ignore them.
    pub carried: Vec<String>,
}

/// The definition as an SCXML document. Its expressions stay what they are, CEL.
///
/// # Errors
/// What no XML can hold, with its place.
pub fn scxml(definition: &Definition, source: SourceText<'_>) -> Result<Scxml, Vec<Problem>> {
    let mut refusals = Refusals::new(definition, source);
    let tree = parse(&definition.canonical, Format::Json).roots.into_iter().next();
    let Some(root) = tree else {
        refusals.add(&definition.name, &[], "the definition cannot be read again");
        return Err(refusals.problems);
    };
    refusals.steps(definition);
    if !refusals.problems.is_empty() {
        return Err(refusals.problems);
    }
    let mut export = Export {
        definition,
        root: &root,
        vars: definition.vars.iter().map(|var| Arc::clone(&var.name)).collect(),
        states: definition.states.iter().map(|state| Arc::clone(&state.id)).collect(),
        carried: BTreeSet::new(),
    };
    let document = export.document();
    if !document.is_legal() {
        let message = "the definition holds a character that no XML can hold";
        refusals.add(&definition.name, &[], message);
        return Err(refusals.problems);
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    document.write(0, &mut text);
    Ok(Scxml { text, carried: export.carried.into_iter().collect() })
}

/// A definition on its way.
pub(super) struct Export<'a> {
    pub(super) definition: &'a Definition,
    /// The definition as it is written.
    pub(super) root: &'a Node,
    vars: Vec<Arc<str>>,
    states: Vec<Arc<str>>,
    /// What SCXML has no word for and the definition has.
    pub(super) carried: BTreeSet<String>,
}

impl Export<'_> {
    fn document(&mut self) -> Element {
        let mut document = Element::new("scxml")
            .with("xmlns", "http://www.w3.org/2005/07/scxml")
            .with("xmlns:gearshift", NAMESPACE)
            .with("version", "1.0")
            .with("datamodel", "cel")
            .with("name", &*self.definition.name);
        let root = self.root;
        let mut inside = Vec::new();
        for (key, node) in root.entries().unwrap_or_default() {
            match &*key.text {
                "workflow" | "vars" | "on_error" | "actions" => {}
                "states" => inside = self.children(node),
                "initial" => match &node.kind {
                    Kind::Scalar(_) | Kind::List(_) => {
                        document = document.with("initial", words(node));
                    }
                    Kind::Map(_) => {
                        document = document.with_some("initial", node.get("to").map(words));
                        document.push(self.key("initial", node));
                    }
                },
                other => document.push(self.key(other, node)),
            }
        }
        // Who says nothing of errors goes on there; here a person is asked.
        if self.definition.on_error != OnError::Ignore {
            let suspend = r#""suspend""#;
            let json = root.get("on_error").map_or_else(|| suspend.to_owned(), canonical);
            document.push(Element::carrying("gearshift:key", &json).with("name", "on_error"));
            self.carried.extend(root.get("on_error").map(|_| "on_error".to_owned()));
        }
        if let Some(actions) = root.get("actions").filter(|_| self.carried.contains("actions")) {
            document.push(self.key("actions", actions));
        }
        let (top, inner) = variables(self);
        document = document.holding(top);
        match (inner, inside.iter_mut().find(|child| child.is_real_state())) {
            (Some(inner), Some(state)) => state.push_first(inner),
            (inner, _) => document = document.holding(inner),
        }
        document.holding(inside)
    }

    /// What stands behind a key, as it is written.
    pub(super) fn key(&mut self, key: &str, node: &Node) -> Element {
        self.carried.insert(key.to_owned());
        Element::carrying("gearshift:key", &canonical(node)).with("name", key)
    }

    /// Is it an expression here, and not too large for one?
    pub(super) fn compiles(&self, source: &str, locals: &[Arc<str>]) -> bool {
        Expr::compile(source, ExprKind::Value, &self.names(locals)).is_ok()
    }

    /// All names there are; where each of them may stand is checked already.
    pub(super) fn names<'n>(&'n self, locals: &'n [Arc<str>]) -> Names<'n> {
        let allowed = NameSet::CALL_SET.with_error();
        Names { vars: &self.vars, states: &self.states, steps: &[], locals, allowed }
    }
}

/// One text or a list of them, as SCXML writes lists.
pub(super) fn words(node: &Node) -> String {
    match &node.kind {
        Kind::List(items) => items.iter().map(words).collect::<Vec<_>>().join(" "),
        Kind::Scalar(scalar) => scalar.text.to_string(),
        Kind::Map(_) => String::new(),
    }
}
