//! `gearshift-test-plugin URLS`: the recording plugin in a process of its own, on NATS.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions};
use gearshift_tests::load::recorder;
use tokio::signal::unix::{SignalKind, signal};

/// Before the servers are tried again.
const AGAIN: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let told = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(if told.is_ok() { 1 } else { 2 })
        }
    }
}

/// Answers calls until SIGTERM, then those that are under way.
async fn serve() -> Result<(), String> {
    let urls = std::env::args().nth(1).ok_or("usage: gearshift-test-plugin URLS")?;
    let calls = std::env::var_os("GEARSHIFT_TEST_CALLS").map(PathBuf::from);
    let calls = calls.ok_or("GEARSHIFT_TEST_CALLS names no file")?;
    let mut ended = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let running = tokio::select! {
        biased;
        _ = ended.recv() => return Ok(()),
        running = connected(&urls, &calls) => running?,
    };
    ended.recv().await;
    running.drain().await;
    Ok(())
}

/// Tries until the servers are there.
async fn connected(
    urls: &str,
    calls: &std::path::Path,
) -> Result<gearshift_plugins_sdk::Running, String> {
    loop {
        if let Ok(bus) = Bus::connect(&NatsOptions::new(urls)).await
            && let Ok(running) = recorder(calls)?.serve(&bus).await
        {
            return Ok(running);
        }
        tokio::time::sleep(AGAIN).await;
    }
}
