//! What the results of calls are kept under, and which of them are worth it (decision 0034).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::effect::Effect;
use super::encoding::{Codec, Out};
use super::ids::{ContentHash, StateId};
use super::input::Event;
use super::instance::RunningSequence;
use super::invoked::call_at;
use super::macrostep::Taken;
use super::progress::Role;
use super::work::{Failure, Overrun, Work};
use crate::definition::duration;
use crate::definition::model::CallSpec;
use crate::value::Value;

/// What tells what a result is kept under begins with this, so that another way to tell it never
/// finds what was kept in this one.
const FORM: &str = "gearshift result 1";

/// Under what the result of a call is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// Of the workflow, the step, the operation and the key.
    pub hash: ContentHash,
    /// A person wants it done again: what is kept does not count.
    pub fresh: bool,
}

/// Calls of one workflow that are made by steps (or states) of the same name, ask the same
/// operation and have the same key are the same call, whichever version or instance makes them.
#[must_use]
pub fn result_hash(workflow: &str, step: &str, operation: &str, key: &Value) -> ContentHash {
    let mut out = Out::default();
    for text in [FORM, workflow, step, operation] {
        out.blob(text.as_bytes());
    }
    key.write(&mut out);
    ContentHash(Sha256::digest(&out.bytes).into())
}

impl Work<'_> {
    /// Under what the result of a call is kept; `None`: it is not.
    pub(super) fn cache_key(
        &self,
        (state, role): (StateId, Role),
        spec: &CallSpec,
        input: &Value,
        event: Option<&Event>,
    ) -> Result<Option<CacheKey>, Failure> {
        let Some(rules) = &spec.cache else { return Ok(None) };
        let key = match &rules.key {
            Some(key) => self.value(key, event, "error.execution")?,
            None => input.clone(),
        };
        // Nothing would make all calls the same one.
        if key.is_null() {
            return Ok(None);
        }
        let step = self.asking(state, role);
        let workflow = &self.definition.name;
        let hash = result_hash(workflow, &step, &spec.operation, &key);
        Ok(Some(CacheKey { hash, fresh: false }))
    }

    /// The name of what makes a call.
    pub(super) fn asking(&self, state: StateId, role: Role) -> Arc<str> {
        asking(self.definition, &self.instance, state, role)
    }

    /// The answer to a call that is waited for, wherever it comes from.
    pub(super) fn succeeded(
        &mut self,
        sequence: RunningSequence,
        output: &Value,
    ) -> Result<Taken, Overrun> {
        match sequence.role {
            Role::State => self.call_succeeded(sequence, output),
            Role::Step { .. } | Role::Undo { .. } | Role::Finally { .. } => {
                self.step_call_succeeded(sequence, output)
            }
        }
    }

    /// A call was answered from the cache, and its plugin was not asked.
    pub(super) fn was_cached(&mut self, sequence: &RunningSequence) {
        self.note("from the cache");
        if let Role::Step { graph, step, item: None } = sequence.role
            && let Some(state) = self.step_state_mut(graph, step)
        {
            state.cached = true;
        }
    }

    /// A call succeeded: its result answers the same call again for a while. What may be sent only
    /// once has to happen each time it is asked for.
    pub(super) fn keep_result(&mut self, sequence: &RunningSequence, output: &Value) {
        let Some((spec, _)) = call_at(self.definition, sequence) else { return };
        let call = sequence.call.as_ref().filter(|call| !call.once);
        let key = call.and_then(|call| call.cache);
        if let (Some(rules), Some(key)) = (&spec.cache, key) {
            // Not counted against the limit of effects: each follows a call that was.
            let ttl = duration::format(rules.ttl_ms);
            self.entry.effects.push(format!("keep {} for {ttl}", spec.operation).into());
            self.effects.push(Effect::Keep {
                under: key.hash,
                step: self.asking(sequence.state, sequence.role),
                operation: Arc::clone(&spec.operation),
                output: output.clone(),
                ttl_ms: rules.ttl_ms,
            });
        }
    }
}

/// The name of what makes a call: its step, or the one that is taken back; `finally`; else its
/// state.
pub(crate) fn asking(
    definition: &crate::definition::model::Definition,
    instance: &super::Instance,
    state: StateId,
    role: Role,
) -> Arc<str> {
    let progress = instance.progress.as_deref();
    let step = match role {
        Role::Step { graph, step, .. } => Some((graph, step)),
        Role::Undo { undo } => progress
            .and_then(|progress| progress.undo.iter().rev().find(|entry| entry.id == undo))
            .and_then(|entry| entry.step),
        Role::Finally { .. } => return super::Purpose::Finally.word().into(),
        Role::State => None,
    };
    let of_step = step.and_then(|(graph, step)| {
        let run = progress.and_then(|progress| progress.run(graph))?;
        definition.step(run.graph, step).map(|step| &step.id)
    });
    let of_state = || definition.states.get(state.index()).map(|state| &state.id);
    of_step.or_else(of_state).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c17_only_the_same_call_has_the_same_hash() {
        let of = |workflow, step, operation, key: &str| {
            result_hash(workflow, step, operation, &Value::from_json(key.as_bytes()).unwrap())
        };
        let one = of("w", "s", "p.o", r#"{"a":1,"b":[2]}"#);
        assert_eq!(one, of("w", "s", "p.o", r#"{"b":[2],"a":1}"#), "members have no order");
        for other in [
            of("w2", "s", "p.o", r#"{"a":1,"b":[2]}"#),
            of("w", "s2", "p.o", r#"{"a":1,"b":[2]}"#),
            of("w", "s", "p.o2", r#"{"a":1,"b":[2]}"#),
            of("w", "s", "p@2.o", r#"{"a":1,"b":[2]}"#),
            of("w", "s", "p.o", r#"{"a":1,"b":[3]}"#),
            of("w", "s", "p.o", r#"{"a":"1","b":[2]}"#),
            of("w", "s", "p.o", r#"{"a":1,"b":2}"#),
            // Where one text ends and the next begins counts.
            of("ws", "", "p.o", r#"{"a":1,"b":[2]}"#),
        ] {
            assert_ne!(one, other);
        }
    }
}
