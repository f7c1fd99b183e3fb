//! `approval:`: a task for people.

use std::sync::Arc;

use super::context::Context;
use super::events::reserved;
use super::values::Env;
use crate::definition::codes;
use crate::definition::expr::Template;
use crate::definition::model::{Approval, SeqStep};
use crate::definition::parse::{Kind, Node, Plain, plain};
use crate::definition::problem::quoted;
use crate::value::Value;

impl<'t> Context<'t> {
    /// The approval of the state `id`; `true` or nothing takes every default.
    pub(super) fn approval(&self, node: &'t Node, id: &Arc<str>) -> Option<Approval> {
        let mut approval = Approval {
            title: Template::constant(Value::String(Arc::clone(id))),
            assign: None,
            choices: vec!["approve".into(), "reject".into()],
            event: "user.action".into(),
            roles: Vec::new(),
            not_initiator: false,
            need: 1,
        };
        match node.scalar().map(plain) {
            Some(Plain::Bool(false)) => return None,
            Some(Plain::Bool(true) | Plain::Null) => {}
            Some(Plain::Number(..) | Plain::OutOfRange | Plain::Text) => {
                self.wrong_type(node, "a mapping, or `true`");
            }
            None => self.approval_fields(node, &mut approval),
        }
        self.made.borrow_mut().insert(Arc::clone(&approval.event));
        Some(approval)
    }

    /// `approval:` of the step `id`.
    pub(super) fn approval_step(
        &self,
        node: &'t Node,
        id: &str,
        (set, foreach): (Option<&Node>, Option<&Node>),
    ) -> Option<SeqStep> {
        if let Some(each) = foreach {
            let message = "`approval` asks once: it cannot stand in `foreach`";
            self.report.add(codes::FOREACH, each.span, message);
        }
        let Some(approval) = self.approval(node, &id.into()) else {
            self.wrong_type(node, "a mapping, or `true`");
            return None;
        };
        let set = set.map(|set| self.set(set, Self::with_output(Env::ACTION))).unwrap_or_default();
        Some(SeqStep::Approval { approval: Arc::new(approval), set })
    }

    fn approval_fields(&self, node: &'t Node, approval: &mut Approval) {
        for (key, node) in self.fields(node, "approval", "`approval`") {
            match &*key.text {
                "title" => {
                    if let Some(title) = self.data(Some(key), node, Env::ACTION) {
                        approval.title = title;
                    }
                }
                "assign" => approval.assign = self.data(Some(key), node, Env::ACTION),
                "choices" => self.choices(node, approval),
                "event" => {
                    if let Some(event) = self.event_name(node) {
                        reserved(self, &event, node.span);
                        approval.event = event;
                    }
                }
                "roles" => {
                    let roles = self.texts(node, "a role");
                    if !roles.is_empty() {
                        let message = "whoever may give commands decides, whatever the roles";
                        self.report.add(codes::ROLES_SHOWN, key.span, message);
                    }
                    approval.roles = roles.into_iter().map(|(role, _)| role).collect();
                }
                "not" => {
                    for (who, span) in self.texts(node, "`initiator`") {
                        if &*who == "initiator" {
                            approval.not_initiator = true;
                        } else {
                            let message = format!("expected `initiator`, found {}", quoted(&who));
                            self.report.add(codes::APPROVAL, span, message);
                        }
                    }
                }
                _ => approval.need = self.count(node).unwrap_or(1),
            }
        }
    }

    fn choices(&self, node: &Node, approval: &mut Approval) {
        if !matches!(node.kind, Kind::List(_)) {
            self.wrong_type(node, "a list of choices");
            return;
        }
        let choices = self.texts(node, "a choice");
        for (at, (choice, span)) in choices.iter().enumerate() {
            if choices.iter().take(at).any(|(earlier, _)| earlier == choice) {
                let message = format!("choice {} occurs again", quoted(choice));
                self.report.add(codes::APPROVAL, *span, message);
            }
        }
        if choices.is_empty() {
            self.report.add(codes::APPROVAL, node.span, "an approval needs a choice");
            return;
        }
        approval.choices = choices.into_iter().map(|(choice, _)| choice).collect();
    }
}
