//! [`ServerOptions`]: how a private server is started, and the configuration that says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Version;

/// How a private server is started.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerOptions {
    /// The program; else `NATS_SERVER_BIN`, else `nats-server` on the PATH.
    pub program: Option<PathBuf>,
    /// Where it keeps its streams, configuration and log; empty means a directory of its own
    /// that goes with the server.
    pub store: PathBuf,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Its name; drawn at random unless set. In a cluster a server has to come back with the
    /// name it had.
    pub name: Option<String>,
    /// `sync_interval` of its streams; `None` means `always`. Servers before 2.10 have none.
    pub sync_interval: Option<String>,
    /// Whether JetStream stays off.
    pub without_jetstream: bool,
    /// The cluster it belongs to.
    pub cluster: Option<ClusterOptions>,
    /// Further lines of its configuration.
    pub config: String,
}

/// A private server's place in a cluster.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// The cluster's name.
    pub name: String,
    /// The port where the other servers connect; 0 takes a free one.
    pub port: u16,
    /// The other servers, such as `nats://127.0.0.1:6222`.
    pub routes: Vec<String>,
}

impl ServerOptions {
    /// A server that keeps its streams in `store`, everything else as it is by default.
    #[must_use]
    pub fn in_dir(store: &Path) -> Self {
        Self { store: store.to_owned(), ..Self::default() }
    }
}

impl ClusterOptions {
    /// The cluster `name`: other servers connect at `port`, this one to `routes`.
    #[must_use]
    pub fn new(name: &str, port: u16, routes: Vec<String>) -> Self {
        Self { name: name.to_owned(), port, routes }
    }
}

/// The text of the configuration file.
pub(super) fn configuration(
    options: &ServerOptions,
    version: Version,
    name: &str,
    dir: &Path,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write_configuration(&mut text, options, version, name, dir).unwrap_or_default();
    text
}

fn write_configuration(
    text: &mut String,
    options: &ServerOptions,
    version: Version,
    name: &str,
    dir: &Path,
) -> std::fmt::Result {
    let port = |port: u16| if port == 0 { -1 } else { i32::from(port) };
    writeln!(text, "server_name: {}", quoted(name))?;
    writeln!(text, "listen: \"127.0.0.1:{}\"", port(options.port))?;
    writeln!(text, "http: \"127.0.0.1:-1\"")?;
    writeln!(text, "ports_file_dir: {}", quoted_path(dir))?;
    writeln!(text, "log_file: {}", quoted_path(&dir.join("server.log")))?;
    writeln!(text, "ping_interval: \"20s\"")?;
    if !options.without_jetstream {
        let sync = options.sync_interval.as_deref().unwrap_or("always");
        let store = quoted_path(&dir.join("jetstream"));
        writeln!(text, "jetstream {{\n  store_dir: {store}")?;
        if version.has_sync_interval() {
            writeln!(text, "  sync_interval: {}", quoted(sync))?;
        }
        writeln!(text, "}}")?;
    }
    if let Some(cluster) = &options.cluster {
        let routes: Vec<_> = cluster.routes.iter().map(|route| quoted(route)).collect();
        writeln!(text, "cluster {{\n  name: {}", quoted(&cluster.name))?;
        writeln!(text, "  listen: \"127.0.0.1:{}\"", port(cluster.port))?;
        writeln!(text, "  routes: [{}]\n}}", routes.join(", "))?;
    }
    writeln!(text, "{}", options.config)
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
