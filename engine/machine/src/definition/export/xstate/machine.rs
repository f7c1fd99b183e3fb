//! The machine: its head, and each state of it.

use super::super::json::Json;
use super::super::place::{Refusals, SourceText};
use super::actions::template;
use crate::definition::load::Format;
use crate::definition::model::{Action, Definition, State, StateKind};
use crate::definition::parse::{Node, canonical, parse};
use crate::definition::problem::Problem;
use crate::machine::{StateId, TransitionId};

/// Keys of a definition and of a state for which there is no word.
const OF_ROOT: [&str; 10] = [
    "version",
    "title",
    "correlate",
    "events",
    "schedules",
    "defer",
    "unhandled",
    "on_error",
    "limits",
    "vars",
];
const OF_STATES: [&str; 3] = ["defer", "unhandled", "approval"];

/// The definition as the JSON of an XState machine.
///
/// # Errors
/// What a machine there would do otherwise, with its place: transitions that restart the regions
/// beside them, and actions of a history's `default` in a parallel state.
pub fn xstate(definition: &Definition, source: SourceText<'_>) -> Result<String, Vec<Problem>> {
    let root = parse(&definition.canonical, Format::Json).roots.into_iter().next();
    let mut refusals = Refusals::new(definition, source);
    refusals.steps(definition);
    let mut export = Export { definition, refusals };
    let mut machine = vec![("id".to_owned(), Json::text(&*definition.name))];
    machine.push(("version".to_owned(), Json::text(definition.version.to_string())));
    let vars = definition.vars.iter();
    let vars = vars.map(|var| (var.name.to_string(), template(&var.initial)));
    machine.push(("context".to_owned(), Json::Object(vars.collect())));
    machine.extend(export.node(StateId::ROOT, root.as_ref()));
    let problems = export.refusals.problems;
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut text = String::new();
    Json::Object(machine).write(0, &mut text);
    text.push('\n');
    Ok(text)
}

/// A definition on its way.
pub(super) struct Export<'a, 's> {
    pub(super) definition: &'a Definition,
    pub(super) refusals: Refusals<'s>,
}

impl Export<'_, '_> {
    /// The members of a state; `node` is what the author wrote of it.
    fn node(&mut self, id: StateId, node: Option<&Node>) -> Vec<(String, Json)> {
        let definition = self.definition;
        let state = definition.state(id);
        let mut members = Vec::new();
        let mut add = |name: &str, value: Option<Json>| {
            members.extend(value.and_then(Json::filled).map(|value| (name.to_owned(), value)));
        };
        let mut inserted = None;
        match state.kind {
            StateKind::Atomic => {}
            StateKind::Compound => {
                let (name, transient) = self.initial(id, state);
                add("initial", name);
                inserted = transient;
            }
            StateKind::Parallel => add("type", Some(Json::text("parallel"))),
            StateKind::Final => add("type", Some(Json::text("final"))),
            StateKind::History { deep } => {
                add("type", Some(Json::text("history")));
                add("history", Some(Json::text(if deep { "deep" } else { "shallow" })));
                add("target", state.initial.map(|to| self.default_of(id, state, to)));
                return members;
            }
        }
        add("entry", Some(self.blocks(&state.entry)));
        add("exit", Some(self.blocks(&state.exit)));
        add("invoke", Some(Json::List(self.invokes(id))));
        let always = state.always.iter().map(|it| self.transition(*it, None));
        add("always", Some(Json::List(always.collect())));
        let (on, done) = self.on(id, state);
        add("on", Some(Json::Object(on)));
        add("onDone", Some(Json::List(done)));
        add("after", Some(Json::Object(self.after(state))));
        add("output", state.output.as_ref().map(template));
        let below = |child: &StateId| node.and_then(|node| written(node, definition.state(*child)));
        let mut children: Vec<(String, Json)> = Vec::new();
        for child in &state.children {
            let inside = self.node(*child, below(child));
            children.push((definition.state(*child).id.to_string(), Json::Object(inside)));
            children.extend(self.before_default(*child));
        }
        children.extend(inserted);
        add("states", Some(Json::Object(children)));
        add("meta", meta(definition, id, node));
        members
    }

