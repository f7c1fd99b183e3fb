//! `code_deployer`: puts another version of the application in place.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use super::place::{App, Done, Place, Taken};
use crate::files;

/// The package to put in place.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Deploy {
    deployment_package: String,
}

/// What was there before, and what is there now.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Deployed {
    previous: App,
    version: String,
}

pub(super) async fn deploy(
    State(place): State<Place>,
    context: Context,
    deploy: Deploy,
) -> Result<Deployed, Failure> {
    let place = place.lock().await;
    let text = files::read_text(&place.folder, &deploy.deployment_package).await?;
    let app: App = serde_json::from_str(&text)
        .map_err(|error| Failure::permanent(error.to_string()).code("bad_package"))?;
    let previous: App = place.part("app.json").await?;
    place.put("app.json", &app).await?;
    let (old, version) = (previous.version.clone(), app.version.clone());
    place.note(&context.call_id, &format!("deploy {old} to {version}")).await?;
    Ok(Deployed { previous, version })
}

pub(super) async fn roll_back(
    State(place): State<Place>,
    context: Context,
    done: Done<Deployed>,
) -> Result<Taken, Failure> {
    let place = place.lock().await;
    let Deployed { previous, version } = done.output;
    place.put("app.json", &previous).await?;
    let old = previous.version;
    place.note(&context.call_id, &format!("deploy {version} back to {old}")).await?;
    Ok(Taken { back: true })
}
