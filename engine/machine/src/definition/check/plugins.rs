//! `plugins:`: what a definition asks of the plugins it calls.

use std::sync::Arc;

use super::context::Context;
use super::events::word;
use super::values::{Env, name_problem};
use crate::definition::codes;
use crate::definition::expr::NameSet;
use crate::definition::model::{Balance, BreakerRules, Per, PluginRules, Rate, WhileOpen};
use crate::definition::parse::{Kind, Node, Plain, plain};
use crate::definition::problem::quoted;

/// The most failures in a row that a breaker may wait for.
const THRESHOLD_MAX: u32 = 1_000;
/// The most calls of a rate: each is remembered for its time.
const RATE_MAX: u32 = 10_000;
/// The most plugins with rules.
const PLUGINS_MAX: usize = 256;

/// The rules of `plugins:`, in the order written.
pub(super) fn declared<'t>(context: &Context<'t>, node: &'t Node) -> Vec<PluginRules> {
    if node.is_null() {
        return Vec::new();
    }
    let Some(entries) = node.entries() else {
        context.wrong_type(node, "a mapping from names of plugins");
        return Vec::new();
    };
    if entries.len() > PLUGINS_MAX {
        let message = format!("{} plugins exceed the limit of {PLUGINS_MAX}", entries.len());
        context.report.add(codes::TOO_LARGE, node.span, message);
    }
    let mut list = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        if let Some(problem) = name_problem(&key.text, true) {
            let message = format!("plugin {} {problem}", quoted(&key.text));
            context.report.add(codes::NAME, key.span, message);
        }
        context.ruled.borrow_mut().push((Arc::clone(&key.text), key.span));
        list.push(one(context, Arc::clone(&key.text), node));
    }
    list
}

/// Rules of plugins that nothing calls, by that name at least.
pub(super) fn lint(context: &Context<'_>) {
    let operations = context.operations.borrow();
    for (name, span) in &*context.ruled.borrow() {
        let rules = PluginRules::new(Arc::clone(name));
        if !operations.iter().any(|operation| rules.are_of(operation)) {
            let message = format!("no call names an operation of {}", quoted(name));
            context.report.add(codes::IDLE_PLUGIN_RULES, *span, message);
        }
    }
}

fn one<'t>(context: &Context<'t>, name: Arc<str>, node: &'t Node) -> PluginRules {
    let mut rules = PluginRules::new(name);
    let at = node.span;
    for (key, node) in context.fields(node, "plugin", "a plugin") {
        match &*key.text {
            "breaker" => rules.breaker = breaker(context, node),
            "balance" => rules.balance = word(context, node, &Balance::WORDS).unwrap_or_default(),
            "prefer" => prefer(context, node, &mut rules),
            "concurrency" => rules.concurrency = context.count(node),
            "per" => rules.per = per(context, node),
            _ => rules.rate = rate(context, node),
        }
    }
    if rules.per.is_some() && rules.concurrency.is_none() && rules.rate.is_none() {
        let message = "`per` needs a limit beside it: `concurrency` or `rate`".to_owned();
        context.report.add(codes::PLUGIN_RULES, at, message);
    }
    rules
}

fn breaker<'t>(context: &Context<'t>, node: &'t Node) -> Option<BreakerRules> {
    let is_off = node.scalar().is_some_and(|scalar| {
        // Writers of YAML 1.1 mean `false` by it.
        &*scalar.text == "off" || matches!(plain(scalar), Plain::Bool(false))
    });
    if is_off {
        return None;
    }
    let mut rules = BreakerRules::DEFAULT;
    for (key, node) in context.fields(node, "breaker", "`breaker`") {
        match &*key.text {
            "threshold" => rules.threshold = context.count(node).unwrap_or(rules.threshold),
            "reset" => rules.reset_ms = context.duration(node).unwrap_or(rules.reset_ms),
            _ => {
                let words = [("wait", WhileOpen::Wait), ("fail", WhileOpen::Fail)];
                rules.open = word(context, node, &words).unwrap_or_default();
            }
        }
        if rules.threshold > THRESHOLD_MAX {
            let found = rules.threshold;
            let message = format!("{found} failures exceed the limit of {THRESHOLD_MAX}");
            context.report.add(codes::PLUGIN_RULES, node.span, message);
            rules.threshold = THRESHOLD_MAX;
        }
    }
    Some(rules)
}

fn prefer(context: &Context<'_>, node: &Node, rules: &mut PluginRules) {
    let nodes = match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(node),
    };
    for node in nodes {
        match word(context, node, &[("performance", true), ("reliability", false)]) {
            Some(true) => rules.prefers_performance = true,
            Some(false) => rules.prefers_reliability = true,
            None => {}
        }
    }
}

/// `100/s`, `5/m`, `10/500ms`.
fn rate(context: &Context<'_>, node: &Node) -> Option<Rate> {
    let text = context.text(node, "a rate such as `100/s`")?;
    let refused = |message: String| context.report.add(codes::PLUGIN_RULES, node.span, message);
    let Some((count, period)) = text.split_once('/') else {
        refused(format!("{} is no rate such as `100/s`", quoted(&text)));
        return None;
    };
    let Some(count) = count.trim().parse().ok().filter(|count| (1..=RATE_MAX).contains(count))
    else {
        let found = quoted(count.trim());
        refused(format!("{found} is no number of calls from 1 to {RATE_MAX}"));
        return None;
    };
    let period = period.trim();
    let unit = period.starts_with(|c: char| c.is_ascii_alphabetic());
    let period = if unit { format!("1{period}") } else { period.to_owned() };
    let period_ms = context.duration_text(&period, node.span)?;
    Some(Rate { count, period_ms })
}

/// What an instance always has may be a key: it is computed for undos and repeats as well.
fn per(context: &Context<'_>, node: &Node) -> Option<Per> {
    const OWN: NameSet = NameSet::VARS
        .and(NameSet::INPUT)
        .and(NameSet::KEY)
        .and(NameSet::INSTANCE)
        .and(NameSet::WORKFLOW);

    let env = Env { allowed: OWN, locals: &[] };
    let text = context.text(node, "a text such as `${ input.customer }`")?;
    let template = context.template_text(&text, node.span, env)?;
    if template.as_const().is_some() {
        let message = "`per` is the same for all calls: it needs `${ … }`".to_owned();
        context.report.add(codes::PLUGIN_RULES, node.span, message);
        return None;
    }
    Some(Per { text, template })
}
