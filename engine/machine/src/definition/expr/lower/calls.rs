//! Calls: known ones only (E6), some of them in our own version.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use regex::RegexBuilder;

use super::super::ExprProblem;
use super::super::bounds::{PATTERN_COMPILED_MAX, PATTERN_MAX};
use super::super::functions::{GLOBALS, MEMBERS, OWN_MEMBERS};
use super::super::names::{NameSet, nearest};
use super::Lowering;
use super::lowering::named;

/// Macros that are left as calls when their arguments do not fit.
const MACROS: [&str; 8] =
    ["all", "exists", "existsOne", "exists_one", "filter", "has", "map", "sortBy"];

impl Lowering<'_> {
    pub(super) fn lower_call(&mut self, node: &IdedExpr, call: &CallExpr) -> IdedExpr {
        if is_operator(&call.func_name) {
            return self.lower_operator(node, call);
        }
        let Some(target) = &call.target else {
            return self.lower_global(node, call, &call.func_name);
        };
        if let Expr::Ident(space) = &target.expr {
            let full = format!("{space}.{}", call.func_name);
            if GLOBALS.contains(&full.as_str()) {
                return self.lower_global(node, call, &full);
            }
            if matches!(space.as_str(), "math" | "lists" | "strings" | "optional")
                && !self.bound.iter().any(|bound| bound.name == *space)
            {
                self.unknown_function(&full, node);
                return node.clone();
            }
        }
        let name = call.func_name.as_str();
        if name == "matches" {
            return self.lower_matches(node, &[&**target], &call.args);
        }
        if !MEMBERS.contains(&name) || MACROS.contains(&name) {
            self.unknown_function(name, node);
            return node.clone();
        }
        let func_name =
            if OWN_MEMBERS.contains(&name) { format!("@{name}") } else { name.to_owned() };
        let target = Some(Box::new(self.lower(target)));
        self.call(node, func_name, target, &call.args)
    }

    fn call(
        &mut self,
        node: &IdedExpr,
        func_name: String,
        target: Option<Box<IdedExpr>>,
        args: &[IdedExpr],
    ) -> IdedExpr {
        let args = args.iter().map(|arg| self.lower(arg)).collect();
        IdedExpr { id: node.id, expr: Expr::Call(CallExpr { func_name, target, args }) }
    }

    fn lower_global(&mut self, node: &IdedExpr, call: &CallExpr, full: &str) -> IdedExpr {
        if !GLOBALS.contains(&full) {
            self.unknown_function(full, node);
            return node.clone();
        }
        match full {
            "active" => self.lower_active(node, &call.args),
            "matches" => match call.args.split_first() {
                Some((text, pattern)) => self.lower_matches(node, &[text], pattern),
                None => self.lower_matches(node, &[], &[]),
            },
            "lists.range" => self.call(node, "@range".to_owned(), None, &call.args),
            _ => self.call(node, call.func_name.clone(), call.target.clone(), &call.args),
        }
    }

    /// `active(id)` asks whether the id is in the active states.
    fn lower_active(&mut self, node: &IdedExpr, args: &[IdedExpr]) -> IdedExpr {
        let [id] = args else {
            self.report(ExprProblem::new("unknown_function", "`active` takes one state id"), node);
            return node.clone();
        };
        if !self.names.allowed.contains(NameSet::ACTIVE) {
            let message = "`active` does not exist here: there is no instance yet";
            self.report(ExprProblem::new("unknown_function", message), node);
            return node.clone();
        }
        if let Expr::Literal(LiteralValue::String(state)) = &id.expr
            && !self.names.states.iter().any(|known| **known == **state)
        {
            let near = nearest(state, self.names.states.iter().map(|known| &**known));
            let problem = ExprProblem::new("unknown_name", format!("no state `{}`", &**state));
            let problem = match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            };
            self.report(problem, id);
        }
        let states = IdedExpr { id: node.id, expr: Expr::Ident("@active".to_owned()) };
        let id = self.lower(id);
        within(node, id, states)
    }

    /// `matches` with a literal pattern that was compiled now (B4).
    fn lower_matches(
        &mut self,
        node: &IdedExpr,
        text: &[&IdedExpr],
        pattern: &[IdedExpr],
    ) -> IdedExpr {
        let ([text], [pattern]) = (text, pattern) else {
            let message = "`matches` takes a string and a pattern";
            self.report(ExprProblem::new("unknown_function", message), node);
            return node.clone();
        };
        let lowered = self.lower(text);
        match compile_pattern(pattern) {
            Ok(compiled) => {
                self.tables.patterns.push(compiled);
                let place = self.tables.patterns.len() - 1;
                within(node, lowered, named(pattern.id, 'r', place))
            }
            Err(problem) => {
                self.report(problem, pattern);
                node.clone()
            }
        }
    }

    fn lower_operator(&mut self, node: &IdedExpr, call: &CallExpr) -> IdedExpr {
        let func_name = call.func_name.clone();
        let mut args: Vec<IdedExpr> = call.args.iter().map(|arg| self.lower(arg)).collect();
        let compares = matches!(func_name.as_str(), operators::EQUALS | operators::NOT_EQUALS);
        for (at, arg) in args.iter_mut().enumerate() {
            // The crate's lists and maps equal only each other; as ours they equal both.
            if (compares || (func_name == operators::IN && at == 1)) && may_make(arg) {
                let made = std::mem::take(arg);
                let func_name = "@own".to_owned();
                let id = made.id;
                let own = CallExpr { func_name, target: None, args: vec![made] };
                *arg = IdedExpr { id, expr: Expr::Call(own) };
            }
        }
        IdedExpr { id: node.id, expr: Expr::Call(CallExpr { func_name, target: None, args }) }
    }

    fn unknown_function(&mut self, name: &str, node: &IdedExpr) {
        let problem = ExprProblem::new("unknown_function", format!("no function `{name}`"));
        let problem = if name == "now" {
            problem.help("`now` is a name: write it without `()`")
        } else if MACROS.contains(&name) {
            let message = format!("`{name}` does not take these arguments");
            let problem = ExprProblem::new("unknown_function", message);
            match name {
                "has" => problem.help("write `has(data.member)`"),
                _ => problem.help(format!("write `list.{name}(item, expression about item)`")),
            }
        } else {
            let known = GLOBALS.iter().chain(MEMBERS).filter(|known| !known.contains('@'));
            match nearest(name, known.copied()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("expressions are pure: no I/O, no environment, no random"),
            }
        };
        self.report(problem, node);
    }
}

