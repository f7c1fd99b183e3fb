//! The bounds of an expression (B1-B5) and the walk that checks its size.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::ExprProblem;

/// Bytes of source (B1).
pub(super) const SOURCE_MAX: usize = 1_024;
/// Nodes of the expanded tree (B1).
pub(super) const NODES_MAX: u32 = 256;
/// Levels of the expanded tree (B1).
pub(super) const DEPTH_MAX: u32 = 32;
/// Comprehensions in one expression (B2).
pub(super) const COMPREHENSIONS_MAX: u32 = 4;
/// Iterations of nested comprehensions together (B3).
pub(super) const ITERATIONS_MAX: u64 = 10_000;
/// Bytes of a string an expression may see or make (B3).
pub(super) const STRING_MAX: usize = 64 * 1_024;
/// Bytes that a comprehension may make on its way (B3).
pub(super) const GROWTH_MAX: u64 = 16 * 1_024 * 1_024;
/// Bytes of a literal pattern (B4).
pub(super) const PATTERN_MAX: usize = 256;
/// Bytes a compiled pattern may take (B4).
pub(super) const PATTERN_COMPILED_MAX: usize = 1_024 * 1_024;
/// Bytes of a result (B5).
pub(super) const RESULT_MAX: usize = 64 * 1_024;
/// Bytes of a result that is only named, such as `steps.load.rows`: nothing is made, and the
/// numbers of a payload weigh more than their text.
pub(super) const NAMED_MAX: usize = 1_024 * 1_024;

/// Refuses a source that is too long, before anything reads it.
pub(super) fn check_source(source: &str) -> Result<(), ExprProblem> {
    if source.len() <= SOURCE_MAX {
        return Ok(());
    }
    let size = source.len();
    Err(ExprProblem::new(
        "too_large",
        format!("expression of {size} bytes exceeds the limit of {SOURCE_MAX} bytes"),
    ))
}

/// Counts nodes; refuses a tree that is too large or too deep.
pub(super) fn check_tree(root: &IdedExpr) -> Result<u32, ExprProblem> {
    let mut nodes = 0;
    let mut depth = 0;
    // A list of what is left instead of recursion: the tree is not known to be shallow yet.
    let mut left = vec![(root, 1_u32)];
    while let Some((node, level)) = left.pop() {
        nodes += 1;
        depth = depth.max(level);
        for child in children(node) {
            left.push((child, level + 1));
        }
    }
    if nodes > NODES_MAX {
        return Err(ExprProblem::new(
            "too_large",
            format!("expression of {nodes} nodes exceeds the limit of {NODES_MAX}"),
        ));
    }
    if depth > DEPTH_MAX {
        return Err(ExprProblem::new(
            "too_deep",
            format!("expression of {depth} levels exceeds the limit of {DEPTH_MAX}"),
        ));
    }
    Ok(nodes)
}

/// The direct parts of a node.
pub(super) fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::Comprehension(all) => {
            vec![&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(made) => {
            made.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect()
        }
        Expr::Select(select) => vec![&select.operand],
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Nodes of a tree that is known to be small.
pub(super) fn count(root: &IdedExpr) -> u32 {
    1 + children(root).into_iter().map(count).sum::<u32>()
}
