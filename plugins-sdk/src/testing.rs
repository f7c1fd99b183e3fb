//! [`TestPlugin`]: operations called without a bus.

use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::Clock;
use gearshift_protocol::{CallHeaders, Encoding, Heartbeat};
use serde_json::Value;

use crate::answer::answer;
use crate::context::{Context, Shared};
use crate::outlet::{Outlet, Record};
use crate::plugin::{Operation, millis};
use crate::{Emitted, Failure, Plugin};

/// Calls operations as the engine would, without a bus; made by [`Plugin::test`].
///
/// An operation that takes long is answered directly; what its handler tells meanwhile is kept.
#[derive(Clone, Debug)]
pub struct TestPlugin {
    plugin: Plugin,
    attempt: u32,
    call_id: Option<String>,
    instance: Option<String>,
    cancel_after: Option<Duration>,
    time_left: Option<Duration>,
    record: Record,
}

impl TestPlugin {
    pub(crate) fn new(plugin: Plugin) -> Self {
        Self {
            plugin,
            attempt: 1,
            call_id: None,
            instance: None,
            cancel_after: None,
            time_left: None,
            record: Record::default(),
        }
    }

    /// The same with this attempt, counted from 1.
    #[must_use]
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The same with this call id; `test-call` unless set.
    #[must_use]
    pub fn call_id(mut self, call_id: &str) -> Self {
        self.call_id = Some(call_id.to_owned());
        self
    }

    /// The same for this instance (`workflow/key`); `test/1` unless set.
    #[must_use]
    pub fn instance(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }

    /// The same with calls nobody waits for any more.
    #[must_use]
    pub const fn cancelled(self) -> Self {
        self.cancel_after(0)
    }

    /// The same with calls that nobody waits for any more after so many milliseconds; 0: from
    /// their beginning on.
    #[must_use]
    pub const fn cancel_after(mut self, millis: u64) -> Self {
        self.cancel_after = Some(Duration::from_millis(millis));
        self
    }

    /// The same with calls whose answer counts for so long; without end unless set.
    #[must_use]
    pub const fn time_left(mut self, left: Duration) -> Self {
        self.time_left = Some(left);
        self
    }

    /// The signs of life that handlers gave, in order; all of them, also where a caller would hear
    /// some of them only.
    #[must_use]
    pub fn heartbeats(&self) -> Vec<Heartbeat> {
        self.record.heartbeats()
    }

    /// The events that handlers emitted, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Emitted> {
        self.record.events()
    }

    /// Calls an operation and returns its output.
    ///
    /// # Errors
    ///
    /// What the handler failed with, and what the engine would see: code 400 for an input that
    /// does not fit, 404 for an operation that is not there, 413 beyond the limits, 500 for a
    /// panic and for a plugin that could not be served.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, Failure> {
        self.plugin.check().map_err(|error| Failure::permanent(error.to_string()).code(500))?;
        let found = self.plugin.operations.iter().find(|one| one.name == operation);
        let Some(found) = found else {
            return Err(Failure::permanent(format!("no operation `{operation}`")).code(404));
        };
        let body = Encoding::Json.encode(&input)?.into();
        let context = self.context(found);
        let call = Arc::clone(&context.progress);
        if self.cancel_after == Some(Duration::ZERO) {
            call.unwanted.cancel();
        }
        let run = answer(found, context, Encoding::Json, body);
        tokio::pin!(run);
        let cancelled = async {
            match self.cancel_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        let (encoding, output) = tokio::select! {
            biased;
            output = &mut run => output?,
            () = cancelled => {
                call.unwanted.cancel();
                run.await?
            }
        };
        Ok(encoding.decode(&output)?)
    }

    fn context(&self, operation: &Operation) -> Context {
        let deadline = self.time_left.map(|left| {
            let left = i64::try_from(millis(left)).unwrap_or(i64::MAX);
            let at = Clock::system().now_ms().saturating_add(left);
            jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::MAX).to_string()
        });
        let call = CallHeaders {
            call_id: self.call_id.clone().unwrap_or_else(|| "test-call".to_owned()),
            attempt: self.attempt,
            instance: self.instance.clone().unwrap_or_else(|| "test/1".to_owned()),
            workflow: "test@1".to_owned(),
            step: "test".to_owned(),
            deadline,
            ..CallHeaders::default()
        };
        let shared = Shared {
            plugin: self.plugin.name.clone(),
            operation: format!("{}.{}", self.plugin.name, operation.name),
            states: self.plugin.shared_states(),
            outlet: Outlet::Record(self.record.clone()),
        };
        Context::new(call, Arc::new(shared))
    }
}
