//! The wire: subjects, headers and bodies shared by engine, clients and plugins.
//!
//! Knows serde and nothing else: no bus, no machine. Bodies are JSON with `snake_case` names
//! (or MessagePack where [`Encoding`] says so); absent optional fields are left out; unknown
//! fields are ignored, so that an older reader understands a newer writer.
//!
//! Read in this order:
//!
//! 1. [`subjects`]: who is addressed, and how a name becomes one subject token.
//! 2. [`headers`]: every header there is.
//! 3. [`event`]: what happened; [`verdict`]: what became of it.
//! 4. [`command`], [`query`], [`view`]: operators' orders, reads, and what they answer.
//! 5. [`notice`]: what changed, for whoever listens.
//! 6. [`plugin`]: one call of one operation; [`long_work`]: calls that answer later.
//!    [`metadata`], [`lifecycle`]: what a plugin tells about itself, at first and later.
//! 7. [`problem`]: why something was refused, as RFC 9457, HTTP status and exit code.

pub mod command;
pub mod encoding;
pub mod event;
pub mod headers;
pub mod lifecycle;
pub mod long_work;
pub mod metadata;
pub mod notice;
pub mod plugin;
pub mod problem;
pub mod query;
pub mod subjects;
pub mod verdict;
pub mod view;

pub use encoding::{CodecError, Encoding};
pub use event::{CloudEvent, EventHeaders, EventReply, ce_decode, ce_encode};
pub use lifecycle::{Announcement, AnnouncementKind, Load, PluginState, PluginStatus};
pub use long_work::{Heartbeat, ObjectRef, Pending};
pub use metadata::{PluginMetadata, Requirement};
pub use notice::{Notice, NoticeKind};
pub use plugin::{CallHeaders, FailureKind, PluginFailure};
pub use problem::{Problem, ProblemKind};
pub use subjects::OperationRef;
pub use verdict::{InstanceVerdict, Status, Verdict, Wait};

/// One header as it travels: its name and its value.
pub type Header = (&'static str, String);
