//! Where in its text a definition says something, for refusals.

use crate::definition::codes;
use crate::definition::load::Format;
use crate::definition::model::Definition;
use crate::definition::parse::{Key, Node, parse, path_at};
use crate::definition::problem::{Problem, Span};

/// The text that a definition was read from.
#[derive(Clone, Copy, Debug)]
pub struct SourceText<'a> {
    /// The text; it may hold other definitions too.
    pub text: &'a str,
    /// The file's name, for messages.
    pub origin: &'a str,
    /// How it is written.
    pub format: Format,
}

/// What a definition has that another format cannot say.
pub(super) struct Refusals<'a> {
    source: SourceText<'a>,
    root: Option<Node>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Refusals<'a> {
    pub(super) fn new(definition: &Definition, source: SourceText<'a>) -> Self {
        let roots = parse(source.text, source.format).roots;
        let named = |root: &Node| {
            let name = root.get("workflow").and_then(Node::scalar);
            name.is_some_and(|name| *name.text == *definition.name)
        };
        Self { source, root: roots.into_iter().find(named), problems: Vec::new() }
    }

    /// Refuses what `state` says with one of `keys`; the state itself where it says none of them.
    /// The workflow's name stands for the whole definition.
    pub(super) fn add(&mut self, state: &str, keys: &[&str], message: impl Into<String>) {
        let mut problem = Problem::new(codes::NOT_CONVERTIBLE, self.source.origin, message);
        if let Some(root) = &self.root
            && let Some(span) = place(root, state, keys)
        {
            problem = problem.at(self.source.text, span);
            problem.path = path_at(root, span);
        }
        let known = |it: &Problem| (it.span, &it.message) == (problem.span, &problem.message);
        if !self.problems.iter().any(known) {
            self.problems.push(problem);
        }
    }

    /// Refuses step graphs: what orders them has no words elsewhere.
    pub(super) fn steps(&mut self, definition: &Definition) {
        for graph in &definition.graphs {
            let state = &definition.state(graph.state).id;
            self.add(state, &["steps"], "`steps` has no equivalent");
        }
    }
}

/// The key of a state that says it, else the state's name.
fn place(root: &Node, state: &str, keys: &[&str]) -> Option<Span> {
    let own = |node: &Node| {
        let entries = node.entries().unwrap_or_default();
        let found = |wanted: &&str| {
            let (key, _) = entries.iter().find(|(key, _)| *key.text == **wanted)?;
            Some(key.span)
        };
        keys.iter().find_map(found)
    };
    match find(root, state) {
        Some((key, node)) => own(node).or(Some(key.span)),
        None => own(root).or_else(|| root.get("workflow").map(|name| name.span)),
    }
}

fn find<'n>(node: &'n Node, state: &str) -> Option<(&'n Key, &'n Node)> {
    for below in ["states", "parallel"] {
        for (key, child) in node.get(below).and_then(Node::entries).unwrap_or_default() {
            if *key.text == *state {
                return Some((key, child));
            }
            if let Some(found) = find(child, state) {
                return Some(found);
            }
        }
    }
    None
}
