//! Calls with their options, and the actions that make events and messages.

use std::sync::Arc;

use super::context::Context;
use super::events::{reserved, word};
use super::values::{Env, name_problem};
use crate::definition::codes;
use crate::definition::expr::Template;
use crate::definition::model::{Action, Backoff, CallSpec, KindSet, RetryPolicy, check_event_name};
use crate::definition::parse::{Key, Kind, Node};
use crate::definition::problem::{Span, quoted};
use crate::machine::ErrorKind;
use crate::value::{Map, Value};

/// The most attempts of one call.
const ATTEMPTS_MAX: u32 = 1_000;
/// The longest name of a plugin or an operation, in bytes: that of a service on the bus.
const SERVICE_NAME_MAX: usize = 64;

impl<'t> Context<'t> {
    /// A call from its keys.
    pub(super) fn call(
        &self,
        name: Option<&Arc<str>>,
        fields: &[(&'t Key, &'t Node)],
        env: Env<'_>,
    ) -> Option<CallSpec> {
        let mut operation = None;
        let mut spec = CallSpec::plain("".into());
        for (key, node) in fields {
            match &*key.text {
                "call" => operation = self.operation(node),
                "with" => spec.with = self.data(None, node, env),
                "timeout" => spec.timeout_ms = self.duration(node).unwrap_or_default(),
                "retry" => spec.retry = self.retry(node),
                "set" => spec.set = self.set(node, Self::with_output(env)),
                "undo" => spec.undo = self.undo(node, env),
                "cache" => spec.cache = self.cache(node, env),
                _ => {}
            }
        }
        spec.operation = operation?;
        self.transaction_call(&spec, fields);
        self.cached_call(&spec, fields);
        spec.name = name.map_or_else(|| Arc::clone(&spec.operation), Arc::clone);
        Some(spec)
    }

    /// `plugin.operation` or `plugin@^1.2.operation`.
    pub(super) fn operation(&self, node: &Node) -> Option<Arc<str>> {
        let text = self.text(node, "`plugin.operation`")?;
        let problem = operation_problem(&text);
        if let Some(problem) = problem {
            let message = format!("operation {} {problem}", quoted(&text));
            self.report.add(codes::OPERATION, node.span, message);
            return None;
        }
        self.operations.borrow_mut().insert(Arc::clone(&text));
        Some(text)
    }

    pub(super) fn retry(&self, node: &'t Node) -> RetryPolicy {
        let mut policy = RetryPolicy::written();
        for (key, node) in self.fields(node, "retry", "`retry`") {
            match &*key.text {
                "attempts" => policy.attempts = self.count(node).unwrap_or(1),
                "max" => policy.attempts = self.count(node).unwrap_or(1).saturating_add(1),
                "delay" => {
                    let delay_ms = self.duration(node).unwrap_or_default();
                    policy.backoff = Backoff::Fixed { delay_ms };
                }
                "on" => policy.on = self.kinds(node),
                "backoff" => policy.backoff = self.backoff(node).unwrap_or(policy.backoff),
                _ => policy.jitter = self.bool(node).unwrap_or_default(),
            }
            if policy.attempts > ATTEMPTS_MAX {
                let message =
                    format!("{} attempts exceed the limit of {ATTEMPTS_MAX}", policy.attempts);
                self.report.add(codes::RETRY, node.span, message);
                policy.attempts = ATTEMPTS_MAX;
            }
        }
        policy
    }

