//! One document: its head, its variables, and the documents inside it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use roxmltree::{Document as Xml, Node, ParsingOptions};

use super::super::retold::retold;
use super::super::yaml::Yaml;
use super::carried::in_order;
use super::expression::{Expressions, Language, Site};
use super::ids::{Ids, cleaned};
use super::known;
use super::made::{Made, place};
use super::source::{
    Source, attribute, children, inner_element, inner_text, name, own_attribute, text,
};
use crate::definition::codes;
use crate::definition::{Format, Problem, load_all};
use crate::value::Value;

/// The longest text, in bytes, as for definitions.
const TEXT_MAX: usize = 512 * 1_024;
/// The deepest nesting of elements, as for definitions.
const DEPTH_MAX: usize = 64;
/// The most nodes of XML: a text of the longest length has fewer that mean anything.
const NODES_MAX: u32 = 200_000;

/// What a document became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The definitions in YAML, separated by `---`; that of the document itself comes first.
    pub yaml: String,
    /// The names of their workflows, in the same order.
    pub workflows: Vec<String>,
    /// What the author should know: names that changed, what was left out, conditions that may be
    /// none here. A line each, which begins with `warning:` or `note:`.
    pub told: Vec<String>,
}

/// Converts a document of SCXML; `origin` is the file's name, for messages and for the name of a
/// workflow that has none.
///
/// # Errors
/// Everything that has no equivalent, with its place: scripts, XPath, other processors of events,
/// and what is no SCXML at all.
pub fn from_scxml(text: &str, origin: &str) -> Result<Converted, Vec<Problem>> {
    let source = Source::new(text, origin);
    let refused = |code, message: String| Err(vec![Problem::new(code, origin, message)]);
    if text.len() > TEXT_MAX {
        let message = format!("{} bytes exceed the limit of {TEXT_MAX} bytes", text.len());
        return refused(codes::TOO_LARGE, message);
    }
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let xml = match Xml::parse_with_options(text, options) {
        Ok(xml) => xml,
        Err(error) => {
            let at = position(text, error.pos());
            source.add(codes::SYNTAX, at..at, format!("the text is not XML: {error}"));
            return Err(source.into_problems());
        }
    };
    if let Some(deep) = too_deep(xml.root_element()) {
        let message = format!("elements nest more than {DEPTH_MAX} levels");
        source.add(codes::TOO_DEEP, deep.range().start..deep.range().start + 1, message);
        return Err(source.into_problems());
    }
    if name(xml.root_element()) != Some("scxml") {
        source.refuse(xml.root_element(), "the document is not `scxml`");
        return Err(source.into_problems());
    }
    let run = Run { source: &source, out: RefCell::default(), taken: RefCell::default() };
    known::check(&source, xml.root_element());
    run.document(xml.root_element(), None);
    let made: Vec<Made> = run.out.into_inner().into_iter().flatten().collect();
    if !source.is_clean() {
        return Err(source.into_problems());
    }
    let texts: Vec<String> = made.iter().map(|made| made.definition.write()).collect();
    let yaml = texts.join("---\n");
    // What the checker would refuse is no definition: its words, at the place in the document.
    if let Err(problems) = load_all(&yaml, origin, Format::Yaml) {
        let place = |it: &Problem| place(it, &source, &xml, &made, &texts, &yaml);
        return Err(retold(problems, text, place));
    }
    let workflows = made.into_iter().map(|made| made.workflow).collect();
    Ok(Converted { yaml, workflows, told: source.told() })
}

fn position(text: &str, at: roxmltree::TextPos) -> usize {
    let rows = usize::try_from(at.row).unwrap_or(1).saturating_sub(1);
    let line: usize = text.split_inclusive('\n').take(rows).map(str::len).sum();
    let column = usize::try_from(at.col).unwrap_or(1).saturating_sub(1);
    let rest = text.get(line..).unwrap_or_default();
    line + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

/// The first element that is nested too deeply; walks without recursion.
fn too_deep<'d, 'i>(root: Node<'d, 'i>) -> Option<Node<'d, 'i>> {
    let mut open = vec![(root, 1_usize)];
    while let Some((node, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            return Some(node);
        }
        open.extend(node.children().filter(Node::is_element).map(|child| (child, depth + 1)));
    }
    None
}

/// The conversion of one text.
pub(super) struct Run<'s> {
    source: &'s Source<'s>,
    /// What is made, in order; a place is taken before what is inside is made.
    out: RefCell<Vec<Option<Made>>>,
    /// Names of workflows.
    taken: RefCell<BTreeSet<String>>,
}

