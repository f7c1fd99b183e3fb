//! `invoke:` and `run:`: what a state asks for by itself: calls with ids, and children.

use std::sync::Arc;

use super::context::Context;
use super::nearest::did_you_mean;
use super::outline::Place;
use super::states::Builder;
use super::values::{Env, name_problem};
use crate::definition::child::Child;
use crate::definition::codes;
use crate::definition::expr::Template;
use crate::definition::model::{ChildSpec, Recipient, SeqStep, SetPath};
use crate::definition::parse::{Key, Kind, Node};
use crate::definition::problem::{Span, quoted};
use crate::machine::{Address, TRANSACTION, address};
use crate::value::Value;

/// Keys of `invoke` that a child has no use for, and a call.
const OF_CALLS: [&str; 3] = ["timeout", "retry", "undo"];
const OF_CHILDREN: [&str; 1] = ["forward"];

impl<'t> Builder<'_, 't> {
    /// `invoke:`: calls and children with ids, each for itself.
    pub(super) fn invoke(&mut self, place: Place, node: &'t Node) {
        let nodes: Vec<&'t Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Scalar(_) | Kind::Map(_) => vec![node],
        };
        for node in nodes {
            self.invoke_one(place, node);
        }
    }

    fn invoke_one(&mut self, place: Place, node: &'t Node) {
        let context = self.context;
        let fields = context.fields(node, "invoke", "`invoke`");
        let start = Span::new(node.span.start, node.span.start + 1);
        let is_child = node.get("workflow").is_some();
        match (node.get("call"), is_child) {
            (None, false) => {
                let message = "`invoke` has neither `call` nor `workflow`";
                context.report.add(codes::MISSING_FIELD, start, message);
            }
            (Some(_), true) => {
                let message = "`invoke` has `call` and also `workflow`";
                let help = "write a list of two".to_owned();
                context.report.help(codes::ACTION_KIND, start, message, help);
                return;
            }
            (None, true) => context.useless(&fields, &OF_CALLS, "a child workflow"),
            (Some(_), false) => context.useless(&fields, &OF_CHILDREN, "a call"),
        }
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
        let id = get("id").and_then(|node| {
            let id = context.text(node, "the id of the call")?;
            context.check_event(&id, node.span).then_some(id)
        });
        let id_to = get("id_to").and_then(|node| {
            let path = context.text(node, "a variable")?;
            context.set_path(&path, node.span)
        });
        let step: Option<Box<dyn FnOnce(Arc<str>) -> SeqStep>> = match is_child {
            true => context.child(None, &fields, Env::ACTION).map(|spec| {
                let spec = Arc::new(spec);
                Box::new(move |invoke_id| SeqStep::Child { spec, invoke_id }) as _
            }),
            false => context.call(id.as_ref(), &fields, Env::ACTION).map(|spec| {
                let spec = Arc::new(spec);
                Box::new(move |invoke_id| SeqStep::Call { spec, invoke_id }) as _
            }),
        };
        if let Some(step) = step {
            self.invoked(place, id, id_to, step);
        }
    }

    /// `run:`: a child without a name of its own.
    pub(super) fn run(&mut self, place: Place, node: &'t Node) {
        let context = self.context;
        let workflow = node.scalar().map(|_| context.workflow(node, Env::ACTION));
        let spec = context.child(workflow, &context.run_fields(node), Env::ACTION);
        if let Some(spec) = spec {
            let spec = Arc::new(spec);
            self.invoked(place, None, None, |invoke_id| SeqStep::Child { spec, invoke_id });
        }
    }

    /// Events that go to children which nobody invokes (rule 26).
    pub(super) fn recipients(&self) {
        let steps = self.sequences.iter().flat_map(|sequence| &sequence.steps);
        let ids: Vec<&str> = steps
            .filter_map(|step| match step {
                SeqStep::Child { invoke_id, .. } => Some(&**invoke_id),
                SeqStep::Do(_)
                | SeqStep::Call { .. }
                | SeqStep::Wait { .. }
                | SeqStep::Approval { .. }
                | SeqStep::Name { .. }
                | SeqStep::JumpUnless { .. }
                | SeqStep::Jump { .. } => None,
            })
            .collect();
        for (id, span) in self.context.addressed.borrow().iter() {
            if !ids.contains(&&**id) {
                let message = format!("no state invokes a child workflow as {}", quoted(id));
                let help = did_you_mean(id, ids.iter().copied());
                self.context.report.help(codes::RECIPIENT, *span, message, help);
            }
        }
    }

    /// Puts what is invoked into a sequence of its own, which entering the state starts.
    fn invoked(
        &mut self,
        place: Place,
        id: Option<Arc<str>>,
        id_to: Option<SetPath>,
        step: impl FnOnce(Arc<str>) -> SeqStep,
    ) {
        let numbered = self.next_call(place);
        self.draft(place).invoke_ids.extend(id.clone());
        let invoke_id = id.unwrap_or(numbered);
        let named = id_to.map(|path| SeqStep::Name { path, invoke_id: Arc::clone(&invoke_id) });
        let steps = named.into_iter().chain([step(invoke_id)]).collect();
        let action = self.sequence(place, steps);
        self.draft(place).entry.push(vec![action]);
    }
}

