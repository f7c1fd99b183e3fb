//! `csv_writer`: writes a table, and beside it what can be said of the file.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};
use crate::table::Table;

/// A table and where it goes.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Save {
    data: Table,
    output_path: String,
    /// Write `<output_path>.json` as well.
    include_metadata: bool,
}

/// What was written.
#[derive(Serialize, JsonSchema)]
pub(super) struct Saved {
    path: String,
    rows: usize,
    columns: Vec<String>,
    sha256: String,
}

pub(super) async fn save_file(
    State(Folder(folder)): State<Folder>,
    _: Context,
    save: Save,
) -> Result<Saved, Failure> {
    let path = files::below(&folder, &save.output_path)?;
    let text = save.data.to_csv();
    files::write(&path, text.as_bytes()).await?;
    let saved = Saved {
        path: save.output_path,
        rows: save.data.rows.len(),
        columns: save.data.columns,
        sha256: files::digest(text.as_bytes()),
    };
    if save.include_metadata {
        let beside = files::below(&folder, &format!("{}.json", saved.path))?;
        files::write_json(&beside, &saved).await?;
    }
    Ok(saved)
}
