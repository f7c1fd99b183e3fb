//! A workflow of the long form: its states, transitions and actions.

use std::collections::BTreeSet;

use super::super::retold::retold;
use super::super::scxml::Converted;
use super::super::yaml::Yaml;
use super::actions::action;
use super::place::place;
use super::reader::{Members, Reader};
use crate::definition::codes;
use crate::definition::expr::{Expr, ExprKind, NameSet, Names};
use crate::definition::{Format, Problem, Span, load_all, parsed};
use crate::definition::{Kind, Node};

/// Members of a workflow.
const WORKFLOW: [&str; 10] = [
    "name",
    "id",
    "description",
    "title",
    "version",
    "initialState",
    "states",
    "transitions",
    "actions",
    "correlate",
];
/// Members of a state.
const STATE: [&str; 9] = [
    "name",
    "id",
    "description",
    "allowedTransitions",
    "entryActions",
    "exitActions",
    "timeout",
    "final",
    "isFinal",
];
/// Members of a transition.
const TRANSITION: [&str; 7] =
    ["name", "fromState", "toState", "triggerEvent", "condition", "actions", "description"];

/// Is the text a workflow of the long form?
#[must_use]
pub fn is_long_form(text: &str, format: Format) -> bool {
    let root = parsed(text, "", format).ok();
    root.is_some_and(|root| {
        root.get("workflow").is_none()
            && root.get("states").is_some()
            && (root.get("transitions").is_some() || root.get("initialState").is_some())
    })
}

/// Converts a workflow of the long form; `origin` is the file's name for messages. Beside the
/// definition come warnings: what was missing and had to be made up.
///
/// # Errors
/// Everything that has no equivalent, with its place.
pub fn from_long_form(
    text: &str,
    origin: &str,
    format: Format,
) -> Result<(Converted, Vec<Problem>), Vec<Problem>> {
    let root = parsed(text, origin, format)?;
    let reader = Reader::new(text, origin);
    let members = reader.members(&root, "the workflow", &WORKFLOW);
    let made =
        members.as_ref().and_then(|members| Document { reader: &reader }.definition(members));
    let (errors, warnings) = reader.into_problems();
    let Some((name, definition)) = made.filter(|_| errors.is_empty()) else { return Err(errors) };
    let yaml = definition.write();
    // What the checker would refuse is no definition: its words, at the place in the text.
    if let Err(problems) = load_all(&yaml, origin, Format::Yaml) {
        return Err(retold(problems, text, |it| place(it, &root, &yaml)));
    }
    Ok((Converted { yaml, workflows: vec![name], told: Vec::new() }, warnings))
}

/// A workflow under conversion.
struct Document<'r, 'a> {
    reader: &'r Reader<'a>,
}

/// A state with what was said of it.
struct State<'r, 'a> {
    name: String,
    span: Span,
    members: Members<'r, 'a>,
}

/// A transition.
struct Transition {
    name: Option<String>,
    from: (String, Span),
    to: (String, Span),
    event: (String, Span),
    condition: Option<String>,
    actions: Vec<(String, Span)>,
}

impl<'r, 'a> Document<'r, 'a> {
    fn definition(&self, members: &Members<'r, 'a>) -> Option<(String, Yaml)> {
        let (name, _) = members.needed(&["name", "id"])?;
        let states = self.states(members)?;
        let transitions = self.transitions(members);
        self.complain(&states, &transitions);
        let actions = self.actions(members, &states, &transitions);
        let initial = members.text(&["initialState"]);
        if let Some((initial, span)) = &initial
            && !states.iter().any(|state| state.name == *initial)
        {
            self.reader.add(codes::UNKNOWN_STATE, *span, format!("no state `{initial}`"));
        }
        // A workflow that says nothing begins in `started`.
        let first = initial.map(|it| it.0).or_else(|| {
            states.iter().find(|state| state.name == "started").map(|state| state.name.clone())
        });
        let version = members.get(&["version"]).and_then(Node::scalar);
        let version = version.filter(|scalar| scalar.text.parse::<u32>().is_ok_and(|it| it > 0));
        let title = members.text(&["title", "description"]);
        let correlate = members.text(&["correlate"]);
        let definition = Yaml::map([
            ("workflow", Some(Yaml::text(name.as_str()))),
            ("version", version.map(|scalar| Yaml::Literal(scalar.text.to_string()))),
            ("title", title.map(|(title, _)| Yaml::text(title))),
            ("correlate", correlate.map(|(correlate, _)| Yaml::text(correlate))),
            ("events", Some(events(&transitions))),
            ("initial", first.map(Yaml::Text)),
            ("states", Some(self.converted(&states, &transitions))),
            ("actions", (!actions.is_empty()).then_some(Yaml::Map(actions))),
        ]);
        Some((name, definition))
    }

