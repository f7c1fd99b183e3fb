//! Workflow: a definition under construction.

use super::action::Action;
use super::data::Data;
use super::schedule::Schedule;
use super::state::State;
use super::step::{Step, Undo};
use super::tree::Tree;
use crate::convert::Yaml;
use crate::definition::load::{Format, Loaded, load};
use crate::definition::model::{Definition, GraphFailure, Mode};
use crate::definition::problem::Problem;

/// A definition under construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow(Tree);

impl Workflow {
    /// A workflow with this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let mut tree = Tree::default();
        tree.text("workflow", name);
        Self(tree)
    }

    /// Its version, from 1.
    #[must_use]
    pub fn version(self, version: u32) -> Self {
        self.changed(|tree| tree.literal("version", version))
    }

    /// What people call it.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        self.changed(|tree| tree.text("title", title))
    }

    /// The key of the instance that an event belongs to, an expression.
    #[must_use]
    pub fn correlate(self, expression: impl Into<String>) -> Self {
        self.changed(|tree| tree.text("correlate", expression))
    }

    /// An event that is captured from the bus.
    #[must_use]
    pub fn event(self, name: &str, build: impl FnOnce(Event) -> Event) -> Self {
        let event: Yaml = build(Event::default()).0.into();
        self.changed(|tree| tree.entry("events", name, event))
    }

    /// When it starts by itself.
    #[must_use]
    pub fn schedule(self, name: &str, build: impl FnOnce(Schedule) -> Schedule) -> Self {
        let schedule: Yaml = build(Schedule::default()).0.into();
        self.changed(|tree| tree.entry("schedules", name, schedule))
    }

    /// A variable and its first value.
    #[must_use]
    pub fn var(self, name: &str, first: impl Into<Data>) -> Self {
        self.changed(|tree| tree.entry("vars", name, first.into().0))
    }

    /// The state that is entered first; the first one by default.
    #[must_use]
    pub fn initial(self, state: impl Into<String>) -> Self {
        self.changed(|tree| tree.text("initial", state))
    }

    /// A state.
    #[must_use]
    pub fn state(self, id: &str, build: impl FnOnce(State) -> State) -> Self {
        let state: Yaml = build(State::default()).0.into();
        self.changed(|tree| tree.entry("states", id, state))
    }

    /// An action with a name.
    #[must_use]
    pub fn action(self, name: &str, action: Action) -> Self {
        self.changed(|tree| tree.entry("actions", name, action.into()))
    }

    /// The order of the steps.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        self.changed(|tree| tree.text("mode", mode.as_str()))
    }

    /// What a step that failed for good does to the steps.
    #[must_use]
    pub fn on_failure(self, what: GraphFailure) -> Self {
        let word = match what {
            GraphFailure::Raise => "abort",
            GraphFailure::Rollback => "rollback",
        };
        self.changed(|tree| tree.text("on_failure", word))
    }

    /// The time of all steps together.
    #[must_use]
    pub fn timeout(self, duration: impl Into<String>) -> Self {
        self.changed(|tree| tree.text("timeout", duration))
    }

    /// How many steps run at once.
    #[must_use]
    pub fn max_parallel(self, count: u16) -> Self {
        self.changed(|tree| tree.literal("max_parallel", count))
    }

    /// A step; said again it is added to.
    #[must_use]
    pub fn step(self, id: &str, build: impl FnOnce(Step) -> Step) -> Self {
        self.changed(|tree| {
            let mut steps = tree.mapping("steps");
            let step = build(Step(steps.mapping(id)));
            steps.put(id, step.0.into());
            tree.put("steps", steps.into());
        })
    }

    /// A step that calls an operation.
    #[must_use]
    pub fn add_stage(self, id: &str, operation: impl Into<String>) -> Self {
        self.step(id, |step| step.call(operation))
    }

    /// `to` waits for `from`.
    #[must_use]
    pub fn dependency(self, from: &str, to: &str) -> Self {
        self.step(to, |mut step| {
            step.0.item("needs", Yaml::text(from));
            step
        })
    }

    /// Behind `from` one of two steps runs, the first where the condition holds.
    #[must_use]
    pub fn conditional_branch(
        self,
        from: &str,
        condition: &str,
        when_true: &str,
        when_false: &str,
    ) -> Self {
        self.dependency(from, when_true)
            .step(when_true, |step| step.when(condition))
            .dependency(from, when_false)
            .step(when_false, |step| step.when(format!("!({condition})")))
    }

    /// What takes a step back.
    #[must_use]
    pub fn undo(self, step: &str, undo: impl Into<Undo>) -> Self {
        self.step(step, |step| step.undo(undo))
    }

    /// An action when the steps are over, however they ended; several are done in order.
    #[must_use]
    pub fn finally(self, action: Action) -> Self {
        self.changed(|tree| tree.more("finally", action.into()))
    }

    /// The result of the steps.
    #[must_use]
    pub fn output(self, data: impl Into<Data>) -> Self {
        self.changed(|tree| tree.data("output", data))
    }

    /// Any other key of a definition, as in a file.
    #[must_use]
    pub fn key(self, key: &str, data: impl Into<Data>) -> Self {
        self.changed(|tree| tree.data(key, data))
    }

    /// The definition as a file.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        Yaml::from(self.0.clone()).write()
    }

    /// How [`Workflow::to_yaml`] is written.
    #[must_use]
    pub const fn format(&self) -> Format {
        Format::Yaml
    }

    /// The definition, as a file with this text gives it.
    ///
    /// # Errors
    /// Everything that is wrong with it, at its place in [`Workflow::to_yaml`].
    pub fn build(&self) -> Result<Definition, Vec<Problem>> {
        self.load().map(|loaded| loaded.definition)
    }

    /// The definition with its warnings.
    ///
    /// # Errors
    /// As [`Workflow::build`].
    pub fn load(&self) -> Result<Loaded, Vec<Problem>> {
        load(&self.to_yaml(), "builder", self.format())
    }

    fn changed(mut self, change: impl FnOnce(&mut Tree)) -> Self {
        change(&mut self.0);
        self
    }
}

/// An event that is captured from the bus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event(Tree);

impl Event {
    /// It starts an instance where none has its key.
    #[must_use]
    pub fn starts(mut self) -> Self {
        self.0.literal("start", true);
        self
    }

    /// How long it waits for its instance.
    #[must_use]
    pub fn buffer(mut self, duration: impl Into<String>) -> Self {
        self.0.text("buffer", duration);
        self
    }

    /// Where it is captured; its name by default.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.0.text("subject", subject);
        self
    }

    /// The key of its instance, an expression.
    #[must_use]
    pub fn correlate(mut self, expression: impl Into<String>) -> Self {
        self.0.text("correlate", expression);
        self
    }
}
