//! Runnable examples: workflow files, plugins, event scripts, expected output.
//!
//! Each folder beside `src/` is one example: `*.workflow.yaml`, `events.yaml` (what happens, see
//! [`Script`]; workflows of steps need none), `expected.txt` (what it leads to), where files are
//! written `expected/` with what is in them, and a `README.md`. Their plugins are here, so that
//! `gearshift run examples/document-approval` needs nothing installed.

mod data_aggregation;
mod data_analysis;
mod data_processing;
mod document_approval;
mod document_processing;
mod document_router;
mod files;
mod order;
mod parallel_media;
pub mod program;
mod script;
mod system_update;
mod table;

use std::path::Path;

use gearshift_bus::Bus;
use gearshift_plugins_sdk::{Error, Plugin, Running};

pub use script::{Script, ScriptError, Step};

/// The names of the examples: the names of their folders.
pub const NAMES: [&str; 9] = [
    "data-aggregation",
    "data-analysis",
    "data-processing",
    "document-approval",
    "document-processing",
    "document-router",
    "order",
    "parallel-media",
    "system-update",
];

/// The plugins of an example, working on the files in `dir` (the example's folder, or a copy of
/// it); `None` for a name that is none of [`NAMES`].
#[must_use]
pub fn plugins(name: &str, dir: &Path) -> Option<Vec<Plugin>> {
    match name {
        "data-aggregation" => Some(data_aggregation::plugins(dir)),
        "data-analysis" => Some(data_analysis::plugins(dir)),
        "data-processing" => Some(data_processing::plugins(dir)),
        "document-approval" => Some(document_approval::plugins(dir)),
        "document-processing" => Some(document_processing::plugins(dir)),
        "document-router" => Some(document_router::plugins(dir)),
        "order" => Some(order::plugins(dir)),
        "parallel-media" => Some(parallel_media::plugins(dir)),
        "system-update" => Some(system_update::plugins(dir)),
        _ => None,
    }
}

/// One plugin of an example, as a process of its own serves it; `None` where there is none of
/// that name.
#[must_use]
pub fn plugin(example: &str, dir: &Path, name: &str) -> Option<Plugin> {
    plugins(example, dir)?.into_iter().find(|plugin| plugin.name() == name)
}

/// What a plugin reads in its folder: without it, it could answer no call.
fn needs(name: &str) -> &'static [&'static str] {
    match name {
        "validator" | "archive" => &["documents"],
        "directory" => &["directory.json"],
        "inventory" => &["stock.json"],
        _ => &[],
    }
}

/// Serves plugins on a bus until what is returned is dropped or drained.
///
/// # Errors
///
/// Those of [`Plugin::serve`]; then none of them is served.
pub async fn serve_all(bus: &Bus, plugins: Vec<Plugin>) -> Result<Vec<Running>, Error> {
    let mut running = Vec::with_capacity(plugins.len());
    for plugin in plugins {
        running.push(plugin.serve(bus).await?);
    }
    Ok(running)
}
