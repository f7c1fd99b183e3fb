//! The document: states, transitions, children.

use super::super::place::{Refusals, SourceText};
use super::element::Element;
use super::values::{expression, payload};
use super::variables::variables;
use crate::definition::expr::Template;
use crate::definition::model::{
    ChildSpec, Definition, Delay, Descriptor, OnError, SeqStep, SetPath, State, StateKind,
    Transition, Trigger, Unhandled,
};
use crate::definition::problem::Problem;
use crate::machine::{StateId, TransitionId};

/// The definition as an SCXML document. Its expressions stay what they are, CEL.
///
/// # Errors
/// Everything that SCXML cannot say, with its place: calls, approvals, deferral, messages for
/// others.
pub fn scxml(definition: &Definition, source: SourceText<'_>) -> Result<String, Vec<Problem>> {
    let refusals = Refusals::new(definition, source);
    let mut export = Export { definition, refusals };
    let root = export.document();
    let mut problems = export.refusals.problems;
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.span);
        return Err(problems);
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    root.write(0, &mut out);
    Ok(out)
}

/// A definition on its way.
pub(super) struct Export<'a, 's> {
    definition: &'a Definition,
    refusals: Refusals<'s>,
}

impl Export<'_, '_> {
    pub(super) fn refuse(&mut self, state: &str, keys: &[&str], message: impl Into<String>) {
        self.refusals.add(state, keys, message);
    }

    fn document(&mut self) -> Element {
        let definition = self.definition;
        let root = definition.state(StateId::ROOT);
        self.head(root);
        let mut document = Element::new("scxml")
            .with("xmlns", "http://www.w3.org/2005/07/scxml")
            .with("version", "1.0")
            .with("datamodel", "cel")
            .with("name", &*definition.name);
        if let Some(initial) = root.initial {
            let transition = definition.transition(initial);
            document = document.with("initial", self.targets(transition));
            if !transition.actions.is_empty() {
                self.refuse(&root.id, &["initial"], "actions of the first `initial` have no place");
            }
        }
        let (top, inner) = variables(definition);
        document = document.holding(top);
        let mut children = self.children(StateId::ROOT);
        match (inner, children.iter_mut().find(|child| child.is_real_state())) {
            (Some(inner), Some(state)) => state.push_first(inner),
            (inner, _) => document = document.holding(inner),
        }
        document.holding(children)
    }

    /// What is said of the whole definition and SCXML has no place for.
    fn head(&mut self, root: &State) {
        let name = root.id.to_string();
        let transitions = !root.transitions.is_empty() || !root.always.is_empty();
        if transitions || !root.after.is_empty() {
            let message =
                "transitions of the whole definition have no place; put the states into one";
            self.refuse(&name, &["on", "always", "after"], message);
        }
        self.policies(root);
        match self.definition.on_error {
            // SCXML goes on; what makes an instance wait for a person cannot be said in it.
            OnError::Ignore | OnError::Suspend => {}
            OnError::Fail => {
                self.refuse(&name, &["on_error"], "`on_error: fail` has no equivalent");
            }
        }
        match self.definition.unhandled {
            Unhandled::Discard => {}
            Unhandled::Defer | Unhandled::DeadLetter | Unhandled::Reject => {
                let message = "events that nobody takes are discarded in SCXML";
                self.refuse(&name, &["unhandled"], message);
            }
        }
    }

    /// What a state says about events and people that SCXML does not know.
    fn policies(&mut self, state: &State) {
        let name = state.id.to_string();
        if !state.defer.is_empty() {
            self.refuse(&name, &["defer"], "`defer` has no equivalent");
        }
        if state.unhandled.is_some_and(|policy| policy != Unhandled::Discard) {
            self.refuse(&name, &["unhandled"], "events that nobody takes are discarded in SCXML");
        }
        if state.approval.is_some() {
            self.refuse(&name, &["approval"], "`approval` has no equivalent");
        }
    }

    fn children(&mut self, id: StateId) -> Vec<Element> {
        let definition = self.definition;
        let shown = definition.state(id).children.iter();
        shown
            .filter(|child| definition.state(**child).hidden_for.is_none())
            .map(|child| self.state(*child))
            .collect()
    }

