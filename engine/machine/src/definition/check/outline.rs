//! Names first: variables, the tree of states, named actions. Content is looked at afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Report, wrong_type};
use super::step_names::{Listed, listed};
use super::values::name_problem;
use crate::definition::codes;
use crate::definition::model::StateKind;
use crate::definition::parse::{Key, Kind, Node, Plain, plain};
use crate::definition::problem::{Span, quoted};

/// The most states a definition may have (01 §10), hidden ones included.
pub(super) const STATES_MAX: usize = 2_000;

/// The state that runs the steps of a definition without states, and the final one behind it.
const STEPS: &str = "steps";
const STEPS_DONE: &str = "done";

/// The mapping without keys.
static NOTHING: Node = Node { span: Span::new(0, 0), kind: Kind::Map(Vec::new()) };

/// A state by its place in the outline: pre-order, the root first.
pub(super) type Place = usize;

/// The names of a definition.
pub(super) struct Outline<'t> {
    /// The workflow's name.
    pub(super) workflow: Arc<str>,
    /// Declared variables, in document order.
    pub(super) vars: Vec<Arc<str>>,
    /// Ids of all states but the root, in document order.
    pub(super) state_ids: Vec<Arc<str>>,
    /// All states.
    pub(super) states: Vec<Named<'t>>,
    /// Where each id is.
    pub(super) places: BTreeMap<Arc<str>, Place>,
    /// Every `steps:`, in the order of their states.
    pub(super) graphs: Vec<Listed<'t>>,
    /// Ids of all steps, in the same order.
    pub(super) step_ids: Vec<Arc<str>>,
    /// Where each id of a step is first.
    seen_steps: BTreeMap<Arc<str>, Span>,
    /// Named actions.
    pub(super) actions: BTreeMap<&'t str, (&'t Key, &'t Node)>,
}

/// A state's name, kind and place in the tree.
pub(super) struct Named<'t> {
    pub(super) id: Arc<str>,
    pub(super) span: Span,
    pub(super) node: &'t Node,
    pub(super) kind: StateKind,
    pub(super) parent: Option<Place>,
    pub(super) children: Vec<Place>,
}

impl<'t> Outline<'t> {
    pub(super) fn new(report: &Report<'_>, root: &'t Node) -> Self {
        let mut outline = Self {
            workflow: workflow_name(report, root),
            vars: names_of(report, root.get("vars"), "variable"),
            state_ids: Vec::new(),
            states: Vec::new(),
            places: BTreeMap::new(),
            graphs: Vec::new(),
            step_ids: Vec::new(),
            seen_steps: BTreeMap::new(),
            actions: BTreeMap::new(),
        };
        names_of(report, root.get("actions"), "action");
        if let Some(entries) = root.get("actions").and_then(Node::entries) {
            outline.actions = entries.iter().map(|(key, node)| (&*key.text, (key, node))).collect();
        }
        outline.states.push(Named {
            id: Arc::clone(&outline.workflow),
            span: root.span,
            node: root,
            kind: StateKind::Compound,
            parent: None,
            children: Vec::new(),
        });
        match root.get("states") {
            Some(states) => outline.children(report, 0, states),
            None if root.get("steps").is_some() => outline.steps_alone(report, root),
            None => report.add(
                codes::MISSING_FIELD,
                Span::new(root.span.start, root.span.start),
                "the definition has no `states`",
            ),
        }
        outline.case_twins(report);
        outline
    }

    fn children(&mut self, report: &Report<'_>, parent: Place, states: &'t Node) {
        let Some(entries) = states.entries() else {
            wrong_type(report, states, "a mapping from state ids to states");
            return;
        };
        if entries.is_empty() {
            let named = self.state(parent);
            let id = quoted(&named.id);
            if named.kind == StateKind::Parallel {
                let message = format!("parallel state {id} has no region");
                report.add(codes::PARALLEL, states.span, message);
            } else {
                report.add(codes::MISSING_FIELD, states.span, format!("{id} has no states"));
            }
        }
        for (key, node) in entries {
            let place = self.states.len();
            if place > STATES_MAX {
                let message = format!("more than {STATES_MAX} states");
                report.add(codes::TOO_LARGE, key.span, message);
                return;
            }
            self.id(report, key, place, parent);
            self.states.push(Named {
                id: Arc::clone(&key.text),
                span: key.span,
                node,
                kind: kind_of(node),
                parent: Some(parent),
                children: Vec::new(),
            });
            if let Some(parent) = self.states.get_mut(parent) {
                parent.children.push(place);
            }
            self.list_steps(report, place, node);
            for name in ["states", "parallel"] {
                if let Some(below) = node.get(name) {
                    self.children(report, place, below);
                }
            }
        }
    }

