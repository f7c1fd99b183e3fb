//! The definition as a whole.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::context::{Context, Report, wrong_type};
use super::events;
use super::lints;
use super::number::{Numbered, number};
use super::outline::{Outline, STATES_MAX};
use super::plugins;
use super::schedules;
use super::states::Builder;
use super::values::Env;
use crate::definition::child::Child;
use crate::definition::codes;
use crate::definition::extend::DERIVED_MIN;
use crate::definition::load::Dated;
use crate::definition::model::{
    Definition, Limits, OnError, PluginRules, Schedule, Unhandled, VarDecl,
};
use crate::definition::parse::{Node, canonical};
use crate::definition::problem::{Problem, Span, quoted};
use crate::machine::ContentHash;

/// The most transitions a definition may have (01 §10).
const TRANSITIONS_MAX: usize = 10_000;

/// What one look at a tree gives.
pub(crate) struct Checked {
    /// None where a problem is an error.
    pub(crate) definition: Option<Definition>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) children: Vec<Child>,
    pub(crate) dated: Vec<Dated>,
}

impl Checked {
    fn refused(report: Report<'_>, dated: Vec<Dated>) -> Self {
        let problems = report.into_problems();
        Self { definition: None, problems, children: Vec::new(), dated }
    }
}

/// Tree → definition; every problem is returned, and no definition where one is an error.
pub(crate) fn check(text: &str, origin: &str, root: &Node) -> Checked {
    let report = Report::new(text, origin, root);
    if root.entries().is_none() {
        wrong_type(&report, root, "a mapping that begins with `workflow: <name>`");
        return Checked::refused(report, Vec::new());
    }
    let outline = Outline::new(&report, root);
    let context = Context::new(report, outline);
    let mut head = Head::new(&context, root);
    let dated = std::mem::take(&mut head.dated);
    let mut builder = Builder::new(&context);
    builder.lower();
    builder.recipients();
    unused_actions(&context);
    let total: usize = builder
        .drafts
        .iter()
        .map(|draft| {
            draft.on.len() + draft.results.len() + draft.always.len() + draft.after.len() + 1
        })
        .sum();
    let start = Span::new(root.span.start, root.span.start);
    let too_large = |count: usize, limit: usize, what: &str| {
        if count > limit {
            let message = format!("{count} {what} exceed the limit of {limit}");
            context.report.add(codes::TOO_LARGE, start, message);
        }
    };
    too_large(total, TRANSITIONS_MAX, "transitions");
    too_large(builder.drafts.len() - 1, STATES_MAX, "states, with those for calls,");
    too_large(builder.sequences.len(), usize::from(u16::MAX), "call sequences and steps");
    let refused = context.report.has_errors();
    if refused && context.report.has(codes::TOO_LARGE) {
        return Checked::refused(context.report, dated);
    }
    builder.skip_unread();
    let numbered = number(builder);
    let (definition, spans) = head.finish(root, numbered, &context);
    if refused {
        // Warnings would be guesses here, but a loop of what can be read is one.
        lints::loops(&context, &definition, &spans);
        return Checked::refused(context.report, dated);
    }
    lints::lint(&context, &definition, &spans);
    let children = context.children();
    let problems = context.report.into_problems();
    let sound = !problems.iter().any(Problem::is_error);
    Checked { definition: sound.then_some(definition), problems, children, dated }
}

/// What a definition says about itself, besides its states.
struct Head {
    version: u32,
    derived_from: Option<u32>,
    title: Arc<str>,
    correlate: Option<crate::definition::expr::Expr>,
    events: Vec<(crate::definition::model::EventDecl, Span)>,
    schedules: Vec<Schedule>,
    dated: Vec<Dated>,
    plugins: Vec<PluginRules>,
    vars: Vec<VarDecl>,
    unhandled: Unhandled,
    on_error: OnError,
    limits: Limits,
}

