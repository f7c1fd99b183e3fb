//! Mermaid: `stateDiagram-v2`, which code hosts and editors draw.

use super::graph::{Drawn, drawn};
use super::picture::Picture;
use crate::definition::model::{Definition, StateKind};
use crate::machine::StateId;

/// Words of the notation that cannot be the name of a state, in whatever case.
const RESERVED: [&str; 17] = [
    "accdescr",
    "acctitle",
    "as",
    "class",
    "classdef",
    "click",
    "default",
    "direction",
    "end",
    "hide",
    "href",
    "note",
    "scale",
    "state",
    "statediagram",
    "style",
    "title",
];

/// The definition as a Mermaid state diagram.
#[must_use]
pub fn mermaid(definition: &Definition) -> String {
    let picture = Picture::new(definition);
    let mut out = String::from("stateDiagram-v2\n");
    let root = |id: &StateId| *id == StateId::ROOT;
    let edges = picture.edges.iter().map(|edge| &edge.from);
    if edges.chain(picture.notes.iter().map(|(id, _)| id)).any(root) {
        let any = source(&picture, StateId::ROOT);
        line(&mut out, 1, &format!("state \"any state\" as {any}"));
    }
    inside(&picture, StateId::ROOT, 1, &mut out);
    out
}

/// What stands in the box of `id`.
fn inside(picture: &Picture<'_>, id: StateId, level: usize, out: &mut String) {
    if picture.definition.state(id).kind == StateKind::Parallel {
        for (place, region) in picture.real_children(id).enumerate() {
            if place > 0 {
                line(out, level, "--");
            }
            declare(picture, region, level, out);
            notes(picture, region, level, out);
        }
        return;
    }
    for child in picture.children(id) {
        declare(picture, child, level, out);
    }
    for edge in picture.edges.iter().filter(|edge| edge.home == id) {
        let (from, to) = (source(picture, edge.from), name(picture, edge.to));
        let colon = if edge.label.is_empty() { "" } else { ": " };
        line(out, level, &format!("{from} --> {to}{colon}{}", escaped(&edge.label)));
    }
    for target in picture.default_of(id) {
        line(out, level, &format!("[*] --> {}", name(picture, target)));
    }
    for child in picture.children(id) {
        if picture.definition.state(child).kind == StateKind::Final {
            line(out, level, &format!("{} --> [*]", name(picture, child)));
        }
    }
    for child in picture.children(id) {
        notes(picture, child, level, out);
    }
    if id == StateId::ROOT {
        notes(picture, id, level, out);
    }
}

/// The lines beside a state.
fn notes(picture: &Picture<'_>, id: StateId, level: usize, out: &mut String) {
    for (_, lines) in picture.notes.iter().filter(|(state, _)| *state == id) {
        line(out, level, &format!("note right of {}", source(picture, id)));
        for text in lines {
            // The words end a note wherever they stand.
            line(out, level + 1, &beside(text).replace("end note", "end#32;note"));
        }
        line(out, level, "end note");
    }
}

/// The box of a state that has something in it; a name where it needs one.
fn declare(picture: &Picture<'_>, id: StateId, level: usize, out: &mut String) {
    let state = picture.definition.state(id);
    let own = name(picture, id);
    match state.kind {
        StateKind::Compound | StateKind::Parallel => {
            // Beside a region there is no place for history, so it stands before all of them.
            for history in picture.children(id).filter(|child| picture.is_history(*child)) {
                if state.kind == StateKind::Parallel {
                    declare(picture, history, level, out);
                }
            }
            line(out, level, &format!("state \"{}\" as {own} {{", state.id));
            inside(picture, id, level + 1, out);
            line(out, level, "}");
        }
        StateKind::History { deep } => {
            let mark = if deep { "H*" } else { "H" };
            line(out, level, &format!("state \"{} ({mark})\" as {own}", state.id));
            for target in picture.default_of(id) {
                line(out, level, &format!("{own} --> {}: default", name(picture, target)));
            }
        }
        StateKind::Atomic | StateKind::Final => {
            if let Some(graph) = drawn(picture.definition, id) {
                line(out, level, &format!("state \"{}\" as {own} {{", state.id));
                steps(&graph, level + 1, out);
                line(out, level, "}");
                return;
            }
            if *own != *state.id {
                line(out, level, &format!("state \"{}\" as {own}", state.id));
            } else if !is_said(picture, id) {
                line(out, level, &own);
            }
        }
    }
}

/// Does a line in the box of its parent name the state?
fn is_said(picture: &Picture<'_>, id: StateId) -> bool {
    let Some(parent) = picture.definition.state(id).parent else { return false };
    let ends = |from: StateId, to: StateId| from == id || to == id;
    let kind = picture.definition.state(id).kind;
    picture.edges.iter().any(|edge| edge.home == parent && ends(edge.from, edge.to))
        || picture.default_of(parent).contains(&id)
        || (kind == StateKind::Final
            && picture.definition.state(parent).kind != StateKind::Parallel)
}

/// The steps of a state; the notation has no dashed arrows, so labels tell fallback and undo.
fn steps(graph: &Drawn, level: usize, out: &mut String) {
    let plain = |name: &str| name.replace('.', "__");
    for step in &graph.boxes {
        let label = escaped(&step.label).replace('"', "'");
        line(out, level, &format!("state \"{label}\" as {}", plain(&step.name)));
    }
    for arrow in &graph.arrows {
        let colon = if arrow.label.is_empty() { "" } else { ": " };
        let (from, to) = (plain(&arrow.from), plain(&arrow.to));
        line(out, level, &format!("{from} --> {to}{colon}{}", arrow.label));
    }
    for first in &graph.first {
        line(out, level, &format!("[*] --> {}", plain(first)));
    }
}

/// The end of an arrow that leaves: the whole workflow is a state of its own.
fn source(picture: &Picture<'_>, id: StateId) -> String {
    if id == StateId::ROOT { picture.free_name("any_state") } else { name(picture, id) }
}

fn name(picture: &Picture<'_>, id: StateId) -> String {
    let id = &picture.definition.state(id).id;
    if RESERVED.contains(&&*id.to_ascii_lowercase()) {
        picture.free_name(&format!("{id}_"))
    } else {
        id.to_string()
    }
}

fn line(out: &mut String, level: usize, text: &str) {
    out.push_str(&" ".repeat(level * 4));
    out.push_str(text);
    out.push('\n');
}

/// Text behind a colon: a second one would begin another text.
fn escaped(text: &str) -> String {
    beside(text).replace(':', "#58;")
}

/// Text that the notation does not take for its own: its codes, its comments, a break of the line,
/// markup.
fn beside(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let code = letters.peek().is_some_and(|next| next.is_alphanumeric() || *next == '#');
        match letter {
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' if !code => out.push(letter),
            '#' | ';' | '%' | '"' | '\\' | '`' | '&' => {
                out.push_str(&format!("#{};", u32::from(letter)));
            }
            '\u{2028}' | '\u{2029}' => out.push(' '),
            _ if letter.is_control() => out.push(' '),
            _ => out.push(letter),
        }
    }
    out
}
