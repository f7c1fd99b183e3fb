//! `recorder` keeps what was decided, and what came of it.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{self, Folder};

/// What the rules decided, and why.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Routing {
    decision: String,
    reason: String,
    /// The rule that decided; none where that was the default.
    rule: Option<String>,
    /// All rules that match, the most important first.
    matched: Vec<String>,
    /// What the rule says to the pipeline.
    #[serde(default, rename = "with")]
    parameters: Value,
}

/// What was decided and done.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Record {
    document: String,
    routing: Routing,
    result: Value,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Recorded {
    file: String,
}

pub(super) async fn record(
    State(Folder(folder)): State<Folder>,
    _: Context,
    record: Record,
) -> Result<Recorded, Failure> {
    let name = record.document.rsplit('/').next().unwrap_or_default();
    let file = format!("output/{name}.json");
    files::write_json(&files::below(&folder, &file)?, &record).await?;
    Ok(Recorded { file })
}
