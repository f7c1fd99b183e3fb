//! A document of the suite → plain SCXML with expressions of ours.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use roxmltree::{Document as Xml, Node, ParsingOptions};

use super::Document;
use super::constructs::{self, Became};
use super::written::Words;

/// The namespace of what the suite leaves to the data model.
const CONF: &str = "http://www.w3.org/2005/scxml-conformance";

/// Plain SCXML: the document, then documents that it holds as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name of each, and its text.
    pub texts: Vec<(String, String)>,
}

/// Replaces every `conf:` construct of a document.
///
/// # Errors
/// What is no XML, or a construct that is not known.
pub fn resolved(document: &Document) -> Result<Resolved, String> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let xml = Xml::parse_with_options(&document.text, options);
    let xml = xml.map_err(|error| format!("it is not XML: {error}"))?;
    let writer = Writer { stem: &document.stem, values: RefCell::default() };
    let mut text = String::new();
    let forced = document.is_child().then_some(document.stem.as_str());
    writer.element(xml.root_element(), forced, &mut text)?;
    let mut texts = vec![(document.stem.clone(), text)];
    texts.extend(writer.values.into_inner());
    Ok(Resolved { texts })
}

struct Writer<'a> {
    stem: &'a str,
    /// Documents that are values of variables.
    values: RefCell<Vec<(String, String)>>,
}

