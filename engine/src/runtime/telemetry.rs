//! Logs: human on a terminal, JSON lines otherwise (05 §1, row 27).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people at a terminal, as JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON document per line.
    Json,
}

/// Sends logs to stderr; `RUST_LOG` wins over `level`. A second call changes nothing.
pub fn init_tracing(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("gearshift={level},fjall=warn")));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // The first subscriber of a process stays: tests start several engines.
    let is_terminal = std::io::stderr().is_terminal();
    let for_people = match format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let outcome = if for_people {
        builder.compact().with_ansi(is_terminal).try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
    drop(outcome);
}
