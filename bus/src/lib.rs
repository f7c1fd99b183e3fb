//! Five messaging primitives on interchangeable backends; knows no workflow word.
//!
//! Read in this order:
//!
//! 1. [`Bus`]: opened once, cloned freely; opens everything else.
//! 2. [`Subject`], [`SubjectPattern`], [`Message`], [`Headers`]: what travels.
//! 3. [`Log`]: append at an expected sequence; the primitive everything durable rests on.
//! 4. [`Inbox`]: messages from anybody, stored once, read from a cursor.
//! 5. [`Requests`]: ask one responder, serve in a group, discover services.
//! 6. [`Bucket`]: small values by key, compared and swapped, watched, expiring.
//! 7. [`Blobs`]: large values by digest.
//! 8. [`Error`]: a kind to branch on and a source to print.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), gearshift_bus::Error> {
//! use gearshift_bus::{Appended, Bus};
//!
//! let bus = Bus::in_memory();
//! let log = bus.log("journal-0").await?;
//! assert_eq!(log.append(0, "first".into()).await?, Appended::Stored(1));
//! assert_eq!(log.append(0, "late".into()).await?, Appended::Fenced { actual: 1 });
//! assert_eq!(log.read_from(1, 64 * 1024).await?[0].frame, "first");
//! # Ok(())
//! # }
//! ```
//!
//! The set of backends is closed: every primitive is a struct over a private enum, so callers
//! see neither traits nor generics. One suite in `tests/it` runs every sentence of these
//! comments on every backend.

mod blobs;
mod breakpoint;
mod bucket;
mod bus;
mod clock;
mod embedded;
mod error;
mod inbox;
mod local;
mod log;
mod memory;
mod message;
mod nats;
mod requests;
mod second;
mod service;
mod service_stats;
mod simulated;
mod subject;
mod subscription;

pub use blobs::{Blobs, Digest};
pub use breakpoint::{Breakpoint, Stop};
pub use bucket::{Bucket, Change, Swapped, Value, Watch};
pub use bus::{BackendKind, Bus};
pub use clock::Clock;
pub use error::{Error, ErrorKind};
pub use inbox::{Delivered, Held, Inbox};
pub use log::{Appended, Entry, Log, Tail};
pub use message::{Headers, Message};
pub use nats::{
    ClusterOptions, Durability, NatsOptions, PrivateServer, ServerError, ServerOptions,
    ServerReport,
};
pub use requests::{OnReply, Request, Requests, Server};
pub use second::OnSecond;
pub use service::{EndpointInfo, Offer, Registration, ServiceInfo};
pub use service_stats::{EndpointStats, ServiceStats};
pub use simulated::Faults;
pub use subject::{Subject, SubjectPattern};
pub use subscription::Subscription;

/// Largest frame a [`Log`] takes, in bytes: 8 MiB.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest [`Message`] (headers and payload) and largest [`Bucket`] value, in bytes: 1 MiB.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Largest blob, in bytes: 1 GiB.
pub const BLOB_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Messages a [`Subscription`] holds before the limit bites.
pub const QUEUE_MESSAGES_MAX: usize = 1024;

/// Requests a [`Server`] holds before the limit bites. As much as one asker has under way there:
/// what is refused was sent in vain.
pub const QUEUE_REQUESTS_MAX: usize = 16 * 1024;