    fn states(&self, members: &Members<'r, 'a>) -> Option<Vec<State<'r, 'a>>> {
        let Some(node) = members.get(&["states"]) else {
            self.reader.add(codes::MISSING_FIELD, members.span(), "the workflow has no `states`");
            return None;
        };
        let mut states = Vec::new();
        for (name, span, node) in self.reader.named(node, "state") {
            let what = format!("state `{name}`");
            if let Some(members) = self.reader.members(node, what, &STATE) {
                states.push(State { name, span, members });
            }
        }
        Some(states)
    }

    fn transitions(&self, members: &Members<'r, 'a>) -> Vec<Transition> {
        let Some(node) = members.get(&["transitions"]) else { return Vec::new() };
        let Kind::List(items) = &node.kind else {
            self.reader.add(codes::TYPE, node.span, "`transitions` is not a list");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.transition(item)).collect()
    }

    fn transition(&self, node: &'r Node) -> Option<Transition> {
        let members = self.reader.members(node, "the transition", &TRANSITION)?;
        let from = members.needed(&["fromState"]);
        let to = members.needed(&["toState"]);
        let event = members.needed(&["triggerEvent"]);
        let condition = members.text(&["condition"]);
        if let Some((condition, span)) = &condition {
            let names =
                Names { vars: &[], states: &[], steps: &[], locals: &[], allowed: NameSet::ACTION };
            for problem in
                Expr::compile(condition, ExprKind::Guard, &names).err().into_iter().flatten()
            {
                self.reader
                    .refuse(*span, format!("the condition is no expression: {}", problem.message));
            }
        }
        let actions = members.get(&["actions"]);
        Some(Transition {
            name: members.text(&["name"]).map(|(name, _)| name),
            from: from?,
            to: to?,
            event: event?,
            condition: condition.map(|(condition, _)| condition),
            actions: actions.map_or_else(Vec::new, |node| self.reader.texts(node, "an action")),
        })
    }

    /// What does not fit together, though each part may be fine.
    fn complain(&self, states: &[State<'r, 'a>], transitions: &[Transition]) {
        for transition in transitions {
            let (from, span) = &transition.from;
            if !states.iter().any(|state| state.name == *from) {
                let message = format!("no state `{from}`, so the transition can never be taken");
                self.reader.add(codes::UNKNOWN_STATE, *span, message);
            }
            let (to, span) = &transition.to;
            if !states.iter().any(|state| state.name == *to) {
                let message =
                    format!("state `{to}` is described nowhere; it was made without actions");
                self.reader.warn(*span, message);
            }
        }
        for state in states {
            let Some(node) = state.members.get(&["allowedTransitions"]) else { continue };
            let allowed = self.reader.texts(node, "an allowed transition");
            for (name, span) in &allowed {
                let mut known = transitions.iter().filter(|it| it.from.0 == state.name);
                if !known.any(|it| it.name.as_deref() == Some(name)) {
                    let message = format!(
                        "state `{}` allows `{name}`, but no transition from it has that name; \
                         write it by hand",
                        state.name
                    );
                    self.reader.warn(*span, message);
                }
            }
            for transition in transitions.iter().filter(|it| it.from.0 == state.name) {
                if let Some(name) = &transition.name
                    && !allowed.iter().any(|(known, _)| known == name)
                {
                    let message =
                        format!("state `{}` does not allow `{name}`; it was kept", state.name);
                    self.reader.warn(transition.event.1, message);
                }
            }
        }
    }

    /// The named actions; one that is used and described nowhere only leaves a line in the log.
    fn actions(
        &self,
        members: &Members<'r, 'a>,
        states: &[State<'r, 'a>],
        transitions: &[Transition],
    ) -> Vec<(String, Yaml)> {
        let mut actions = Vec::new();
        let mut known = BTreeSet::new();
        if let Some(node) = members.get(&["actions"]) {
            for (name, _, node) in self.reader.named(node, "action") {
                known.insert(name.clone());
                actions.extend(action(self.reader, &name, node).map(|made| (name, made)));
            }
        }
        let of_states = states.iter().flat_map(|state| {
            let lists = ["entryActions", "exitActions"].map(|key| state.members.get(&[key]));
            lists.into_iter().flatten().flat_map(|node| self.reader.texts(node, "an action"))
        });
        let of_transitions = transitions.iter().flat_map(|it| it.actions.iter().cloned());
        for (name, span) in of_states.chain(of_transitions) {
            if known.insert(name.clone()) {
                let message =
                    format!("action `{name}` is described nowhere; it only logs its name");
                self.reader.warn(span, message);
                let log =
                    Yaml::map([("log", Some(Yaml::Text(format!("action not found: {name}"))))]);
                actions.push((name, log));
            }
        }
        actions
    }

