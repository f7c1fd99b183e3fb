//! `steps:`: what is said of the whole graph.

use std::sync::Arc;

use super::actions::Uses;
use super::context::Context;
use super::draft::Edge;
use super::events::word;
use super::needs::Site;
use super::order;
use super::outline::Place;
use super::races;
use super::states::{Builder, implied};
use super::transitions::done_trigger;
use super::values::Env;
use crate::definition::codes;
use crate::definition::expr::Template;
use crate::definition::model::{Action, Graph, GraphFailure, Mode};
use crate::definition::parse::{Key, Node};
use crate::definition::problem::quoted;
use crate::machine::StateId;

/// Keys that say something about steps and mean nothing without them.
const OF_STEPS: [&str; 5] = ["mode", "on_failure", "timeout", "max_parallel", "finally"];

/// A graph whose state has no id yet.
pub(super) struct DraftGraph {
    pub(super) state: Place,
    pub(super) graph: Graph,
}

/// Keys of a definition that has states.
const STATES: [&str; 2] = ["states", "initial"];

/// The place of the state that runs the steps of a definition without states; the final one
/// follows it.
const STEPS_STATE: Place = 1;

/// The most steps at once that a graph may ask for: so many it may have.
const PARALLEL_MAX: u16 = 1_000;

impl<'t> Builder<'_, 't> {
    /// The graph of the state at `place`, which entering the state starts.
    pub(super) fn graph(&mut self, place: Place) {
        let context = self.context;
        let mut graphs = context.outline.graphs.iter();
        let Some(listed) = graphs.find(|listed| listed.place == place) else { return };
        let owner = listed.owner;
        let mode = owner.get("mode").and_then(|node| mode(context, node)).unwrap_or_default();
        let fallbacks = listed.fallbacks();
        let site = |at| Site { listed, at, mode, fallbacks: &fallbacks };
        let steps = (0..listed.steps.len()).filter_map(|at| self.step(site(at))).collect();
        let mut graph = Graph {
            state: StateId::ROOT,
            mode,
            steps,
            on_failure: owner
                .get("on_failure")
                .and_then(|node| on_failure(context, node))
                .unwrap_or_default(),
            timeout_ms: owner.get("timeout").and_then(|node| context.duration(node)),
            max_parallel: owner
                .get("max_parallel")
                .and_then(|node| context.at_most(node, PARALLEL_MAX, codes::LIMIT)),
            finally: owner.get("finally").map(|node| self.finally(place, node)),
            output: owner.get("output").and_then(|node| context.data(None, node, Env::ACTION)),
        };
        // Steps that were refused leave places that mean others.
        if graph.steps.len() == listed.steps.len() {
            order::arrange(context, listed, &mut graph);
            races::lint(context, listed, &graph);
        }
        let number = u16::try_from(self.graphs.len()).unwrap_or(u16::MAX);
        self.graphs.push(DraftGraph { state: place, graph });
        self.draft(place).entry.push(vec![Action::Graph(number)]);
    }

    /// Steps of the definition itself: alone, or refused beside its states.
    pub(super) fn root_steps(&mut self, fields: &[(&Key, &Node)]) {
        let context = self.context;
        let has = |name: &str| fields.iter().any(|(key, _)| &*key.text == name);
        if !has("steps") {
            misplaced(context, fields, "a definition without `steps`");
            let output = fields.iter().filter(|(key, _)| &*key.text == "output");
            for (key, _) in output {
                let message = "a definition without `steps` cannot have `output`";
                context.report.add(codes::STEPS, key.span, message);
            }
            return;
        }
        for (key, _) in fields.iter().filter(|(key, _)| STATES.contains(&&*key.text)) {
            let message = format!("a definition of steps alone cannot have {}", quoted(&key.text));
            let help = "put the steps into a state".to_owned();
            context.report.help(codes::STEPS, key.span, message, help);
        }
        if !has("states") {
            self.graph(STEPS_STATE);
            self.steps_alone();
        }
    }

    fn finally(&mut self, place: Place, node: &'t Node) -> u16 {
        let items = self.context.block(node, Env::ERROR, &mut Uses::new());
        let steps = self.steps(place, items);
        self.program(place, steps)
    }

    /// A definition of steps alone: its final state takes over what the graph gives.
    fn steps_alone(&mut self) {
        let names = self.context.names(Env::ACTION);
        let (state, done) = (STEPS_STATE, STEPS_STATE + 1);
        let span = self.context.outline.state(state).span;
        let id = Arc::clone(&self.draft(state).id);
        let edge = Edge { trigger: done_trigger(&id), ..implied(state, done, span) };
        self.draft(state).results.push(edge);
        self.draft(done).output = Template::compile_text("${ data }", &names).ok();
    }
}

/// What is said of steps where there are none, or where none can stand.
pub(super) fn misplaced(context: &Context<'_>, fields: &[(&Key, &Node)], what: &str) {
    for (key, _) in fields.iter().filter(|(key, _)| OF_STEPS.contains(&&*key.text)) {
        let message = format!("{what} cannot have {}", quoted(&key.text));
        context.report.add(codes::STEPS, key.span, message);
    }
}

fn mode(context: &Context<'_>, node: &Node) -> Option<Mode> {
    let words = [
        ("sequential", Mode::Sequential),
        ("parallel", Mode::Graph),
        ("conditional", Mode::Graph),
        ("pipeline", Mode::Pipeline),
    ];
    word(context, node, &words)
}

fn on_failure(context: &Context<'_>, node: &Node) -> Option<GraphFailure> {
    word(context, node, &[("abort", GraphFailure::Raise), ("rollback", GraphFailure::Rollback)])
}
