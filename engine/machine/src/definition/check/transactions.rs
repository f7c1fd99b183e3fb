//! Calls that transactions answer: what they may ask.

use super::context::Context;
use super::values::Env;
use crate::definition::codes;
use crate::definition::model::CallSpec;
use crate::definition::parse::{Key, Node};
use crate::definition::problem::quoted;
use crate::machine::{TRANSACTION, verb_of};

/// What a call of a transaction may say.
const MEMBERS: [&str; 3] = ["name", "timeout", "reason"];

impl<'t> Context<'t> {
    /// Refuses a call that the engine would have to refuse each time.
    pub(super) fn transaction_call(&self, operation: &str, fields: &[(&'t Key, &'t Node)]) {
        if operation.split_once('.').is_none_or(|(plugin, _)| plugin != TRANSACTION) {
            return;
        }
        let node = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
        let refuse = |node: &Node, message: String| {
            self.report.add(codes::TRANSACTION, node.span, message);
        };
        let Some(call) = node("call") else { return };
        if verb_of(operation).is_none() {
            let message = format!("a transaction has no operation {}", quoted(operation));
            return refuse(call, message);
        }
        if let Some(undo) = node("undo")
            && verb_of(operation) != verb_of("transaction.begin")
        {
            refuse(undo, "only `transaction.begin` can be taken back".to_owned());
        }
        if let Some(with) = node("with") {
            self.transaction_options(call, with);
        }
    }

    /// `begin`, `commit` or `rollback` of a step: a name, or options among which it is.
    pub(super) fn transaction_step(
        &self,
        verb: &str,
        node: &'t Node,
        env: Env<'_>,
    ) -> Option<CallSpec> {
        if node.is_null() {
            let message = format!("`{verb}` does not say the transaction's name");
            self.report.add(codes::TRANSACTION, node.span, message);
            return None;
        }
        self.transaction_options(node, node);
        let mut spec = CallSpec::plain(format!("{TRANSACTION}.{verb}").into());
        spec.with = self.data(None, node, env);
        Some(spec)
    }

    fn transaction_options(&self, call: &Node, with: &Node) {
        let refuse = |node: &Node, message: String| {
            self.report.add(codes::TRANSACTION, node.span, message);
        };
        // Where it is computed as a whole, or is what caused the call, only the engine can tell.
        let Some(members) = with.entries() else { return };
        for (key, member) in members {
            if !MEMBERS.contains(&&*key.text) {
                let name = quoted(&key.text);
                let isolation = if key.text.contains("isolation") {
                    ": others see what members did before the commit"
                } else {
                    ""
                };
                refuse(member, format!("a transaction has no option {name}{isolation}"));
            }
        }
        if !members.iter().any(|(key, _)| &*key.text == "name") {
            refuse(call, "the transaction's `name` is not said".to_owned());
        }
    }
}
