//! What a sequence waits for: a plugin's reply or the end of a child; and the policy by which it is
//! asked again (rules 35-37).

use std::sync::Arc;

use super::calls::{BREAKER_OPEN, PLUGIN_LIMITED, PLUGIN_PAUSED};
use super::ids::EffectId;
use super::input::ErrorKind;
use super::instance::RunningSequence;
use super::progress::{Role, StepError};
use crate::definition::expr::Expr;
use crate::definition::model::{Backoff, CallSpec, KindSet, RetryPolicy, SeqStep, SetPath};
use crate::value::Value;

/// How often a plugin that is not there is asked for, where the author says nothing.
const WAITS_FOR_PLUGIN: Backoff = Backoff::Exponential { first_ms: 500, cap_ms: 60_000 };

/// A plugin's wish when to be asked again counts up to this, in milliseconds, where the policy
/// has no cap of its own: one hour.
const RETRY_AFTER_MS_MAX: u64 = 60 * 60 * 1_000;

/// The call that a sequence stands at, and its invoke id.
pub(super) fn call_at<'d>(
    definition: &'d crate::definition::model::Definition,
    sequence: &RunningSequence,
) -> Option<(&'d Arc<CallSpec>, &'d Arc<str>)> {
    let program = definition.sequences.get(usize::from(sequence.sequence))?;
    match program.steps.get(usize::from(sequence.position))? {
        SeqStep::Call { spec, invoke_id } => match sequence.role {
            Role::Undo { .. } => Some((spec.undo.as_ref()?, invoke_id)),
            Role::State | Role::Step { .. } | Role::Finally { .. } => Some((spec, invoke_id)),
        },
        SeqStep::Do(_)
        | SeqStep::Wait { .. }
        | SeqStep::Approval { .. }
        | SeqStep::Child { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    }
}

/// What a sequence waits for: a plugin's reply or the end of a child.
pub(super) struct Invoked<'d> {
    /// The operation, or the child's workflow.
    pub(super) name: Arc<str>,
    pub(super) set: &'d [(SetPath, Expr)],
    pub(super) retry: RetryPolicy,
    pub(super) invoke_id: &'d Arc<str>,
}

/// A child is started once: `retry:` is for plugins.
const ONCE: RetryPolicy = RetryPolicy {
    attempts: 1,
    on: KindSet::NONE,
    backoff: Backoff::Fixed { delay_ms: 0 },
    jitter: false,
    waits_for_plugin: false,
};

/// What the sequence stands at, where that is something to wait for.
pub(super) fn invoked_at<'d>(
    definition: &'d crate::definition::model::Definition,
    sequence: &RunningSequence,
) -> Option<Invoked<'d>> {
    let program = definition.sequences.get(usize::from(sequence.sequence))?;
    match program.steps.get(usize::from(sequence.position))? {
        SeqStep::Call { invoke_id, .. } => {
            let (spec, _) = call_at(definition, sequence)?;
            Some(Invoked {
                name: Arc::clone(&spec.operation),
                set: &spec.set,
                retry: spec.retry,
                invoke_id,
            })
        }
        SeqStep::Child { spec, invoke_id } => {
            let child = sequence.call.as_ref().and_then(|call| call.child.as_ref());
            let name = child.map_or_else(Arc::default, |child| child.workflow().into());
            Some(Invoked { name, set: &spec.set, retry: ONCE, invoke_id })
        }
        SeqStep::Do(_)
        | SeqStep::Wait { .. }
        | SeqStep::Approval { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    }
}

/// How an attempt failed.
pub(super) struct CallFailure<'a> {
    pub(super) kind: ErrorKind,
    pub(super) code: &'a Arc<str>,
    pub(super) message: &'a Arc<str>,
}

/// What people read as the kind of what was held back, which is no failure.
pub const HELD_BACK: &str = "held_back";

fn is_held(kind: ErrorKind, code: &str) -> bool {
    kind == ErrorKind::PluginNotFound
        && [PLUGIN_PAUSED, BREAKER_OPEN, PLUGIN_LIMITED].contains(&code)
}

impl StepError {
    /// The step did not fail: its call is held back.
    #[must_use]
    pub fn is_held(&self) -> bool {
        is_held(self.kind, &self.code)
    }
}

impl CallFailure<'_> {
    /// It was held back and not sent: its plugin is paused, its breaker open, or a limit reached.
    pub(super) fn is_held(&self) -> bool {
        is_held(self.kind, self.code)
    }

    /// Kind, code and message: `permanent 422: no such file`.
    pub(super) fn words(&self) -> String {
        let Self { kind, code, message } = self;
        let kind = kind.as_str();
        match &***code {
            // Of some failures the code only says the kind again.
            "" => format!("{kind}: {message}"),
            code if code == kind => format!("{kind}: {message}"),
            code => format!("{kind} {code}: {message}"),
        }
    }

    /// What notices and error events say of it.
    pub(super) fn fields(&self, operation: &Arc<str>, attempts: u32) -> Vec<(&'static str, Value)> {
        vec![
            ("kind", Value::from(if self.is_held() { HELD_BACK } else { self.kind.as_str() })),
            ("code", Value::String(Arc::clone(self.code))),
            ("message", Value::String(Arc::clone(self.message))),
            ("operation", Value::String(Arc::clone(operation))),
            ("attempts", Value::Int(i64::from(attempts))),
        ]
    }
}

/// The policy under which a failed attempt is repeated; `None`: it is not.
///
pub(super) fn repeats(policy: RetryPolicy, kind: ErrorKind, attempt: u32) -> Option<RetryPolicy> {
    if kind == ErrorKind::PluginNotFound && policy.waits_for_plugin {
        return Some(RetryPolicy { backoff: WAITS_FOR_PLUGIN, ..policy });
    }
    (policy.repeats(kind) && attempt < policy.attempts).then_some(policy)
}

/// The wait after attempt `attempt` failed, in milliseconds.
///
/// Jitter shortens it by up to a half, by a number made of the call id and the attempt, so that
/// replay and every engine agree. A plugin's own wish is respected up to the policy's cap.
pub(super) fn retry_delay_ms(
    policy: RetryPolicy,
    call: EffectId,
    attempt: u32,
    retry_after_ms: Option<u64>,
) -> u64 {
    let (wait, cap) = match policy.backoff {
        Backoff::Fixed { delay_ms } => (delay_ms, RETRY_AFTER_MS_MAX.max(delay_ms)),
        Backoff::Exponential { first_ms, cap_ms } => {
            let doublings = attempt.saturating_sub(1).min(63);
            (first_ms.saturating_mul(1 << doublings).min(cap_ms), cap_ms)
        }
    };
    if let Some(wish) = retry_after_ms {
        return wish.min(cap);
    }
    if !policy.jitter {
        return wait;
    }
    let mixed = (call.seed() ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    wait - (mixed >> 33) % (wait / 2 + 1)
}
