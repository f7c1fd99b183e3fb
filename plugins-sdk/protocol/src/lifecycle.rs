//! [`Announcement`], [`PluginState`], [`Load`]: what a plugin tells of itself while it runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far an instance of a plugin is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PluginState {
    /// It gets ready, and waits for the plugins it requires.
    Initializing,
    /// It answers calls.
    Active,
    /// It answers calls, but a plugin it requires is gone.
    Degraded,
    /// It takes no new calls and answers those it has.
    Deactivating,
    /// It answers nothing any more.
    Stopped,
    /// A state this reader does not know yet, or one that was not told.
    #[default]
    #[serde(other)]
    Unknown,
}

impl PluginState {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Deactivating => "deactivating",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }

    /// May an instance in this state be given calls?
    #[must_use]
    pub const fn takes_calls(self) -> bool {
        match self {
            // Whoever tells no state is asked as long as it can be discovered.
            Self::Active | Self::Degraded | Self::Unknown => true,
            Self::Initializing | Self::Deactivating | Self::Stopped => false,
        }
    }
}

impl fmt::Display for PluginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How busy an instance is: the value of the header `Gearshift-Load`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Calls it has taken and not answered.
    pub in_flight: u32,
    /// Calls it answers at once; at least 1.
    pub capacity: u32,
}

impl Load {
    /// The load of an instance with this capacity, at least 1.
    #[must_use]
    pub const fn new(in_flight: u32, capacity: u32) -> Self {
        Self { in_flight, capacity: if capacity == 0 { 1 } else { capacity } }
    }

    /// More than 90 % of the capacity is taken.
    #[must_use]
    pub const fn is_overloaded(self) -> bool {
        (self.in_flight as u64) * 10 > (self.capacity as u64) * 9
    }

    /// Less than 75 % of the capacity is taken: one that was overloaded is available again.
    #[must_use]
    pub const fn is_available(self) -> bool {
        (self.in_flight as u64) * 4 < (self.capacity as u64) * 3
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.in_flight, self.capacity)
    }
}

/// The text is no load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no load such as `3/16`")]
pub struct LoadError(String);

impl FromStr for Load {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.trim().split_once('/').and_then(|(in_flight, capacity)| {
            let capacity = capacity.parse().ok().filter(|capacity| *capacity > 0)?;
            Some(Self { in_flight: in_flight.parse().ok()?, capacity })
        });
        numbers.ok_or_else(|| LoadError(text.chars().take(32).collect()))
    }
}

/// The `data` of each endpoint in an answer to `$SRV.STATS`: the instance's own, the same at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// How far it is in its life.
    #[serde(default)]
    pub state: PluginState,
    /// How busy it is.
    #[serde(flatten)]
    pub load: Load,
}

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnnouncementKind {
    /// It answers calls from now on.
    Registered,
    /// It takes no new calls from now on.
    Unregistered,
    /// It has room again.
    Available,
    /// More than 90 % of its capacity is taken.
    Overloaded,
    /// It is in another state.
    State,
    /// A kind this reader does not know yet.
    #[serde(other)]
    Other,
}

impl AnnouncementKind {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unregistered => "unregistered",
            Self::Available => "available",
            Self::Overloaded => "overloaded",
            Self::State => "state",
            Self::Other => "other",
        }
    }
}

/// Largest announcement that is read, in bytes.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 8 * 1024;

/// The body of what an instance publishes to `gearshift.announce.<plugin>`; it may be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// What happened.
    pub event: AnnouncementKind,
    /// The instance's service id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// How far it is in its life, and how busy it is.
    #[serde(flatten)]
    pub status: PluginStatus,
    /// The plugins it requires and does not find, such as `document-parser >=1.0.0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Announcement {
    /// Reads a body; `None` for what is no announcement or is larger than 8 KiB.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > ANNOUNCEMENT_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(body).ok()
    }
}
