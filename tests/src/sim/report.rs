//! What a run did, for people.

use std::collections::BTreeMap;
use std::fmt;

use gearshift_machine::machine::TransitionId;

use super::charts::Charts;

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Steps made.
    pub steps: u64,
    /// Episodes, each with a world of its own.
    pub episodes: u64,
    /// Things that happened, by name.
    pub happened: BTreeMap<&'static str, u64>,
    /// How often each transition was taken, by workflow.
    pub taken: BTreeMap<String, BTreeMap<TransitionId, u64>>,
}

impl Report {
    /// Counts one occurrence of `what`.
    pub(super) fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// How often `what` happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.happened.get(what).copied().unwrap_or(0)
    }

    /// Counts a transition.
    pub(super) fn took(&mut self, workflow: &str, transition: TransitionId) {
        if !self.taken.contains_key(workflow) {
            self.taken.insert(workflow.to_owned(), BTreeMap::new());
        }
        if let Some(taken) = self.taken.get_mut(workflow) {
            *taken.entry(transition).or_default() += 1;
        }
    }

    /// Transitions that were never taken, as `workflow: source -> targets (name)`.
    #[must_use]
    pub fn never_taken(&self, charts: &Charts) -> Vec<String> {
        let mut never = Vec::new();
        for definition in &charts.list {
            let taken = self.taken.get(&*definition.name);
            for (at, transition) in (0_u16..).zip(&definition.transitions) {
                let id = TransitionId(at);
                let is_default =
                    transition.trigger == gearshift_machine::definition::model::Trigger::Initial;
                if is_default || taken.is_some_and(|taken| taken.contains_key(&id)) {
                    continue;
                }
                let source = &definition.state(transition.source).id;
                let targets: Vec<_> =
                    transition.targets.iter().map(|id| &*definition.state(*id).id).collect();
                let name = transition.name.as_deref().unwrap_or("unnamed");
                let targets = targets.join(", ");
                never.push(format!("{}: {source} -> {targets} ({name})", definition.name));
            }
        }
        never
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, steps, episodes, happened, .. } = self;
        writeln!(formatter, "seed {seed}: {steps} steps in {episodes} episodes")?;
        for (what, count) in happened {
            writeln!(formatter, "  {count:>9} {what}")?;
        }
        Ok(())
    }
}
