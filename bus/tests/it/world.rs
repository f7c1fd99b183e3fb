//! [`World`]: makes a bus of one backend, and opens it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gearshift_bus::{
    Bus, Clock, Error, ErrorKind, Faults, Message, NatsOptions, PrivateServer, ServerOptions,
    Subject, SubjectPattern,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Longer than anything takes that ends at all.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A backend with its own directory and its own clock.
pub struct World {
    backend: Backend,
    server: OnceCell<PrivateServer>,
    dir: TempDir,
    now_ms: Arc<AtomicI64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    Memory,
    Embedded,
    Simulated,
    Nats,
}

impl World {
    pub fn memory() -> std::io::Result<Self> {
        Self::new(Backend::Memory)
    }

    pub fn embedded() -> std::io::Result<Self> {
        Self::new(Backend::Embedded)
    }

    pub fn simulated() -> std::io::Result<Self> {
        Self::new(Backend::Simulated)
    }

    pub fn nats() -> std::io::Result<Self> {
        Self::new(Backend::Nats)
    }

    fn new(backend: Backend) -> std::io::Result<Self> {
        let now_ms = Arc::new(AtomicI64::new(1_000_000));
        Ok(Self { backend, server: OnceCell::new(), dir: tempfile::tempdir()?, now_ms })
    }

    pub async fn open(&self) -> Result<Bus, Error> {
        match self.backend {
            Backend::Memory => Ok(Bus::in_memory_with_clock(self.clock())),
            Backend::Embedded => Bus::embedded_with_clock(self.dir.path(), self.clock()).await,
            Backend::Simulated => {
                let faults = Faults { yields_max: 3, ..Faults::none() };
                Ok(Bus::simulated_with_clock(7, faults, self.clock()))
            }
            Backend::Nats => connect(self.server.get_or_init(|| server("")).await).await,
        }
    }

    /// Closes the bus and opens it again, if its content outlives it.
    pub async fn reopen(&self, bus: Bus) -> Result<Bus, Error> {
        match self.backend {
            Backend::Memory | Backend::Simulated => Ok(bus),
            Backend::Embedded | Backend::Nats => {
                bus.close().await?;
                self.open().await
            }
        }
    }

    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub fn now_ms(&self) -> i64 {
        match self.backend {
            Backend::Memory | Backend::Embedded | Backend::Simulated => {
                self.now_ms.load(Ordering::SeqCst)
            }
            Backend::Nats => Clock::system().now_ms(),
        }
    }

    /// How far from a moment a check has to keep to know which side of it it is on.
    pub fn margin_ms(&self) -> i64 {
        match self.backend {
            Backend::Memory | Backend::Embedded | Backend::Simulated => 1,
            Backend::Nats => 800,
        }
    }

    /// Lets time pass: for real where the server's clock is the one that counts.
    pub async fn pass_ms(&self, passed_ms: i64) {
        match self.backend {
            Backend::Memory | Backend::Embedded | Backend::Simulated => {
                self.now_ms.fetch_add(passed_ms, Ordering::SeqCst);
            }
            Backend::Nats => {
                let passed = Duration::from_millis(passed_ms.try_into().unwrap());
                tokio::time::sleep(passed).await;
            }
        }
    }

    fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        Clock::from_fn(move || now_ms.load(Ordering::SeqCst))
    }
}

pub fn subject(text: &str) -> Subject {
    Subject::parse(text).unwrap()
}

pub fn pattern(text: &str) -> SubjectPattern {
    SubjectPattern::parse(text).unwrap()
}

pub fn message(text: &str, payload: &str) -> Message {
    Message::new(subject(text), payload.to_owned())
}

/// The kind of the error that `result` has to be.
pub fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind().clone()
}

/// Fails instead of hanging.
pub async fn patient<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// A server of the test's own, with room for the largest frames; `config` is added to its
/// configuration.
pub async fn server(config: &str) -> PrivateServer {
    let mut options = ServerOptions::default();
    options.config = format!("max_payload: {}\n{config}", 9 * 1024 * 1024);
    PrivateServer::start(options).await.unwrap()
}

pub async fn connect(server: &PrivateServer) -> Result<Bus, Error> {
    Bus::connect(&NatsOptions::new(server.url())).await
}
