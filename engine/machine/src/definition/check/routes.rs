//! `route:`: rules of which one decides.

use std::sync::Arc;

use super::context::Context;
use super::values::Env;
use crate::definition::codes;
use crate::definition::model::{Action, Route, RouteRule, Verdict};
use crate::definition::parse::{Key, Kind, Node};
use crate::definition::problem::{Span, quoted};

type Fields<'t> = [(&'t Key, &'t Node)];

/// A rule, and where it is written.
struct Written {
    rule: RouteRule,
    span: Span,
}

impl<'t> Context<'t> {
    /// The rules in the order they are asked; `set` stands beside them.
    pub(super) fn route(
        &self,
        node: &'t Node,
        set: Option<&'t Node>,
        env: Env<'_>,
    ) -> Option<Action> {
        let fields = self.fields(node, "route", "`route`");
        node.entries()?;
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).copied();
        let default = get("default").map(|(key, node)| (key, self.otherwise(node, env)));
        let set = set.map(|set| self.set(set, Self::with_output(env))).unwrap_or_default();
        let Some((_, listed)) = get("rules") else {
            let start = Span::new(node.span.start, node.span.start + 1);
            self.report.add(codes::MISSING_FIELD, start, "`route` has no `rules`");
            return None;
        };
        let mut written = self.rules(listed, env)?;
        // The sort is stable: rules of one priority stay as they are written.
        written.sort_by_key(|it| std::cmp::Reverse(it.rule.priority));
        self.never_decide(&written, default.as_ref().map(|(key, _)| key.span));
        let rules = written.into_iter().map(|it| it.rule).collect();
        let default = default.and_then(|(_, verdict)| verdict);
        Some(Action::Route(Arc::new(Route { rules, default, set })))
    }

    /// A mapping from names to rules, or a list of them.
    fn rules(&self, node: &'t Node, env: Env<'_>) -> Option<Vec<Written>> {
        let count = match &node.kind {
            Kind::Map(entries) => entries.len(),
            Kind::List(items) => items.len(),
            Kind::Scalar(_) => {
                self.wrong_type(node, "a mapping from names to rules, or a list of rules");
                return None;
            }
        };
        if !(1..=Route::RULES_MAX).contains(&count) {
            let message = format!("{count} rules: a route has 1 to {}", Route::RULES_MAX);
            self.report.add(codes::LIMIT, node.span, message);
            return None;
        }
        let mut rules: Vec<Written> = Vec::new();
        match &node.kind {
            Kind::Map(entries) => {
                for (key, node) in entries {
                    let named = Some((Arc::clone(&key.text), key.span));
                    rules.extend(self.rule(named, 0, node, env));
                }
            }
            Kind::List(items) => {
                for (number, node) in (1..).zip(items) {
                    let Some(one) = self.rule(None, number, node, env) else { continue };
                    if rules.iter().any(|known| known.rule.name == one.rule.name) {
                        let message = format!("rule {} occurs again", quoted(&one.rule.name));
                        self.report.add(codes::CONTRADICTION, one.span, message);
                    }
                    rules.push(one);
                }
            }
            Kind::Scalar(_) => {}
        }
        Some(rules)
    }

    /// One rule: the `number`th of a list where it is not `named` by its key.
    fn rule(
        &self,
        named: Option<(Arc<str>, Span)>,
        number: u32,
        node: &'t Node,
        env: Env<'_>,
    ) -> Option<Written> {
        let fields = self.fields(node, "rule", "a rule");
        node.entries()?;
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).copied();
        let (name, span) = match (named, get("name")) {
            (Some(_), Some((key, _))) => {
                self.report.add(codes::CONTRADICTION, key.span, "the rule is named by its key");
                return None;
            }
            (Some(named), None) => named,
            (None, Some((_, node))) => (self.text(node, "the name of a rule")?, node.span),
            (None, None) => {
                let start = Span::new(node.span.start, node.span.start + 1);
                (format!("rule_{number}").into(), start)
            }
        };
        if !self.name(&name, span, "rule") {
            return None;
        }
        let when = get("when").map(|(_, node)| self.guard(node, env));
        let priority = get("priority").map(|(_, node)| self.count(node));
        let verdict = self.verdict(node, &fields, env);
        let rule = RouteRule {
            name,
            when: when.flatten(),
            priority: priority.flatten().unwrap_or_default(),
            verdict: verdict?,
        };
        Some(Written { rule, span })
    }

    /// `default:`: a decision alone, or with its reason.
    fn otherwise(&self, node: &'t Node, env: Env<'_>) -> Option<Verdict> {
        if node.scalar().is_some() {
            let to = self.data(None, node, env)?;
            return Some(Verdict { to, reason: None, with: None });
        }
        let fields = self.fields(node, "otherwise", "`default`");
        node.entries()?;
        self.verdict(node, &fields, env)
    }

    fn verdict(&self, node: &Node, fields: &Fields<'t>, env: Env<'_>) -> Option<Verdict> {
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).copied();
        let data = |name: &str| get(name).map(|(key, node)| self.data(Some(key), node, env));
        let (reason, with) = (data("reason").flatten(), data("with").flatten());
        let Some(to) = data("to") else {
            let start = Span::new(node.span.start, node.span.start + 1);
            self.report.add(codes::MISSING_FIELD, start, "`to` is missing: what is decided");
            return None;
        };
        Some(Verdict { to: to?, reason, with })
    }

    /// Behind a rule that always matches nobody decides.
    fn never_decide(&self, rules: &[Written], default: Option<Span>) {
        let always = |it: &Written| it.rule.when.as_ref().is_none_or(|when| when.is_literal_true());
        let Some(at) = rules.iter().position(always) else { return };
        let Some(first) = rules.get(at) else { return };
        let help = || format!("rule `{}` is asked before and always matches", first.rule.name);
        for it in rules.iter().skip(at + 1) {
            let message = format!("rule {} never decides", quoted(&it.rule.name));
            self.report.help(codes::IDLE_RULE, it.span, message, help());
        }
        if let Some(span) = default {
            self.report.help(codes::IDLE_RULE, span, "`default` is never decided", help());
        }
    }
}
