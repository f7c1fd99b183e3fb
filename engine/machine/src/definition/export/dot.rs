//! DOT: for Graphviz.

use super::graph::{Drawn, drawn};
use super::picture::Picture;
use crate::definition::model::{Definition, StateKind};
use crate::machine::StateId;

/// The definition as a DOT graph; states with children are clusters.
#[must_use]
pub fn dot(definition: &Definition) -> String {
    let picture = Picture::new(definition);
    let mut out = String::new();
    line(&mut out, 0, &format!("digraph {} {{", quoted(&definition.name)));
    line(&mut out, 1, "compound=true; rankdir=LR;");
    line(&mut out, 1, "node [shape=box, style=rounded];");
    inside(&picture, StateId::ROOT, 1, &mut out);
    for edge in &picture.edges {
        let mut wishes = format!("label={}", quoted(&edge.label));
        for (end, at, other) in [("ltail", edge.from, edge.to), ("lhead", edge.to, edge.from)] {
            // An arrow cannot end at a box that it is inside of.
            let inside = at == other || definition.is_descendant(other, at);
            if is_cluster(&picture, at) && !inside {
                let cluster = quoted(&cluster(&picture, at));
                wishes.push_str(&format!(", {end}={cluster}"));
            }
        }
        let (from, to) = (leaf(&picture, edge.from), leaf(&picture, edge.to));
        line(&mut out, 1, &format!("{} -> {} [{wishes}];", quoted(&from), quoted(&to)));
    }
    line(&mut out, 0, "}");
    out
}

fn inside(picture: &Picture<'_>, id: StateId, level: usize, out: &mut String) {
    if picture.edges.iter().any(|edge| edge.from == id) && id == StateId::ROOT {
        line(out, level, "\"any state\" [style=dashed];");
    }
    let defaults = picture.default_of(id);
    if !defaults.is_empty() {
        let start = quoted(&format!("{}~start", picture.definition.state(id).id));
        line(out, level, &format!("{start} [shape=point];"));
        for target in defaults {
            line(out, level, &format!("{start} -> {};", quoted(&leaf(picture, target))));
        }
    }
    for child in picture.children(id) {
        let state = picture.definition.state(child);
        let own = quoted(&state.id);
        match state.kind {
            StateKind::Compound | StateKind::Parallel => {
                let dashed = if state.kind == StateKind::Parallel { "dashed" } else { "rounded" };
                let cluster = quoted(&cluster(picture, child));
                line(out, level, &format!("subgraph {cluster} {{"));
                line(out, level + 1, &format!("label={own}; style={dashed};"));
                inside(picture, child, level + 1, out);
                line(out, level, "}");
            }
            StateKind::Final => line(out, level, &format!("{own} [peripheries=2];")),
            StateKind::History { deep } => {
                let mark = if deep { "H*" } else { "H" };
                line(out, level, &format!("{own} [shape=circle, label=\"{mark}\"];"));
                for target in picture.default_of(child) {
                    let to = quoted(&leaf(picture, target));
                    line(out, level, &format!("{own} -> {to} [label=\"default\"];"));
                }
            }
            StateKind::Atomic => match drawn(picture.definition, child) {
                Some(graph) => {
                    let cluster = quoted(&cluster(picture, child));
                    line(out, level, &format!("subgraph {cluster} {{"));
                    line(out, level + 1, &format!("label={own}; style=rounded;"));
                    steps(&graph, level + 1, out);
                    line(out, level, "}");
                }
                None => line(out, level, &format!("{own};")),
            },
        }
    }
}

/// The steps of a state; what runs only on failure is dashed.
fn steps(graph: &Drawn, level: usize, out: &mut String) {
    for step in &graph.boxes {
        let dashed = if step.spare { ", style=\"rounded,dashed\"" } else { "" };
        let (name, label) = (quoted(&step.name), quoted(&step.label));
        line(out, level, &format!("{name} [label={label}{dashed}];"));
    }
    for arrow in &graph.arrows {
        let mut wishes = Vec::new();
        if !arrow.label.is_empty() {
            wishes.push(format!("label={}", quoted(&arrow.label)));
        }
        if arrow.dashed {
            wishes.push("style=dashed".to_owned());
        }
        let wishes =
            if wishes.is_empty() { String::new() } else { format!(" [{}]", wishes.join(", ")) };
        line(out, level, &format!("{} -> {}{wishes};", quoted(&arrow.from), quoted(&arrow.to)));
    }
}

fn is_cluster(picture: &Picture<'_>, id: StateId) -> bool {
    let boxed = match picture.definition.state(id).kind {
        StateKind::Compound | StateKind::Parallel => true,
        StateKind::Atomic => picture.definition.graphs.iter().any(|graph| graph.state == id),
        StateKind::Final | StateKind::History { .. } => false,
    };
    id != StateId::ROOT && boxed
}

fn cluster(picture: &Picture<'_>, id: StateId) -> String {
    format!("cluster_{}", picture.definition.state(id).id)
}

/// A node an arrow can touch: the first state inside, where `id` is a cluster.
fn leaf(picture: &Picture<'_>, id: StateId) -> String {
    if id == StateId::ROOT {
        return "any state".to_owned();
    }
    let mut at = id;
    while is_cluster(picture, at) {
        let Some(child) = picture.real_children(at).next() else { break };
        at = child;
    }
    if let Some(step) = drawn(picture.definition, at).and_then(|graph| graph.first.first().cloned())
    {
        return step;
    }
    picture.definition.state(at).id.to_string()
}

fn line(out: &mut String, level: usize, text: &str) {
    out.push_str(&" ".repeat(level * 2));
    out.push_str(text);
    out.push('\n');
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ if letter.is_control() => out.push(' '),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}
