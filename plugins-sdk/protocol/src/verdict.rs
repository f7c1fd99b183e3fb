//! [`Verdict`]: what became of an event or a command.

use serde::{Deserialize, Serialize};

/// What became of one input at one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// At least one transition was taken.
    Transitioned {
        /// Active states before, in document order.
        from: Vec<String>,
        /// Active states after, in document order.
        to: Vec<String>,
        /// A call is under way, so that more follows.
        #[serde(default)]
        waiting: bool,
    },
    /// A life began.
    Started {
        /// Active states after, in document order.
        to: Vec<String>,
    },
    /// Kept for later by the instance.
    Deferred,
    /// Recorded without effect.
    Ignored {
        /// Why, as a word: `unhandled`, `ended`, ….
        reason: String,
    },
    /// The publisher's id was seen before, with the same content.
    Duplicate {
        /// The instance's step that took the first one.
        at: u64,
    },
    /// The publisher's id was seen before, with other content.
    IdReuse {
        /// The instance's step that took the first one.
        at: u64,
    },
    /// No instance has this key, and the event starts none.
    NoInstance,
    /// Not accepted now.
    Rejected {
        /// Why, in words.
        reason: String,
        /// What would be accepted: event names, or the choices of an approval.
        #[serde(default)]
        accepted: Vec<String>,
    },
    /// Who asks may not do this.
    Denied {
        /// Why, in words.
        reason: String,
    },
    /// Kept as a dead letter.
    DeadLettered {
        /// Why nobody took it.
        reason: String,
    },
    /// Consumed, but now the instance waits for a person.
    Stuck {
        /// Why.
        reason: String,
    },
    /// Kept until an instance with this key starts, or its time to live is over.
    Buffered,
    /// Done; nothing else to tell.
    Done,
    /// The engine cannot take more now; nothing was done.
    Busy,
}

impl Verdict {
    /// The verdict as a word: the value of the field `verdict`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Transitioned { .. } => "transitioned",
            Self::Started { .. } => "started",
            Self::Deferred => "deferred",
            Self::Ignored { .. } => "ignored",
            Self::Duplicate { .. } => "duplicate",
            Self::IdReuse { .. } => "id_reuse",
            Self::NoInstance => "no_instance",
            Self::Rejected { .. } => "rejected",
            Self::Denied { .. } => "denied",
            Self::DeadLettered { .. } => "dead_lettered",
            Self::Stuck { .. } => "stuck",
            Self::Buffered => "buffered",
            Self::Done => "done",
            Self::Busy => "busy",
        }
    }

    /// The exit code of the command line.
    ///
    /// 0 where the input took effect or will, now or earlier; 1 stuck; 3 no instance; 4 not
    /// accepted; 5 denied; 6 busy.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Transitioned { .. }
            | Self::Started { .. }
            | Self::Deferred
            | Self::Duplicate { .. }
            | Self::Buffered
            | Self::Done => 0,
            Self::Stuck { .. } => 1,
            Self::NoInstance => 3,
            Self::Ignored { .. }
            | Self::IdReuse { .. }
            | Self::Rejected { .. }
            | Self::DeadLettered { .. } => 4,
            Self::Denied { .. } => 5,
            Self::Busy => 6,
        }
    }
}

/// A verdict, and the instance as it is after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceVerdict {
    /// `workflow/key`; empty where no instance is concerned.
    pub instance: String,
    /// The workflow's name; empty where none is concerned.
    #[serde(default)]
    pub workflow: String,
    /// The correlation key; empty where none was found.
    #[serde(default)]
    pub key: String,
    /// The definition's version; 0 where there is no instance.
    #[serde(default)]
    pub version: u32,
    /// Which life of the key, from 1; 0 where there is no instance.
    #[serde(default)]
    pub generation: u32,
    /// Decisions recorded so far, this one included.
    #[serde(default)]
    pub step: u64,
    /// Where its life stands; absent where there is no instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Active atomic states, in document order.
    #[serde(default)]
    pub active: Vec<String>,
    /// After `cancel`, `kill`, `skip` and `rollback`: all that was left out of what cleans up, as
    /// [`crate::view::InstanceSummary::left_out`] has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What the order would take back, in the order in which it does, each in words: what is under
    /// way and waited for first. Only told of a dry run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes_back: Vec<String>,
    /// The steps that the order would do again, each with why. Only told of a dry run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub does_again: Vec<String>,
    /// What became of the input.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl InstanceVerdict {
    /// A verdict where no instance is concerned.
    #[must_use]
    pub const fn without_instance(verdict: Verdict) -> Self {
        Self {
            instance: String::new(),
            workflow: String::new(),
            key: String::new(),
            version: 0,
            generation: 0,
            step: 0,
            status: None,
            active: Vec::new(),
            left_out: Vec::new(),
            takes_back: Vec::new(),
            does_again: Vec::new(),
            verdict,
        }
    }
}

/// Where an instance's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Taking events.
    Running,
    /// Held by an operator.
    Paused,
    /// Taking back what was done.
    Compensating,
    /// Waiting for a person.
    Stuck,
    /// Ended in a final state.
    Done,
    /// Ended by failure.
    Failed,
    /// Ended by an operator or parent.
    Cancelled,
}

impl Status {
    /// The word people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Compensating => "compensating",
            Self::Stuck => "stuck",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Has the life ended?
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::Cancelled => true,
            Self::Running | Self::Paused | Self::Compensating | Self::Stuck => false,
        }
    }
}

/// What to wait for before answering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Nothing: answer after the commit.
    #[default]
    None,
    /// No call is under way any more, or the instance ended or is stuck.
    Quiescent,
    /// The instance ended or is stuck.
    End,
    /// This state is active, or the instance ended or is stuck.
    State(String),
}

impl Wait {
    /// The value of the header `Gearshift-Wait-For`; `None` to leave it out.
    #[must_use]
    pub fn to_header(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Quiescent => Some("@quiescent".to_owned()),
            Self::End => Some("@end".to_owned()),
            Self::State(name) => Some(name.clone()),
        }
    }

    /// Reads the header `Gearshift-Wait-For`; absent or empty means not to wait.
    #[must_use]
    pub fn from_header(value: Option<&str>) -> Self {
        match value.map(str::trim) {
            None | Some("") => Self::None,
            Some("@quiescent") => Self::Quiescent,
            Some("@end") => Self::End,
            Some(name) => Self::State(name.to_owned()),
        }
    }
}
