//! `gearshift` with a plugin that writes down every call before it answers.
//!
//! The program is the binary's own `main`; only the plugins in the process are others, because
//! what plugins see is half of what the crash test judges.

use std::path::PathBuf;
use std::process::ExitCode;

use gearshift_engine::cli::{self, LoadedPlugins, PluginLoader};
use gearshift_tests::load::recorder;

fn main() -> ExitCode {
    let calls = std::env::var_os("GEARSHIFT_TEST_CALLS").map(PathBuf::from);
    let loader: PluginLoader = Box::new(move |bus, _, _| {
        let calls = calls.clone();
        Box::pin(async move {
            let Some(calls) = calls else { return Ok(None) };
            let running = recorder(&calls)?.serve(&bus).await.map_err(|error| error.to_string())?;
            Ok(Some(Box::new(running) as LoadedPlugins))
        })
    });
    cli::main(loader)
}
