//! `reporter`: what came together, and what did not.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{self, Folder};

/// What came together.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Gathered {
    statistics: Value,
    stock: Value,
    missing: Vec<Missing>,
}

/// A source that could not be read.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Missing {
    item: Named,
    kind: String,
    message: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Named {
    name: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Written {
    file: String,
    missing: Vec<String>,
}

pub(super) async fn write(
    State(Folder(folder)): State<Folder>,
    _: Context,
    gathered: Gathered,
) -> Result<Written, Failure> {
    let file = "output/report.json".to_owned();
    files::write_json(&files::below(&folder, &file)?, &gathered).await?;
    let missing = gathered.missing.into_iter().map(|missing| missing.item.name).collect();
    Ok(Written { file, missing })
}
