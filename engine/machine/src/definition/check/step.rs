//! A step: what it does, and what becomes of it.

use std::sync::Arc;

use super::context::Context;
use super::events::word;
use super::needs::Site;
use super::outline::Place;
use super::states::Builder;
use super::values::Env;
use crate::definition::codes;
use crate::definition::expr::Template;
use crate::definition::model::{
    Action, CallSpec, ChildSpec, Fanout, RetryPolicy, SeqStep, Step, StepFailure,
};
use crate::definition::parse::{Key, Kind, Node, Plain, plain};
use crate::definition::problem::{Span, quoted};
use crate::value::{Map, Value};

/// What a step can do.
const VERBS: [&str; 10] = [
    "call",
    "run",
    "publish",
    "wait",
    "route",
    "approval",
    "checkpoint",
    "begin",
    "commit",
    "rollback",
];

/// What belongs to the verb, of all keys.
const OPTIONS: [&str; 6] = ["with", "timeout", "retry", "set", "undo", "cache"];

type Fields<'t> = [(&'t Key, &'t Node)];

/// The words of `on_failure:`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    Abort,
    Skip,
    Retry,
    Fallback,
}

impl<'t> Builder<'_, 't> {
    /// One of the steps that are listed together.
    pub(super) fn step(&mut self, site: Site<'_, 't>) -> Option<Step> {
        let context = self.context;
        let named = site.listed.steps.get(site.at)?;
        let fields = context.fields(named.node, "step", "a step");
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
        let each = get("foreach").map(|node| context.foreach(node));
        let on_failure = get("on_failure").and_then(|node| on_failure(context, node));
        let fan = each.as_ref().and_then(Option::as_ref);
        let program = self.work(site.listed.place, &named.id, named.node, &fields, fan, on_failure);
        let fallback = get("fallback").map(|node| context.fallback(site, node));
        if on_failure == Some(OnFailure::Fallback) && fallback.is_none() {
            let message = "`on_failure: fallback` without `fallback`";
            context.report.add(codes::MISSING_FIELD, named.span, message);
        }
        if let (Some(key), Some(OnFailure::Abort | OnFailure::Skip)) =
            (fields.iter().find(|(key, _)| &*key.text == "fallback"), on_failure)
        {
            let message = "`fallback` is not what `on_failure` says";
            context.report.add(codes::CONTRADICTION, key.0.span, message);
        }
        let deadline = get("deadline").and_then(|node| context.duration(node));
        let when = get("when").map(|node| context.guard(node, Env::ACTION));
        let step = Step {
            id: Arc::clone(&named.id),
            title: get("title")
                .and_then(|node| context.text(node, "the title"))
                .unwrap_or_else(|| Arc::clone(&named.id)),
            metadata: get("metadata").map(literal).unwrap_or_default(),
            program: program?,
            needs: get("needs").map(|node| context.needs(site, node)).unwrap_or_default(),
            dependents: Vec::new(),
            when: when.flatten(),
            optional: optional(context, &fields),
            on_failure: match (fallback.flatten(), on_failure) {
                (Some(step), _) => StepFailure::Fallback(step),
                (None, Some(OnFailure::Skip)) => StepFailure::Skip,
                (None, Some(OnFailure::Abort | OnFailure::Retry | OnFailure::Fallback) | None) => {
                    StepFailure::Abort
                }
            },
            fallback_of: site.fallback_of(site.at).and_then(|step| u16::try_from(step).ok()),
            deadline_ms: waiting_time(context, &fields, deadline),
            each: each.flatten(),
            line: context.report.line(named.span),
        };
        Some(step)
    }

    /// What the step does, as a program of the state.
    fn work(
        &mut self,
        place: Place,
        id: &str,
        node: &'t Node,
        fields: &Fields<'t>,
        fan: Option<&Fanout>,
        on_failure: Option<OnFailure>,
    ) -> Option<u16> {
        let context = self.context;
        let verb = context.verb(node, fields)?;
        context.options(verb, fields);
        let locals: Vec<Arc<str>> = fan
            .map(|fan| std::iter::once(&fan.item).chain(&fan.index).cloned().collect())
            .unwrap_or_default();
        let env = Env { locals: &locals, ..Env::ACTION };
        let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
        // Each item is what its call is about.
        let item = fan.filter(|_| get("with").is_none()).and_then(|fan| {
            Template::compile_text(&format!("${{{}}}", fan.item), &context.names(env)).ok()
        });
        let state = &context.outline.state(place).id;
        let invoke_id: Arc<str> = format!("{state}.{id}").into();
        let retries = on_failure == Some(OnFailure::Retry);
        let asks = matches!(verb, "call" | "begin" | "commit" | "rollback");
        if retries && !asks {
            let message = format!("`on_failure: retry` is for calls, not for `{verb}`");
            context.report.add(codes::RETRY, node.span, message);
        }
        let set = || get("set").map(|node| context.set(node, env)).unwrap_or_default();
        let steps = match verb {
            "call" => {
                let mut spec = context.call(None, fields, env)?;
                spec.with = spec.with.or(item);
                if retries && get("retry").is_none() {
                    spec.retry = RetryPolicy::written();
                }
                vec![SeqStep::Call { spec: Arc::new(spec), invoke_id }]
            }
            "run" => {
                let mut spec = context.run_step(get("run")?, fields, env)?;
                spec.with = spec.with.or(item);
                vec![SeqStep::Child { spec: Arc::new(spec), invoke_id }]
            }
            "publish" => {
                let mut publish = context.publish(get("publish")?, get("with"), env)?;
                if let Action::Publish { with, .. } = &mut publish {
                    *with = with.take().or(item);
                }
                let kept = get("set").map(|_| SeqStep::Do(Action::Set(set())));
                std::iter::once(SeqStep::Do(publish)).chain(kept).collect()
            }
            "wait" => vec![context.wait(get("wait")?, fields, env)?],
            "approval" => {
                let beside = (get("set"), get("foreach"));
                vec![context.approval_step(get("approval")?, id, beside)?]
            }
            "begin" | "commit" | "rollback" => {
                let mut spec = context.transaction_step(verb, get(verb)?, fields, env)?;
                if retries && get("retry").is_none() {
                    spec.retry = RetryPolicy::written();
                }
                vec![SeqStep::Call { spec: Arc::new(spec), invoke_id }]
            }
            "checkpoint" => vec![SeqStep::Do(context.checkpoint(get("checkpoint")?, env)?)],
            "route" => vec![SeqStep::Do(context.route(get("route")?, get("set"), env)?)],
            _ => vec![SeqStep::Do(Action::Set(set()))],
        };
        Some(self.program(place, steps))
    }
}

