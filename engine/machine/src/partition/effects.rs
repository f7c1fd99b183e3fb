//! Pending effects: what must be sent again after a restart.

use std::sync::Arc;

use crate::definition::model::{Definition, PluginRules, SeqStep};
use crate::machine::{
    CallRequest, Effect, EffectId, Instance, InstanceKey, Role, RunningCall, RunningSequence,
    asking,
};

use super::definitions::Definitions;
use super::memory::Partition;

impl Partition {
    /// Attempts that were sent once, may not be sent again and were not answered: whoever takes
    /// over reports each as [`crate::machine::ErrorKind::OutcomeUnknown`].
    #[must_use]
    pub fn calls_sent_once(&self) -> Vec<(InstanceKey, EffectId, u32)> {
        let mut calls = Vec::new();
        for key in self.instances.calling() {
            let Some((instance, _)) = self.instances.load(key) else { continue };
            let sent = instance.sequences.iter().filter_map(|running| running.call.as_ref());
            let sent = sent.filter(|call| call.sent && call.once && call.heartbeat_ms.is_none());
            calls.extend(sent.map(|call| (key.clone(), call.id, call.attempt)));
        }
        calls
    }

    /// Calls that plugins took and answer later: whoever takes over waits on, and asks nobody.
    #[must_use]
    pub fn calls_pending(&self, definitions: &Definitions) -> Vec<PendingCall> {
        let mut calls = Vec::new();
        for key in self.instances.calling() {
            let Some((instance, _)) = self.instances.load(key) else { continue };
            let Some(definition) = definitions.pinned(key.workflow(), instance.pin) else {
                continue;
            };
            calls.extend(instance.sequences.iter().filter_map(|running| {
                let heartbeat_ms = running.call.as_ref()?.heartbeat_ms?;
                let request = call_request(definition, &instance, running)?;
                let rules = definition.rules_of(&request.operation).cloned();
                Some(PendingCall { key: key.clone(), request, heartbeat_ms, rules })
            }));
        }
        calls
    }

    /// Calls that were held back: whoever takes over holds them, until they may be sent. `true`: an
    /// owner before may have sent it.
    #[must_use]
    pub fn calls_held(&self, definitions: &Definitions) -> Vec<(InstanceKey, CallRequest, bool)> {
        let mut calls = Vec::new();
        for key in self.instances.calling() {
            let Some((instance, _)) = self.instances.load(key) else { continue };
            let Some(definition) = definitions.pinned(key.workflow(), instance.pin) else {
                continue;
            };
            let held = |it: &&RunningSequence| it.call.as_ref().is_some_and(|call| call.held);
            calls.extend(instance.sequences.iter().filter(held).filter_map(|running| {
                let unsure = running.call.as_ref()?.unsure;
                Some((key.clone(), call_request(definition, &instance, running)?, unsure))
            }));
        }
        calls
    }

    /// The attempt under way of a call that the instance waits for, as it was sent.
    #[must_use]
    pub fn call_under_way(
        &self,
        definitions: &Definitions,
        key: &InstanceKey,
        call: EffectId,
    ) -> Option<CallRequest> {
        let (instance, _) = self.instances.load(key)?;
        let definition = definitions.pinned(key.workflow(), instance.pin)?;
        let mut running = instance.sequences.iter();
        let is_it =
            |one: &&RunningSequence| one.call.as_ref().is_some_and(|it| it.id == call && it.sent);
        let running = running.find(is_it)?;
        call_request(definition, &instance, running)
    }

    /// Does the instance wait for the answer to this attempt?
    #[must_use]
    pub fn awaits(&self, key: &InstanceKey, call: EffectId, attempt: u32) -> bool {
        let Some((instance, _)) = self.instances.load(key) else { return false };
        let answered = instance.kept_replies().any(|reply| reply.call == call);
        let mut calls = instance.sequences.iter().filter_map(|running| running.call.as_ref());
        !answered && calls.any(|it| it.sent && it.id == call && it.attempt == attempt)
    }

    /// Effects asked for and not yet settled, to be sent again under the same ids after a restart:
    /// unconfirmed messages and calls in the order they were asked for, then the calls that
    /// instances wait for, in key order. Calls that may not be repeated are not among them, once
    /// they were sent: [`Partition::calls_sent_once`].
    #[must_use]
    pub fn pending_effects(&self, definitions: &Definitions) -> Vec<(InstanceKey, Effect)> {
        let waiting = self.queues.pending.items.values();
        let mut effects: Vec<_> =
            waiting.map(|(key, pending)| (key.clone(), pending.effect())).collect();
        for key in self.instances.calling() {
            let Some((instance, _)) = self.instances.load(key) else { continue };
            let Some(definition) = definitions.pinned(key.workflow(), instance.pin) else {
                continue;
            };
            let answered =
                |call: &CallRequest| instance.kept_replies().any(|reply| reply.call == call.call);
            let calls = instance.sequences.iter().filter(|running| {
                let call = running.call.as_ref();
                call.is_some_and(|call| call.sent && !call.once && call.heartbeat_ms.is_none())
            });
            let calls = calls.filter_map(|running| call_request(definition, &instance, running));
            let calls = calls.filter(|call| !answered(call));
            effects.extend(calls.map(|call| (key.clone(), Effect::Call(call))));
        }
        effects
    }
}

/// A call whose plugin took it and answers later.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingCall {
    /// Whose it is.
    pub key: InstanceKey,
    /// The attempt under way, as it was sent.
    pub request: CallRequest,
    /// How often the plugin says at least that it lives, in milliseconds.
    pub heartbeat_ms: u64,
    /// What its definition asks of the plugin.
    pub rules: Option<Arc<PluginRules>>,
}

/// The attempt under way of a sequence, as it was sent, or would be.
fn call_request(
    definition: &Definition,
    instance: &Instance,
    running: &RunningSequence,
) -> Option<CallRequest> {
    let is_asked = |call: &&RunningCall| (call.sent || call.held) && call.child.is_none();
    let call = running.call.as_ref().filter(is_asked)?;
    let sequence = definition.sequences.get(usize::from(running.sequence))?;
    let SeqStep::Call { spec, .. } = sequence.steps.get(usize::from(running.position))? else {
        return None;
    };
    let spec = match running.role {
        Role::Undo { .. } => spec.undo.as_ref()?,
        Role::State | Role::Step { .. } | Role::Finally { .. } => spec,
    };
    Some(CallRequest {
        call: call.id,
        attempt: call.attempt,
        operation: Arc::clone(&spec.operation),
        input: call.input.clone(),
        deadline: call.deadline,
        step: asking(definition, instance, running.state, running.role),
        purpose: running.role.into(),
        per: call.per.clone(),
        cache: call.cache.filter(|key| !key.fresh && spec.cache.is_some()).map(|key| key.hash),
        trace_context: instance.trace_of(call.id),
    })
}

/// Is this call one that the instance waits for?
pub(super) fn is_awaited(instance: &Instance, request: &CallRequest) -> bool {
    let mut calls = instance.sequences.iter().filter_map(|running| running.call.as_ref());
    calls.any(|call| call.id == request.call)
}
