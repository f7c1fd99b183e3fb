//! The plugin under load: it writes down every call, durably, before it answers.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gearshift_plugins_sdk::{Context, Failure, Plugin, State};
use serde_json::{Value, json};

use super::operation::wall_us;
use crate::checker::{Called, append, open_lines};

/// Between two looks at a gate.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The file of calls.
#[derive(Clone)]
struct Calls(Arc<Mutex<File>>);

/// The plugin `recorder`, writing to the file `calls`.
///
/// # Errors
/// The file cannot be opened.
pub fn recorder(calls: &Path) -> Result<Plugin, String> {
    let file = open_lines(calls).map_err(|error| format!("{}: {error}", calls.display()))?;
    let plugin = Plugin::new("recorder", "1.0.0")
        .operation("validate", validate)
        .operation("archive", archive)
        .operation("act", act)
        .operation("take_back", take_back)
        .state(Calls(Arc::new(Mutex::new(file))));
    Ok(plugin)
}

async fn validate(
    State(calls): State<Calls>,
    context: Context,
    _: Value,
) -> Result<Value, Failure> {
    calls.record(&context, "recorder.validate").await?;
    // Some fail at first, so that engines are killed between attempts as well.
    if context.attempt == 1 && context.instance_id.ends_with('3') {
        return Err(Failure::retryable("not yet"));
    }
    Ok(json!({ "valid": true }))
}

async fn archive(State(calls): State<Calls>, context: Context, _: Value) -> Result<Value, Failure> {
    calls.record(&context, "recorder.archive").await?;
    Ok(json!({ "receipt": context.call_id }))
}

/// What a step of a job does: an effect that can be told and taken back.
async fn act(State(calls): State<Calls>, context: Context, input: Value) -> Result<Value, Failure> {
    let about = input["about"].as_str().ok_or_else(|| Failure::permanent("about what?"))?;
    calls.record_about(&context, "recorder.act", about).await?;
    if context.attempt == 1 && about.ends_with("3]") {
        return Err(Failure::retryable("not yet"));
    }
    match input["fails"] == json!(true) {
        true => Err(Failure::permanent("it was asked to fail")),
        false => Ok(json!({ "receipt": context.call_id })),
    }
}

/// Takes back the effect whose receipt comes in.
async fn take_back(
    State(calls): State<Calls>,
    context: Context,
    input: Value,
) -> Result<Value, Failure> {
    let receipt = input.pointer("/output/receipt").and_then(Value::as_str);
    let receipt = receipt.ok_or_else(|| Failure::permanent("no receipt: nothing was done"))?;
    calls.record_about(&context, "recorder.take_back", receipt).await?;
    // A test that wants to see it under way opens the gate when it has.
    while input["gate"].as_str().is_some_and(|gate| !Path::new(gate).exists()) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if context.attempt == 1 && receipt.ends_with('7') {
        return Err(Failure::retryable("not yet"));
    }
    Ok(Value::Null)
}

impl Calls {
    async fn record(&self, context: &Context, operation: &str) -> Result<(), Failure> {
        self.record_about(context, operation, "").await
    }

    async fn record_about(
        &self,
        context: &Context,
        operation: &str,
        about: &str,
    ) -> Result<(), Failure> {
        let call = Called {
            life: std::process::id(),
            call_id: context.call_id.clone(),
            attempt: context.attempt,
            operation: operation.to_owned(),
            instance: context.instance_id.clone(),
            about: about.to_owned(),
            at_us: 0,
        };
        let file = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            append(&mut file, &Called { at_us: wall_us(), ..call })
        });
        Ok(written.await??)
    }
}
