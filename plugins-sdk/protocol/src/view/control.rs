//! What there is to see of pauses and checkpoints.

use serde::{Deserialize, Serialize};

use crate::command::Clocks;

/// Who holds an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedView {
    /// Since when.
    pub since: String,
    /// What becomes of its timers.
    #[serde(default)]
    pub timers: Clocks,
    /// By whom; empty where that is not known.
    #[serde(default)]
    pub by: String,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
    /// Replies of calls that wait for the resume.
    #[serde(default)]
    pub replies: u32,
}

/// A point that a fork can begin from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointView {
    /// Its name.
    pub name: String,
    /// When it was saved.
    pub at: String,
    /// The instance's step counter then.
    #[serde(default)]
    pub step: u64,
    /// The definition's version then.
    #[serde(default)]
    pub version: u32,
}