impl Run<'_> {
    /// Converts an `scxml` element; `wish` is the name of its workflow, else its own.
    pub(super) fn document(&self, root: Node<'_, '_>, wish: Option<String>) -> String {
        let wish = wish.or_else(|| {
            let written = attribute(root, "name").filter(|it| !it.value().trim().is_empty())?;
            let own = cleaned(written.value().trim(), true);
            if own != written.value() {
                let message = format!("`{}` is the workflow `{own}` here", written.value());
                self.source.note(written.range().start, message);
            }
            Some(own)
        });
        let wish = wish.unwrap_or_else(|| super::ids::workflow_of(self.source.origin));
        let mut workflow = wish.clone();
        let mut number = 2;
        while !self.taken.borrow_mut().insert(workflow.clone()) {
            workflow = format!("{wish}_{number}");
            number += 1;
        }
        let place = self.out.borrow().len();
        self.out.borrow_mut().push(None);
        let source = self.source;
        let document = Document {
            source,
            run: self,
            language: language(source, root),
            ids: Ids::of(source, root, &workflow),
            workflow: workflow.clone(),
            locals: RefCell::default(),
        };
        let definition = document.definition(root);
        if let Some(slot) = self.out.borrow_mut().get_mut(place) {
            let states = document.ids.starts();
            let root = root.range().start;
            *slot = Some(Made { workflow: workflow.clone(), definition, root, states });
        }
        workflow
    }
}

fn language(source: &Source<'_>, root: Node<'_, '_>) -> Language {
    match text(root, "datamodel") {
        Some("cel") => Language::Cel,
        None | Some("ecmascript" | "null") => Language::EcmaScript,
        Some(other) => {
            if let Some(attribute) = attribute(root, "datamodel") {
                let message =
                    format!("data model `{other}` is none of `cel`, `ecmascript` and `null`");
                source.refuse_value(&attribute, message);
            }
            Language::EcmaScript
        }
    }
}

/// A document under conversion.
pub(super) struct Document<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) run: &'a Run<'a>,
    pub(super) ids: Ids,
    pub(super) workflow: String,
    language: Language,
    /// Names that the loops around bind.
    pub(super) locals: RefCell<Vec<Arc<str>>>,
}

