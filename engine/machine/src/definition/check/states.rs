//! States: each key of each, in document order.

use std::sync::Arc;

use super::actions::Uses;
use super::context::Context;
use super::draft::{Draft, DraftSequence, Edge, Item};
use super::events;
use super::outline::Place;
use super::steps::{self, DraftGraph};
use super::transitions::{done_trigger, failed_trigger};
use super::values::Env;
use crate::definition::codes;
use crate::definition::model::{Action, Descriptor, StateKind, Trigger};
use crate::definition::parse::{Key, Node};
use crate::definition::problem::{Span, quoted};

/// The states of a definition under construction.
pub(super) struct Builder<'c, 't> {
    pub(super) context: &'c Context<'t>,
    pub(super) drafts: Vec<Draft>,
    pub(super) sequences: Vec<DraftSequence>,
    pub(super) graphs: Vec<DraftGraph>,
}

impl<'c, 't> Builder<'c, 't> {
    /// Looks at every state.
    pub(super) fn new(context: &'c Context<'t>) -> Self {
        let drafts = context.outline.states.iter().map(Draft::new).collect();
        let mut builder = Self { context, drafts, sequences: Vec::new(), graphs: Vec::new() };
        for place in 0..context.outline.states.len() {
            builder.state(place);
        }
        builder
    }

    /// The state at `place`.
    pub(super) fn draft(&mut self, place: Place) -> &mut Draft {
        self.drafts.get_mut(place).unwrap_or_else(|| panic!("no state at place {place}"))
    }

    fn state(&mut self, place: Place) {
        let context = self.context;
        let outline = &context.outline;
        let named = outline.state(place);
        let root = place == 0;
        let (table, what) = if root {
            ("root", "a definition".to_owned())
        } else {
            ("state", "a state".to_owned())
        };
        let fields = context.fields(named.node, table, &what);
        if root {
            self.root_steps(&fields);
        } else {
            self.kind(place, &fields);
        }
        for (key, node) in fields {
            self.field(place, key, node);
        }
        self.failed_by_id(place);
        let has_default = matches!(named.kind, StateKind::Compound);
        if has_default && self.draft(place).initial.is_none() {
            let first = named
                .children
                .iter()
                .find(|child| !matches!(outline.state(**child).kind, StateKind::History { .. }));
            let span = named.span;
            self.draft(place).initial = first.map(|first| implied(place, *first, span));
        }
        if named.kind != StateKind::Atomic {
            self.initial_below(place);
        }
    }

    /// `failed:` of a state takes the failures of calls that have ids of their own too.
    fn failed_by_id(&mut self, place: Place) {
        let draft = self.draft(place);
        let plain = failed_trigger(&draft.id);
        let ids = std::mem::take(&mut draft.invoke_ids);
        for edge in draft.results.iter_mut().filter(|edge| edge.trigger == plain) {
            let Trigger::Events(descriptors) = &mut edge.trigger else { continue };
            for id in &ids {
                if let Trigger::Events(more) = failed_trigger(id) {
                    descriptors.extend(more);
                }
            }
        }
    }

    fn field(&mut self, place: Place, key: &'t Key, node: &'t Node) {
        let context = self.context;
        let id = Arc::clone(&context.outline.state(place).id);
        match &*key.text {
            "entry" => self.entry(place, node),
            "exit" => {
                let blocks = context.blocks(node, Env::ERROR, &mut Uses::new());
                self.draft(place).exit = blocks.into_iter().map(without_waiting).collect();
            }
            "on" | "true" => self.draft(place).on = context.on(node, place),
            "always" => {
                let edges = context.edges(node, place, &Trigger::Always, "transition");
                self.draft(place).always = edges;
            }
            "after" => self.draft(place).after = context.after(node, place),
            "done" => {
                let edges = context.edges(node, place, &done_trigger(&id), "transition");
                self.draft(place).results.extend(edges);
            }
            "failed" => {
                let edges = context.edges(node, place, &failed_trigger(&id), "transition");
                self.draft(place).results.extend(edges);
            }
            "defer" => self.defer(place, node),
            "unhandled" => self.draft(place).unhandled = events::unhandled(context, node),
            "approval" => self.draft(place).approval = context.approval(node, &id),
            "invoke" => self.invoke(place, node),
            "run" => self.run(place, node),
            "steps" => self.graph(place),
            // Beside steps it is what they give.
            "output" if context.outline.has_steps(place) => {}
            "output" => self.draft(place).output = context.data(None, node, Env::ACTION),
            "initial" => self.draft(place).initial = context.default_edge(node, place, "initial"),
            "default" => self.draft(place).initial = context.default_edge(node, place, "default"),
            "final" => {
                context.bool(node);
            }
            // Read by the outline, or keys of the definition as a whole.
            _ => {}
        }
    }