    fn state(&mut self, id: StateId) -> Element {
        let definition = self.definition;
        let state = definition.state(id);
        let kind = match state.kind {
            StateKind::Atomic | StateKind::Compound => "state",
            StateKind::Parallel => "parallel",
            StateKind::Final => "final",
            StateKind::History { deep } => return self.history(state, deep),
        };
        self.policies(state);
        let name = state.id.to_string();
        let mut element = Element::new(kind).with("id", name.as_str());
        if let (StateKind::Compound, Some(initial)) = (state.kind, state.initial) {
            let arrow = self.arrow(&name, initial);
            element.push(Element::new("initial").holding([arrow]));
        }
        self.blocks(state, &mut element);
        for invoke in self.invokes(state) {
            element.push(invoke);
        }
        for id in state.always.iter().chain(&state.transitions) {
            if let Some(transition) = self.transition(&name, *id) {
                element.push(transition);
            }
        }
        for (at, after) in state.after.iter().enumerate() {
            let event = timer(&name, at);
            let transition = self.transition(&name, after.transition);
            element.push(
                transition.unwrap_or_else(|| Element::new("transition")).with("event", event),
            );
        }
        if let Some(output) = &state.output {
            element.push(Element::new("donedata").holding(payload(Some(output))));
        }
        let children = self.children(id);
        element.holding(children)
    }

    fn history(&mut self, state: &State, deep: bool) -> Element {
        let kind = if deep { "deep" } else { "shallow" };
        let name = state.id.to_string();
        let element = Element::new("history").with("id", name.as_str()).with("type", kind);
        let arrow = state.initial.map(|initial| self.arrow(&name, initial));
        element.holding(arrow)
    }

    /// `onentry` and `onexit`; the timers of `after` are sent on the way in and cancelled on the
    /// way out.
    fn blocks(&mut self, state: &State, element: &mut Element) {
        let name = state.id.to_string();
        for (at, after) in state.after.iter().enumerate() {
            let id = timer(&name, at);
            let send = Element::new("send").with("event", id.as_str()).with("id", id.as_str());
            let send = match &after.delay {
                Delay::Fixed(ms) => send.with("delay", format!("{ms}ms")),
                Delay::Computed(template) => send.with("delayexpr", expression(template)),
            };
            element.push(Element::new("onentry").holding([send]));
            let cancel = Element::new("cancel").with("sendid", id);
            element.push(Element::new("onexit").holding([cancel]));
        }
        let keys = ["entry", "invoke"];
        for block in &state.entry {
            let actions = self.block(&name, &keys, block);
            if !actions.is_empty() {
                element.push(Element::new("onentry").holding(actions));
            }
        }
        for block in &state.exit {
            let actions = self.block(&name, &["exit"], block);
            element.push(Element::new("onexit").holding(actions));
        }
    }

    /// Children that the state starts; what else a sequence does is refused where it stands.
    fn invokes(&mut self, state: &State) -> Vec<Element> {
        let definition = self.definition;
        let own = definition.sequences.iter().filter(|sequence| {
            let owner = definition.state(sequence.state);
            owner.id == state.id && owner.hidden_for.is_none()
        });
        let mut list = Vec::new();
        for sequence in own {
            let mut named: Option<&SetPath> = None;
            for step in &sequence.steps {
                if let SeqStep::Name { path, .. } = step {
                    named = Some(path);
                } else if let SeqStep::Child { spec, invoke_id } = step {
                    list.push(self.invoke(&state.id, spec, invoke_id, named.take()));
                }
            }
        }
        list
    }

