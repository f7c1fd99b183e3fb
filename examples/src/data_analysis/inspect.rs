//! `data_inspector`: how much is there, and of what?

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};
use crate::table::Table;

/// What to look at.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Inspect {
    input_file: String,
}

/// What is in the file.
#[derive(Serialize, JsonSchema)]
pub(super) struct Structure {
    file: String,
    row_count: usize,
    columns: Vec<String>,
    /// Those of them that hold numbers only.
    numeric: Vec<String>,
}

/// Reads the table in a file below the folder.
pub(super) async fn table(folder: &std::path::Path, path: &str) -> Result<Table, Failure> {
    Table::parse(&files::read_text(folder, path).await?, ',', true)
}

pub(super) async fn analyze_structure(
    State(Folder(folder)): State<Folder>,
    _: Context,
    inspect: Inspect,
) -> Result<Structure, Failure> {
    let table = table(&folder, &inspect.input_file).await?;
    let numeric = table.numeric().into_iter();
    let numeric = numeric.filter_map(|column| table.columns.get(column).cloned()).collect();
    let row_count = table.rows.len();
    Ok(Structure { file: inspect.input_file, row_count, columns: table.columns, numeric })
}
