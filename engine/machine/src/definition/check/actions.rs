//! Actions: named ones, inline mappings, lists and blocks of them.

use std::sync::Arc;

use super::context::Context;
use super::draft::Item;
use super::nearest::did_you_mean;
use super::values::Env;
use crate::definition::codes;
use crate::definition::expr::{Expr, ExprKind, NameSet, Template};
use crate::definition::model::{Action, SetPath};
use crate::definition::parse::{Key, Kind, Node};
use crate::definition::problem::{Span, quoted};
use crate::machine::checked_name;
use crate::value::Value;

/// The keys that say what an action does; the others are options.
const KINDS: [&str; 12] = [
    "call",
    "publish",
    "set",
    "raise",
    "log",
    "timer",
    "send",
    "cancel",
    "if",
    "each",
    "route",
    "checkpoint",
];

/// Names that belong to the system and are never assigned (rule 23).
const SYSTEM: [&str; 10] =
    ["event", "data", "key", "instance", "now", "workflow", "input", "output", "error", "steps"];

/// The named actions that a block used, with their places.
pub(super) type Uses = Vec<(Arc<str>, Span)>;

impl<'t> Context<'t> {
    /// `entry:` and `exit:`: one block, or a list of blocks (rule 21).
    pub(super) fn blocks(&self, node: &'t Node, env: Env<'_>, uses: &mut Uses) -> Vec<Vec<Item>> {
        if let Kind::List(items) = &node.kind
            && items.iter().any(|item| matches!(item.kind, Kind::List(_)))
        {
            return items.iter().map(|item| self.block(item, env, uses)).collect();
        }
        vec![self.block(node, env, uses)]
    }

    /// One block: a name, a mapping, or a list of these.
    pub(super) fn block(&self, node: &'t Node, env: Env<'_>, uses: &mut Uses) -> Vec<Item> {
        match &node.kind {
            Kind::Scalar(_) if node.is_null() => Vec::new(),
            Kind::Scalar(_) => {
                let Some(name) = self.text(node, "the name of an action") else {
                    return Vec::new();
                };
                let items = self.named(&name, node.span);
                uses.push((name, node.span));
                items
            }
            Kind::Map(_) => self.inline(node, None, env, uses).into_iter().collect(),
            Kind::List(items) => items
                .iter()
                .flat_map(|item| {
                    if matches!(item.kind, Kind::List(_)) {
                        self.wrong_type(item, "an action");
                        return Vec::new();
                    }
                    self.block(item, env, uses)
                })
                .collect(),
        }
    }

    /// A named action; it is looked at once, wherever it is used.
    pub(super) fn named(&self, name: &str, span: Span) -> Vec<Item> {
        let Some((key, node)) = self.outline.actions.get(name).copied() else {
            let known = self.outline.actions.keys().copied();
            let help = did_you_mean(name, known).or_else(|| {
                name.contains('.')
                    .then(|| format!("to call an operation write `{{ call: {name} }}`"))
            });
            let message = format!("no action {}", quoted(name));
            self.report.help(codes::UNKNOWN_ACTION, span, message, help);
            return Vec::new();
        };
        let key_text: &'t str = &key.text;
        self.used.borrow_mut().insert(key_text);
        let known = self.resolved.borrow().get(key_text).cloned();
        match known {
            Some(Some(items)) => return items,
            Some(None) => {
                let message = format!("action {} uses itself", quoted(name));
                self.report.add(codes::ACTION_CYCLE, span, message);
                return Vec::new();
            }
            None => {}
        }
        self.resolved.borrow_mut().insert(key_text, None);
        let mut uses = Uses::new();
        let items = match &node.kind {
            Kind::Map(_) => {
                self.inline(node, Some(&key.text), Env::ERROR, &mut uses).into_iter().collect()
            }
            Kind::Scalar(_) | Kind::List(_) => self.block(node, Env::ERROR, &mut uses),
        };
        self.resolved.borrow_mut().insert(key_text, Some(items.clone()));
        items
    }