impl<'t> Context<'t> {
    /// The one thing that a step does.
    fn verb(&self, node: &'t Node, fields: &Fields<'t>) -> Option<&'static str> {
        let start = Span::new(node.span.start, node.span.start + 1);
        let mut found = Vec::new();
        for (key, _) in fields {
            found.extend(VERBS.iter().find(|verb| **verb == &*key.text).map(|verb| (*verb, key)));
        }
        match found.as_slice() {
            [(verb, _)] => Some(verb),
            [(first, _), (second, key), ..] => {
                let message = format!("the step has `{first}` and also `{second}`");
                let help = "write two steps, the second with `needs` of the first".to_owned();
                self.report.help(codes::STEP_KIND, key.span, message, help);
                None
            }
            [] if fields.iter().any(|(key, _)| &*key.text == "set") => Some("set"),
            [] => {
                let known = VERBS.map(|verb| format!("`{verb}`")).join(", ");
                let message = format!("the step does nothing: none of {known}, `set`");
                self.report.add(codes::STEP_KIND, start, message);
                None
            }
        }
    }

    /// Which options the verb has.
    fn options(&self, verb: &str, fields: &Fields<'t>) {
        let known: &[&str] = match verb {
            "call" => &OPTIONS,
            "run" | "wait" => &["with", "timeout", "set"],
            "approval" => &["timeout", "set"],
            "begin" | "commit" | "rollback" => &["timeout", "retry"],
            "checkpoint" => &[],
            "publish" => &["with", "set"],
            _ => &["set"],
        };
        for (key, _) in fields {
            let text = &*key.text;
            let useless = OPTIONS.contains(&text) && !known.contains(&text);
            if text == "undo" && useless {
                let message = format!("`{verb}` cannot be taken back by a call");
                self.report.add(codes::UNDO, key.span, message);
            } else if useless || (verb == "wait" && text == "with") {
                let message = format!("`{verb}` has no key {}", quoted(text));
                self.report.add(codes::UNKNOWN_FIELD, key.span, message);
            }
        }
    }

    /// `run:` of a step; `with` and `set` may stand inside it or beside it.
    fn run_step(&self, node: &'t Node, fields: &Fields<'t>, env: Env<'_>) -> Option<ChildSpec> {
        let inner = self.run_fields(node);
        let beside = fields.iter().filter(|(key, _)| matches!(&*key.text, "with" | "set"));
        for (key, _) in beside.clone() {
            if let Some((inside, _)) = inner.iter().find(|(inner, _)| inner.text == key.text) {
                let message = format!("{} stands beside `run` too", quoted(&key.text));
                self.report.add(codes::CONTRADICTION, inside.span, message);
            }
        }
        let workflow = node.scalar().is_some().then(|| self.workflow(node, env));
        let all: Vec<_> = inner.iter().chain(beside).copied().collect();
        self.child(workflow, &all, env)
    }

    /// `wait:`: events, and which of them.
    fn wait(&self, node: &'t Node, fields: &Fields<'t>, env: Env<'_>) -> Option<SeqStep> {
        let mut list = Some(node);
        let mut when = None;
        if node.entries().is_some() {
            let fields = self.fields(node, "wait", "`wait`");
            let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|it| it.1);
            list = get("event");
            when = get("when").map(|node| self.guard(node, env));
            if list.is_none() {
                let start = Span::new(node.span.start, node.span.start + 1);
                self.report.add(codes::MISSING_FIELD, start, "`wait` has no `event`");
            }
        }
        let texts = list.map(|node| self.texts(node, "an event name")).unwrap_or_default();
        let events = texts.iter().filter_map(|(text, span)| self.trigger(text, *span)).collect();
        let set = fields.iter().find(|(key, _)| &*key.text == "set");
        let set = set.map(|(_, node)| self.set(node, Self::with_output(env))).unwrap_or_default();
        Some(SeqStep::Wait { events, when: when.flatten(), set })
    }

    /// `undo:`: an operation, or a call with options.
    pub(super) fn undo(&self, node: &'t Node, env: Env<'_>) -> Option<Arc<CallSpec>> {
        // What the call gave is known, and of a `foreach` the item that it was made for.
        let env = Self::with_output(env);
        if node.entries().is_none() {
            let operation = self.operation(node)?;
            return Some(Arc::new(CallSpec::plain(operation)));
        }
        let fields = self.fields(node, "undo", "`undo`");
        if !fields.iter().any(|(key, _)| &*key.text == "call") {
            let start = Span::new(node.span.start, node.span.start + 1);
            self.report.add(codes::UNDO, start, "`undo` has no `call`");
            return None;
        }
        self.call(None, &fields, env).map(Arc::new)
    }
}

