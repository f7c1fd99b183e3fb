//! Start, send, decide, show and watch workflow instances.
//!
//! A [`Client`] reaches the engine over NATS, over HTTP, or over a bus in this process; what can be
//! asked and what comes back is the same.
//!
//! ```no_run
//! use gearshift_client::{Client, protocol::Wait};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), gearshift_client::Error> {
//! let client = Client::http("http://127.0.0.1:4500", "gearshift_7Qk")?.as_user("ann");
//! let data = serde_json::json!({"documentId": "doc-7", "title": "Budget"});
//! let reply = client.send("document.submitted", &data).await?;
//! client.approve("doc-7", "numbers match").await?;
//! let ended = client.wait_for("doc-7", &Wait::End, Duration::from_secs(60)).await?;
//! # let _ = (reply, ended);
//! # Ok(())
//! # }
//! ```
//!
//! Instances are named by their full id (`workflow/key`), by the key alone, or by a unique
//! suffix. Every request has a deadline: 30 seconds, or [`Client::with_timeout`].

mod again;
mod bus;
mod client;
mod commands;
mod control;
mod error;
mod http;
mod plugins;
mod queries;
mod sse;
mod transactions;
mod transport;
mod wait;
mod watch;

pub use client::Client;
pub use error::{Error, ErrorKind};
/// How to reach NATS servers.
pub use gearshift_bus::NatsOptions;
/// The bodies that are sent and that come back.
pub use gearshift_protocol as protocol;
pub use wait::Waited;
pub use watch::{Watch, WatchFilter};
