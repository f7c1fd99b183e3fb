//! XState: the JSON of a machine as version 5 of that library reads it.
//!
//! Guards and actions are references with parameters: whoever runs the machine there provides
//! `cel`, `set`, `call` and the others. What our engine adds stands under `meta.gearshift`.

use serde_json::{Map, Value as Json, json};

use super::place::{Refusals, SourceText};
use crate::definition::expr::Template;
use crate::definition::model::{
    Action, Definition, Delay, SeqStep, State, StateKind, Transition, Trigger,
};
use crate::definition::problem::Problem;
use crate::machine::{StateId, TransitionId};
use crate::value::Value;

/// The definition as the JSON of an XState machine.
///
/// # Errors
/// Steps, with their place: they have no equivalent there.
pub fn xstate(definition: &Definition, source: SourceText<'_>) -> Result<String, Vec<Problem>> {
    let mut refusals = Refusals::new(definition, source);
    for graph in &definition.graphs {
        let state = &definition.state(graph.state).id;
        refusals.add(state, &["steps"], "`steps` has no equivalent");
    }
    if !refusals.problems.is_empty() {
        return Err(refusals.problems);
    }
    let export = Export { definition };
    let mut machine = export.node(StateId::ROOT);
    let vars = definition.vars.iter().map(|var| (var.name.to_string(), template(&var.initial)));
    let about = json!({
        "workflow": *definition.name,
        "version": definition.version,
        "title": *definition.title,
        "events": definition.events.iter().map(|event| event.name.to_string()).collect::<Vec<_>>(),
        "expressions": "CEL",
    });
    let mut whole = Map::new();
    whole.insert("id".to_owned(), json!(*definition.name));
    whole.insert("version".to_owned(), json!(definition.version.to_string()));
    whole.insert("context".to_owned(), Json::Object(vars.collect()));
    whole.append(&mut machine);
    whole.insert("meta".to_owned(), json!({ "gearshift": about }));
    let mut text = serde_json::to_string_pretty(&whole).unwrap_or_default();
    text.push('\n');
    Ok(text)
}

struct Export<'a> {
    definition: &'a Definition,
}

