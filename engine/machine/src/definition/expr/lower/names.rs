//! Names: what they stand for, and what to say about those that stand for nothing.

use std::sync::Arc;

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::super::ExprProblem;
use super::super::names::{WORDS, nearest};
use super::super::path::{EVENT_FIELDS, Path, Root, Step};
use super::Lowering;

/// The names of types, for `type(x) == int`.
const TYPES: [&str; 11] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

impl Lowering<'_> {
    /// The path that `node` spells, if it is one: a name of E7 or of `each`, members, literal
    /// indexes.
    pub(super) fn path(&self, node: &IdedExpr) -> Option<Path> {
        match &node.expr {
            Expr::Ident(name) => self.root(name),
            Expr::Select(select) if !select.test => {
                let mut path = self.path(&select.operand)?;
                path.steps.push(Step::Member(select.field.as_str().into()));
                Some(path)
            }
            Expr::Call(call) if call.func_name == operators::INDEX && call.target.is_none() => {
                let [list, index] = call.args.as_slice() else { return None };
                let step = literal_step(index)?;
                let mut path = self.path(list)?;
                path.steps.push(step);
                Some(path)
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
        .map(|mut path| {
            if let (Root::Vars, Some(Step::Member(name))) = (&path.root, path.steps.first()) {
                let place = self.names.vars.iter().position(|var| var == name);
                path.var = place.unwrap_or(0);
            }
            if let (Root::Steps, Some(Step::Member(name))) = (&path.root, path.steps.first()) {
                let place = self.names.steps.iter().position(|step| step == name);
                path.var = place.unwrap_or(0);
            }
            path
        })
    }

    /// The path of `has(steps.name)`, with the place of the step.
    pub(super) fn hinted(&self, mut path: Path, member: &str) -> Path {
        if path.root == Root::Steps && path.steps.is_empty() {
            let place = self.names.steps.iter().position(|step| **step == *member);
            path.var = place.unwrap_or(0);
        }
        path
    }

    fn root(&self, name: &str) -> Option<Path> {
        let absolute = name.strip_prefix('.');
        let plain = absolute.unwrap_or(name);
        if absolute.is_none()
            && let Some(bound) = self.bound.iter().rev().find(|bound| bound.name == plain)
        {
            return bound.alias.clone();
        }
        let root = if let Some(local) = self.names.locals.iter().find(|local| ***local == *plain) {
            Root::Local(Arc::clone(local))
        } else {
            let (_, set) = WORDS.iter().find(|(word, _)| *word == plain)?;
            if !self.names.allowed.contains(*set) {
                return None;
            }
            root_named(plain)?
        };
        Some(Path { root, var: 0, steps: Vec::new() })
    }

    /// Reports a member of `vars`, `steps` or `event` that does not exist.
    pub(super) fn check_path(&mut self, path: &Path, member: Option<&str>, node: &IdedExpr) {
        let first = match path.steps.first() {
            Some(Step::Member(name)) => Some(&**name),
            Some(Step::Index(_)) => None,
            None => member,
        };
        let Some(first) = first else { return };
        let names = self.names;
        match path.root {
            Root::Vars if !names.vars.iter().any(|var| **var == *first) => {
                let near = nearest(first, names.vars.iter().map(|var| &**var));
                let problem = ExprProblem::new("unknown_name", format!("no variable `{first}`"));
                self.report(
                    match near {
                        Some(near) => problem.help(format!("did you mean `vars.{near}`?")),
                        None => problem.help(format!("declare it: `vars: {{ {first}: null }}`")),
                    },
                    node,
                );
            }
            Root::Event if !EVENT_FIELDS.contains(&first) => {
                let near = nearest(first, EVENT_FIELDS.into_iter());
                let problem =
                    ExprProblem::new("unknown_name", format!("`event` has no field `{first}`"));
                self.report(
                    match near {
                        Some(near) => problem.help(format!("did you mean `event.{near}`?")),
                        None => problem.help(format!("the payload is `data`: `data.{first}`")),
                    },
                    node,
                );
            }
            Root::Steps if !names.steps.iter().any(|step| **step == *first) => {
                let near = nearest(first, names.steps.iter().map(|step| &**step));
                let problem = ExprProblem::new("unknown_name", format!("no step `{first}`"));
                let problem = match near {
                    Some(near) => problem.help(format!("did you mean `steps.{near}`?")),
                    None => problem,
                };
                self.report(problem, node);
            }
            Root::Vars
            | Root::Steps
            | Root::Event
            | Root::Data
            | Root::Key
            | Root::Instance
            | Root::Workflow
            | Root::Now
            | Root::Input
            | Root::Output
            | Root::Error
            | Root::Local(_) => {}
        }
    }

    /// Reports `name` unless it is bound here or names a type.
    pub(super) fn check_name(&mut self, name: &str, node: &IdedExpr) {
        let plain = name.strip_prefix('.').unwrap_or(name);
        if self.bound.iter().any(|bound| bound.name == plain) || TYPES.contains(&plain) {
            return;
        }
        let names = self.names;
        let problem = ExprProblem::new("unknown_name", format!("no name `{plain}`"));
        let mut known: Vec<&str> = names.allowed.words().collect();
        known.extend(names.locals.iter().map(|local| &**local));
        let problem = if WORDS.iter().any(|(word, _)| *word == plain) {
            ExprProblem::new("unknown_name", format!("`{plain}` does not exist here"))
                .help(format!("names here: {}", list(&known)))
        } else if names.vars.iter().any(|var| **var == *plain) {
            problem.help(format!("did you mean `vars.{plain}`?"))
        } else if names.steps.iter().any(|step| **step == *plain) {
            problem.help(format!("did you mean `steps.{plain}`?"))
        } else if names.states.iter().any(|state| **state == *plain) {
            problem.help(format!("to ask for a state: `active('{plain}')`"))
        } else {
            let bound = self.bound.iter().map(|bound| &*bound.name);
            match nearest(plain, known.iter().copied().chain(bound)) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help(format!("names here: {}", list(&known))),
            }
        };
        self.report(problem, node);
    }
}

fn list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn root_named(word: &str) -> Option<Root> {
    Some(match word {
        "vars" => Root::Vars,
        "data" => Root::Data,
        "event" => Root::Event,
        "key" => Root::Key,
        "instance" => Root::Instance,
        "workflow" => Root::Workflow,
        "now" => Root::Now,
        "input" => Root::Input,
        "output" => Root::Output,
        "error" => Root::Error,
        "steps" => Root::Steps,
        _ => return None,
    })
}

/// `['name']` or `[3]`.
pub(super) fn literal_step(index: &IdedExpr) -> Option<Step> {
    let Expr::Literal(literal) = &index.expr else { return None };
    match literal {
        LiteralValue::String(name) => Some(Step::Member(name.inner().into())),
        LiteralValue::Int(at) => usize::try_from(*at.inner()).ok().map(Step::Index),
        LiteralValue::Boolean(_)
        | LiteralValue::Bytes(_)
        | LiteralValue::Double(_)
        | LiteralValue::Null
        | LiteralValue::UInt(_) => None,
    }
}
