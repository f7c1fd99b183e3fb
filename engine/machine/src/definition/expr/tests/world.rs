//! A small world to evaluate in: one definition, one instance, one event.

use std::cell::Cell;
use std::sync::Arc;

use super::super::{EvalError, Expr, ExprKind, ExprProblem, NameSet, Names, Scope, Template};
use crate::definition::model::{Definition, Limits, OnError, State, StateKind, Unhandled, VarDecl};
use crate::machine::{ContentHash, Event, EventKind, InstanceKey, Progress, StateId, Timestamp};
use crate::value::Value;

/// Everything a scope borrows.
pub(super) struct World {
    pub(super) definition: Definition,
    pub(super) key: InstanceKey,
    pub(super) vars: Vec<Value>,
    pub(super) active: Vec<StateId>,
    pub(super) event: Option<Event>,
    pub(super) input: Value,
    pub(super) output: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) steps: Option<Progress>,
    pub(super) locals: Vec<(Arc<str>, Value)>,
    pub(super) allowed: NameSet,
    pub(super) fuel: Cell<u32>,
}

impl World {
    /// Fuel to begin with.
    pub(super) const FUEL: u32 = 1_000_000;

    /// A world whose event has `data` and whose variables are `order` and `reviewer`.
    pub(super) fn new(data: &str) -> Self {
        let names = ["order", "reviewer"];
        let vars = names
            .map(|name| VarDecl { name: name.into(), initial: Template::constant(Value::Null) });
        Self {
            definition: definition(vars.into()),
            key: InstanceKey::new("approval", "doc-42").unwrap(),
            vars: vec![json("{\"items\": [{\"price\": 5}, {\"price\": 7}]}"), "ann".into()],
            active: vec![StateId(0), StateId(1)],
            event: Some(Event {
                name: "user.action".into(),
                kind: EventKind::External,
                data: Some(json(data)),
                id: Some("e-1".into()),
                time: Some(Timestamp(1_700_000_000_000)),
                ..Event::default()
            }),
            input: json("{\"title\": \"Q3\"}"),
            output: None,
            error: None,
            steps: None,
            locals: Vec::new(),
            allowed: NameSet::ACTION,
            fuel: Cell::new(Self::FUEL),
        }
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            definition: &self.definition,
            key: Some(&self.key),
            vars: &self.vars,
            active: &self.active,
            event: self.event.as_ref(),
            input: &self.input,
            output: self.output.as_ref(),
            error: self.error.as_ref(),
            steps: self.steps.as_ref(),
            now: Timestamp(1_700_000_060_000),
            locals: &self.locals,
            fuel: &self.fuel,
        }
    }

    pub(super) fn with_names<T>(&self, run: impl FnOnce(&Names<'_>) -> T) -> T {
        let vars: Vec<Arc<str>> =
            self.definition.vars.iter().map(|var| Arc::clone(&var.name)).collect();
        let states: Vec<Arc<str>> =
            self.definition.states.iter().map(|state| Arc::clone(&state.id)).collect();
        let locals: Vec<Arc<str>> = self.locals.iter().map(|(name, _)| Arc::clone(name)).collect();
        let allowed = self.allowed;
        let graphs = self.definition.graphs.iter();
        let steps: Vec<Arc<str>> =
            graphs.flat_map(|graph| &graph.steps).map(|step| Arc::clone(&step.id)).collect();
        run(&Names { vars: &vars, states: &states, steps: &steps, locals: &locals, allowed })
    }

    pub(super) fn compile(&self, source: &str, kind: ExprKind) -> Result<Expr, Vec<ExprProblem>> {
        self.with_names(|names| Expr::compile(source, kind, names))
    }

    /// The value as JSON, or what went wrong: `code: message` at load, `failed: …` or `limit: …`
    /// at run.
    pub(super) fn eval(&self, source: &str) -> String {
        match self.compile(source, ExprKind::Value) {
            Ok(expr) => told(expr.eval(&self.scope()).map(|value| value.to_json())),
            Err(problems) => listed(&problems),
        }
    }

    /// The verdict of a guard, told as [`World::eval`] does.
    pub(super) fn guard(&self, source: &str) -> String {
        match self.compile(source, ExprKind::Guard) {
            Ok(expr) => told(expr.eval_bool(&self.scope()).map(|verdict| verdict.to_string())),
            Err(problems) => listed(&problems),
        }
    }

    /// The value of a template, told as [`World::eval`] does.
    pub(super) fn template(&self, value: &Value) -> String {
        match self.with_names(|names| Template::compile(value, names)) {
            Ok(template) => told(template.eval(&self.scope()).map(|value| value.to_json())),
            Err(problems) => listed(&problems),
        }
    }
}

fn told(result: Result<String, EvalError>) -> String {
    match result {
        Ok(text) => text,
        Err(EvalError::Failed(message)) => format!("failed: {message}"),
        Err(EvalError::Limit(message)) => format!("limit: {message}"),
    }
}

fn listed(problems: &[ExprProblem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let help = problem.help.iter().map(|help| format!(" ({help})")).collect::<String>();
            format!("{}: {}{help}", problem.code, problem.message)
        })
        .collect();
    lines.join("; ")
}

pub(super) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap()
}

fn definition(vars: Vec<VarDecl>) -> Definition {
    let name: Arc<str> = "approval".into();
    Definition {
        name: Arc::clone(&name),
        version: 1,
        derived_from: None,
        title: Arc::clone(&name),
        hash: ContentHash([0; 32]),
        canonical: "{}".into(),
        correlate: None,
        events: Vec::new(),
        schedules: Vec::new(),
        plugins: Vec::new(),
        vars,
        states: vec![
            state("approval", StateKind::Compound, None, 3),
            state("under_review", StateKind::Atomic, Some(StateId(0)), 1),
            state("approved", StateKind::Final, Some(StateId(0)), 2),
            state("rejected", StateKind::Final, Some(StateId(0)), 3),
        ],
        transitions: Vec::new(),
        sequences: Vec::new(),
        graphs: Vec::new(),
        unhandled: Unhandled::Discard,
        on_error: OnError::Suspend,
        limits: Limits::default(),
    }
}

fn state(id: &str, kind: StateKind, parent: Option<StateId>, last: u16) -> State {
    State {
        id: id.into(),
        kind,
        parent,
        children: if parent.is_none() { (1..=3).map(StateId).collect() } else { Vec::new() },
        histories: Vec::new(),
        last: StateId(last),
        initial: None,
        entry: Vec::new(),
        exit: Vec::new(),
        transitions: Vec::new(),
        always: Vec::new(),
        after: Vec::new(),
        defer: Vec::new(),
        defer_ttl_ms: 0,
        unhandled: None,
        approval: None,
        output: None,
        hidden_for: None,
    }
}
