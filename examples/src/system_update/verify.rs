//! `system_verifier`: would the application start on what is there?

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use super::place::{App, Database, Place};

/// Nothing is needed to look.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Look {}

#[derive(Serialize, JsonSchema)]
pub(super) struct Healthy {
    version: String,
    schema_version: u32,
}

pub(super) async fn verify(
    State(place): State<Place>,
    context: Context,
    _: Look,
) -> Result<Healthy, Failure> {
    let place = place.lock().await;
    let app: App = place.part("app.json").await?;
    let database: Database = place.part("database.json").await?;
    let settings = place.settings().await?;
    let mut faults = Vec::new();
    if app.needs_schema != database.schema_version {
        let (wanted, found) = (app.needs_schema, database.schema_version);
        faults.push(format!("it needs schema {wanted}, there is {found}"));
    }
    let missing = app.needs_settings.iter().filter(|name| !settings.contains_key(*name));
    faults.extend(missing.map(|name| format!("it needs the setting `{name}`")));
    if faults.is_empty() {
        place.note(&context.call_id, &format!("verify {}: healthy", app.version)).await?;
        return Ok(Healthy { version: app.version, schema_version: database.schema_version });
    }
    let message = format!("version {} would not start: {}", app.version, faults.join("; "));
    place.note(&context.call_id, &format!("verify {}: not healthy", app.version)).await?;
    Err(Failure::permanent(message).code("unhealthy"))
}
