//! States.

use super::action::{Action, Transition};
use super::approval::Approval;
use super::data::Data;
use super::step::Step;
use super::tree::{Tree, names};
use crate::convert::Yaml;
use crate::definition::model::Mode;

/// A state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State(pub(super) Tree);

impl State {
    /// An action when it is entered; several are done in order.
    #[must_use]
    pub fn entry(self, action: Action) -> Self {
        self.changed(|tree| tree.more("entry", action.into()))
    }

    /// `approval:` by a person; the transitions on its event decide.
    #[must_use]
    pub fn approval(self, approval: Approval) -> Self {
        self.changed(|tree| tree.put("approval", approval.into()))
    }

    /// An action when it is left; several are done in order.
    #[must_use]
    pub fn exit(self, action: Action) -> Self {
        self.changed(|tree| tree.more("exit", action.into()))
    }

    /// A transition on an event; of several for one event the first that fits is taken.
    #[must_use]
    pub fn on(self, event: &str, transition: impl Into<Transition>) -> Self {
        self.changed(|tree| {
            let mut on = tree.mapping("on");
            on.more(event, transition.into().into());
            tree.put("on", on.into());
        })
    }

    /// A transition that needs no event.
    #[must_use]
    pub fn always(self, transition: impl Into<Transition>) -> Self {
        self.changed(|tree| tree.more("always", transition.into().into()))
    }

    /// A transition after a time, such as `24h`.
    #[must_use]
    pub fn after(self, duration: &str, transition: impl Into<Transition>) -> Self {
        self.changed(|tree| tree.entry("after", duration, transition.into().into()))
    }

    /// Where to go when its children, calls or steps are done.
    #[must_use]
    pub fn done(self, transition: impl Into<Transition>) -> Self {
        self.changed(|tree| tree.more("done", transition.into().into()))
    }

    /// Where to go when a call or step failed for good.
    #[must_use]
    pub fn failed(self, transition: impl Into<Transition>) -> Self {
        self.changed(|tree| tree.more("failed", transition.into().into()))
    }

    /// A workflow that runs as a child while it is active.
    #[must_use]
    pub fn run(self, workflow: impl Into<String>) -> Self {
        self.changed(|tree| tree.text("run", workflow))
    }

    /// Entering it ends what is around it.
    #[must_use]
    pub fn ends(self) -> Self {
        self.changed(|tree| tree.literal("final", true))
    }

    /// The result of a final state, or of steps.
    #[must_use]
    pub fn output(self, data: impl Into<Data>) -> Self {
        self.changed(|tree| tree.data("output", data))
    }

    /// Events that are kept until another state takes them.
    #[must_use]
    pub fn defer<N: Into<String>>(self, events: impl IntoIterator<Item = N>) -> Self {
        self.changed(|tree| tree.put("defer", names(events)))
    }

    /// The child that is entered by default.
    #[must_use]
    pub fn initial(self, child: impl Into<String>) -> Self {
        self.changed(|tree| tree.text("initial", child))
    }

    /// A child; one of them is active.
    #[must_use]
    pub fn state(self, id: &str, build: impl FnOnce(Self) -> Self) -> Self {
        self.below("states", id, build)
    }

    /// A region; all of them are active.
    #[must_use]
    pub fn region(self, id: &str, build: impl FnOnce(Self) -> Self) -> Self {
        self.below("parallel", id, build)
    }

    /// The order of its steps.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        self.changed(|tree| tree.text("mode", mode.as_str()))
    }

    /// A step that runs while it is active.
    #[must_use]
    pub fn step(self, id: &str, build: impl FnOnce(Step) -> Step) -> Self {
        self.changed(|tree| {
            let mut steps = tree.mapping("steps");
            let step = build(Step(steps.mapping(id)));
            steps.put(id, step.0.into());
            tree.put("steps", steps.into());
        })
    }

    /// Any other key of a state, as in a file.
    #[must_use]
    pub fn key(self, key: &str, data: impl Into<Data>) -> Self {
        self.changed(|tree| tree.data(key, data))
    }

    fn below(self, key: &str, id: &str, build: impl FnOnce(Self) -> Self) -> Self {
        let below: Yaml = build(Self::default()).0.into();
        self.changed(|tree| tree.entry(key, id, below))
    }

    fn changed(mut self, change: impl FnOnce(&mut Tree)) -> Self {
        change(&mut self.0);
        self
    }
}
