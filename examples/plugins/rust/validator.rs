//! The plugin `title_validator` in Rust, with the SDK.

use std::time::Duration;

use gearshift_plugins_sdk::{Context, Error, Failure, JsonSchema, Plugin, schemars};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Document {
    title: String,
    /// How often to be busy first, to see attempts.
    #[serde(default)]
    busy_times: u32,
}

#[derive(Serialize, JsonSchema)]
struct Verdict {
    valid: bool,
    words: usize,
}

async fn validate_title(context: Context, document: Document) -> Result<Verdict, Failure> {
    if context.attempt <= document.busy_times {
        return Err(Failure::retryable("busy").code(503).retry_after(Duration::from_millis(50)));
    }
    if document.title.is_empty() {
        return Err(Failure::permanent("title is missing"));
    }
    Ok(Verdict { valid: true, words: document.title.split_whitespace().count() })
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    Plugin::new("title_validator", "1.2.0").operation("validate_title", validate_title).run().await
}
