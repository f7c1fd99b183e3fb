//! [`Context`]: what a handler knows of the call; [`State`]: what the plugin shares.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

use gearshift_protocol::CallHeaders;
use tokio_util::sync::CancellationToken;

/// What a handler knows of the call it answers. Texts are empty where the caller gave none, as
/// in calls by hand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// The calling instance, `workflow/key`.
    pub instance_id: String,
    /// The calling definition, `name@version`.
    pub workflow: String,
    /// The state or step that makes the call.
    pub step: String,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The same for all attempts of the call: the idempotency key.
    pub call_id: String,
    /// The latest time an answer counts, RFC 3339.
    pub deadline: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) states: Arc<States>,
}

impl Context {
    pub(crate) fn new(
        call: CallHeaders,
        cancelled: CancellationToken,
        states: Arc<States>,
    ) -> Self {
        Self {
            instance_id: call.instance,
            workflow: call.workflow,
            step: call.step,
            attempt: call.attempt,
            call_id: call.call_id,
            deadline: call.deadline,
            traceparent: call.traceparent,
            cancelled,
            states,
        }
    }

    /// Resolves once nobody waits for the answer any more; a handler may then stop with
    /// [`crate::Failure::cancelled`]. The cancellation may get lost, so it may never resolve.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Has [`Context::cancelled`] resolved?
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

/// A clone of what was given to [`crate::Plugin::state`], as first argument of a handler.
#[derive(Clone, Copy, Debug)]
pub struct State<S>(pub S);

/// One value per type.
#[derive(Clone, Default)]
pub(crate) struct States(BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<S: Send + Sync + 'static>(&mut self, state: S) {
        self.0.insert(TypeId::of::<S>(), Arc::new(state));
    }

    pub(crate) fn get<S: Clone + Send + Sync + 'static>(&self) -> Option<S> {
        self.0.get(&TypeId::of::<S>())?.downcast_ref().cloned()
    }

    pub(crate) fn contains(&self, state: TypeId) -> bool {
        self.0.contains_key(&state)
    }
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("States").field("count", &self.0.len()).finish()
    }
}