impl<'t> Context<'t> {
    /// A child from its keys.
    pub(super) fn child(
        &self,
        workflow: Option<Option<Template>>,
        fields: &[(&'t Key, &'t Node)],
        env: Env<'_>,
    ) -> Option<ChildSpec> {
        self.makes_any.set(true);
        let mut workflow = workflow.flatten();
        let (mut with, mut set, mut forward) = (None, Vec::new(), false);
        for (key, node) in fields {
            match &*key.text {
                "workflow" => workflow = self.workflow(node, env),
                "with" => with = self.data(None, node, env),
                "set" => set = self.set(node, Self::with_output(env)),
                "forward" => forward = self.bool(node).unwrap_or_default(),
                _ => {}
            }
        }
        Some(ChildSpec { workflow: workflow?, with, set, forward })
    }

    /// The keys of `run:`; none where only a workflow is named.
    pub(super) fn run_fields(&self, node: &'t Node) -> Vec<(&'t Key, &'t Node)> {
        if node.scalar().is_some() {
            return Vec::new();
        }
        if node.get("workflow").is_none() {
            let start = Span::new(node.span.start, node.span.start + 1);
            self.report.add(codes::MISSING_FIELD, start, "`run` has no `workflow`");
        }
        self.fields(node, "run", "`run`")
    }

    /// `name` or `name@version`, or what gives it.
    pub(super) fn workflow(&self, node: &Node, env: Env<'_>) -> Option<Template> {
        let template = self.text_template(node, "`workflow` or `workflow@version`", env)?;
        let Some(text) = template.as_const().and_then(Value::as_str) else { return Some(template) };
        let (name, version) =
            text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        if let Some(problem) = name_problem(name, true) {
            let message = format!("workflow {} {problem}", quoted(name));
            self.report.add(codes::NAME, node.span, message);
            return None;
        }
        if name == TRANSACTION {
            let message = format!("no child of workflow {}: it is the engine's own", quoted(name));
            let help = "`begin: NAME` of a step begins a transaction".to_owned();
            self.report.help(codes::RESERVED_WORKFLOW, node.span, message, help);
            return None;
        }
        if let Some(version) = version
            && !version.parse::<u32>().is_ok_and(|version| version > 0)
        {
            self.wrong_type(node, "`workflow` or `workflow@version`, versions from 1");
            return None;
        }
        self.children.borrow_mut().push((text.into(), node.span));
        Some(template)
    }

    /// The workflows that children run by name, each with the warning that there is none.
    pub(super) fn children(&self) -> Vec<Child> {
        let written = self.children.borrow();
        let child = |(text, span): &(Arc<str>, Span)| {
            let (name, version) = text.split_once('@').unwrap_or((text, ""));
            let message = format!("no workflow {} is known", quoted(text));
            let missing = self.report.problem(codes::MISSING_WORKFLOW, *span, message);
            Child { workflow: name.to_owned(), version: version.parse().ok(), missing }
        };
        written.iter().map(child).collect()
    }

    /// `to:` of a `send:` (rule 26).
    pub(super) fn recipient(&self, node: &'t Node, env: Env<'_>) -> Option<Recipient> {
        const DUE: &str = "`parent`, `invoke.<id>` or `{ instance: workflow/key }`";
        self.makes_any.set(true);
        if node.entries().is_some() {
            let fields = self.fields(node, "recipient", "`to`");
            let Some((_, instance)) = fields.first() else {
                self.wrong_type(node, DUE);
                return None;
            };
            let text = self.text_template(instance, "`workflow/key`", env)?;
            if let Some(written) = text.as_const().and_then(Value::as_str)
                && !matches!(address(written), Ok(Address::Instance(_)))
            {
                let message = format!("expected `workflow/key`, found {}", quoted(written));
                self.report.add(codes::RECIPIENT, instance.span, message);
                return None;
            }
            return Some(Recipient::Instance(text));
        }
        let text = self.text_template(node, DUE, env)?;
        if let Some(written) = text.as_const().and_then(Value::as_str) {
            match address(written) {
                Ok(Address::Child(id)) => self.addressed.borrow_mut().push((id, node.span)),
                Ok(Address::Parent | Address::Instance(_)) => {}
                Err(_) => {
                    let message = format!("expected {DUE}, found {}", quoted(written));
                    self.report.add(codes::RECIPIENT, node.span, message);
                    return None;
                }
            }
        }
        Some(Recipient::Written(text))
    }

    /// Reports keys that mean nothing for `what`.
    fn useless(&self, fields: &[(&'t Key, &'t Node)], keys: &[&str], what: &str) {
        for (key, _) in fields.iter().filter(|(key, _)| keys.contains(&&*key.text)) {
            let message = format!("{what} has no key {}", quoted(&key.text));
            self.report.add(codes::UNKNOWN_FIELD, key.span, message);
        }
    }
}
