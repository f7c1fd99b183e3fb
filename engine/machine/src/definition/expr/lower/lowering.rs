//! The walk: knows scopes, reports everything, rewrites as it goes.

use cel::common::ast::{
    EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, MapEntryExpr, MapExpr, SelectExpr,
    SourceInfo,
};

use super::super::path::Path;
use super::super::{ExprKind, ExprProblem, Names};
use super::compiled::PathUse;
use super::constant::constant;
use super::{Compiled, Loop, Plan, Tables};
use crate::value::Value;

/// One walk over one tree.
#[derive(Debug)]
pub(in super::super) struct Lowering<'a> {
    pub(super) kind: ExprKind,
    pub(super) names: &'a Names<'a>,
    info: &'a SourceInfo,
    pub(super) tables: Tables,
    problems: Vec<ExprProblem>,
    /// Variables of the comprehensions around the node, innermost last.
    pub(super) bound: Vec<Bound>,
    /// Comprehensions found, one list for each that is open; the first is the result.
    pub(super) loops: Vec<Vec<Loop>>,
    /// Comprehensions seen so far.
    pub(super) seen: u32,
}

/// A variable of a comprehension.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) name: String,
    /// The path it stands for, where it is only another name of one.
    pub(super) alias: Option<Path>,
}

impl<'a> Lowering<'a> {
    pub(in super::super) fn new(
        kind: ExprKind,
        names: &'a Names<'a>,
        info: &'a SourceInfo,
    ) -> Self {
        Self {
            kind,
            names,
            info,
            tables: Tables::default(),
            problems: Vec::new(),
            bound: Vec::new(),
            loops: vec![Vec::new()],
            seen: 0,
        }
    }

    /// Walks the whole tree.
    pub(in super::super) fn run(
        mut self,
        source: &str,
        root: &IdedExpr,
        nodes: u32,
    ) -> Result<Compiled, Vec<ExprProblem>> {
        self.check_verdict(root);
        let plan = match constant(root) {
            Some(value) => Plan::Const(value),
            None => {
                let lowered = self.lower(root);
                let path = self.path(root).is_some();
                if path { Plan::Path(0) } else { Plan::Cel(lowered) }
            }
        };
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let loops = self.loops.into_iter().flatten().collect();
        Ok(Compiled { source: source.into(), plan, nodes, tables: self.tables, loops })
    }

    /// A guard that can never be a bool is refused at once (E3).
    fn check_verdict(&mut self, root: &IdedExpr) {
        if self.kind != ExprKind::Guard {
            return;
        }
        let kind = match &root.expr {
            Expr::Literal(_) => match constant(root) {
                Some(Value::Bool(_)) => return,
                Some(value) => value.type_name(),
                None => "bytes",
            },
            Expr::List(_) => "list",
            Expr::Map(_) => "map",
            Expr::Unspecified
            | Expr::Call(_)
            | Expr::Comprehension(_)
            | Expr::Ident(_)
            | Expr::Select(_)
            | Expr::Struct(_) => return,
        };
        let problem = ExprProblem::new("not_bool", format!("a guard is a bool, this is {kind}"));
        self.report(problem.help("compare it with something"), root);
    }

    pub(super) fn report(&mut self, problem: ExprProblem, node: &IdedExpr) {
        let offset = problem.offset.or_else(|| self.offset(node));
        self.problems.push(problem.at(offset));
    }

    /// The byte where the leftmost part of `node` begins.
    fn offset(&self, node: &IdedExpr) -> Option<usize> {
        let mut left = node;
        loop {
            left = if let Expr::Select(select) = &left.expr {
                &select.operand
            } else if let Expr::Call(call) = &left.expr
                && let Some(target) = &call.target
            {
                target
            } else {
                break;
            };
        }
        let (start, _) = self.info.offset_for(left.id)?;
        let start = usize::try_from(start).ok()?;
        Some(start.min(self.info.source.len()))
    }

    /// The rewritten node.
    pub(super) fn lower(&mut self, node: &IdedExpr) -> IdedExpr {
        if let Some(path) = self.path(node) {
            self.check_path(&path, None, node);
            return self.path_node(node.id, path, false);
        }
        if matches!(node.expr, Expr::List(_) | Expr::Map(_))
            && let Some(value) = constant(node)
        {
            self.tables.constants.push(value);
            return named(node.id, 'k', self.tables.constants.len() - 1);
        }
        let expr = match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => node.expr.clone(),
            Expr::Ident(name) => {
                self.check_name(name, node);
                node.expr.clone()
            }
            Expr::Select(select) => return self.lower_select(node, select),
            Expr::Call(call) => return self.lower_call(node, call),
            Expr::Comprehension(all) => return self.lower_loop(node, all),
            Expr::List(list) => Expr::List(ListExpr::new_with_optionals(
                list.elements.iter().map(|item| self.lower(item)).collect(),
                list.optional_indices.clone(),
            )),
            Expr::Map(map) => Expr::Map(self.lower_map(map)),
            Expr::Struct(made) => {
                let name = &made.type_name;
                let problem = ExprProblem::new("unknown_name", format!("no type `{name}`"));
                self.report(problem.help("a map is written `{'name': value}`"), node);
                Expr::Unspecified
            }
        };
        IdedExpr { id: node.id, expr }
    }

    /// A node that stands for `path`.
    pub(super) fn path_node(&mut self, id: u64, path: Path, range: bool) -> IdedExpr {
        self.tables.paths.push(PathUse { path, range });
        named(id, 'p', self.tables.paths.len() - 1)
    }

    fn lower_select(&mut self, node: &IdedExpr, select: &SelectExpr) -> IdedExpr {
        if select.test
            && let Some(path) = self.path(&select.operand)
        {
            self.check_path(&path, Some(&select.field), node);
            let path = self.hinted(path, &select.field);
            self.tables.tests.push((path, select.field.as_str().into()));
            return named(node.id, 'h', self.tables.tests.len() - 1);
        }
        let operand = Box::new(self.lower(&select.operand));
        let select = SelectExpr { operand, field: select.field.clone(), test: select.test };
        IdedExpr { id: node.id, expr: Expr::Select(select) }
    }

    fn lower_map(&mut self, map: &MapExpr) -> MapExpr {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            if let EntryExpr::MapEntry(member) = &entry.expr {
                let key = self.lower(&member.key);
                let value = self.lower(&member.value);
                let member = MapEntryExpr { key, value, optional: member.optional };
                entries.push(IdedEntryExpr { id: entry.id, expr: EntryExpr::MapEntry(member) });
            }
        }
        MapExpr { entries }
    }
}

/// A lookup in one of the tables.
pub(super) fn named(id: u64, table: char, place: usize) -> IdedExpr {
    IdedExpr { id, expr: Expr::Ident(format!("@{table}{place}")) }
}
