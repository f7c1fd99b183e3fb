//! `database_migrator`: brings the schema to the version that the update needs.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use super::place::{Database, Done, Place, Taken};

/// Columns to add to a table.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Migrate {
    to_version: u32,
    table: String,
    add_columns: Vec<String>,
}

/// What the schema was, and is.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Migrated {
    from: Database,
    to_version: u32,
}

pub(super) async fn migrate(
    State(place): State<Place>,
    context: Context,
    migrate: Migrate,
) -> Result<Migrated, Failure> {
    let place = place.lock().await;
    let from: Database = place.part("database.json").await?;
    let mut to = from.clone();
    let Some(columns) = to.tables.get_mut(&migrate.table) else {
        let message = format!("there is no table `{}`", migrate.table);
        return Err(Failure::permanent(message).code("no_table"));
    };
    for column in migrate.add_columns {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    to.schema_version = migrate.to_version;
    place.put("database.json", &to).await?;
    let (old, new) = (from.schema_version, to.schema_version);
    place.note(&context.call_id, &format!("migrate schema {old} to {new}")).await?;
    Ok(Migrated { from, to_version: new })
}

pub(super) async fn roll_back(
    State(place): State<Place>,
    context: Context,
    done: Done<Migrated>,
) -> Result<Taken, Failure> {
    let place = place.lock().await;
    let Migrated { from, to_version } = done.output;
    place.put("database.json", &from).await?;
    let old = from.schema_version;
    place.note(&context.call_id, &format!("migrate schema {to_version} back to {old}")).await?;
    Ok(Taken { back: true })
}
