//! The order to begin as a fork: told to an instance that is not there yet.

use std::sync::Arc;

use crate::machine::{Command, Fork, Input, InstanceKey, Outcome, Principal, Timestamp};

use super::draft::Draft;
use super::frame::Item;
use super::plan::Run;

impl Run<'_> {
    /// Begins the life of `key` where another instance was, or says why not.
    pub(super) fn fork(
        &mut self,
        key: &InstanceKey,
        fork: &Fork,
        (by, reason): (&Principal, &Arc<str>),
        at: Timestamp,
    ) -> Draft {
        let rejected = |reason: String| {
            let outcome = Outcome::Rejected { reason: reason.into(), accepted: Vec::new() };
            Draft::answer(Some(key), outcome)
        };
        if self.fetch(key).is_some_and(|old| !old.status.is_ended()) {
            return rejected(format!("`{key}` runs already: give the fork another key"));
        }
        let workflow = key.workflow();
        let Some(definition) = self.definitions.pinned(workflow, fork.pin).cloned() else {
            return rejected(format!("`{workflow}@{}` is not deployed", fork.pin.version));
        };
        let input = Input::Command {
            command: Command::Fork(Box::new(fork.clone())),
            by: by.clone(),
            reason: Arc::clone(reason),
        };
        let mut draft = self.consult(key, &definition, &input, at);
        if draft.change.is_some() {
            let queues = &self.partition.queues;
            for (id, event) in queues.buffered_for(key) {
                draft.items.push(Item::BufferTaken { id });
                draft.send_self(key, event, queues);
            }
        }
        draft
    }
}
