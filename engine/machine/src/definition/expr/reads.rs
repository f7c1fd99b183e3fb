//! Which steps an expression asks for.

use std::sync::Arc;

use super::compile::Expr;
use super::path::{Path, Root, Step};
use super::template::{Template, TextPart};

/// The steps that expressions ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepReads {
    /// Whose output is read.
    pub(crate) read: Vec<Arc<str>>,
    /// Of which it is asked whether there is one: `has(steps.x)`.
    pub(crate) asked: Vec<Arc<str>>,
}

/// The step whose output a path leads to.
fn step_of(path: &Path) -> Option<&Arc<str>> {
    let Step::Member(name) = path.steps.first()? else { return None };
    (path.root == Root::Steps).then_some(name)
}

impl StepReads {
    /// Adds those of one expression.
    pub(crate) fn add(&mut self, expression: &Expr) {
        let tables = expression.tables();
        for path in tables.paths.iter().map(|used| &used.path) {
            self.read.extend(step_of(path).cloned());
        }
        for (path, member) in &tables.tests {
            match step_of(path) {
                Some(read) => self.read.push(Arc::clone(read)),
                None if path.root == Root::Steps => self.asked.push(Arc::clone(member)),
                None => {}
            }
        }
    }

    /// Adds those of all expressions in `template`.
    pub(crate) fn add_all(&mut self, template: &Template) {
        match template {
            Template::Const(_) => {}
            Template::Expr(expression) => self.add(expression),
            Template::Text(parts) => {
                for part in parts {
                    match part {
                        TextPart::Text(_) => {}
                        TextPart::Expr(expression) => self.add(expression),
                    }
                }
            }
            Template::List(parts) => parts.iter().for_each(|part| self.add_all(part)),
            Template::Map(parts) => parts.iter().for_each(|(_, part)| self.add_all(part)),
        }
    }

    /// Is no step asked for?
    pub(crate) fn is_empty(&self) -> bool {
        self.read.is_empty() && self.asked.is_empty()
    }
}
