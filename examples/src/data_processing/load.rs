//! `csv_loader`: reads a file of comma-separated values.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::Deserialize;

use crate::files::{self, Folder};
use crate::table::Table;

/// What to read.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Load {
    file_path: String,
    /// One character; a comma where there is none.
    delimiter: Option<char>,
    has_header: bool,
}

pub(super) async fn load_file(
    State(Folder(folder)): State<Folder>,
    _: Context,
    load: Load,
) -> Result<Table, Failure> {
    let text = files::read_text(&folder, &load.file_path).await?;
    Table::parse(&text, load.delimiter.unwrap_or(','), load.has_header)
}