impl Document<'_> {
    fn expressions_with<'e>(&'e self, locals: &'e [Arc<str>]) -> Expressions<'e, 'e> {
        Expressions { source: self.source, ids: &self.ids, language: self.language, locals }
    }

    pub(super) fn expressions(&self) -> Expressions<'_, '_> {
        self.expressions_with(&[])
    }

    /// The expression in an attribute, if the attribute is there.
    pub(super) fn expression(&self, node: Node<'_, '_>, key: &str, site: Site) -> Option<String> {
        let locals = self.locals.borrow();
        self.expressions_with(&locals).read(&attribute(node, key)?, site)
    }

    /// The data that an expression of CEL is, where it computes nothing.
    pub(super) fn literal(&self, expression: &str) -> Option<Yaml> {
        if self.language != Language::Cel {
            return None;
        }
        let quoted = expression.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
        let plain = quoted.filter(|text| !text.contains(['\'', '\\']));
        let value = plain.map_or_else(
            || Value::from_json(expression.as_bytes()).ok(),
            |text| Some(Value::from(text)),
        );
        value.as_ref().map(Yaml::data)
    }

    fn definition(&self, root: Node<'_, '_>) -> Yaml {
        if let Some(attribute) = attribute(root, "binding").filter(|it| it.value() == "late") {
            self.source.refuse_value(&attribute, "late binding has no equivalent");
        }
        for (kind, child) in children(root) {
            match kind {
                "state" | "parallel" | "final" | "datamodel" => {}
                "script" => self.source.refuse(child, "`script` has no equivalent"),
                other => {
                    let message = format!("`{other}` does not belong into `scxml`");
                    self.source.refuse(child, message);
                }
            }
        }
        let vars = self.vars(root);
        let states = self.states(root);
        if states.is_empty() {
            self.source.missing(root, "the document has no state");
        }
        let keys = [
            ("workflow", Some(Yaml::text(self.workflow.as_str()))),
            // Errors nobody handles are ignored in SCXML.
            ("on_error", Some(Yaml::text("ignore"))),
            ("vars", (!vars.is_empty()).then_some(Yaml::Map(vars))),
            ("initial", self.initial(root)),
            ("states", Some(Yaml::Map(states))),
        ];
        let present = |(key, value): (&str, Option<Yaml>)| Some((key.to_owned(), value?));
        let keys = keys.into_iter().filter_map(present).collect();
        Yaml::Map(in_order(self.with_carried(root, keys)))
    }

    /// All variables of the document: those of inner states exist from the beginning too.
    fn vars(&self, root: Node<'_, '_>) -> Vec<(String, Yaml)> {
        let mut values: Vec<(String, Yaml)> = Vec::new();
        self.data(root, root, &mut values);
        for name in &self.ids.vars {
            if !values.iter().any(|(known, _)| **known == **name) {
                values.push((name.to_string(), Yaml::Literal("null".to_owned())));
            }
        }
        values
    }

    fn data(&self, root: Node<'_, '_>, node: Node<'_, '_>, values: &mut Vec<(String, Yaml)>) {
        for (kind, child) in children(node) {
            match kind {
                "state" | "parallel" => self.data(root, child, values),
                "datamodel" => {
                    for (kind, child) in children(child) {
                        let id = text(child, "id").unwrap_or_default();
                        if kind != "data" || !self.ids.vars.iter().any(|known| **known == *id) {
                            continue;
                        }
                        let value = self.first_value(child, id, node == root);
                        values.push((id.to_owned(), value));
                    }
                }
                _ => {}
            }
        }
    }

    /// What a variable begins with. Whoever starts the document may give the top-level ones.
    fn first_value(&self, node: Node<'_, '_>, id: &str, top: bool) -> Yaml {
        if let Some(attribute) = attribute(node, "src") {
            self.source.refuse_value(&attribute, "data from another file has no equivalent");
        }
        let never = own_attribute(node, "given") == Some("never");
        if let Some(data) = own_attribute(node, "data") {
            return self.piece(node, data).unwrap_or_else(|| Yaml::Literal("null".to_owned()));
        }
        if never && attribute(node, "expr").is_some() {
            return self.template(node, "expr").unwrap_or_else(|| Yaml::data(&Value::Null));
        }
        let written = self.expression(node, "expr", Site::Value);
        let value = match &written {
            Some(_) => None,
            None if attribute(node, "expr").is_some() => None,
            None => self.content(node),
        };
        let literal = value.as_ref().map_or_else(|| "null".to_owned(), Value::to_json);
        let expression = written.unwrap_or(literal);
        let given = format!("input.?{id}.orValue({expression})");
        match value {
            _ if top && !never && given.len() <= 1_000 => Yaml::Text(format!("${{ {given} }}")),
            Some(value) => Yaml::data(&value),
            None => Yaml::Text(format!("${{ {expression} }}")),
        }
    }

    /// The value that an element holds as text: JSON, else the text itself.
    pub(super) fn content(&self, node: Node<'_, '_>) -> Option<Value> {
        if let Some(element) = inner_element(node) {
            self.source.refuse(element, "XML as data has no equivalent");
            return None;
        }
        let text = inner_text(node);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return None;
        }
        let value = Value::from_json(text.trim().as_bytes());
        Some(value.unwrap_or_else(|_| Value::from(words.join(" "))))
    }

    /// Ids of states as their list is written.
    pub(super) fn targets(&self, node: Node<'_, '_>, key: &str) -> Option<Yaml> {
        let attribute = attribute(node, key)?;
        let mut targets: Vec<Arc<str>> = Vec::new();
        for id in attribute.value().split_whitespace() {
            match self.ids.states.get(id) {
                Some(id) => targets.push(Arc::clone(id)),
                None => {
                    let message = format!("no state `{id}`");
                    self.source.add(codes::UNKNOWN_STATE, attribute.range_value(), message);
                }
            }
        }
        match targets.as_slice() {
            [] => None,
            [only] => Some(Yaml::text(&**only)),
            several => Some(Yaml::List(several.iter().map(|id| Yaml::text(&**id)).collect())),
        }
    }
}
