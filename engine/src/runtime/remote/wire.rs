//! What engines say to each other about a partition: MessagePack with named fields, versioned.

use std::sync::Arc;

use bytes::Bytes;
use gearshift_machine::machine::{Generation, InstanceKey, Outcome, StateId, Status};
use gearshift_machine::partition::{Definitions, Done, PartitionInput};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::look::{Look, Seen};
use crate::runtime::waiters::Goal;

/// The version of everything said here. A change that an engine of the version before would
/// misread raises it; such an engine then answers [`Answer::Unreadable`] and nothing is done.
const VERSION: u8 = 1;

/// What one engine asks the owner of a partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Question {
    /// Decide this.
    Input(PartitionInput),
    /// Look at this.
    Look(Look),
    /// How are you doing?
    Standing,
    /// Wait for this, at most so long.
    Wait {
        /// Which instance.
        key: InstanceKey,
        /// For what.
        goal: Goal,
        /// How long, in milliseconds.
        limit_ms: u64,
    },
}

/// What the owner answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The decision is durable.
    Done(Box<Decided>),
    /// What was seen.
    Seen(Box<Seen>),
    /// What was seen is too large for a message; it lies in the blobs under this digest, for a
    /// while.
    Stored(String),
    /// How the partition is doing.
    Standing(Standing),
    /// Whether the goal was met; `None` where the time passed before anybody knew.
    Met(Option<bool>),
    /// Nothing was done: this engine does not serve the partition.
    NotOwner,
    /// Nothing was done: so many inputs wait already, which is the limit.
    Full(usize),
    /// Nothing was done: the partition refuses to serve, for this reason.
    Refused(String),
    /// Nobody knows whether it was done: the partition was lost while the frame was under way.
    Lost,
    /// Nothing was done: the question could not be read.
    Unreadable(String),
}

/// How a partition is doing, as its owner says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The journal's last confirmed sequence.
    pub position: u64,
    /// The owner's epoch.
    pub epoch: u64,
    /// Instances, ended ones included.
    pub instances: u64,
}

/// Of a [`Done`] what askers need; the definition is the one they know by that name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Decided {
    key: Option<InstanceKey>,
    definition: Option<(Arc<str>, u32)>,
    outcome: Outcome,
    generation: Generation,
    step: u64,
    status: Option<Status>,
    active: Vec<StateId>,
}

impl Decided {
    pub(super) fn of(done: Done) -> Self {
        let definition = done.definition.as_deref();
        Self {
            definition: definition.map(|known| (Arc::clone(&known.name), known.version)),
            key: done.key,
            outcome: done.outcome,
            generation: done.generation,
            step: done.step,
            status: done.status,
            active: done.active,
        }
    }

    /// The definition it speaks of.
    pub(super) fn definition(&self) -> Option<(&str, u32)> {
        self.definition.as_ref().map(|(name, version)| (&**name, *version))
    }

    /// As the asker's doors know it; effects and trace stay with the owner.
    pub(super) fn into_done(self, known: &Definitions) -> Done {
        let definition = self.definition().and_then(|(name, version)| known.get(name, version));
        Done {
            definition: definition.cloned(),
            key: self.key,
            outcome: self.outcome,
            effects: Vec::new(),
            trace: None,
            generation: self.generation,
            step: self.step,
            status: self.status,
            active: self.active,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u8,
    body: T,
}

/// The version alone, which every engine can read.
#[derive(Deserialize)]
struct Head {
    v: u8,
}

/// As bytes.
///
/// # Errors
/// What cannot be written; a bug.
pub(super) fn encode<T: Serialize>(body: T) -> Result<Bytes, String> {
    let envelope = Envelope { v: VERSION, body };
    rmp_serde::to_vec_named(&envelope).map(Bytes::from).map_err(|error| error.to_string())
}

/// Reads what [`encode`] gave.
///
/// # Errors
/// Why it cannot be read: another version, or damage.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match rmp_serde::from_slice::<Envelope<T>>(bytes) {
        Ok(Envelope { v: VERSION, body }) => Ok(body),
        Ok(Envelope { v, .. }) => Err(other_version(v)),
        Err(error) => match rmp_serde::from_slice::<Head>(bytes) {
            Ok(Head { v }) if v != VERSION => Err(other_version(v)),
            Ok(_) | Err(_) => Err(error.to_string()),
        },
    }
}

fn other_version(found: u8) -> String {
    format!("version {found} of the engines' own protocol is not version {VERSION}")
}
