//! Names of SCXML → names of ours: ids of states, of variables, of workflows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roxmltree::Node;

use super::data::between;
use super::source::{Source, attribute, children, inner_text, name, own_attribute, text};
use crate::definition::codes;
use crate::definition::model::check_event_name;

/// The names of one document.
#[derive(Default)]
pub(super) struct Ids {
    /// Ids of states as written, and what they are called here.
    pub(super) states: BTreeMap<String, Arc<str>>,
    /// What the state that begins at this byte is called.
    places: BTreeMap<usize, Arc<str>>,
    /// Variables, in document order.
    pub(super) vars: Vec<Arc<str>>,
    /// Those that begin as a list.
    pub(super) lists: BTreeSet<String>,
    /// What the names of states are, in lower case: case alone must not tell two apart.
    taken: BTreeSet<String>,
}

impl Ids {
    /// The names of a document that becomes the workflow `workflow`.
    pub(super) fn of(source: &Source<'_>, root: Node<'_, '_>, workflow: &str) -> Self {
        let mut ids = Self::default();
        ids.taken.insert(workflow.to_ascii_lowercase());
        let mut loops = Vec::new();
        ids.collect(source, root, &mut loops);
        for variable in loops {
            if !ids.vars.iter().any(|known| **known == *variable) {
                ids.vars.push(variable.into());
            }
        }
        ids
    }

    /// The name of a state.
    pub(super) fn place(&self, state: Node<'_, '_>) -> Arc<str> {
        self.places.get(&state.range().start).cloned().unwrap_or_default()
    }

    /// Where the states begin, by their names.
    pub(super) fn starts(&self) -> BTreeMap<Arc<str>, usize> {
        self.places.iter().map(|(start, name)| (Arc::clone(name), *start)).collect()
    }

    fn collect(&mut self, source: &Source<'_>, node: Node<'_, '_>, loops: &mut Vec<String>) {
        for (kind, child) in children(node) {
            match kind {
                "state" | "parallel" | "final" | "history" => {
                    self.state(source, kind, child);
                    self.collect(source, child, loops);
                }
                "data" => self.variable(source, child),
                // What is inside belongs to another document.
                "content" | "scxml" => {}
                // Its names are its own and not of the document.
                "foreach" if own_attribute(child, "names") == Some("own") => {
                    self.collect(source, child, loops);
                }
                "foreach" => {
                    for key in ["item", "index"] {
                        let variable = text(child, key).filter(|text| is_name(text));
                        loops.extend(variable.map(str::to_owned));
                    }
                    self.collect(source, child, loops);
                }
                _ => self.collect(source, child, loops),
            }
        }
    }

    fn state(&mut self, source: &Source<'_>, kind: &str, node: Node<'_, '_>) {
        let written = attribute(node, "id").map(|it| it.value());
        let wish = cleaned(written.unwrap_or(kind), false);
        let mut own = wish.clone();
        let mut number = 2;
        while !self.taken.insert(own.to_ascii_lowercase()) {
            own = format!("{wish}_{number}");
            number += 1;
        }
        let own: Arc<str> = own.into();
        self.places.insert(node.range().start, Arc::clone(&own));
        let Some(written) = written else { return };
        if *own != *written {
            source.note(node.range().start, format!("state `{written}` is called `{own}` here"));
        }
        if self.states.insert(written.to_owned(), own).is_some() {
            let message = format!("the id `{written}` is taken already");
            let place = attribute(node, "id").map_or_else(|| node.range(), |it| it.range_value());
            source.add(codes::DUPLICATE_STATE, place, message);
        }
    }

    fn variable(&mut self, source: &Source<'_>, node: Node<'_, '_>) {
        let Some(id) = attribute(node, "id") else {
            return source.missing(node, "`data` has no `id`");
        };
        if !is_name(id.value()) {
            let message = format!("variable `{}` is not `[A-Za-z_][A-Za-z0-9_]*`", id.value());
            return source.add(codes::NAME, id.range_value(), message);
        }
        if self.vars.iter().any(|known| **known == *id.value()) {
            let message = format!("variable `{}` exists already", id.value());
            return source.add(codes::NAME, id.range_value(), message);
        }
        let inside = inner_text(node);
        let value = attribute(node, "expr").map_or(inside.as_str(), |it| it.value());
        if between(value.trim(), '[', ']').is_some() {
            self.lists.insert(id.value().to_owned());
        }
        self.vars.push(id.value().into());
    }

    /// A descriptor of events, in which ids of states are those of ours.
    pub(super) fn descriptor(&self, written: &str) -> String {
        let plain = written.strip_suffix(".*").or_else(|| written.strip_suffix('.'));
        let plain = plain.unwrap_or(written);
        if plain.is_empty() || plain == "*" {
            return "*".to_owned();
        }
        let renamed = plain.strip_prefix("done.state.").and_then(|id| self.states.get(id));
        match renamed {
            Some(id) => format!("done.state.{id}"),
            None => plain.to_owned(),
        }
    }
}

/// Is it a name that variables may have?
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Is it the name of an event?
pub(super) fn is_event(text: &str) -> bool {
    check_event_name(text).is_ok()
}

/// A name made of `text`; names of workflows may have `-` and begin with a digit.
pub(super) fn cleaned(text: &str, workflow: bool) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || (workflow && c == '-');
    let mut name: String = text.chars().map(|c| if legal(c) { c } else { '_' }).collect();
    name.truncate(100);
    if name.is_empty() || (!workflow && name.starts_with(|c: char| c.is_ascii_digit())) {
        name.insert(0, '_');
    }
    name
}

/// The workflow that the address of a document stands for: the name of its file.
pub(super) fn workflow_of(address: &str) -> String {
    let path = address.strip_prefix("file:").unwrap_or(address);
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    cleaned(file.split('.').next().unwrap_or(file), true)
}

/// Is the element a state, and not one of history?
pub(super) fn is_state(node: Node<'_, '_>) -> bool {
    matches!(name(node), Some("state" | "parallel" | "final"))
}
