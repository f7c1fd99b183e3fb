//! The `gearshift` binary.

use std::process::ExitCode;

use gearshift_engine::cli::{self, PluginLoader};

/// Events, frames and instances are many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(plugins())
}

/// Plugins of the example folders, so that they run with nothing installed.
#[cfg(feature = "examples")]
fn plugins() -> PluginLoader {
    use gearshift_engine::cli::LoadedPlugins;

    Box::new(|bus, name, folder| {
        Box::pin(async move {
            let Some(plugins) = gearshift_examples::plugins(&name, &folder) else {
                return Ok(None);
            };
            let running = gearshift_examples::serve_all(&bus, plugins).await;
            let running = running.map_err(|error| error.to_string())?;
            Ok(Some(Box::new(running) as LoadedPlugins))
        })
    })
}

/// No plugins of our own.
#[cfg(not(feature = "examples"))]
fn plugins() -> PluginLoader {
    Box::new(|_, _, _| Box::pin(async { Ok(None) }))
}