    fn converted(&self, states: &[State<'r, 'a>], transitions: &[Transition]) -> Yaml {
        let mut all: Vec<(String, Yaml)> = Vec::new();
        for state in states {
            if all.iter().any(|(name, _)| *name == state.name) {
                let message = format!("state `{}` exists already", state.name);
                self.reader.add(codes::DUPLICATE_STATE, state.span, message);
                continue;
            }
            all.push((state.name.clone(), self.state(state, transitions)));
        }
        for transition in transitions {
            if !all.iter().any(|(name, _)| *name == transition.to.0) {
                all.push((transition.to.0.clone(), Yaml::Map(Vec::new())));
            }
        }
        Yaml::Map(all)
    }

    fn state(&self, state: &State<'r, 'a>, transitions: &[Transition]) -> Yaml {
        let members = &state.members;
        let names = |key: &str| {
            let node = members.get(&[key]);
            let texts = node.map_or_else(Vec::new, |node| self.reader.texts(node, "an action"));
            texts.into_iter().map(|(name, _)| Yaml::Text(name)).collect::<Vec<_>>()
        };
        let (mut entry, mut exit) = (names("entryActions"), names("exitActions"));
        // Its end is an event as any timer's: `timer.expired` with the id.
        let timeout = members.get(&["timeout"]).filter(|node| {
            node.scalar().is_none_or(|scalar| scalar.text.parse::<f64>() != Ok(0.0))
        });
        if let Some(after) = timeout.and_then(|node| self.reader.delay(node, "s")) {
            let id = format!("{}_timeout", state.name);
            let timer = [("id", Some(Yaml::text(id.as_str()))), ("after", Some(Yaml::Text(after)))];
            entry.push(Yaml::map([("timer", Some(Yaml::map(timer)))]));
            exit.push(Yaml::map([("cancel", Some(Yaml::Text(id)))]));
        }
        let is_final = members.get(&["final", "isFinal"]).and_then(Node::scalar);
        let is_final = is_final.is_some_and(|scalar| &*scalar.text == "true");
        Yaml::map([
            ("entry", (!entry.is_empty()).then_some(Yaml::List(entry))),
            ("exit", (!exit.is_empty()).then_some(Yaml::List(exit))),
            ("on", on(&state.name, transitions)),
            ("final", is_final.then(|| Yaml::Literal("true".to_owned()))),
        ])
    }
}

/// The events that transitions wait for. Instances are started and events addressed by whoever
/// drives them, as there.
fn events(transitions: &[Transition]) -> Yaml {
    let mut names: Vec<&str> = Vec::new();
    for transition in transitions {
        if !names.contains(&transition.event.0.as_str()) {
            names.push(&transition.event.0);
        }
    }
    Yaml::List(names.into_iter().map(Yaml::text).collect())
}

/// `on:` of a state: its transitions in their order, those of one event together.
fn on(state: &str, transitions: &[Transition]) -> Option<Yaml> {
    let mut by_event: Vec<(String, Vec<Yaml>)> = Vec::new();
    for transition in transitions.iter().filter(|it| it.from.0 == state) {
        let trigger = trigger(&transition.event.0, transitions);
        let made = edge(transition);
        match by_event.iter_mut().find(|(known, _)| *known == trigger) {
            Some((_, list)) => list.push(made),
            None => by_event.push((trigger, vec![made])),
        }
    }
    let one = |(event, mut list): (String, Vec<Yaml>)| match (list.pop(), list.is_empty()) {
        (Some(only), true) => (event, only),
        (last, _) => (event, Yaml::List(list.into_iter().chain(last).collect())),
    };
    (!by_event.is_empty()).then(|| Yaml::Map(by_event.into_iter().map(one).collect()))
}

/// Events match whole there: `=` where the name also is the beginning of another one.
fn trigger(event: &str, transitions: &[Transition]) -> String {
    let longer = transitions
        .iter()
        .any(|it| it.event.0.strip_prefix(event).is_some_and(|rest| rest.starts_with('.')));
    if longer { format!("={event}") } else { event.to_owned() }
}

fn edge(transition: &Transition) -> Yaml {
    let actions: Vec<_> =
        transition.actions.iter().map(|(name, _)| Yaml::text(name.as_str())).collect();
    Yaml::map([
        ("name", transition.name.as_deref().map(Yaml::text)),
        ("when", transition.condition.as_deref().map(Yaml::text)),
        ("do", (!actions.is_empty()).then_some(Yaml::List(actions))),
        ("to", Some(Yaml::text(transition.to.0.as_str()))),
    ])
}
