//! [`TestPlugin`]: operations called without a bus.

use gearshift_protocol::{CallHeaders, Encoding};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::answer::answer;
use crate::context::Context;
use crate::{Failure, Plugin};

/// Calls operations as the engine would, without a bus; made by [`Plugin::test`].
#[derive(Clone, Debug)]
pub struct TestPlugin {
    plugin: Plugin,
    attempt: u32,
    call_id: Option<String>,
    instance: Option<String>,
    cancelled: bool,
}

impl TestPlugin {
    pub(crate) const fn new(plugin: Plugin) -> Self {
        Self { plugin, attempt: 1, call_id: None, instance: None, cancelled: false }
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
    pub const fn cancelled(mut self) -> Self {
        self.cancelled = true;
        self
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
        let token = CancellationToken::new();
        if self.cancelled {
            token.cancel();
        }
        let call = CallHeaders {
            call_id: self.call_id.clone().unwrap_or_else(|| "test-call".to_owned()),
            attempt: self.attempt,
            instance: self.instance.clone().unwrap_or_else(|| "test/1".to_owned()),
            workflow: "test@1".to_owned(),
            step: "test".to_owned(),
            ..CallHeaders::default()
        };
        let context = Context::new(call, token, self.plugin.shared_states());
        let body = Encoding::Json.encode(&input)?.into();
        let output = answer(found, context, Encoding::Json, body).await?;
        Ok(Encoding::Json.decode(&output)?)
    }
}