    /// `on:` of a retry: one kind of failure, or several.
    fn kinds(&self, node: &Node) -> KindSet {
        let words = [
            ("retryable", ErrorKind::Retryable),
            ("timeout", ErrorKind::Timeout),
            ("plugin_not_found", ErrorKind::PluginNotFound),
            ("invalid_reply", ErrorKind::InvalidReply),
            ("permanent", ErrorKind::Permanent),
        ];
        let nodes = match &node.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(node),
        };
        if nodes.is_empty() {
            self.report.add(codes::RETRY, node.span, "`on` of nothing: nothing is tried again");
        }
        let kinds = nodes.iter().filter_map(|node| word(self, node, &words));
        kinds.fold(KindSet::NONE, KindSet::with)
    }

    fn backoff(&self, node: &Node) -> Option<Backoff> {
        let Some((first, cap)) = node.scalar().and_then(|scalar| scalar.text.split_once(".."))
        else {
            return self.duration(node).map(|delay_ms| Backoff::Fixed { delay_ms });
        };
        let first_ms = self.duration_text(first, node.span);
        let cap_ms = self.duration_text(cap, node.span);
        let (first_ms, cap_ms) = (first_ms?, cap_ms?);
        if first_ms > cap_ms {
            let message = format!("the first wait `{first}` exceeds the longest `{cap}`");
            self.report.add(codes::RETRY, node.span, message);
            return None;
        }
        Some(Backoff::Exponential { first_ms, cap_ms })
    }

    pub(super) fn publish(
        &self,
        node: &Node,
        with: Option<&'t Node>,
        env: Env<'_>,
    ) -> Option<Action> {
        let with = with.map(|node| self.data(None, node, env));
        let subject = self.text_template(node, "a subject", env)?;
        if let Some(text) = subject.as_const().and_then(Value::as_str)
            && let Some(problem) = subject_problem(text)
        {
            let message = format!("subject {} {problem}", quoted(text));
            self.report.add(codes::SUBJECT, node.span, message);
        }
        Some(Action::Publish { subject, with: optional(with)? })
    }

    pub(super) fn raise(
        &self,
        node: &Node,
        with: Option<&'t Node>,
        env: Env<'_>,
    ) -> Option<Action> {
        let with = with.map(|node| self.data(None, node, env));
        let event = self.event_name(node)?;
        reserved(self, &event, node.span);
        self.made.borrow_mut().insert(Arc::clone(&event));
        Some(Action::Raise { event, with: optional(with)? })
    }

    /// An event name as authors may write it.
    pub(super) fn event_name(&self, node: &Node) -> Option<Arc<str>> {
        let name = self.text(node, "an event name")?;
        self.check_event(&name, node.span).then_some(name)
    }

    pub(super) fn check_event(&self, name: &str, span: Span) -> bool {
        let problem = if name.contains('~') {
            Err(format!("event name {} has a `~`", quoted(name)))
        } else {
            check_event_name(name)
        };
        if let Err(message) = &problem {
            self.report.add(codes::EVENT_NAME, span, message.as_str());
        }
        problem.is_ok()
    }

    pub(super) fn timer(&self, node: &'t Node, env: Env<'_>) -> Option<Action> {
        let (mut id, mut id_text, mut after, mut replace) = (None, None, None, false);
        let mut event = Template::constant(Value::from("timer.expired"));
        for (key, node) in self.fields(node, "timer", "`timer`") {
            match &*key.text {
                "id" => {
                    id_text = node.scalar().map(|scalar| Arc::clone(&scalar.text));
                    id = self.text_template(node, "the timer's id", env);
                }
                "after" => after = self.delay_node(node, env),
                "event" => event = self.sent_event(node, env)?,
                _ => replace = self.bool(node).unwrap_or_default(),
            }
        }
        if node.get("event").is_none() {
            self.made.borrow_mut().insert("timer.expired".into());
        }
        let start = Span::new(node.span.start, node.span.start + 1);
        for (name, what) in [("id", "the name of the timer"), ("after", "how long it runs")] {
            if node.get(name).is_none() {
                let message = format!("`timer` has no `{name}`: {what}");
                self.report.add(codes::MISSING_FIELD, start, message);
            }
        }
        let with = id.clone().map(|id| match (id.as_const(), id_text) {
            (Some(_), Some(text)) => {
                let mut data = Map::new();
                data.insert("timerId", Value::String(text));
                Template::constant(Value::from(data))
            }
            _ => Template::Map(vec![("timerId".into(), id)]),
        });
        Some(Action::Send {
            event,
            with,
            after: Some(after?),
            id: Some(id?),
            replace,
            id_to: None,
            to: None,
        })
    }

    pub(super) fn send(
        &self,
        node: &'t Node,
        with: Option<&'t Node>,
        env: Env<'_>,
    ) -> Option<Action> {
        let mut event = None;
        let mut with = with.map(|node| self.data(None, node, env));
        let (mut after, mut id, mut id_to, mut replace) = (None, None, None, false);
        let mut to = None;
        if node.scalar().is_some() {
            event = self.sent_event(node, env);
        } else {
            for (key, node) in self.fields(node, "send", "`send`") {
                match &*key.text {
                    "event" => event = self.sent_event(node, env),
                    "with" => with = Some(self.data(None, node, env)),
                    "after" => after = Some(self.delay_node(node, env)),
                    "id" => id = Some(self.text_template(node, "the id", env)),
                    "to" => to = Some(self.recipient(node, env)),
                    "id_to" => {
                        let path = self.text(node, "a variable");
                        id_to = path.and_then(|path| self.set_path(&path, node.span));
                    }
                    _ => replace = self.bool(node).unwrap_or_default(),
                }
            }
            if node.get("event").is_none() {
                let start = Span::new(node.span.start, node.span.start + 1);
                self.report.add(codes::MISSING_FIELD, start, "`send` has no `event`");
            }
        }
        let (after, id) = (optional(after)?, optional(id)?);
        Some(Action::Send {
            event: event?,
            with: optional(with)?,
            after,
            id,
            replace,
            id_to,
            to: optional(to)?,
        })
    }

    fn sent_event(&self, node: &Node, env: Env<'_>) -> Option<Template> {
        let event = self.text_template(node, "an event name", env)?;
        match event.as_const().and_then(Value::as_str) {
            Some(name) => {
                self.made.borrow_mut().insert(name.into());
                if !self.check_event(name, node.span) {
                    return None;
                }
                reserved(self, name, node.span);
            }
            None => self.makes_any.set(true),
        }
        Some(event)
    }
}