fn within(node: &IdedExpr, item: IdedExpr, all: IdedExpr) -> IdedExpr {
    let func_name = operators::IN.to_owned();
    let call = CallExpr { func_name, target: None, args: vec![item, all] };
    IdedExpr { id: node.id, expr: Expr::Call(call) }
}

fn is_operator(name: &str) -> bool {
    name.starts_with('_')
        || matches!(
            name,
            operators::LOGICAL_NOT
                | operators::NEGATE
                | operators::IN
                | operators::NOT_STRICTLY_FALSE
        )
}

/// May evaluating the lowered node give a list or map of the crate's?
fn may_make(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::List(_) | Expr::Map(_) | Expr::Comprehension(_) => true,
        Expr::Call(call) => {
            !is_operator(&call.func_name)
                || matches!(
                    call.func_name.as_str(),
                    operators::ADD | operators::CONDITIONAL | operators::INDEX
                )
        }
        Expr::Unspecified
        | Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Select(_)
        | Expr::Struct(_) => false,
    }
}

fn compile_pattern(pattern: &IdedExpr) -> Result<regex::Regex, ExprProblem> {
    let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
        return Err(ExprProblem::new("regex", "the pattern of `matches` is not a literal string"));
    };
    let size = text.len();
    if size > PATTERN_MAX {
        return Err(ExprProblem::new(
            "regex_size",
            format!("pattern of {size} bytes exceeds the limit of {PATTERN_MAX} bytes"),
        ));
    }
    let built = RegexBuilder::new(text)
        .size_limit(PATTERN_COMPILED_MAX)
        .dfa_size_limit(PATTERN_COMPILED_MAX)
        .build();
    built.map_err(|error| {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            let most = PATTERN_COMPILED_MAX;
            let message = format!("compiled pattern exceeds the limit of {most} bytes");
            return ExprProblem::new("regex_size", message);
        }
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let reason = last.strip_prefix("error: ").unwrap_or(last);
        ExprProblem::new("regex", format!("pattern is not a regular expression: {reason}"))
    })
}
