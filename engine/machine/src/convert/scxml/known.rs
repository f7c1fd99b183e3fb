//! What elements of SCXML have: an attribute or an element that nobody knows is a mistake, and
//! would be lost without a word.

use roxmltree::Node;

use super::source::{Source, name, own_name};

/// The namespace of inclusions, which somebody else must have done before.
const INCLUSION: &str = "http://www.w3.org/2001/XInclude";
/// The namespace of attributes such as `xml:lang`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// What an element may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// These elements.
    These(&'static [&'static str]),
    /// Elements that are judged where they are converted.
    Judged,
    /// Actions, which are judged where they are converted, also those of other namespaces.
    Actions,
    /// Data, in which an element is none of SCXML.
    Data,
}

/// The attributes of an element, and what may stand in it.
fn of(kind: &str) -> Option<(&'static [&'static str], Inside)> {
    use Inside::{Actions, Data, Judged, These};
    Some(match kind {
        "scxml" => (&["name", "version", "initial", "datamodel", "binding"], Judged),
        "state" => (&["id", "initial"], Judged),
        "parallel" | "final" => (&["id"], Judged),
        "history" => (&["id", "type"], These(&["transition"])),
        "initial" => (&[], These(&["transition"])),
        "transition" => (&["event", "cond", "target", "type"], Actions),
        "onentry" | "onexit" => (&[], Actions),
        "raise" => (&["event"], These(&[])),
        "if" => (&["cond"], Actions),
        "elseif" => (&["cond"], These(&[])),
        "else" => (&[], These(&[])),
        "foreach" => (&["array", "item", "index"], Actions),
        "log" => (&["label", "expr"], These(&[])),
        "datamodel" => (&[], These(&["data"])),
        "data" => (&["id", "src", "expr"], Data),
        "assign" => (&["location", "expr"], Data),
        "donedata" => (&[], These(&["param", "content"])),
        "content" => (&["expr"], Judged),
        "param" => (&["name", "expr", "location"], These(&[])),
        "cancel" => (&["sendid", "sendidexpr"], These(&[])),
        "send" => (
            &[
                "event",
                "eventexpr",
                "target",
                "targetexpr",
                "type",
                "typeexpr",
                "id",
                "idlocation",
                "delay",
                "delayexpr",
                "namelist",
            ],
            These(&["param", "content"]),
        ),
        "invoke" => (
            &["type", "typeexpr", "src", "srcexpr", "id", "idlocation", "namelist", "autoforward"],
            These(&["param", "finalize", "content"]),
        ),
        "finalize" => (&[], Judged),
        _ => return None,
    })
}

/// Refuses what an element of SCXML does not have, in it and in all inside it.
pub(super) fn check(source: &Source<'_>, node: Node<'_, '_>) {
    // Another element is refused where it would be converted, with all that is in it.
    let Some(kind) = name(node) else { return };
    let Some((known, inside)) = of(kind) else { return };
    attributes(source, node, kind, known);
    super::together::check(source, node, kind);
    if inside == Inside::Data {
        return;
    }
    for child in node.children().filter(Node::is_element) {
        match name(child) {
            Some(other) => {
                if let Inside::These(these) = inside
                    && !these.contains(&other)
                {
                    let message = format!("`{other}` does not belong into `{kind}`");
                    source.refuse(child, message);
                } else if kind != "content" || other == "scxml" {
                    check(source, child);
                }
            }
            None if own_name(child).is_some() || inside == Inside::Actions => {}
            None => foreign(source, kind, child),
        }
    }
}

fn attributes(source: &Source<'_>, node: Node<'_, '_>, kind: &str, known: &[&str]) {
    for attribute in node.attributes() {
        let name = attribute.name();
        match attribute.namespace() {
            None if known.contains(&name) => {}
            None => {
                let place = attribute.range_qname();
                let message = format!("`{kind}` has no attribute `{name}`");
                source.add(crate::definition::codes::NOT_CONVERTIBLE, place, message);
            }
            Some(XML | crate::definition::export::SCXML_NAMESPACE) => {}
            Some(_) => {
                let message = format!("attribute `{name}` of another namespace is left out");
                source.note(attribute.range().start, message);
            }
        }
    }
}

/// An element of another namespace: what it says is lost.
fn foreign(source: &Source<'_>, kind: &str, node: Node<'_, '_>) {
    let name = node.tag_name().name();
    // As the content of a message it is refused as data is.
    if kind == "content" {
        return;
    }
    if node.tag_name().namespace() == Some(INCLUSION) {
        source.refuse(node, format!("`{name}` is not followed: put the text itself here"));
    } else if kind == "finalize" {
        source.refuse(node, "actions of other namespaces have no equivalent");
    } else {
        source.note(node.range().start, format!("`{name}` of another namespace is left out"));
    }
}
