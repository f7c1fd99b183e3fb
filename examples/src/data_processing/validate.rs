//! `data_validator`: are the columns there, and is in them what the schema says?

use std::collections::BTreeMap;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};
use crate::table::Table;

/// Findings that a failure names.
const NAMED: usize = 5;

/// A table and what it has to look like.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Check {
    data: Table,
    schema_file: String,
    /// Columns that the schema does not name are refused.
    strict_mode: bool,
}

/// The schema file: what each column holds.
#[derive(Deserialize)]
struct Schema {
    columns: BTreeMap<String, Column>,
}

#[derive(Deserialize)]
struct Column {
    #[serde(rename = "type")]
    kind: Kind,
    /// Must there be something in every row?
    #[serde(default)]
    required: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Integer,
    Number,
    Text,
}

/// How much was looked at.
#[derive(Serialize, JsonSchema)]
pub(super) struct Checked {
    rows: usize,
    /// Fields that hold nothing, where that is allowed.
    missing: usize,
}

pub(super) async fn validate_schema(
    State(Folder(folder)): State<Folder>,
    _: Context,
    check: Check,
) -> Result<Checked, Failure> {
    let text = files::read_text(&folder, &check.schema_file).await?;
    let schema: Schema = serde_json::from_str(&text).map_err(|error| {
        Failure::permanent(format!("`{}`: {error}", check.schema_file)).code("bad_schema")
    })?;
    let data = &check.data;
    let mut faults = Vec::new();
    if check.strict_mode {
        let unknown = data.columns.iter().filter(|name| !schema.columns.contains_key(*name));
        faults.extend(unknown.map(|name| format!("column `{name}` is not in the schema")));
    }
    let mut missing = 0;
    for (name, column) in &schema.columns {
        let Ok(place) = data.column(name) else {
            faults.push(format!("column `{name}` is missing"));
            continue;
        };
        for (row, field) in data.fields(place).enumerate() {
            match (field.is_empty(), column.required) {
                (true, true) => faults.push(format!("row {}: `{name}` is empty", row + 1)),
                (true, false) => missing += 1,
                (false, _) if column.kind.holds(field) => {}
                (false, _) => faults.push(format!("row {}: `{name}` is `{field}`", row + 1)),
            }
        }
    }
    if faults.is_empty() {
        return Ok(Checked { rows: data.rows.len(), missing });
    }
    let more = faults.len().saturating_sub(NAMED);
    faults.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("{}{more}", faults.join("; "));
    Err(Failure::permanent(message).code("invalid_data"))
}

impl Kind {
    fn holds(self, field: &str) -> bool {
        match self {
            Self::Integer => field.parse::<i64>().is_ok(),
            Self::Number => field.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Text => true,
        }
    }
}