impl Export<'_> {
    /// What stands at a state.
    fn node(&self, id: StateId) -> Map<String, Json> {
        let state = self.definition.state(id);
        let mut node = Map::new();
        let mut add = |key: &str, value: Json| {
            let empty = value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty);
            if !empty {
                node.insert(key.to_owned(), value);
            }
        };
        match state.kind {
            StateKind::Atomic => {}
            StateKind::Compound => add("initial", self.initial(state)),
            StateKind::Parallel => add("type", json!("parallel")),
            StateKind::Final => add("type", json!("final")),
            StateKind::History { deep } => {
                add("type", json!("history"));
                add("history", json!(if deep { "deep" } else { "shallow" }));
                let default = state.initial.map(|id| self.targets(self.definition.transition(id)));
                add("target", single(default.unwrap_or_default()));
                return node;
            }
        }
        add("entry", self.blocks(&state.entry));
        add("exit", self.blocks(&state.exit));
        add("invoke", self.invokes(id));
        add("always", state.always.iter().map(|it| self.transition(*it)).collect());
        let (on, done) = self.on(state);
        add("on", Json::Object(on));
        add("onDone", done.into());
        add("after", Json::Object(self.after(state)));
        add("output", state.output.as_ref().map(template).unwrap_or_default());
        let children = state.children.iter().map(|child| {
            let name = self.definition.state(*child).id.to_string();
            (name, Json::Object(self.node(*child)))
        });
        add("states", Json::Object(children.collect()));
        add("meta", meta(state));
        node
    }

    fn initial(&self, state: &State) -> Json {
        let Some(initial) = state.initial else {
            let first = state.children.first().map(|id| self.definition.state(*id));
            return first.map_or(Json::Null, |first| json!(*first.id));
        };
        let transition = self.definition.transition(initial);
        let targets = self.targets(transition);
        let actions = self.actions(&transition.actions);
        match (targets.as_slice(), actions.is_empty()) {
            ([only], true) => {
                // A child is called by its name, something further down by its id.
                let child = state.children.iter().find(|id| format!("#{}", self.id(**id)) == *only);
                child.map_or_else(|| json!(only), |id| json!(*self.definition.state(*id).id))
            }
            _ => json!({ "target": single(targets), "actions": actions }),
        }
    }

    /// `on` by descriptor, in order, and what stands for `done` of a state with children.
    fn on(&self, state: &State) -> (Map<String, Json>, Vec<Json>) {
        let mut on = Map::new();
        let mut done = Vec::new();
        let own = format!("done.state.{}", state.id);
        for id in &state.transitions {
            let transition = self.definition.transition(*id);
            let Trigger::Events(list) = &transition.trigger else { continue };
            for descriptor in list {
                let text = descriptor.to_string();
                if text.trim_start_matches('=') == own && !state.children.is_empty() {
                    done.push(self.transition(*id));
                    continue;
                }
                // There `a` matches `a` only, and `a.*` matches both.
                let key = match text.strip_prefix('=') {
                    Some(exact) => exact.to_owned(),
                    None if text == "*" => text,
                    None => format!("{text}.*"),
                };
                let list = on.entry(key).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(self.transition(*id));
                }
            }
        }
        (on, done)
    }

    fn after(&self, state: &State) -> Map<String, Json> {
        let mut all = Map::new();
        for after in &state.after {
            let key = match &after.delay {
                Delay::Fixed(ms) => ms.to_string(),
                Delay::Computed(delay) => format!("cel: {}", source(delay)),
            };
            let list = all.entry(key).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(self.transition(after.transition));
            }
        }
        all
    }

    fn transition(&self, id: TransitionId) -> Json {
        let transition = self.definition.transition(id);
        let mut edge = Map::new();
        if !transition.targets.is_empty() {
            edge.insert("target".to_owned(), single(self.targets(transition)));
            // There leaving the source is the exception, here staying in it.
            if !transition.internal {
                edge.insert("reenter".to_owned(), json!(true));
            }
        }
        if let Some(guard) = &transition.guard {
            let guard = json!({ "type": "cel", "params": { "expression": guard.source().trim() } });
            edge.insert("guard".to_owned(), guard);
        }
        let actions = self.actions(&transition.actions);
        if !actions.is_empty() {
            edge.insert("actions".to_owned(), actions.into());
        }
        if let Some(name) = &transition.name {
            edge.insert("description".to_owned(), json!(**name));
        }
        Json::Object(edge)
    }

    fn targets(&self, transition: &Transition) -> Vec<String> {
        transition.targets.iter().map(|id| format!("#{}", self.id(*id))).collect()
    }

    /// How the library calls a state: the path from the machine's name down.
    fn id(&self, id: StateId) -> String {
        let mut names: Vec<_> = self
            .definition
            .ancestors(id)
            .map(|id| self.definition.state(id).id.to_string())
            .collect();
        names.reverse();
        names.push(self.definition.state(id).id.to_string());
        names.join(".")
    }

    fn blocks(&self, blocks: &[Vec<Action>]) -> Json {
        blocks.iter().flat_map(|block| self.actions(block)).collect()
    }

    /// Calls and children that the state waits for.
    fn invokes(&self, id: StateId) -> Json {
        let own = self.definition.sequences.iter().filter(|sequence| sequence.state == id);
        let mut list = Vec::new();
        for step in own.flat_map(|sequence| &sequence.steps) {
            if let SeqStep::Call { spec, invoke_id } = step {
                let with = spec.with.as_ref().map(template).unwrap_or_default();
                list.push(json!({ "id": **invoke_id, "src": *spec.operation, "input": with }));
            } else if let SeqStep::Child { spec, invoke_id } = step {
                let with = spec.with.as_ref().map(template).unwrap_or_default();
                let src = template(&spec.workflow);
                list.push(json!({ "id": **invoke_id, "src": src, "input": with }));
            }
        }
        list.into()
    }

    fn actions(&self, actions: &[Action]) -> Vec<Json> {
        actions.iter().filter_map(|action| self.action(action)).collect()
    }

    fn action(&self, action: &Action) -> Option<Json> {
        let optional = |with: &Option<Template>| with.as_ref().map(template).unwrap_or_default();
        let (kind, params) = match action {
            Action::Set(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(path, expr)| {
                    (path.text.to_string(), json!({ "cel": expr.source().trim() }))
                });
                ("set", Json::Object(entries.collect()))
            }
            Action::Raise { event, with } => {
                ("raise", json!({ "event": **event, "with": optional(with) }))
            }
            Action::Send { event, with, after, id, .. } => {
                let after = after.as_ref().map(|delay| match delay {
                    Delay::Fixed(ms) => json!(ms),
                    Delay::Computed(delay) => template(delay),
                });
                let params = json!({
                    "event": template(event),
                    "with": optional(with),
                    "after": after,
                    "id": optional(id),
                });
                ("send", params)
            }
            Action::Cancel { id } => ("cancel", json!({ "id": template(id) })),
            Action::Publish { subject, with } => {
                ("publish", json!({ "subject": template(subject), "with": optional(with) }))
            }
            Action::Log { label, value } => {
                ("log", json!({ "label": **label, "value": template(value) }))
            }
            Action::If(branches) => {
                let branch =
                    |(guard, body): &(Option<crate::definition::expr::Expr>, Vec<Action>)| {
                        let when = guard.as_ref().map(|guard| guard.source().trim().to_owned());
                        json!({ "when": when, "do": self.actions(body) })
                    };
                ("if", branches.iter().map(branch).collect())
            }
            Action::Each { list, item, index, body } => {
                let params = json!({
                    "in": { "cel": list.source().trim() },
                    "as": **item,
                    "index": index.as_deref(),
                    "do": self.actions(body),
                });
                ("each", params)
            }
            Action::Tell(spec) => {
                ("call", json!({ "operation": *spec.operation, "with": optional(&spec.with) }))
            }
            // They are the state's `invoke`.
            Action::Sequence(_) | Action::Graph(_) => return None,
        };
        Some(json!({ "type": kind, "params": params }))
    }
}