    /// An inline action: one kind and its options.
    fn inline(
        &self,
        node: &'t Node,
        name: Option<&Arc<str>>,
        env: Env<'_>,
        uses: &mut Uses,
    ) -> Option<Item> {
        let fields = self.fields(node, "action", "an action");
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).copied();
        let mut kinds: Vec<(&Key, &'t Node)> =
            fields.iter().filter(|(key, _)| KINDS.contains(&&*key.text)).copied().collect();
        if get("call").is_some() || get("route").is_some() {
            kinds.retain(|(key, _)| &*key.text != "set");
        }
        let (key, value) = match kinds.as_slice() {
            [] => {
                let known = KINDS.map(|kind| format!("`{kind}`")).join(", ");
                let start = Span::new(node.span.start, node.span.start + 1);
                let message = format!("the action does nothing: none of {known}");
                self.report.add(codes::ACTION_KIND, start, message);
                return None;
            }
            [only] => *only,
            [(first, _), (second, _), ..] => {
                let message = format!("the action has `{}` and also `{}`", first.text, second.text);
                let help = "write a list of two actions".to_owned();
                self.report.help(codes::ACTION_KIND, second.span, message, help);
                return None;
            }
        };
        let options: &[&str] = match &*key.text {
            "call" => &["call", "with", "timeout", "retry", "set", "undo", "cache"],
            "publish" => &["publish", "with"],
            "route" => &["route", "set"],
            "raise" => &["raise", "with"],
            "send" if value.scalar().is_some() => &["send", "with"],
            _ => &[],
        };
        for (option, _) in &fields {
            if option.text != key.text && !options.contains(&&*option.text) {
                let message = format!("`{}` has no key {}", key.text, quoted(&option.text));
                self.report.add(codes::UNKNOWN_FIELD, option.span, message);
            }
        }
        let with = get("with").map(|(_, node)| node);
        match &*key.text {
            "call" => {
                let spec = self.call(name, &fields, env)?;
                Some(Item::Call(Arc::new(spec), value.span))
            }
            "if" => self.branches(value, env, uses),
            "each" => self.each(value, env, uses),
            "set" => Some(Item::Do(Action::Set(self.set(value, env)))),
            "publish" => self.publish(value, with, env).map(Item::Do),
            "raise" => self.raise(value, with, env).map(Item::Do),
            "log" => self.log(value, env).map(Item::Do),
            "checkpoint" => self.checkpoint(value, env).map(Item::Do),
            "route" => self.route(value, get("set").map(|(_, node)| node), env).map(Item::Do),
            "timer" => self.timer(value, env).map(Item::Do),
            "send" => self.send(value, with, env).map(Item::Do),
            _ => {
                let id = self.text_template(value, "the id of a timer", env)?;
                Some(Item::Do(Action::Cancel { id }))
            }
        }
    }

    /// `set:`: paths and expressions, in order (rule 23).
    pub(super) fn set(&self, node: &Node, env: Env<'_>) -> Vec<(SetPath, Expr)> {
        let Some(entries) = node.entries() else {
            self.wrong_type(node, "a mapping from variables to expressions");
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|(key, value)| {
                let path = self.set_path(&key.text, key.span);
                let expression = self.expression(value, ExprKind::Value, env);
                Some((path?, expression?))
            })
            .collect()
    }

    /// A path that `set:` writes to.
    pub(super) fn set_path(&self, text: &str, span: Span) -> Option<SetPath> {
        let text = text.strip_prefix("vars.").unwrap_or(text);
        let mut segments = text.split('.');
        let first = segments.next().unwrap_or_default();
        let members: Vec<Arc<str>> = segments.map(Arc::from).collect();
        if members.iter().any(|member| member.is_empty()) {
            let message = format!("path {} has an empty part", quoted(text));
            self.report.add(codes::NAME, span, message);
            return None;
        }
        let Some(at) = self.outline.vars.iter().position(|var| &**var == first) else {
            let known = self.outline.vars.iter().map(|var| &**var);
            let help = if SYSTEM.contains(&first) {
                Some(format!("`{first}` belongs to the system and cannot be set"))
            } else {
                did_you_mean(first, known)
                    .or_else(|| Some(format!("declare it: `vars: {{ {first}: null }}`")))
            };
            let message = format!("no variable {}", quoted(first));
            self.report.help(codes::UNKNOWN_VARIABLE, span, message, help);
            return None;
        };
        let var = u16::try_from(at).ok();
        Some(SetPath { var, members, text: text.into() })
    }

