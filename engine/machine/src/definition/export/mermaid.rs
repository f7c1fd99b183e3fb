//! Mermaid: `stateDiagram-v2`, which code hosts and editors draw.

use super::graph::{Drawn, drawn};
use super::picture::Picture;
use crate::definition::model::{Definition, StateKind};
use crate::machine::StateId;

/// Words of the notation that cannot be the name of a state.
const RESERVED: [&str; 9] =
    ["as", "class", "classDef", "direction", "end", "hide", "note", "scale", "state"];

/// The definition as a Mermaid state diagram.
#[must_use]
pub fn mermaid(definition: &Definition) -> String {
    let picture = Picture::new(definition);
    let mut out = String::from("stateDiagram-v2\n");
    if picture.edges.iter().any(|edge| edge.from == StateId::ROOT) {
        line(&mut out, 1, "state \"any state\" as any_state");
    }
    inside(&picture, StateId::ROOT, 1, &mut out);
    out
}

/// What stands in the box of `id`.
fn inside(picture: &Picture<'_>, id: StateId, level: usize, out: &mut String) {
    let parallel = picture.definition.state(id).kind == StateKind::Parallel;
    for (place, child) in picture.children(id).enumerate() {
        if parallel && place > 0 {
            line(out, level, "--");
        }
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
    let mut notes = picture.notes.iter().filter(|(state, _)| {
        let parent = picture.definition.state(*state).parent;
        parent == Some(id) || (id == StateId::ROOT && *state == id)
    });
    for (state, lines) in &mut notes {
        line(out, level, &format!("note right of {}", source(picture, *state)));
        for text in lines {
            line(out, level + 1, &escaped(text));
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
            let alone = picture.edges.iter().all(|edge| edge.from != id && edge.to != id);
            if *own != *state.id {
                line(out, level, &format!("state \"{}\" as {own}", state.id));
            } else if alone {
                line(out, level, &own);
            }
        }
    }
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
    if id == StateId::ROOT { "any_state".to_owned() } else { name(picture, id) }
}

fn name(picture: &Picture<'_>, id: StateId) -> String {
    let id = &picture.definition.state(id).id;
    if RESERVED.contains(&&**id) { format!("{id}_") } else { id.to_string() }
}

fn line(out: &mut String, level: usize, text: &str) {
    out.push_str(&" ".repeat(level * 4));
    out.push_str(text);
    out.push('\n');
}

/// Text that the notation does not take for its own.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '#' => out.push_str("#35;"),
            ';' => out.push_str("#59;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(letter),
        }
    }
    out
}