/// `None` where nothing was written, an error where what was written is wrong.
#[expect(clippy::option_option, reason = "absent, wrong and right are three things here")]
fn optional<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(value) => Some(value),
    }
}

fn operation_problem(text: &str) -> Option<String> {
    let Some((plugin, operation)) = text.rsplit_once('.') else {
        return Some("is not `plugin.operation`".to_owned());
    };
    let (plugin, version) = plugin.split_once('@').unwrap_or((plugin, "*"));
    if version.trim() != version || semver::VersionReq::parse(version).is_err() {
        return Some(format!("asks for the version {}", quoted(version)));
    }
    let long = |text: &str| {
        let long = text.len() > SERVICE_NAME_MAX;
        long.then(|| format!("has {} bytes, the limit is {SERVICE_NAME_MAX}", text.len()))
    };
    // An operation of digits only is the tail of a requirement: `validator@^1.2`.
    let digits = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| format!("{} has digits only", quoted(text)))
    };
    let part = |what: &str, problem: Option<String>| {
        problem.map(|problem| format!("is not `plugin.operation`: {what} {problem}"))
    };
    let name = |text: &str| name_problem(text, true).or_else(|| long(text));
    part("the plugin", name(plugin))
        .or_else(|| part("the operation", name(operation).or_else(|| digits(operation))))
}

/// What is wrong with a subject to publish to.
fn subject_problem(text: &str) -> Option<String> {
    if text.starts_with("gearshift.") || text.starts_with('$') || text == "gearshift" {
        return Some("belongs to the engine or to the bus".to_owned());
    }
    let bad = |token: &str| {
        token.is_empty()
            || token.chars().any(|c| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    let token = text.split('.').find(|token| bad(token))?;
    Some(format!("has the token {}", quoted(token)))
}
