//! The plugin under load: it writes down every call, durably, before it answers.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gearshift_plugins_sdk::{Context, Failure, Plugin, State};
use serde_json::{Value, json};

use crate::checker::{Called, append, open_lines};

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

impl Calls {
    async fn record(&self, context: &Context, operation: &str) -> Result<(), Failure> {
        let call = Called {
            life: std::process::id(),
            call_id: context.call_id.clone(),
            attempt: context.attempt,
            operation: operation.to_owned(),
            instance: context.instance_id.clone(),
        };
        let file = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || {
            append(&mut file.lock().unwrap_or_else(PoisonError::into_inner), &call)
        });
        Ok(written.await??)
    }
}