    /// `initial`: a child there. Where it leads further, or does something for several targets, an
    /// inserted child goes on at once.
    fn initial(&mut self, id: StateId, state: &State) -> (Option<Json>, Option<(String, Json)>) {
        let definition = self.definition;
        let Some(initial) = state.initial else { return (None, None) };
        let transition = definition.transition(initial);
        let actions = self.actions(&transition.actions);
        if let [only] = transition.targets.as_slice()
            && definition.state(*only).parent == Some(id)
            && !matches!(definition.state(*only).kind, StateKind::History { .. })
        {
            let name = Json::text(&*definition.state(*only).id);
            if actions.is_empty() {
                return (Some(name), None);
            }
            let actions = Some(Json::List(actions));
            return (Some(Json::object([("target", Some(name)), ("actions", actions)])), None);
        }
        let name = format!("{}~initial", state.id);
        (Some(Json::text(&*name)), Some((name, self.onward(initial))))
    }

    /// Where history leads at first. What is done on the way is done by a state before it.
    fn default_of(&mut self, id: StateId, state: &State, default: TransitionId) -> Json {
        if self.does_something(id) {
            return Json::text(format!("#{}~default", self.path(id)));
        }
        let transition = self.definition.transition(default);
        let parent = state.parent.map(|parent| self.definition.state(parent).kind);
        if !transition.actions.is_empty() && parent == Some(StateKind::Parallel) {
            let message = "`do` of a history's `default` has no place in a parallel state";
            self.refusals.add(&state.id, &["default"], message);
        }
        Json::one_or_all(self.targets(&transition.targets))
    }

    fn before_default(&mut self, id: StateId) -> Option<(String, Json)> {
        let state = self.definition.state(id);
        let default = state.initial.filter(|_| self.does_something(id))?;
        Some((format!("{}~default", state.id), self.onward(default)))
    }

    /// Is it a history whose default does something, and has it room for a state before it?
    fn does_something(&self, id: StateId) -> bool {
        let state = self.definition.state(id);
        let compound = state
            .parent
            .is_some_and(|parent| self.definition.state(parent).kind == StateKind::Compound);
        let acts =
            state.initial.is_some_and(|it| !self.definition.transition(it).actions.is_empty());
        matches!(state.kind, StateKind::History { .. }) && compound && acts
    }

    /// A state that does what a transition without event does, and goes where it leads.
    fn onward(&mut self, id: TransitionId) -> Json {
        let always = self.transition(id, None);
        let about = Json::object([("inserted", Some(Json::Raw("true".to_owned())))]);
        let meta = Json::object([("gearshift", Some(about))]);
        Json::object([("always", Some(Json::List(vec![always]))), ("meta", Some(meta))])
    }

    pub(super) fn targets(&self, targets: &[StateId]) -> Vec<Json> {
        targets.iter().map(|id| Json::text(format!("#{}", self.path(*id)))).collect()
    }

    /// How the library calls a state: the path from the machine's name down.
    pub(super) fn path(&self, id: StateId) -> String {
        let mut names: Vec<&str> =
            self.definition.ancestors(id).map(|id| &*self.definition.state(id).id).collect();
        names.reverse();
        names.push(&self.definition.state(id).id);
        names.join(".")
    }

    fn blocks(&self, blocks: &[Vec<Action>]) -> Json {
        let plain = |action: &&Action| !matches!(action, Action::Sequence(_));
        let actions = blocks.iter().flatten().filter(plain);
        Json::List(actions.map(|action| self.action(action)).collect())
    }
}

/// What the author wrote of a child.
fn written<'n>(node: &'n Node, child: &State) -> Option<&'n Node> {
    let below = node.get("states").or_else(|| node.get("parallel"))?;
    below.get(&child.id)
}

/// What there is no word for, as it is written.
fn meta(definition: &Definition, id: StateId, node: Option<&Node>) -> Option<Json> {
    let keys: &[&str] = if id == StateId::ROOT { &OF_ROOT } else { &OF_STATES };
    let mut about = Vec::new();
    if id == StateId::ROOT {
        about.push(("workflow".to_owned(), Json::text(&*definition.name)));
        about.push(("expressions".to_owned(), Json::text("CEL")));
    }
    for key in keys {
        let value = node.and_then(|node| node.get(key));
        about.extend(value.map(|value| ((*key).to_owned(), Json::Raw(canonical(value)))));
    }
    let waits = definition.state(id).hidden_for.map(|target| definition.state(target));
    let waits = waits.map(|target| Json::text(&*target.id));
    about.extend(waits.map(|target| ("waits_for_calls_before".to_owned(), target)));
    let about = Json::Object(about).filled();
    about.map(|about| Json::object([("gearshift", Some(about))]))
}
