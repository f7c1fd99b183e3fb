//! Calls that transactions answer: what they may ask.

use super::context::Context;
use super::values::Env;
use crate::definition::codes;
use crate::definition::duration;
use crate::definition::model::CallSpec;
use crate::definition::parse::{Key, Kind, Node};
use crate::definition::problem::quoted;
use crate::machine::{InstanceKey, TIMEOUT_MS_MAX, TRANSACTION, Verb, verb_of};

/// What a call of a transaction may say beside its name.
const fn option_of(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::Begin => Some("timeout"),
        Verb::RollBack => Some("reason"),
        Verb::Join | Verb::Commit => None,
    }
}

/// Is this an operation that no plugin answers?
pub(super) fn is_transactions(operation: &str) -> bool {
    operation.split_once('.').is_some_and(|(plugin, _)| plugin == TRANSACTION)
}

impl<'t> Context<'t> {
    /// Refuses a call that the engine would have to refuse each time.
    pub(super) fn transaction_call(&self, spec: &CallSpec, fields: &[(&'t Key, &'t Node)]) {
        let operation = &*spec.operation;
        let node = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
        if let (Some(node), Some(undo)) = (node("undo"), &spec.undo) {
            self.transaction_undo(operation, node, &undo.operation);
        }
        if !is_transactions(operation) {
            return;
        }
        let Some(call) = node("call") else { return };
        let Some(verb) = verb_of(operation) else {
            let message = format!("a transaction has no operation {}", quoted(operation));
            return self.report.add(codes::TRANSACTION, call.span, message);
        };
        // What is not said is what caused the call: only the engine can tell.
        match node("with") {
            Some(with) => self.transaction_options((verb, operation), call, with),
            None => {
                let message = format!("{} takes the name from what caused it", quoted(operation));
                self.report.add(codes::TRANSACTION_NAME, call.span, message);
            }
        }
        self.transaction_each(verb, fields);
    }

    /// One that is begun for each item of a list is begun once.
    fn transaction_each(&self, verb: Verb, fields: &[(&'t Key, &'t Node)]) {
        if let (Verb::Begin, Some((key, _))) =
            (verb, fields.iter().find(|(key, _)| &*key.text == "foreach"))
        {
            let message = "an instance belongs to one open transaction at most";
            self.report.add(codes::TRANSACTION_EACH, key.span, message);
        }
    }

    /// Beginning a transaction is taken back by rolling it back, and by nothing else; and that
    /// takes back nothing else.
    fn transaction_undo(&self, operation: &str, node: &Node, undo: &str) {
        let (of, by) = (verb_of(operation), verb_of(undo));
        let message = match (of, by) {
            (Some(Verb::Begin), Some(Verb::RollBack)) => return,
            (Some(Verb::Begin), Some(_)) | (None, Some(_)) => {
                format!("`{undo}` does not take back {}", quoted(operation))
            }
            (Some(Verb::Join | Verb::Commit | Verb::RollBack), _) => {
                "only `transaction.begin` can be taken back".to_owned()
            }
            (Some(Verb::Begin) | None, None) if is_transactions(undo) => {
                format!("a transaction has no operation {}", quoted(undo))
            }
            (Some(Verb::Begin) | None, None) => return,
        };
        self.report.add(codes::TRANSACTION, node.span, message);
    }

    /// `begin`, `commit` or `rollback` of a step: a name, or options among which it is; the time
    /// and the attempts of the step stand beside it, as beside a call.
    pub(super) fn transaction_step(
        &self,
        verb: &str,
        node: &'t Node,
        fields: &[(&'t Key, &'t Node)],
        env: Env<'_>,
    ) -> Option<CallSpec> {
        if node.is_null() {
            let message = format!("`{verb}` does not say the transaction's name");
            self.report.add(codes::TRANSACTION, node.span, message);
            return None;
        }
        let operation = format!("{TRANSACTION}.{verb}");
        let asked = verb_of(&operation)?;
        self.transaction_options((asked, verb), node, node);
        self.transaction_each(asked, fields);
        let mut spec = CallSpec::plain(operation.into());
        spec.with = self.data(None, node, env);
        for (key, node) in fields {
            match &*key.text {
                "timeout" => spec.timeout_ms = self.duration(node).unwrap_or_default(),
                "retry" => spec.retry = self.retry(node),
                _ => {}
            }
        }
        Some(spec)
    }

    fn transaction_options(&self, (verb, what): (Verb, &str), call: &Node, with: &'t Node) {
        let own = option_of(verb);
        let members = match &with.kind {
            Kind::Scalar(_) => return self.transaction_name(with),
            Kind::List(_) => {
                let own = own.map(|own| format!(", {own}")).unwrap_or_default();
                let due = format!("a transaction's name, or `{{ name{own} }}`");
                return self.wrong_type(with, &due);
            }
            Kind::Map(members) => members,
        };
        for (key, member) in members {
            match &*key.text {
                "name" => self.transaction_name(member),
                "timeout" if own == Some("timeout") => self.transaction_timeout(member),
                "reason" if own == Some("reason") => {
                    self.text(member, "a reason");
                }
                name => {
                    let isolation = if name.contains("isolation") {
                        ": others see what members did before the commit"
                    } else {
                        ""
                    };
                    let message = format!("`{what}` has no option {}{isolation}", quoted(name));
                    self.report.add(codes::TRANSACTION, key.span, message);
                }
            }
        }
        if !members.iter().any(|(key, _)| &*key.text == "name") {
            let message = "the transaction's `name` is not said";
            self.report.add(codes::TRANSACTION, call.span, message);
        }
    }

    /// A name as written; one that is computed only the engine can tell.
    fn transaction_name(&self, node: &Node) {
        let Some(name) = self.text(node, "a transaction's name") else { return };
        if name.contains("${") {
            return;
        }
        if let Err(problem) = InstanceKey::new(TRANSACTION, &name) {
            let problem = problem.replace("correlation key", "the transaction's name");
            self.report.add(codes::TRANSACTION, node.span, problem);
        }
    }

    /// How long it may stay open.
    fn transaction_timeout(&self, node: &Node) {
        if node.scalar().is_some_and(|scalar| scalar.text.contains("${")) {
            return;
        }
        if let Some(timeout) = self.duration(node).filter(|timeout| *timeout > TIMEOUT_MS_MAX) {
            let (timeout, limit) = (duration::format(timeout), duration::format(TIMEOUT_MS_MAX));
            let message = format!("timeout of {timeout} exceeds the limit of {limit}");
            self.report.add(codes::DURATION_RANGE, node.span, message);
        }
    }
}
