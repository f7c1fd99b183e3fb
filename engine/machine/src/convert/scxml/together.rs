//! What SCXML does not let stand together: one of the two would be lost without a word.

use roxmltree::Node;

use super::ids::is_state;
use super::source::{Source, attribute, children, inner_text, name, named, text};

/// Attributes of which an element has one at most.
const PAIRS: [(&str, &str, &str); 9] = [
    ("send", "event", "eventexpr"),
    ("send", "target", "targetexpr"),
    ("send", "type", "typeexpr"),
    ("send", "delay", "delayexpr"),
    ("invoke", "type", "typeexpr"),
    ("invoke", "src", "srcexpr"),
    ("cancel", "sendid", "sendidexpr"),
    ("param", "expr", "location"),
    ("data", "src", "expr"),
];

/// Elements that may stand once in another one.
const ONCE: [(&str, &str); 8] = [
    ("state", "initial"),
    ("initial", "transition"),
    ("history", "transition"),
    ("final", "donedata"),
    ("send", "content"),
    ("donedata", "content"),
    ("invoke", "content"),
    ("invoke", "finalize"),
];

/// Refuses what an element of SCXML says against itself.
pub(super) fn check(source: &Source<'_>, node: Node<'_, '_>, kind: &str) {
    for (_, first, second) in PAIRS.iter().filter(|(of, ..)| *of == kind) {
        if let (Some(_), Some(other)) = (attribute(node, first), attribute(node, second)) {
            let message = format!("`{kind}` has both `{first}` and `{second}`");
            source.refuse_value(&other, message);
        }
    }
    for (_, inside) in ONCE.iter().filter(|(of, _)| *of == kind) {
        if let Some(second) = named(node, inside).nth(1) {
            source.refuse(second, format!("`{kind}` has more than one `{inside}`"));
        }
    }
    match kind {
        "initial" | "history" => plain_transitions(source, node, kind),
        "state" | "scxml" => initial(source, node, kind),
        "send" | "donedata" => payload(source, node, kind),
        "data" | "assign" | "content" => value(source, node, kind),
        "invoke" => child(source, node),
        _ => {}
    }
    if matches!(kind, "send" | "donedata" | "invoke") {
        names(source, node);
    }
}

/// A transition that is taken in any case waits for nothing.
fn plain_transitions(source: &Source<'_>, node: Node<'_, '_>, kind: &str) {
    for transition in named(node, "transition") {
        for key in ["event", "cond"] {
            if let Some(attribute) = attribute(transition, key) {
                let message = format!("the transition of `{kind}` has no `{key}`");
                source.refuse_value(&attribute, message);
            }
        }
    }
}

fn initial(source: &Source<'_>, node: Node<'_, '_>, kind: &str) {
    let written = attribute(node, "initial");
    let element = named(node, "initial").next().filter(|_| kind == "state");
    if let (Some(_), Some(element)) = (&written, element) {
        return source.refuse(element, "the state has the attribute `initial` already");
    }
    if kind == "state" && !children(node).any(|(_, child)| is_state(child)) {
        let message = "`initial` needs states inside this one";
        match (written, element) {
            (Some(attribute), _) => source.refuse_value(&attribute, message),
            (None, Some(element)) => source.refuse(element, message),
            (None, None) => {}
        }
    }
}

/// `content` is the whole of the data.
fn payload(source: &Source<'_>, node: Node<'_, '_>, kind: &str) {
    let Some(content) = named(node, "content").next() else { return };
    let message = format!("`{kind}` has `content`, and `param` or `namelist` besides");
    if named(node, "param").next().is_some() || text(node, "namelist").is_some() {
        source.refuse(content, message);
    }
}

/// A value is computed, or it stands inside.
fn value(source: &Source<'_>, node: Node<'_, '_>, kind: &str) {
    let computed = attribute(node, "expr").or_else(|| attribute(node, "src"));
    let inside = node.children().any(|it| it.is_element()) || !inner_text(node).trim().is_empty();
    if let Some(attribute) = computed.filter(|_| inside) {
        let message = format!("`{kind}` has both `{}` and something inside", attribute.name());
        source.refuse_value(&attribute, message);
    }
}

fn child(source: &Source<'_>, node: Node<'_, '_>) {
    let address = attribute(node, "src").or_else(|| attribute(node, "srcexpr"));
    if let (Some(attribute), Some(_)) = (address, named(node, "content").next()) {
        let message = format!("`invoke` has both `{}` and `content`", attribute.name());
        source.refuse_value(&attribute, message);
    }
}

/// Data has one value of a name.
fn names(source: &Source<'_>, node: Node<'_, '_>) {
    let mut known: Vec<&str> =
        text(node, "namelist").unwrap_or_default().split_whitespace().collect();
    if let Some(attribute) = attribute(node, "namelist") {
        let again = known
            .iter()
            .enumerate()
            .find(|(at, name)| known.iter().take(*at).any(|it| it == *name));
        if let Some((_, name)) = again {
            source.refuse_value(&attribute, format!("`{name}` is given twice"));
        }
    }
    for param in node.children().filter(|it| name(*it) == Some("param")) {
        let Some(own) = attribute(param, "name") else { continue };
        let name = own.value().trim();
        if known.contains(&name) {
            source.refuse_value(&own, format!("`{name}` is given twice"));
        }
        known.push(text(param, "name").unwrap_or_default());
        if attribute(param, "expr").is_none() && attribute(param, "location").is_none() {
            source.missing(param, "`param` has neither `expr` nor `location`");
        }
    }
}
