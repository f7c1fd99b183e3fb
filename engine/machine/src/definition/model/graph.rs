//! Graph: the steps of a state, and what each waits for (decision 0023).

use std::sync::Arc;

use crate::definition::expr::{Expr, Template};
use crate::machine::StateId;
use crate::value::Value;

/// `steps:` of a state: what runs while it is active, in the order that `needs:` give.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The state whose exit cancels it.
    pub state: StateId,
    /// `mode:`; what it means for the order is in the steps' needs already.
    pub mode: Mode,
    /// In document order.
    pub steps: Vec<Step>,
    /// `on_failure:` of the graph.
    pub on_failure: GraphFailure,
    /// `timeout:` of the graph, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How many steps may run at once; all that are ready where absent.
    pub max_parallel: Option<u16>,
    /// `finally:`: a place in [`super::Definition::sequences`], run on every way out.
    pub finally: Option<u16>,
    /// `output:`; what the last step that completed gave where absent.
    pub output: Option<Template>,
}

impl Graph {
    /// The steps that need `step`, and those that need them, in no order.
    #[must_use]
    pub fn needing(&self, step: u16) -> Vec<u16> {
        let dependents = |at: u16| {
            let found = self.steps.get(usize::from(at));
            found.map(|step| step.dependents.as_slice()).unwrap_or_default()
        };
        let mut found = dependents(step).to_vec();
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            next += 1;
            for dependent in dependents(at) {
                if !found.contains(dependent) {
                    found.push(*dependent);
                }
            }
        }
        found
    }
}

/// `mode:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `parallel`, `conditional`, or none: a step starts when its needs are met.
    #[default]
    Graph,
    /// Each step needs the one above it.
    Sequential,
    /// Sequential, and the output of a step is the `data` of the next.
    Pipeline,
}

/// What a step that failed for good does to its graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GraphFailure {
    /// It raises an error event: `failed:` takes it, else `on_error:` decides.
    #[default]
    Raise,
    /// What was done is taken back first, newest first; then the error is raised, and a workflow
    /// that does not handle it ends as failed.
    Rollback,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name; unique in the definition.
    pub id: Arc<str>,
    /// `title:`; the id where there is none.
    pub title: Arc<str>,
    /// `metadata:`, as written.
    pub metadata: Value,
    /// What it does: a place in [`super::Definition::sequences`].
    pub program: u16,
    /// What must be over before it starts; all groups must agree.
    pub needs: Vec<Need>,
    /// The steps that name it in their needs, in document order.
    pub dependents: Vec<u16>,
    /// `when:`; false is skipped.
    pub when: Option<Expr>,
    /// `optional: true` or `critical: false`: its failure is a warning.
    pub optional: bool,
    /// What its failure does, once no attempt is left.
    pub on_failure: StepFailure,
    /// The step whose fallback it is: it runs only when that one fails.
    pub fallback_of: Option<u16>,
    /// `deadline:`: how long all of it may take, retries and items included; milliseconds.
    pub deadline_ms: Option<u64>,
    /// `foreach:`.
    pub each: Option<Fanout>,
    /// 1-based line in the file, 0 where there is none.
    pub line: u32,
}

/// One group of `needs:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What must be true of them.
    pub kind: NeedKind,
    /// Steps, by place.
    pub of: Vec<u16>,
}

/// What a group of needs asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// All are over, and not all of them were skipped: then the step is skipped too.
    All,
    /// One succeeded; where all are over and none did, the step is skipped.
    Any,
    /// At least so many succeeded.
    AtLeast(u16),
    /// It is over, whatever became of it: the order of `sequential` and `pipeline`.
    After,
}

/// What a step's failure does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepFailure {
    /// The graph fails.
    #[default]
    Abort,
    /// The step counts as skipped, with the error kept; what needs it goes on.
    Skip,
    /// That step runs instead; its output is this one's.
    Fallback(u16),
}

/// `foreach:`: the same for each item of a list.
#[derive(Clone, Debug)]
pub struct Fanout {
    /// The list.
    pub list: Expr,
    /// The name of the item.
    pub item: Arc<str>,
    /// The name of its index.
    pub index: Option<Arc<str>>,
    /// How many items are under way at once.
    pub max_parallel: u16,
    /// What failing items do.
    pub collect: Collect,
    /// What becomes of the results.
    pub aggregate: Aggregate,
}

impl Fanout {
    /// `max_parallel:` where none is given.
    pub const PARALLEL: u16 = 32;
    /// The most items at once: a call under way takes some hundred bytes.
    pub const PARALLEL_MAX: u16 = 256;
    /// The most items of one list.
    pub const ITEMS_MAX: usize = 100_000;
}

/// What failing items of a fan-out do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collect {
    /// The first error fails the step, and the other items are cancelled.
    #[default]
    FirstError,
    /// All items are tried; then an error fails the step.
    All,
    /// What could be had is the result, with the missing ones named.
    Partial,
}

/// What becomes of the results of a fan-out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// A list, in the order of the items.
    #[default]
    List,
    /// One map, later items win.
    Merge,
    /// One list of all different elements.
    Union,
    /// One list of the elements that all results have.
    Intersect,
    /// `count mean min max stddev` of numbers; of this member of each result where one is named.
    Statistical(Option<Arc<str>>),
}