impl Writer<'_> {
    /// Writes an element; `name` is the name a document must have.
    fn element(
        &self,
        node: Node<'_, '_>,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<(), String> {
        let tag = node.tag_name().name();
        if node.tag_name().namespace() == Some(CONF) {
            let get = |key: &str| node.attribute(key).unwrap_or_default().to_owned();
            out.push_str(&constructs::element(tag, get)?);
            return Ok(());
        }
        let mut attributes: Vec<(String, String)> = Vec::new();
        let mut inside = String::new();
        let words = words(node);
        // What a document writes out is as it is where it says in which language.
        let ours = |key: &str, value: &str| match &words {
            Some(words) => words.attribute(key, value),
            None => value.to_owned(),
        };
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            if attribute.namespace() == Some(CONF) {
                // A variable that nobody declares cannot be assigned.
                let unknown = tag == "assign" && key == "location" && !is_declared(node, value);
                let key = if unknown { "invalidLocation" } else { key };
                match constructs::attribute(tag, key, value)? {
                    Became::Attribute(plain, value) if key == plain => {
                        attributes.push((plain.to_owned(), ours(plain, &value)));
                    }
                    Became::Attribute(plain, value) => attributes.push((plain.to_owned(), value)),
                    Became::Child(child) => inside.push_str(&child),
                }
            } else if attribute.namespace().is_none() {
                attributes.push((key.to_owned(), ours(key, value)));
            }
        }
        self.special(node, tag, name, &mut attributes, &mut inside)?;
        for child in node.children() {
            if child.is_element() && !is_value(tag, child) {
                self.element(child, None, &mut inside)?;
            } else if child.is_text() {
                inside.push_str(&escaped(child.text().unwrap_or_default()));
            }
        }
        if tag == "scxml" {
            inside.push_str(&undeclared(node));
        }
        write!(out, "<{tag}").map_err(|error| error.to_string())?;
        for (key, value) in attributes {
            write!(out, " {key}=\"{}\"", escaped(&value)).map_err(|error| error.to_string())?;
        }
        writeln!(out, ">{inside}</{tag}>").map_err(|error| error.to_string())
    }

    /// What the product does not offer, and the suite may have: documents as values.
    fn special(
        &self,
        node: Node<'_, '_>,
        tag: &str,
        name: Option<&str>,
        attributes: &mut Vec<(String, String)>,
        inside: &mut String,
    ) -> Result<(), String> {
        match tag {
            "scxml" => {
                if let Some(name) = name {
                    attributes.retain(|(key, _)| key != "name");
                    attributes.push(("name".to_owned(), name.to_owned()));
                }
            }
            "assign" | "data" => {
                let scxml = node.children().find(|child| is_value(tag, *child));
                if let Some(scxml) = scxml {
                    let own = format!("{}_value{}", self.stem, self.values.borrow().len());
                    let mut text = String::new();
                    self.element(scxml, Some(&own), &mut text)?;
                    attributes.push(("expr".to_owned(), format!("'{own}'")));
                    self.values.borrow_mut().push((own, text));
                }
            }
            "invoke" => {
                let content = node.children().find(|child| is_value(tag, *child));
                let conf = content.and_then(|it| it.attributes().next());
                if let Some(attribute) = conf {
                    let became =
                        constructs::attribute("content", attribute.name(), attribute.value());
                    match (attribute.namespace() == Some(CONF)).then_some(became).transpose()? {
                        Some(Became::Attribute(_, value)) => {
                            attributes.push(("srcexpr".to_owned(), value));
                        }
                        Some(Became::Child(child)) => {
                            inside.push_str(&format!("<content>{child}</content>"));
                        }
                        None => {
                            attributes.push(("srcexpr".to_owned(), attribute.value().to_owned()))
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Is it a document as a value, or an `invoke` of one? These are written otherwise.
fn is_value(parent: &str, child: Node<'_, '_>) -> bool {
    let tag = child.tag_name().name();
    match parent {
        "assign" | "data" => tag == "scxml",
        "invoke" => tag == "content" && child.attributes().len() > 0,
        _ => false,
    }
}

/// Does the document around a node declare variable number `number`?
fn is_declared(node: Node<'_, '_>, number: &str) -> bool {
    let own = node.ancestors().find(|it| it.tag_name().name() == "scxml");
    own.is_some_and(|own| declared(own).contains(&format!("Var{}", number.trim())))
}

/// The variables that a document declares, loops included.
fn declared(root: Node<'_, '_>) -> BTreeSet<String> {
    let names = constructs_of(root).filter(|(key, _)| ["id", "item", "index"].contains(key));
    names.map(|(_, value)| format!("Var{}", value.trim())).collect()
}

/// The names of the document around a node; none where it says its data model itself.
fn words(node: Node<'_, '_>) -> Option<Words> {
    let root = node.ancestors().find(|it| it.tag_name().name() == "scxml")?;
    root.attribute((CONF, "datamodel"))?;
    let ids = |of_data: bool| {
        let nodes = root.descendants().filter(Node::is_element);
        let nodes = nodes.filter(move |it| (it.tag_name().name() == "data") == of_data);
        nodes.filter_map(|it| {
            let plain = it.attributes().find(|it| it.namespace().is_none() && it.name() == "id");
            plain.map(|it| Arc::from(it.value()))
        })
    };
    Some(Words {
        vars: declared(root).into_iter().map(Arc::from).chain(ids(true)).collect(),
        states: ids(false).collect(),
    })
}

/// The `conf:` attributes of a document, not those of documents inside it.
fn constructs_of<'d, 'i: 'd>(
    root: Node<'d, 'i>,
) -> impl Iterator<Item = (&'d str, &'d str)> + use<'d, 'i> {
    let own = move |node: &Node<'_, '_>| {
        node.ancestors().find(|it| it.tag_name().name() == "scxml") == Some(root)
    };
    let elements = root.descendants().filter(Node::is_element).filter(own);
    elements.flat_map(|node| {
        let ours = node.attributes().filter(|it| it.namespace() == Some(CONF));
        ours.map(|it| (it.name(), it.value()))
    })
}

/// Variables that the document asks about and never declares, and the one that holds nothing. They
/// are those of an inner state, so that nobody can give them a value at the start.
fn undeclared(root: Node<'_, '_>) -> String {
    let tests = ["isBound", "unboundVar", "noValue"];
    let mut asked: BTreeSet<String> = constructs_of(root)
        .filter(|(key, _)| tests.contains(key))
        .map(|(_, value)| format!("Var{}", value.trim()))
        .collect();
    asked.insert("foo".to_owned());
    let declared = declared(root);
    let data: String =
        asked.difference(&declared).map(|name| format!("<data id=\"{name}\"/>")).collect();
    format!("<state id=\"unreached\"><datamodel>{data}</datamodel></state>")
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\n', "&#10;")
}
