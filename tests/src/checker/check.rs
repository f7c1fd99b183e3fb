//! Judging a run: every rule looks at all of it.

use std::collections::BTreeMap;

use super::record::{Operation, Run};
use super::{faults, jobs, raw, rules};

/// Something that must not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, as a word.
    pub rule: &'static str,
    /// What it is about: an operation, an instance or a call.
    pub about: String,
    /// What was seen.
    pub seen: String,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Violations; none in a good run.
    pub findings: Vec<Finding>,
    /// Operations in all.
    pub operations: usize,
    /// Operations that were acknowledged.
    pub acknowledged: usize,
    /// Operations with an attempt of unknown outcome.
    pub unknown: usize,
    /// Of those, how many had been applied.
    pub unknown_applied: usize,
    /// Operations refused for certain.
    pub refused: usize,
    /// Calls that plugins saw.
    pub calls: usize,
    /// Calls that they saw again, under the same id, after a restart or as another attempt.
    pub calls_again: usize,
    /// Workflows of steps.
    pub jobs: usize,
    /// Steps and items of them that were taken back.
    pub taken_back: usize,
    /// Jobs that were taken back over more than one engine process.
    pub rollbacks_cut: usize,
    /// Timers that fired.
    pub timers: usize,
    /// The latest that a timer fired, in milliseconds after it was due.
    pub timer_late_ms_max: i64,
    /// Frames in the raw journals.
    pub frames: u64,
    /// Decisions in them.
    pub decisions: u64,
    /// Owners that they had, all partitions together.
    pub epochs: u64,
    /// Frames in them that do not count: of replaced owners, or the last one once more.
    pub stale: u64,
    /// Messages of strangers in them.
    pub foreign: u64,
    /// Faults that were made, by kind.
    pub faults: BTreeMap<String, usize>,
    /// How long after the last fault the last instance moved, in milliseconds.
    pub settled_ms: Option<i64>,
}

/// What rules look at.
pub(super) struct Case<'a> {
    pub(super) run: &'a Run,
    pub(super) operations: BTreeMap<&'a str, Operation>,
    /// How often each operation is found in `vars.applied`.
    pub(super) applied: BTreeMap<&'a str, usize>,
    pub(super) findings: Vec<Finding>,
}

impl Case<'_> {
    pub(super) fn find(&mut self, rule: &'static str, about: &str, seen: impl Into<String>) {
        self.findings.push(Finding { rule, about: about.to_owned(), seen: seen.into() });
    }
}

/// Judges a run.
#[must_use]
pub fn check(run: &Run) -> Report {
    let applied = evidence(run);
    let mut case = Case { run, operations: run.operations(), applied, findings: Vec::new() };
    let mut report = Report::default();
    rules::events(&mut case, &mut report);
    rules::invented(&mut case);
    rules::enough(&mut case, &report);
    rules::states(&mut case);
    rules::steps(&mut case);
    rules::timers(&mut case, &mut report);
    rules::calls(&mut case, &mut report);
    jobs::jobs(&mut case, &mut report);
    raw::journals(&mut case, &mut report);
    faults::counted(&mut case, &mut report);
    report.findings = case.findings;
    report
}

/// Every transition of the definitions under test notes `data.op` in `vars.applied`.
fn evidence(run: &Run) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for instance in &run.instances {
        let noted = instance.vars.get("applied").and_then(|list| list.as_array());
        for op in noted.into_iter().flatten().filter_map(|op| op.as_str()) {
            *count.entry(op).or_insert(0) += 1;
        }
    }
    count
}
