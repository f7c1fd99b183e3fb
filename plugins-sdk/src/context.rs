//! [`Context`]: what a handler knows of the call; [`State`]: what the plugin shares.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearshift_bus::Clock;
use gearshift_protocol::{CallHeaders, EventHeaders, Heartbeat};
use serde::Serialize;
use tokio::time::Instant;

use crate::Failure;
use crate::inflight::Unwanted;
use crate::outlet::Outlet;

/// Signs of life of one call that follow each other quicker are kept back: the next one tells.
const BEAT_SPACING: Duration = Duration::from_millis(200);

/// What a handler knows of the call it answers. Texts are empty where the caller gave none, as
/// in calls by hand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// The calling instance, `workflow/key`.
    pub instance_id: String,
    /// The calling definition, `name@version`.
    pub workflow: String,
    /// The step that makes the call or is taken back by it, `finally`, or the state that makes it.
    pub step: String,
    /// `undo`: the call takes back what a call of the step did; `finally`: it cleans up behind all
    /// steps; absent: it is the work itself.
    pub purpose: Option<String>,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The same for all attempts of the call: the idempotency key.
    pub call_id: String,
    /// The latest time an answer counts, RFC 3339; see [`Context::time_left`].
    pub deadline: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace context of vendors.
    pub tracestate: Option<String>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) progress: Arc<Progress>,
    span: tracing::Span,
}

/// What all calls of an operation share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The plugin's name.
    pub(crate) plugin: String,
    /// `plugin.operation`.
    pub(crate) operation: String,
    pub(crate) states: Arc<States>,
    pub(crate) outlet: Outlet,
}

/// What one call has told so far, and whether anybody waits for it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) unwanted: Unwanted,
    last: Mutex<Last>,
    emitted: AtomicU64,
}

#[derive(Debug, Default)]
struct Last {
    beat: Option<Heartbeat>,
    sent: Option<Instant>,
}

impl Context {
    pub(crate) fn new(call: CallHeaders, shared: Arc<Shared>) -> Self {
        let span = tracing::info_span!(
            "call",
            operation = shared.operation,
            instance = call.instance,
            step = call.step,
            call_id = call.call_id,
            attempt = call.attempt,
            traceparent = call.traceparent,
        );
        Self {
            instance_id: call.instance,
            workflow: call.workflow,
            step: call.step,
            purpose: call.purpose,
            attempt: call.attempt,
            call_id: call.call_id,
            deadline: call.deadline,
            traceparent: call.traceparent,
            tracestate: call.tracestate,
            shared,
            progress: Arc::default(),
            span,
        }
    }

    /// Resolves once nobody waits for the answer any more, as the call was cancelled or its
    /// deadline is over; a handler may then stop with [`crate::Failure::cancelled`]. Cancellations
    /// may get lost, so without a deadline it may never resolve. A deadline that was over when the
    /// call arrived is not heeded, as clocks may differ.
    pub async fn cancelled(&self) {
        self.progress.unwanted.cancelled().await;
    }

    /// Has [`Context::cancelled`] resolved?
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.progress.unwanted.is_cancelled()
    }

    /// How long an answer still counts, zero once it does not; `None` where the caller set no
    /// deadline.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        time_left(self.deadline.as_deref()?)
    }

    /// Tells how far the work is, 0 to 100 percent where that is known, and in a few words what is
    /// being done; `gearshift show` and `watch` tell it on.
    ///
    /// It never waits and may be lost. Of many in a row only some are sent.
    ///
    /// ```
    /// # use gearshift_plugins_sdk::Context;
    /// fn tell(ctx: &Context, page: u8) {
    ///     ctx.heartbeat(page * 10, &format!("page {page} of 10"));
    ///     ctx.heartbeat(None, "counting pages");
    /// }
    /// # let _ = tell;
    /// ```
    pub fn heartbeat(&self, percent: impl Into<Option<u8>>, note: &str) {
        let beat = Heartbeat::new(self.attempt, percent.into(), note);
        let mut last = self.progress.lock();
        let now = Instant::now();
        let soon = last.sent.is_some_and(|sent| now.duration_since(sent) < BEAT_SPACING);
        last.beat = Some(beat.clone());
        if soon && !self.shared.outlet.keeps_all() {
            return;
        }
        last.sent = Some(now);
        drop(last);
        self.beat(&beat);
    }

    /// Tells again what was told last.
    pub(crate) fn beat_again(&self) {
        let mut last = self.progress.lock();
        last.sent = Some(Instant::now());
        let beat = last.beat.clone();
        drop(last);
        self.beat(&beat.unwrap_or_else(|| Heartbeat::new(self.attempt, None, "")));
    }

    fn beat(&self, beat: &Heartbeat) {
        // A call by hand has no id, so nobody could know whose sign of life it is.
        if !self.call_id.is_empty() {
            self.shared.outlet.heartbeat(&self.call_id, &self.instance_id, beat);
        }
    }

    /// Publishes an event, as any service would: the definitions' `events:` say whom it concerns.
    ///
    /// It is a `CloudEvent` from `plugin/<name>`. Its id is made of the call's and a count, so that
    /// an event that another attempt of the call emits again is recognized; so emit in the same
    /// order each time. Where nothing takes events of this type durably, whoever subscribes now
    /// gets it and nobody else.
    ///
    /// # Errors
    ///
    /// The type is no subject or one of the engine's own, or the bus did not take it.
    pub async fn emit(&self, event_type: &str, data: &impl Serialize) -> Result<(), Failure> {
        let data = serde_json::to_value(data)?;
        let count = self.progress.emitted.fetch_add(1, Ordering::Relaxed) + 1;
        // In a call by hand nothing tells repeats, so each event is one of its own.
        let event = EventHeaders {
            id: Some(match &*self.call_id {
                "" => format!("{:016x}.{count}", RandomState::new().hash_one(count)),
                call_id => format!("{call_id}.{count}"),
            }),
            source: Some(format!("plugin/{}", self.shared.plugin)),
            event_type: Some(event_type.to_owned()),
            traceparent: self.traceparent.clone(),
            tracestate: self.tracestate.clone(),
            ..EventHeaders::default()
        };
        Box::pin(self.shared.outlet.emit(event, data)).await
    }

    /// The span in which the handler runs, for what it starts elsewhere; it has the caller's
    /// `traceparent`.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        self.span.clone()
    }
}

/// How long it is until a deadline, zero behind it; `None` where it is none.
pub(crate) fn time_left(deadline: &str) -> Option<Duration> {
    left_ms(deadline).map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0)))
}

/// Is a deadline over that was not when the call arrived, so long ago?
///
/// What was over then says nothing: clocks may differ.
pub(crate) fn is_over_since(deadline: &str, waited: Duration) -> bool {
    let waited = i64::try_from(waited.as_millis()).unwrap_or(i64::MAX);
    left_ms(deadline).is_some_and(|left| left <= 0 && left.saturating_add(waited) > 0)
}

/// How many milliseconds it is until a deadline, below 0 behind it.
fn left_ms(deadline: &str) -> Option<i64> {
    let deadline: jiff::Timestamp = deadline.parse().ok()?;
    Some(deadline.as_millisecond().saturating_sub(Clock::system().now_ms()))
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Last> {
        // The lock guards single assignments, so a panic cannot leave them half done.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