    fn invoke(
        &mut self,
        state: &str,
        spec: &ChildSpec,
        invoke_id: &str,
        named: Option<&SetPath>,
    ) -> Element {
        let mut element = Element::new("invoke").with("type", "scxml");
        element = match named {
            Some(path) => element.with("idlocation", &*path.text),
            None => element.with("id", invoke_id),
        };
        element = match spec.workflow.as_const().and_then(crate::value::Value::as_str) {
            Some(name) if name.contains('@') => {
                let message = format!("the version of `{name}` has no equivalent");
                self.refuse(state, &["invoke", "run"], message);
                element
            }
            Some(name) => element.with("src", format!("{name}.scxml")),
            None => element.with("srcexpr", expression(&spec.workflow)),
        };
        if spec.forward {
            element = element.with("autoforward", "true");
        }
        element = element.holding(payload(spec.with.as_ref().filter(|with| !is_empty(with))));
        if !spec.set.is_empty() {
            let assigns = spec.set.iter().map(|(path, expr)| {
                let value = super::values::as_event_data(expr.source().trim());
                Element::new("assign").with("location", &*path.text).with("expr", value)
            });
            element.push(Element::new("finalize").holding(assigns.collect::<Vec<_>>()));
        }
        element
    }

    /// Whatever of a sequence is no child.
    pub(super) fn sequence(&mut self, state: &str, keys: &[&str], place: u16) {
        let definition = self.definition;
        let Some(sequence) = definition.sequences.get(usize::from(place)) else { return };
        for step in &sequence.steps {
            match step {
                SeqStep::Call { spec, .. } => {
                    let message = format!("the call of `{}` has no equivalent", spec.operation);
                    self.refuse(state, keys, message);
                }
                SeqStep::Child { .. } | SeqStep::Name { .. } => {}
                SeqStep::Do(_)
                | SeqStep::Wait { .. }
                | SeqStep::JumpUnless { .. }
                | SeqStep::Jump { .. } => {
                    self.refuse(state, keys, "actions behind a call have no equivalent");
                }
            }
        }
    }

    /// A transition without event: where to, and what to do on the way.
    fn arrow(&mut self, state: &str, id: TransitionId) -> Element {
        let definition = self.definition;
        let transition = definition.transition(id);
        let actions = self.block(state, &["initial", "default"], &transition.actions);
        Element::new("transition").with("target", self.targets(transition)).holding(actions)
    }

    fn transition(&mut self, state: &str, id: TransitionId) -> Option<Element> {
        let definition = self.definition;
        let transition = definition.transition(id);
        let mut element = Element::new("transition");
        if let Trigger::Events(list) = &transition.trigger {
            element = element.with("event", self.descriptors(state, list));
        }
        let guard = transition.guard.as_ref().map(|guard| guard.source().trim().to_owned());
        element = element.with_some("cond", guard);
        if !transition.targets.is_empty() {
            element = element.with("target", self.targets(transition));
        }
        if transition.internal {
            element = element.with("type", "internal");
        }
        let through = transition.targets.first().map(|target| definition.state(*target));
        if through.is_some_and(|target| target.hidden_for.is_some()) {
            self.refuse(state, &["on", "always", "after"], "calls on the way have no equivalent");
            return None;
        }
        let actions = self.block(state, &["on", "always", "after"], &transition.actions);
        Some(element.holding(actions))
    }

    fn descriptors(&mut self, state: &str, list: &[Descriptor]) -> String {
        let mut words = Vec::new();
        for descriptor in list {
            let text = descriptor.to_string();
            // Names that the engine makes have nothing behind them, so both match the same.
            let own = |name: &str| name.starts_with("done.") || name.starts_with("error.");
            match text.strip_prefix('=') {
                Some(name) if own(name) => words.push(name.to_owned()),
                Some(name) => {
                    let message = format!("`={name}` has no equivalent: SCXML matches by prefix");
                    self.refuse(state, &["on"], message);
                }
                None => words.push(text),
            }
        }
        words.join(" ")
    }

    fn targets(&self, transition: &Transition) -> String {
        let names = transition.targets.iter().map(|id| self.definition.state(*id).id.to_string());
        names.collect::<Vec<_>>().join(" ")
    }
}

/// The event and id of the timer number `at` of a state.
fn timer(state: &str, at: usize) -> String {
    format!("timer.{state}.{at}")
}

fn is_empty(with: &Template) -> bool {
    let map = with.as_const().and_then(crate::value::Value::as_map);
    map.is_some_and(|map| map.iter().next().is_none())
        || matches!(with, Template::Map(entries) if entries.is_empty())
}
