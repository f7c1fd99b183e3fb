//! A NATS server of its own for one test.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use gearshift_bus::{Bus, Message, NatsOptions, PrivateServer, ServerOptions, Subject};
use serde_json::Value;
use tokio::runtime::Runtime;

/// What tests that are not asynchronous themselves wait on.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// A running server; it ends with the test.
pub(crate) struct Server(PrivateServer);

impl Server {
    /// One that syncs always, with more lines of configuration.
    pub(crate) fn start(config: &str) -> Self {
        let mut options = ServerOptions::default();
        config.clone_into(&mut options.config);
        Self::of(options)
    }

    /// One that syncs at an interval.
    pub(crate) fn syncing(interval: &str) -> Self {
        let mut options = ServerOptions::default();
        options.sync_interval = Some(interval.to_owned());
        Self::of(options)
    }

    pub(crate) fn without_jetstream() -> Self {
        let mut options = ServerOptions::default();
        options.without_jetstream = true;
        Self::of(options)
    }

    /// One that keeps its streams in this folder.
    pub(crate) fn in_dir(store: &Path) -> Self {
        Self::of(ServerOptions::in_dir(store))
    }

    fn of(options: ServerOptions) -> Self {
        Self(runtime().block_on(PrivateServer::start(options)).unwrap())
    }

    pub(crate) fn url(&self) -> &str {
        self.0.url()
    }

    pub(crate) fn monitor(&self) -> &str {
        self.0.monitor_url()
    }

    pub(crate) fn version(&self) -> &str {
        self.0.version()
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    /// Has it stand still: connections stay, and nothing is said.
    pub(crate) fn pause(&self) {
        runtime().block_on(self.0.pause()).unwrap();
    }

    pub(crate) fn resume(&self) {
        runtime().block_on(self.0.resume()).unwrap();
    }

    pub(crate) async fn terminate(&mut self) {
        self.0.terminate().await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.0.restart().await.unwrap();
    }

    /// Makes a stream as somebody else would.
    pub(crate) fn create_stream(&self, config: Value) {
        let name = config["name"].as_str().unwrap();
        self.api(&format!("STREAM.CREATE.{name}"), &config.to_string());
    }

    pub(crate) fn delete_stream(&self, name: &str) {
        self.api(&format!("STREAM.DELETE.{name}"), "");
    }

    fn api(&self, request: &str, body: &str) {
        runtime().block_on(async {
            let bus = Bus::connect(&NatsOptions::new(self.url())).await.unwrap();
            let subject = Subject::parse(&format!("$JS.API.{request}")).unwrap();
            let message = Message::new(subject, body.to_owned());
            let reply = bus.requests().request(message, Duration::from_secs(10)).await.unwrap();
            let reply: Value = serde_json::from_slice(&reply.payload).unwrap();
            assert!(reply["error"].is_null(), "{reply}");
        });
    }
}
