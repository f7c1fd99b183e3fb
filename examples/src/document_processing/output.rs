//! `output_generation`: everything that was found, in one file.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{self, Folder};

/// What was found.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Found {
    document: String,
    format: String,
    text: Value,
    metadata: Value,
    /// Nothing where the document has no pictures.
    images: Value,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Generated {
    file: String,
    has_images: bool,
}

pub(super) async fn generate(
    State(Folder(folder)): State<Folder>,
    _: Context,
    found: Found,
) -> Result<Generated, Failure> {
    let name = found.document.rsplit('/').next().unwrap_or_default();
    let file = format!("output/{name}.json");
    files::write_json(&files::below(&folder, &file)?, &found).await?;
    Ok(Generated { file, has_images: !found.images.is_null() })
}