    /// Which keys a kind of state may have.
    fn kind(&self, place: Place, fields: &[(&Key, &Node)]) {
        let context = self.context;
        let named = context.outline.state(place);
        let refuse = |code, allowed: &[&str], what: &str| {
            for (key, _) in fields {
                if !allowed.contains(&&*key.text) {
                    let message = format!("{what} cannot have {}", quoted(&key.text));
                    context.report.add(code, key.span, message);
                }
            }
        };
        let forbid = |code, keys: &[&str], what: &str| {
            for (key, _) in fields.iter().filter(|(key, _)| keys.contains(&&*key.text)) {
                let message = format!("{what} cannot have {}", quoted(&key.text));
                context.report.add(code, key.span, message);
            }
        };
        match named.kind {
            StateKind::History { .. } => {
                refuse(codes::HISTORY, &["history", "default"], "a history state");
                self.history(place);
            }
            StateKind::Final => {
                refuse(codes::FINAL_STATE, &["final", "entry", "exit", "output"], "a final state");
                let of_parallel = named
                    .parent
                    .is_some_and(|up| context.outline.state(up).kind == StateKind::Parallel);
                if of_parallel {
                    let message = format!("region {} cannot be final", quoted(&named.id));
                    context.report.add(codes::FINAL_STATE, named.span, message);
                }
            }
            StateKind::Parallel => {
                let keys = ["states", "initial", "output", "default", "approval"];
                forbid(codes::PARALLEL, &keys, "a parallel state");
                forbid(codes::STEPS, &["steps"], "a parallel state");
                steps::misplaced(context, fields, "a parallel state");
                let regions = named.children.iter();
                let real = |child: &&Place| {
                    !matches!(context.outline.state(**child).kind, StateKind::History { .. })
                };
                // Where nothing is written at all, that was said before.
                if !named.children.is_empty() && regions.filter(real).count() == 0 {
                    let message = format!("parallel state {} has no region", quoted(&named.id));
                    context.report.add(codes::PARALLEL, named.span, message);
                }
            }
            StateKind::Compound => {
                forbid(codes::HISTORY, &["default"], "a state without `history`");
                forbid(codes::FINAL_STATE, &["output"], "a state that is not final");
                forbid(codes::APPROVAL, &["approval"], "a state with children");
                forbid(codes::STEPS, &["steps"], "a state with children");
                steps::misplaced(context, fields, "a state with children");
            }
            StateKind::Atomic => {
                forbid(codes::HISTORY, &["default"], "a state without `history`");
                if !context.outline.has_steps(place) {
                    forbid(codes::FINAL_STATE, &["output"], "a state that is not final");
                    steps::misplaced(context, fields, "a state without `steps`");
                }
                forbid(codes::INITIAL, &["initial"], "a state without children");
            }
        }
    }

    fn history(&self, place: Place) {
        let context = self.context;
        let named = context.outline.state(place);
        let report = &context.report;
        let kind = named.node.get("history").and_then(Node::scalar).map(|scalar| &*scalar.text);
        if !matches!(kind, Some("shallow" | "deep"))
            && let Some(node) = named.node.get("history")
        {
            context.wrong_type(node, "`shallow` or `deep`");
        }
        if named.node.get("default").is_none() {
            let message = format!("history state {} has no `default`", quoted(&named.id));
            report.add(codes::HISTORY, named.span, message);
        }
        if named.parent == Some(0) {
            let message = format!("history state {} has no parent that is left", quoted(&named.id));
            let help = "put it inside the compound or parallel state it stands for".to_owned();
            report.help(codes::HISTORY, named.span, message, help);
        }
    }

