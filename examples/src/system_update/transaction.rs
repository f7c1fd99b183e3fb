//! `transaction_manager` and `backup_manager`: a frame around the update, and a way back.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use super::place::{Done, Files, Place, Taken};
use crate::files;

/// How the update is kept apart from others.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Begin {
    isolation_level: String,
    timeout: String,
}

/// The update that is under way.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Begun {
    transaction: String,
}

/// Copies the system to where it can be changed.
pub(super) async fn begin(
    State(place): State<Place>,
    context: Context,
    begin: Begin,
) -> Result<Begun, Failure> {
    let place = place.lock().await;
    let open = place.output.join("transaction.json");
    let begun: Option<Begun> = files::read_json(&open).await?;
    match begun {
        Some(begun) if begun.transaction == context.call_id => return Ok(begun),
        Some(begun) => {
            let message = format!("`{}` is under way already", begun.transaction);
            return Err(Failure::permanent(message).code("in_use"));
        }
        None => {}
    }
    // What an earlier update left behind tells of that one.
    for name in ["journal.txt", "calls.json"] {
        files::remove(&place.output.join(name)).await?;
    }
    Files::copy(&place.folder.join("system"), &place.system).await?;
    let begun = Begun { transaction: context.call_id.clone() };
    files::write_json(&open, &begun).await?;
    let Begin { isolation_level, timeout } = begin;
    place.note(&context.call_id, &format!("begin ({isolation_level}, {timeout})")).await?;
    Ok(begun)
}

pub(super) async fn roll_back(
    State(place): State<Place>,
    context: Context,
    _: Done<Begun>,
) -> Result<Taken, Failure> {
    let place = place.lock().await;
    let back = files::remove(&place.output.join("transaction.json")).await?;
    place.note(&context.call_id, "rollback transaction").await?;
    Ok(Taken { back })
}

/// Nothing is needed to commit.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Commit {}

pub(super) async fn commit(
    State(place): State<Place>,
    context: Context,
    _: Commit,
) -> Result<Taken, Failure> {
    let place = place.lock().await;
    files::remove(&place.output.join("transaction.json")).await?;
    place.note(&context.call_id, "commit").await?;
    Ok(Taken { back: false })
}

/// What to keep.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Wanted {
    backup_location: String,
    include_config: bool,
    include_data: bool,
}

/// What was kept.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Backup {
    location: String,
    files: Vec<String>,
}

pub(super) async fn create_backup(
    State(place): State<Place>,
    context: Context,
    wanted: Wanted,
) -> Result<Backup, Failure> {
    let place = place.lock().await;
    let location = files::below(&place.output, &wanted.backup_location)?;
    let mut kept = Vec::new();
    for name in files::names(&place.system).await? {
        let is_data = name == "database.json";
        if (is_data && wanted.include_data) || (!is_data && wanted.include_config) {
            let bytes = tokio::fs::read(place.system.join(&name)).await?;
            files::write(&location.join(&name), &bytes).await?;
            kept.push(name);
        }
    }
    place.note(&context.call_id, &format!("backup of {} files", kept.len())).await?;
    Ok(Backup { location: wanted.backup_location, files: kept })
}

pub(super) async fn restore_backup(
    State(place): State<Place>,
    context: Context,
    done: Done<Backup>,
) -> Result<Taken, Failure> {
    let place = place.lock().await;
    let location = files::below(&place.output, &done.output.location)?;
    let restored = Files::copy(&location, &place.system).await?;
    place.note(&context.call_id, &format!("restore {} files", restored.len())).await?;
    Ok(Taken { back: !restored.is_empty() })
}
