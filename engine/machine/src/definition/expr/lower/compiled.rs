//! What a compiled expression consists of.

use std::sync::Arc;

use cel::IdedExpr;
use regex::Regex;

use super::super::path::Path;
use super::Loop;
use crate::value::Value;

/// A checked expression, ready to be evaluated any number of times.
#[derive(Debug)]
pub(in super::super) struct Compiled {
    pub(in super::super) source: Arc<str>,
    pub(in super::super) plan: Plan,
    /// Nodes of the expanded tree: what one evaluation costs at least (B5).
    pub(in super::super) nodes: u32,
    pub(in super::super) tables: Tables,
    pub(in super::super) loops: Vec<Loop>,
}

/// How to evaluate it.
#[derive(Debug)]
pub(in super::super) enum Plan {
    /// It is a literal.
    Const(Value),
    /// It is the path at this place of the tables.
    Path(usize),
    /// Everything else: cel evaluates it.
    Cel(IdedExpr),
}

/// What the tree refers to by a name that nobody can write: `@p3` is path 3.
#[derive(Debug, Default)]
pub(in super::super) struct Tables {
    /// `@p`: paths into the scope.
    pub(in super::super) paths: Vec<PathUse>,
    /// `@h`: `has(path.member)`.
    pub(in super::super) tests: Vec<(Path, Arc<str>)>,
    /// `@r`: patterns of `matches`.
    pub(in super::super) patterns: Vec<Regex>,
    /// `@k`: lists and maps of literals.
    pub(in super::super) constants: Vec<Value>,
}

/// A path and what it is used for.
#[derive(Debug)]
pub(in super::super) struct PathUse {
    pub(in super::super) path: Path,
    /// Is it only iterated over? Then its items are seen, and never all of it at once.
    pub(in super::super) range: bool,
}
