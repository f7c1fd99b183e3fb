//! The order to go on under another version: the one input that takes two definitions.

use std::sync::Arc;

use crate::machine::{
    Decision, InstanceKey, Migrated, Outcome, Principal, Renamed, Timestamp, TraceEntry, migrate,
};

use super::draft::Draft;
use super::plan::Run;

impl Run<'_> {
    /// Carries an instance to another version, or says why not; then nothing is recorded.
    pub(super) fn migrate(
        &mut self,
        key: &InstanceKey,
        (version, states): (u32, &[Renamed]),
        (by, reason): (&Principal, &Arc<str>),
        at: Timestamp,
    ) -> Draft {
        let Some(old) = self.fetch(key).cloned() else {
            return Draft::not_found(Some(key), "instance");
        };
        let rejected = |reason: String| {
            let outcome = Outcome::Rejected { reason: reason.into(), accepted: Vec::new() };
            Draft::answer(Some(key), outcome)
        };
        let workflow = key.workflow();
        let Some(from) = self.definitions.pinned(workflow, old.pin).cloned() else {
            return rejected(format!("`{workflow}@{}` is not deployed", old.pin.version));
        };
        let Some(to) = self.definitions.get(workflow, version).cloned() else {
            return rejected(format!("`{workflow}@{version}` is not deployed"));
        };
        let now = at.max(old.updated_at);
        let Migrated { instance, notes } = match migrate(&old, &from, &to, states, now) {
            Ok(migrated) => migrated,
            Err(reason) => return rejected(reason),
        };
        let mut note = format!("{workflow}@{} → {workflow}@{version}", from.version);
        // A line may be cut short: what the operator said comes first.
        for part in Some(&**reason).into_iter().chain(notes.iter().map(String::as_str)) {
            if !part.is_empty() {
                note.push_str("; ");
                note.push_str(part);
            }
        }
        let trace = TraceEntry {
            step: instance.step,
            at: now,
            input: "command migrate".into(),
            by: Some(Arc::clone(&by.user)).filter(|user| !user.is_empty()),
            note: Some(note.into()),
            guards: Vec::new(),
            fired: Vec::new(),
            effects: Vec::new(),
            active: to.leaves(&instance.active).collect(),
        };
        let decision = Decision {
            instance: Some(instance),
            effects: Vec::new(),
            trace: Some(trace),
            outcome: Outcome::Done,
        };
        Draft::decision(decision, key, Some(&old), Some(&to), &self.partition.queues)
    }
}
