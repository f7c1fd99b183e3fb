//! Where in the text of the long form the thing stands that a problem of its definition is about.

use crate::definition::{Key, Kind, Node, Problem, Span};

/// The place, where there is one: the only text below the state or action in question, or of the
/// whole, that the definition has word by word; else the state or the action.
pub(super) fn place(problem: &Problem, root: &Node, yaml: &str) -> Option<Span> {
    let span = problem.span?;
    let written = yaml.get(span.start..span.end).unwrap_or_default().trim_matches('"');
    let written = written.strip_prefix('=').unwrap_or(written);
    let (group, rest) = problem.path.split_once('.').unwrap_or((&problem.path, ""));
    let group = group.split('[').next().unwrap_or(group);
    let thing = match group {
        "states" | "actions" => named(root, group, rest),
        "workflow" => root.get("name").or_else(|| root.get("id")).map(|node| (node.span, node)),
        _ => None,
    };
    if let Some((_, node)) = thing
        && let Some(only) = only(node, written)
    {
        return Some(only);
    }
    // What a state waits for stands in its transitions, and the events of all are made of them.
    let elsewhere = matches!(group, "states" | "events");
    let transitions = root.get("transitions").filter(|_| elsewhere);
    let transition = transitions.and_then(|node| only(node, written));
    transition.or_else(|| thing.map(|(span, _)| span))
}

/// The state or action at the beginning of a path.
fn named<'n>(root: &'n Node, group: &str, path: &str) -> Option<(Span, &'n Node)> {
    let is_it = |name: &str| {
        let rest = path.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    match &root.get(group)?.kind {
        Kind::Map(entries) => {
            let found = entries.iter().find(|(key, _)| is_it(&key.text));
            found.map(|(key, node): &(Key, Node)| (key.span, node))
        }
        Kind::List(items) => items.iter().find_map(|item| {
            let name = item.get("name").or_else(|| item.get("id"))?;
            is_it(&name.scalar()?.text).then_some((name.span, item))
        }),
        Kind::Scalar(_) => None,
    }
}

/// Where the only text stands that is `written`.
fn only(node: &Node, written: &str) -> Option<Span> {
    let mut found = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match &node.kind {
            Kind::Scalar(scalar) if !written.is_empty() && *scalar.text == *written => {
                found.push(node.span);
            }
            Kind::Scalar(_) => {}
            Kind::List(items) => open.extend(items),
            Kind::Map(entries) => open.extend(entries.iter().map(|(_, value)| value)),
        }
    }
    match found.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}