    /// A definition of steps alone: one state that runs them, and a final one.
    fn steps_alone(&mut self, report: &Report<'_>, root: &'t Node) {
        let span = match root.entries().into_iter().flatten().find(|(key, _)| &*key.text == "steps")
        {
            Some((key, _)) => key.span,
            None => root.span,
        };
        for (id, kind) in [(STEPS, StateKind::Atomic), (STEPS_DONE, StateKind::Final)] {
            let place = self.states.len();
            let key = Key { text: id.into(), span };
            self.id(report, &key, place, 0);
            self.states.push(Named {
                id: key.text,
                span,
                node: &NOTHING,
                kind,
                parent: Some(0),
                children: Vec::new(),
            });
            if let Some(root) = self.states.first_mut() {
                root.children.push(place);
            }
        }
        self.list_steps(report, 1, root);
    }

    fn list_steps(&mut self, report: &Report<'_>, place: Place, owner: &'t Node) {
        if let Some(listed) = listed(report, &mut self.seen_steps, place, owner) {
            self.step_ids.extend(listed.steps.iter().map(|step| Arc::clone(&step.id)));
            self.graphs.push(listed);
        }
    }

    fn id(&mut self, report: &Report<'_>, key: &Key, place: Place, parent: Place) {
        if let Some(problem) = name_problem(&key.text, false) {
            let message = format!("state {} {problem}", quoted(&key.text));
            report.add(codes::NAME, key.span, message);
        }
        if key.text == self.workflow {
            let message = format!("state {} has the name of the workflow", quoted(&key.text));
            report.add(codes::DUPLICATE_STATE, key.span, message);
        }
        self.state_ids.push(Arc::clone(&key.text));
        if let Some(first) = self.places.get(&key.text).and_then(|first| self.states.get(*first)) {
            // In one mapping it is a duplicate key, and reported as such.
            if first.parent != Some(parent) {
                let message = format!("state {} exists already", quoted(&key.text));
                let also = vec![(first.span, "first here".to_owned())];
                report.full(codes::DUPLICATE_STATE, key.span, message, None, also);
            }
        } else {
            self.places.insert(Arc::clone(&key.text), place);
        }
    }

    /// Ids become tokens of subjects and of file names: case alone must not tell two apart.
    fn case_twins(&self, report: &Report<'_>) {
        let mut seen: BTreeMap<String, &Named<'_>> = BTreeMap::new();
        for state in self.states.iter().skip(1) {
            let Some(first) = seen.insert(state.id.to_ascii_lowercase(), state) else { continue };
            if first.id != state.id {
                let (id, other) = (quoted(&state.id), quoted(&first.id));
                let message = format!("state {id} differs from {other} in case only");
                let also = vec![(first.span, "the other one".to_owned())];
                report.full(codes::NAME, state.span, message, None, also);
            }
        }
    }

    /// Does the state at `place` run steps?
    pub(super) fn has_steps(&self, place: Place) -> bool {
        self.graphs.iter().any(|listed| listed.place == place)
    }

    pub(super) fn state(&self, place: Place) -> &Named<'t> {
        self.states.get(place).unwrap_or_else(|| panic!("no state at place {place}"))
    }
}

fn workflow_name(report: &Report<'_>, root: &Node) -> Arc<str> {
    let start = Span::new(root.span.start, root.span.start);
    let Some(node) = root.get("workflow") else {
        if root.entries().is_some() {
            let help = "a definition begins with `workflow: <name>`".to_owned();
            report.help(codes::MISSING_FIELD, start, "the definition has no `workflow`", help);
        }
        return "workflow".into();
    };
    let Some(scalar) = node.scalar().filter(|scalar| plain(scalar) == Plain::Text) else {
        wrong_type(report, node, "the workflow's name");
        return "workflow".into();
    };
    if let Some(problem) = name_problem(&scalar.text, true) {
        let message = format!("workflow {} {problem}", quoted(&scalar.text));
        report.add(codes::NAME, node.span, message);
    }
    if *scalar.text == *crate::machine::TRANSACTION {
        let message = format!("workflow {} is the engine's own", quoted(&scalar.text));
        report.add(codes::RESERVED_WORKFLOW, node.span, message);
    }
    Arc::clone(&scalar.text)
}

fn names_of(report: &Report<'_>, node: Option<&Node>, what: &str) -> Vec<Arc<str>> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Vec::new() };
    let Some(entries) = node.entries() else {
        wrong_type(report, node, &format!("a mapping from {what} names"));
        return Vec::new();
    };
    for (key, _) in entries {
        if let Some(problem) = name_problem(&key.text, false) {
            let message = format!("{what} {} {problem}", quoted(&key.text));
            report.add(codes::NAME, key.span, message);
        }
    }
    entries.iter().map(|(key, _)| Arc::clone(&key.text)).collect()
}

fn kind_of(node: &Node) -> StateKind {
    let text = |name: &str| Some(&*node.get(name)?.scalar()?.text);
    if let Some(history) = node.get("history") {
        let deep = matches!(&history.kind, Kind::Scalar(scalar) if &*scalar.text == "deep");
        return StateKind::History { deep };
    }
    if text("final") == Some("true") {
        StateKind::Final
    } else if node.get("parallel").is_some() {
        StateKind::Parallel
    } else if node.get("states").is_some() {
        StateKind::Compound
    } else {
        StateKind::Atomic
    }
}