fn on_failure(context: &Context<'_>, node: &Node) -> Option<OnFailure> {
    let words = [
        ("abort", OnFailure::Abort),
        ("skip", OnFailure::Skip),
        ("retry", OnFailure::Retry),
        ("fallback", OnFailure::Fallback),
    ];
    word(context, node, &words)
}

/// `optional: true`, or `critical: false`.
fn optional(context: &Context<'_>, fields: &Fields<'_>) -> bool {
    let get = |name: &str| {
        let found = fields.iter().find(|(key, _)| &*key.text == name);
        found.and_then(|(key, node)| Some((key.span, context.bool(node)?)))
    };
    let (optional, critical) = (get("optional"), get("critical"));
    if let (Some((_, optional)), Some((span, critical))) = (optional, critical)
        && optional == critical
    {
        let message =
            format!("the step has `optional: {optional}` and also `critical: {critical}`");
        context.report.add(codes::CONTRADICTION, span, message);
    }
    optional.map_or_else(|| critical.is_some_and(|(_, critical)| !critical), |(_, yes)| yes)
}

/// The deadline; `timeout` is one too where nothing is tried again.
fn waiting_time(context: &Context<'_>, fields: &Fields<'_>, deadline: Option<u64>) -> Option<u64> {
    let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name);
    let Some((key, node)) = get("timeout") else { return deadline };
    if ["run", "wait", "approval"].iter().all(|verb| get(verb).is_none()) {
        return deadline;
    }
    if get("foreach").is_some() {
        let message = "`timeout` of an item is for calls; `deadline` is for all items together";
        context.report.add(codes::CONTRADICTION, key.span, message);
        return deadline;
    }
    let timeout = context.duration(node);
    deadline.into_iter().chain(timeout).min()
}

/// Data as it is written.
fn literal(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) => match plain(scalar) {
            Plain::Null => Value::Null,
            Plain::Bool(value) => Value::Bool(value),
            Plain::Number(value, _) => value,
            Plain::OutOfRange | Plain::Text => Value::String(Arc::clone(&scalar.text)),
        },
        Kind::List(items) => Value::list(items.iter().map(literal).collect()),
        Kind::Map(entries) => {
            let entries = entries.iter();
            let map: Map =
                entries.map(|(key, value)| (Arc::clone(&key.text), literal(value))).collect();
            map.into()
        }
    }
}