    /// `initial` leads below its state, `default` below the history's parent.
    fn initial_below(&mut self, place: Place) {
        let outline = &self.context.outline;
        let named = outline.state(place);
        let history = matches!(named.kind, StateKind::History { .. });
        let Some(edge) = self.drafts.get(place).and_then(|draft| draft.initial.as_ref()) else {
            return;
        };
        let owner = if history { named.parent.unwrap_or(0) } else { place };
        for target in &edge.targets {
            let above = std::iter::successors(outline.state(*target).parent, |up| {
                outline.state(*up).parent
            });
            let inside = above.into_iter().any(|up| up == owner) && *target != place;
            if history && matches!(outline.state(*target).kind, StateKind::History { .. }) {
                let id = &outline.state(*target).id;
                let message = format!("`{id}` is a history state itself; `default` names a state");
                self.context.report.add(codes::HISTORY, edge.to_span, message);
                continue;
            }
            if !inside {
                let (id, owner) = (&outline.state(*target).id, &outline.state(owner).id);
                let message = format!("state `{id}` is not inside `{owner}`");
                let code = if history { codes::HISTORY } else { codes::INITIAL };
                self.context.report.add(code, edge.to_span, message);
            } else if named.kind == (StateKind::History { deep: false })
                && outline.state(*target).parent != named.parent
            {
                let (id, owner) = (&outline.state(*target).id, &outline.state(owner).id);
                let message = format!("state `{id}` is not directly inside `{owner}`");
                let help = "name a child: `shallow` keeps children only; or say `history: deep`";
                let report = &self.context.report;
                report.help(codes::SHALLOW_DEFAULT, edge.to_span, message, help.to_owned());
            }
        }
    }

    fn entry(&mut self, place: Place, node: &'t Node) {
        let mut uses = Uses::new();
        let blocks = self.context.blocks(node, Env::ERROR, &mut uses);
        let is_final = self.draft(place).kind == StateKind::Final;
        for block in blocks {
            if is_final && let Some(call) = block.iter().find_map(Item::first_call) {
                let message = "a final state cannot wait for a call";
                self.context.report.add(codes::FINAL_STATE, call, message);
                continue;
            }
            let actions = self.split(place, block);
            self.draft(place).entry.push(actions);
        }
        self.draft(place).entry_uses = uses;
    }

    fn defer(&mut self, place: Place, node: &'t Node) {
        let context = self.context;
        let mut list = Some(node);
        if node.entries().is_some() {
            let fields = context.fields(node, "defer", "`defer`");
            let get = |name: &str| fields.iter().find(|(key, _)| &*key.text == name).map(|f| f.1);
            let ttl = get("ttl").and_then(|node| context.duration(node));
            self.draft(place).defer_ttl_ms = ttl.unwrap_or_default();
            list = get("events");
        }
        let texts = list.map(|node| context.texts(node, "an event name")).unwrap_or_default();
        let descriptors: Vec<Descriptor> =
            texts.iter().filter_map(|(text, span)| context.descriptor(text, *span)).collect();
        self.draft(place).defer = descriptors;
    }

    /// What could not be read is never taken, and stands before what comes behind it.
    pub(super) fn skip_unread(&mut self) {
        let all = self.drafts.iter_mut().flat_map(|draft| &mut draft.always);
        for edge in all.filter(|edge| edge.unread) {
            edge.trigger = Trigger::Events(Vec::new());
        }
    }
}

/// The transition into the first child, where nothing else is said.
pub(super) fn implied(source: Place, target: Place, span: Span) -> Edge {
    Edge {
        name: None,
        source,
        trigger: Trigger::Initial,
        guard: None,
        targets: vec![target],
        internal: false,
        items: Vec::new(),
        actions: Vec::new(),
        failed: Vec::new(),
        span,
        to_span: span,
        uses: Uses::new(),
        unread: false,
    }
}

/// A block in which nobody waits for calls: `exit` (rule 27).
fn without_waiting(block: Vec<Item>) -> Vec<Action> {
    block.into_iter().map(tell).collect()
}

fn tell(item: Item) -> Action {
    match item {
        Item::Do(action) => action,
        Item::Call(spec, _) => Action::Tell(spec),
        Item::If(branches) => Action::If(
            branches
                .into_iter()
                .map(|(guard, body)| (guard, body.into_iter().map(tell).collect()))
                .collect(),
        ),
    }
}
