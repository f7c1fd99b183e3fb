//! [`Place`]: the system that is updated, as files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gearshift_plugins_sdk::{Failure, JsonSchema, schemars};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::files;

/// The files of the system, one call at a time.
#[derive(Clone)]
pub(super) struct Place(Arc<Mutex<Files>>);

/// Where everything is.
pub(super) struct Files {
    /// The example's folder.
    pub(super) folder: PathBuf,
    /// What is updated.
    pub(super) system: PathBuf,
    /// What the plugins leave behind.
    pub(super) output: PathBuf,
}

/// `database.json`: the schema, as far as an update cares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Database {
    pub(super) schema_version: u32,
    /// The columns of each table.
    pub(super) tables: std::collections::BTreeMap<String, Vec<String>>,
}

/// `app.json`: the application in place.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct App {
    pub(super) version: String,
    /// The schema it was written for.
    pub(super) needs_schema: u32,
    /// Settings it does not start without.
    pub(super) needs_settings: Vec<String>,
}

/// What an undo without `with:` is given.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Done<T> {
    /// What the call gave that is taken back.
    pub(super) output: T,
}

/// An answer with nothing to say.
#[derive(Serialize, JsonSchema)]
pub(super) struct Taken {
    pub(super) back: bool,
}

impl Place {
    pub(super) fn new(folder: &Path) -> Self {
        let output = folder.join("output");
        let system = output.join("system");
        Self(Arc::new(Mutex::new(Files { folder: folder.to_owned(), system, output })))
    }

    pub(super) async fn lock(&self) -> tokio::sync::MutexGuard<'_, Files> {
        self.0.lock().await
    }
}

impl Files {
    /// Reads a file of the system.
    pub(super) async fn part<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let found = files::read_json(&self.system.join(name)).await?;
        found.ok_or_else(|| {
            Failure::permanent(format!("the system has no `{name}`")).code("not_found")
        })
    }

    /// Writes a file of the system.
    pub(super) async fn put<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Failure> {
        files::write_json(&self.system.join(name), value).await
    }

    /// Copies all files of a folder.
    pub(super) async fn copy(from: &Path, to: &Path) -> Result<Vec<String>, Failure> {
        let names = files::names(from).await?;
        for name in &names {
            let bytes = tokio::fs::read(from.join(name)).await?;
            files::write(&to.join(name), &bytes).await?;
        }
        Ok(names)
    }

    /// Notes what was done; a call that is repeated is noted once.
    pub(super) async fn note(&self, call: &str, what: &str) -> Result<(), Failure> {
        let known = self.output.join("calls.json");
        let mut calls: Vec<String> = files::read_json(&known).await?.unwrap_or_default();
        if calls.iter().any(|known| known == call) {
            return Ok(());
        }
        calls.push(call.to_owned());
        let journal = self.output.join("journal.txt");
        let mut text = tokio::fs::read_to_string(&journal).await.unwrap_or_default();
        text.push_str(&format!("{what}\n"));
        files::write(&journal, text.as_bytes()).await?;
        files::write_json(&known, &calls).await
    }

    /// The settings of the system.
    pub(super) async fn settings(&self) -> Result<serde_json::Map<String, Value>, Failure> {
        self.part("settings.json").await
    }
}
