//! Notices: every lifecycle change and transition, for whoever subscribes; may be lost.

use std::sync::Arc;

use gearshift_machine::machine::{Generation, InstanceKey, NoticeKind, Timestamp};
use gearshift_machine::value::Value;

/// One change of one instance, as it goes to subscribers.
#[derive(Clone, Debug)]
pub struct NoticeMessage {
    /// Which instance.
    pub key: InstanceKey,
    /// Which life of it.
    pub generation: Generation,
    /// The step counter after the change.
    pub step: u64,
    /// When the owner took the input.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: NoticeKind,
    /// Details, by kind.
    pub data: Value,
    /// The definition's version.
    pub version: u32,
}

/// Shared between subscribers.
pub(crate) type SharedNotice = Arc<NoticeMessage>;
