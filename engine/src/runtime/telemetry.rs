//! Logs: human on a terminal, JSON lines otherwise (05 §1, row 27).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Sends logs to stderr; `RUST_LOG` wins over `level`. A second call changes nothing.
pub fn init_tracing(level: &str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("gearshift={level},fjall=warn")));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // The first subscriber of a process stays: tests start several engines.
    let outcome = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
    drop(outcome);
}