impl Head {
    fn new<'t>(context: &Context<'t>, root: &'t Node) -> Self {
        let version = root.get("version").map_or(Some(1), |node| context.count(node));
        let derived_from = root.get("derived_from").and_then(|node| context.count(node));
        numbered_as_due(context, root, version.unwrap_or(1));
        let title = root.get("title").and_then(|node| context.text(node, "the title"));
        let correlate = root.get("correlate").and_then(|node| events::correlate(context, node));
        let events = root.get("events").map(|node| events::declared(context, node));
        let schedules = root.get("schedules").map(|node| schedules::declared(context, node));
        let (schedules, dated) = schedules.unwrap_or_default();
        let plugins = root.get("plugins").map(|node| plugins::declared(context, node));
        let unhandled = root.get("unhandled").and_then(|node| events::unhandled(context, node));
        let on_error = root.get("on_error").and_then(|node| events::on_error(context, node));
        Self {
            version: version.unwrap_or(1),
            derived_from,
            title: title.unwrap_or_else(|| Arc::clone(&context.outline.workflow)),
            correlate,
            events: events.unwrap_or_default(),
            schedules,
            dated,
            plugins: plugins.unwrap_or_default(),
            vars: vars(context, root),
            unhandled: unhandled.unwrap_or_default(),
            on_error: on_error.unwrap_or_default(),
            limits: limits(context, root),
        }
    }

    fn finish(
        self,
        root: &Node,
        numbered: Numbered,
        context: &Context<'_>,
    ) -> (Definition, lints::Spans) {
        let canonical: Arc<str> = canonical(root).into();
        let hash = ContentHash(Sha256::digest(canonical.as_bytes()).into());
        let spans = lints::Spans {
            states: numbered.state_spans,
            transitions: numbered.spans,
            uses: numbered.uses,
            entry_uses: numbered.entry_uses,
        };
        let definition = Definition {
            name: Arc::clone(&context.outline.workflow),
            version: self.version,
            derived_from: self.derived_from,
            title: self.title,
            hash,
            canonical,
            correlate: self.correlate,
            events: self.events.into_iter().map(|(event, _)| event).collect(),
            schedules: self.schedules,
            plugins: self.plugins.into_iter().map(Arc::new).collect(),
            vars: self.vars,
            states: numbered.states,
            transitions: numbered.transitions,
            sequences: numbered.sequences,
            graphs: numbered.graphs,
            unhandled: self.unhandled,
            on_error: self.on_error,
            limits: self.limits,
        };
        (definition, spans)
    }
}

/// Versions of authors and derived ones have numbers of their own.
fn numbered_as_due(context: &Context<'_>, root: &Node, version: u32) {
    let message = match root.get("derived_from") {
        Some(_) if version < DERIVED_MIN => {
            format!("version {version} is an author's; derived ones begin with {DERIVED_MIN}")
        }
        None if version >= DERIVED_MIN => {
            format!("version {version} exceeds the limit of {}", DERIVED_MIN - 1)
        }
        Some(_) | None => return,
    };
    let span = root.get("version").map_or(root.span, |node| node.span);
    context.report.add(codes::DERIVED, span, message);
}

fn vars(context: &Context<'_>, root: &Node) -> Vec<VarDecl> {
    let entries = root.get("vars").and_then(Node::entries).unwrap_or_default();
    if entries.len() > usize::from(u16::MAX) {
        let span = root.get("vars").map_or(root.span, |node| node.span);
        let message = format!("{} variables exceed the limit of {}", entries.len(), u16::MAX);
        context.report.add(codes::TOO_LARGE, span, message);
    }
    entries
        .iter()
        .filter_map(|(key, node)| {
            let initial = context.data(Some(key), node, Env::ACTION)?;
            Some(VarDecl { name: Arc::clone(&key.text), initial })
        })
        .collect()
}

fn limits<'t>(context: &Context<'t>, root: &'t Node) -> Limits {
    let mut limits = Limits::default();
    let Some(node) = root.get("limits") else { return limits };
    for (key, node) in context.fields(node, "limits", "`limits`") {
        let slot = match &*key.text {
            "microsteps" => &mut limits.microsteps,
            "internal_events" => &mut limits.internal_events,
            "actions" => &mut limits.actions,
            "effects" => &mut limits.effects,
            "outputs" => &mut limits.outputs_bytes,
            _ => &mut limits.vars_bytes,
        };
        let Some(count) = context.count(node) else { continue };
        if count > *slot {
            let message = format!("{} of {count} exceeds the limit of {slot}", quoted(&key.text));
            context.report.add(codes::LIMIT, node.span, message);
        }
        *slot = count;
    }
    limits
}

/// Named actions that nothing uses are looked at too, and then pointed out.
fn unused_actions(context: &Context<'_>) {
    let used = context.used.borrow().clone();
    for (name, (key, _)) in &context.outline.actions {
        if !used.contains(name) {
            context.named(name, key.span);
            let message = format!("action {} is never used", quoted(name));
            context.report.add(codes::UNUSED_ACTION, key.span, message);
        }
    }
}
