//! Comprehensions: over paths and lists of constants only, few and shallow (B2).

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, operators};

use super::super::bounds::{COMPREHENSIONS_MAX, children, count};
use super::super::functions::GROWERS;
use super::super::path::Step;
use super::super::{ExprKind, ExprProblem};
use super::Lowering;
use super::constant::constant;
use super::lowering::{Bound, named};
use super::names::literal_step;
use crate::value::Value;

/// What is known of a comprehension before it runs.
#[derive(Debug)]
pub(in super::super) struct Loop {
    /// The name of the item.
    pub(in super::super) var: String,
    pub(in super::super) range: Range,
    /// Nodes of the body, comprehensions inside included.
    pub(in super::super) body: u32,
    /// Calls in the body that make text or lists, comprehensions inside included.
    pub(in super::super) growers: u32,
    pub(in super::super) inner: Vec<Self>,
}

/// What a comprehension iterates over.
#[derive(Debug)]
pub(in super::super) enum Range {
    /// The path at this place of the tables.
    Path(usize),
    /// Members of an item of a comprehension around it.
    Item { var: String, steps: Vec<Step> },
    /// That many constants.
    Constants(usize),
}

impl Lowering<'_> {
    pub(super) fn lower_loop(&mut self, node: &IdedExpr, all: &ComprehensionExpr) -> IdedExpr {
        if is_binding(all) {
            return self.lower_binding(node, all);
        }
        self.seen += 1;
        self.check_counts(node);
        let init = self.lower(&all.accu_init);
        let (range_node, range) = self.lower_range(&all.iter_range);
        let outer = self.bound.len();
        for name in [Some(&all.iter_var), all.iter_var2.as_ref(), Some(&all.accu_var)] {
            let bound = name.map(|name| Bound { name: name.clone(), alias: None });
            self.bound.extend(bound);
        }
        self.loops.push(Vec::new());
        let loop_cond = self.lower(&all.loop_cond);
        let loop_step = self.lower(&all.loop_step);
        let result = self.lower(&all.result);
        let inner = self.loops.pop().unwrap_or_default();
        self.bound.truncate(outer);
        if let (Some(range), Some(around)) = (range, self.loops.last_mut()) {
            let body = count(&all.loop_step) + count(&all.loop_cond);
            let growers = growers(&all.loop_step, &all.accu_var);
            around.push(Loop { var: all.iter_var.clone(), range, body, growers, inner });
        }
        let lowered = ComprehensionExpr {
            iter_range: range_node,
            iter_var: all.iter_var.clone(),
            iter_var2: all.iter_var2.clone(),
            accu_var: all.accu_var.clone(),
            accu_init: init,
            loop_cond,
            loop_step,
            result,
        };
        IdedExpr { id: node.id, expr: Expr::Comprehension(Box::new(lowered)) }
    }

    /// `sortBy` binds its list to a name before it walks over it; a path needs no name.
    fn lower_binding(&mut self, node: &IdedExpr, all: &ComprehensionExpr) -> IdedExpr {
        let alias = self.path(&all.accu_init);
        if alias.is_some() {
            self.bound.push(Bound { name: all.accu_var.clone(), alias });
            let result = self.lower(&all.result);
            self.bound.pop();
            return result;
        }
        self.report(range_problem(), &all.accu_init);
        node.clone()
    }

    fn check_counts(&mut self, node: &IdedExpr) {
        if self.seen == COMPREHENSIONS_MAX + 1 {
            let message = format!("more than {COMPREHENSIONS_MAX} comprehensions");
            self.report(ExprProblem::new("nesting", message), node);
        }
        let most = match self.kind {
            ExprKind::Guard => 1,
            ExprKind::Value => 2,
        };
        // One list of loops is always open: the outermost.
        let depth = self.loops.len();
        if depth > most {
            let message = format!("comprehensions nested {depth} deep exceed the limit of {most}");
            self.report(ExprProblem::new("nesting", message), node);
        }
    }

    fn lower_range(&mut self, range: &IdedExpr) -> (IdedExpr, Option<Range>) {
        if let Some(path) = self.path(range) {
            self.check_path(&path, None, range);
            let node = self.path_node(range.id, path, true);
            let place = self.tables.paths.len() - 1;
            return (node, Some(Range::Path(place)));
        }
        if let Some((var, steps)) = self.item_path(range) {
            return (range.clone(), Some(Range::Item { var, steps }));
        }
        if let Some(Value::List(items)) = constant(range)
            && items.iter().all(|item| item.as_list().is_none() && item.as_map().is_none())
        {
            let size = items.len();
            self.tables.constants.push(Value::List(items));
            let node = named(range.id, 'k', self.tables.constants.len() - 1);
            return (node, Some(Range::Constants(size)));
        }
        // Names inside are checked all the same.
        let node = self.lower(range);
        self.report(range_problem(), range);
        (node, None)
    }

    /// A path that begins at the item of a comprehension around this one.
    fn item_path(&self, node: &IdedExpr) -> Option<(String, Vec<Step>)> {
        match &node.expr {
            Expr::Ident(name) => {
                let bound = self.bound.iter().any(|bound| bound.name == *name);
                bound.then(|| (name.clone(), Vec::new()))
            }
            Expr::Select(select) if !select.test => {
                let (var, mut steps) = self.item_path(&select.operand)?;
                steps.push(Step::Member(select.field.as_str().into()));
                Some((var, steps))
            }
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [list, index] = call.args.as_slice() else { return None };
                let (var, mut steps) = self.item_path(list)?;
                steps.push(literal_step(index)?);
                Some((var, steps))
            }
            Expr::Unspecified
            | Expr::Call(_)
            | Expr::Comprehension(_)
            | Expr::List(_)
            | Expr::Literal(_)
            | Expr::Map(_)
            | Expr::Select(_)
            | Expr::Struct(_) => None,
        }
    }
}

fn range_problem() -> ExprProblem {
    ExprProblem::new("nesting", "a comprehension iterates over a path or a list of constants")
        .help("keep the list in a variable first")
}

/// Does it bind a name instead of iterating?
fn is_binding(all: &ComprehensionExpr) -> bool {
    let empty = matches!(&all.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    empty && all.iter_var == "#unused"
}

/// Calls of `node` that make text or lists, but for the one that collects the results.
fn growers(node: &IdedExpr, accu: &str) -> u32 {
    let own = match &node.expr {
        Expr::Call(call) => {
            let collects = matches!(
                call.args.first().map(|arg| &arg.expr),
                Some(Expr::Ident(name)) if name == accu || name.starts_with('@')
            );
            GROWERS.contains(&call.func_name.as_str()) && !collects
        }
        Expr::Unspecified
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => false,
    };
    u32::from(own) + children(node).into_iter().map(|child| growers(child, accu)).sum::<u32>()
}
