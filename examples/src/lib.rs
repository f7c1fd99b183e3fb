//! Runnable examples: workflow files, plugins, event scripts, expected output.
//!
//! Each folder beside `src/` is one example: `*.workflow.yaml`, `events.yaml` (what happens, see
//! [`Script`]), `expected.txt` (what it leads to) and a `README.md`. Their plugins are here, so
//! that `gearshift run examples/document-approval` needs nothing installed.

mod document_approval;
mod files;
mod order;
mod script;

use std::path::{Path, PathBuf};

use gearshift_bus::Bus;
use gearshift_plugins_sdk::{Error, Plugin, Running};

pub use script::{Script, ScriptError, Step};

/// The names of the examples: the names of their folders.
pub const NAMES: [&str; 2] = ["document-approval", "order"];

/// The plugins of an example, working on the files in `dir` (the example's folder, or a copy of
/// it); `None` for a name that is none of [`NAMES`].
#[must_use]
pub fn plugins(name: &str, dir: &Path) -> Option<Vec<Plugin>> {
    match name {
        "document-approval" => Some(document_approval::plugins(dir)),
        "order" => Some(order::plugins(dir)),
        _ => None,
    }
}

/// One plugin of an example, as a process of its own serves it; `None` where there is none of
/// that name.
#[must_use]
pub fn plugin(example: &str, dir: &Path, name: &str) -> Option<Plugin> {
    plugins(example, dir)?.into_iter().find(|plugin| plugin.name() == name)
}

/// Answers the calls of one plugin over NATS until the process is told to end: the `main` of the
/// programs of this package. The plugin works in the folder that the command line names, else in
/// `examples/<example>`.
///
/// # Errors
///
/// Those of [`Plugin::run`], and the name of a plugin that is not there.
pub async fn run(example: &str, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = given.unwrap_or_else(|| Path::new("examples").join(example));
    let plugin = plugin(example, &dir, name).ok_or_else(|| format!("no plugin `{name}`"))?;
    Ok(plugin.run().await?)
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