/// What XState has no word for.
fn meta(state: &State) -> Json {
    let mut about = Map::new();
    if !state.defer.is_empty() {
        let names: Vec<_> = state.defer.iter().map(ToString::to_string).collect();
        about.insert("defer".to_owned(), json!(names));
    }
    if let Some(approval) = &state.approval {
        let choices: Vec<_> = approval.choices.iter().map(ToString::to_string).collect();
        let approval =
            json!({ "choices": choices, "event": *approval.event, "need": approval.need });
        about.insert("approval".to_owned(), approval);
    }
    if let Some(target) = state.hidden_for {
        about.insert("waits_for_calls_before".to_owned(), json!(target.0));
    }
    if about.is_empty() { Json::Null } else { json!({ "gearshift": about }) }
}

fn single(mut targets: Vec<String>) -> Json {
    match (targets.pop(), targets.is_empty()) {
        (Some(only), true) => only.into(),
        (last, _) => targets.into_iter().chain(last).collect(),
    }
}

/// Data, with `{ "cel": … }` for an expression in it.
fn template(template: &Template) -> Json {
    match template {
        Template::Const(value) => plain(value),
        Template::Expr(expr) => json!({ "cel": expr.source().trim() }),
        Template::Text(_) => json!({ "cel": source(template) }),
        Template::List(items) => items.iter().map(self::template).collect(),
        Template::Map(entries) => {
            let entries = entries.iter();
            Json::Object(
                entries.map(|(key, value)| (key.to_string(), self::template(value))).collect(),
            )
        }
    }
}

fn source(template: &Template) -> String {
    super::scxml::expression(template)
}

fn plain(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
