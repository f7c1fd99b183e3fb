//! [`PrivateServer`]: a `nats-server` of our own, for development and tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::server_options::configuration;
use super::server_process::{Ports, Process, address_of, program, remove_ports_files, version_of};
use super::{ServerOptions, Version};

/// How long a server may take to end after it was asked to.
const TERMINATE_MAX: Duration = Duration::from_secs(30);

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No program was found.
    #[error("no nats-server program: {0}")]
    Missing(String),
    /// It did not start.
    #[error("nats-server did not start: {0}")]
    Start(String),
    /// It could not be signalled.
    #[error("nats-server could not be signalled: {0}")]
    Signal(String),
}

/// A running server; dropping it ends it with kill -9, and so does the end of this process.
#[derive(Debug)]
pub struct PrivateServer {
    options: ServerOptions,
    program: PathBuf,
    name: String,
    version: String,
    url: String,
    ports: Ports,
    process: Process,
    // Goes after the process that writes to it.
    dir: Directory,
}

/// Where a server keeps everything.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    is_temporary: bool,
}

impl PrivateServer {
    /// Starts a server with JetStream and `sync_interval: always`, and waits until it answers as
    /// the server we started.
    ///
    /// # Errors
    ///
    /// [`ServerError`].
    pub async fn start(options: ServerOptions) -> Result<Self, ServerError> {
        let program = program(options.program.as_deref())?;
        let dir = Directory::make(&options.store)
            .map_err(|error| ServerError::Start(format!("its directory: {error}")))?;
        let name =
            options.name.clone().unwrap_or_else(|| format!("gearshift-{:016x}", fastrand::u64(..)));
        let mut options = options;
        let started = Box::pin(launch(&options, &program, &name, &dir.path)).await?;
        let Started { process, ports, version } = started;
        let url = ports.nats.first().cloned().unwrap_or_default();
        options.port = port_of(&ports.nats);
        if let Some(cluster) = &mut options.cluster {
            cluster.port = port_of(&ports.cluster);
        }
        Ok(Self { options, program, name, version, url, ports, process, dir })
    }

    /// Starts it again after [`PrivateServer::kill`] or [`PrivateServer::terminate`], with the
    /// same name, ports and streams; one that runs is killed first.
    ///
    /// # Errors
    ///
    /// [`ServerError`].
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        let launching = launch(&self.options, &self.program, &self.name, &self.dir.path);
        let started = Box::pin(launching).await?;
        self.process = started.process;
        self.ports = started.ports;
        self.version = started.version;
        Ok(())
    }

    /// Ends it with kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it with SIGTERM, as an operator does.
    ///
    /// # Errors
    ///
    /// [`ServerError::Signal`] if it does not end.
    pub async fn terminate(&mut self) -> Result<(), ServerError> {
        self.signal("-TERM").await?;
        let ended = tokio::time::timeout(TERMINATE_MAX, self.process.ended()).await;
        ended.map_err(|_| {
            ServerError::Signal(format!("it did not end within {} s", TERMINATE_MAX.as_secs()))
        })
    }

    /// Stops it as a debugger does: it keeps its connections and answers nothing.
    ///
    /// # Errors
    ///
    /// [`ServerError::Signal`].
    pub async fn pause(&self) -> Result<(), ServerError> {
        self.signal("-STOP").await?;
        // The signal was sent; a busy machine lets the server answer a while longer.
        self.process
            .stopped()
            .await
            .map_err(|error| ServerError::Signal(format!("it does not stop: {error}")))
    }

    /// Lets it go on after [`PrivateServer::pause`].
    ///
    /// # Errors
    ///
    /// [`ServerError::Signal`].
    pub async fn resume(&self) -> Result<(), ServerError> {
        self.signal("-CONT").await
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`, or `tls://…` where that is demanded.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port where clients connect.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.options.port
    }

    /// The port where servers of its cluster connect, if it is in one.
    #[must_use]
    pub fn cluster_port(&self) -> Option<u16> {
        self.options.cluster.as_ref().map(|cluster| cluster.port)
    }

    /// Where it is monitored: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn monitor_url(&self) -> &str {
        self.ports.monitoring.first().map_or("", String::as_str)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, such as `2.15.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where it keeps its streams (`jetstream`), configuration and log (`server.log`).
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir.path
    }

    async fn signal(&self, signal: &str) -> Result<(), ServerError> {
        self.process
            .signal(signal)
            .await
            .map_err(|error| ServerError::Signal(format!("kill {signal}: {error}")))
    }
}

/// What a start gives.
struct Started {
    process: Process,
    ports: Ports,
    version: String,
}

async fn launch(
    options: &ServerOptions,
    program: &Path,
    name: &str,
    dir: &Path,
) -> Result<Started, ServerError> {
    let version = version_of(program).await?;
    if version < Version::OLDEST {
        let text =
            format!("version {version} is older than the oldest usable, {}", Version::OLDEST);
        return Err(ServerError::Start(text));
    }
    let path = dir.join("server.conf");
    remove_ports_files(dir)
        .and_then(|()| std::fs::write(&path, configuration(options, version, name, dir)))
        .map_err(|error| ServerError::Start(format!("`{}`: {error}", path.display())))?;
    let mut process = Process::spawn(program, &path, dir)?;
    let (ports, about) = process.ready(dir).await?;
    if about.server_name != name {
        let text = format!("`{}` answers instead of `{name}`", about.server_name);
        return Err(ServerError::Start(text));
    }
    Ok(Started { process, ports, version: about.version })
}

fn port_of(urls: &[String]) -> u16 {
    urls.first().and_then(|url| address_of(url)).map_or(0, |address| address.port())
}

impl Directory {
    fn make(store: &Path) -> std::io::Result<Self> {
        let is_temporary = store.as_os_str().is_empty();
        let path = if is_temporary {
            std::env::temp_dir().join(format!("gearshift-nats-{:016x}", fastrand::u64(..)))
        } else {
            std::path::absolute(store)?
        };
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, is_temporary })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_temporary {
            // Nothing to tell it to, and what is left in a temporary directory harms nobody.
            std::fs::remove_dir_all(&self.path).ok();
        }
    }
}