    fn log(&self, node: &'t Node, env: Env<'_>) -> Option<Action> {
        if node.scalar().is_some() {
            let value = self.data(None, node, env)?;
            return Some(Action::Log { label: "".into(), value });
        }
        let mut label: Arc<str> = "".into();
        let mut value = Some(Template::constant(Value::Null));
        for (key, node) in self.fields(node, "log", "`log`") {
            if &*key.text == "label" {
                label = self.text(node, "a label").unwrap_or_default();
            } else {
                value = self.data(None, node, env);
            }
        }
        Some(Action::Log { label, value: value? })
    }

    /// `checkpoint:`: the name of a point to fork from.
    pub(super) fn checkpoint(&self, node: &'t Node, env: Env<'_>) -> Option<Action> {
        let name = self.text_template(node, "the name of a checkpoint", env)?;
        let written = name.as_const().and_then(Value::as_str);
        if let Some(Err(reason)) = written.map(checked_name) {
            self.report.add(codes::NAME, node.span, reason);
            return None;
        }
        Some(Action::Checkpoint { name })
    }

    /// `if:`: the first branch whose guard is true (rule 24).
    fn branches(&self, node: &'t Node, env: Env<'_>, uses: &mut Uses) -> Option<Item> {
        let nodes: Vec<&'t Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Map(_) => vec![node],
            Kind::Scalar(_) => {
                self.wrong_type(node, "a list of `{ when, do }`");
                return None;
            }
        };
        let mut branches = Vec::with_capacity(nodes.len());
        let last = nodes.len().saturating_sub(1);
        for (at, node) in nodes.into_iter().enumerate() {
            let fields = self.fields(node, "branch", "a branch");
            let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name);
            let guard = get("when").map(|(_, node)| self.guard(node, env));
            if guard.is_none() && at < last {
                let start = Span::new(node.span.start, node.span.start + 1);
                let message = "only the last branch may be without `when`";
                self.report.add(codes::MISSING_FIELD, start, message);
            }
            let body = get("do").map(|(_, node)| self.block(node, env, uses)).unwrap_or_default();
            match guard {
                Some(None) => {}
                Some(guard) => branches.push((guard, body)),
                None => branches.push((None, body)),
            }
        }
        let item = Item::If(branches);
        if item.calls() { Some(item) } else { Some(Item::Do(plain_if(item)?)) }
    }

    /// `each:`: the same for every item of a list (rule 24).
    fn each(&self, node: &'t Node, env: Env<'_>, uses: &mut Uses) -> Option<Item> {
        let fields = self.fields(node, "each", "`each`");
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|f| f.1);
        let Some(list) = get("in") else {
            let start = Span::new(node.span.start, node.span.start + 1);
            self.report.add(codes::MISSING_FIELD, start, "`each` has no `in`: the list");
            return None;
        };
        let list = self.expression(list, ExprKind::Value, env);
        let item = get("as").map_or_else(|| Some("item".into()), |node| self.local(node));
        let index = get("index").map(|node| self.local(node));
        let mut locals = env.locals.to_vec();
        locals.extend(item.clone());
        locals.extend(index.clone().flatten());
        let inner = Env { allowed: env.allowed, locals: &locals };
        let body = get("do").map(|node| self.block(node, inner, uses)).unwrap_or_default();
        if let Some(call) = body.iter().find_map(Item::first_call) {
            let message = "a call inside `each` has no state that could wait for it";
            self.report.add(codes::CALL_PLACE, call, message);
            return None;
        }
        let body = body.into_iter().filter_map(plain_item).collect();
        Some(Item::Do(Action::Each { list: list?, item: item?, index: index.flatten(), body }))
    }

    /// The environment of a call's `set`.
    pub(super) fn with_output(env: Env<'_>) -> Env<'_> {
        Env { allowed: env.allowed.and(NameSet::CALL_SET), ..env }
    }
}

/// The item as an action; none where it is a call.
pub(super) fn plain_item(item: Item) -> Option<Action> {
    match item {
        Item::Do(action) => Some(action),
        Item::Call(..) => None,
        Item::If(_) => plain_if(item),
    }
}

fn plain_if(item: Item) -> Option<Action> {
    let Item::If(branches) = item else { return None };
    let branches = branches
        .into_iter()
        .map(|(guard, body)| (guard, body.into_iter().filter_map(plain_item).collect()));
    Some(Action::If(branches.collect()))
}
