//! Control of running instances: pause, rollback, variables, checkpoints, forks, timers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::verdict::InstanceVerdict;

/// Holds an instance until it is resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// What becomes of its timers.
    #[serde(default)]
    pub timers: Clocks,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
    /// Only tell what would become of it: the answer is that of the order, and nothing is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What becomes of the timers of a paused instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clocks {
    /// They stand still: each is due later by as long as the pause was.
    #[default]
    Freeze,
    /// They go on: what became due meanwhile fires at the resume.
    Keep,
}

impl Clocks {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Keep => "keep",
        }
    }
}

/// Takes back what an instance has done, newest first; then it waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// Down to this step, it included; all of it where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
    /// Only tell what would become of it: the answer is that of the order, and nothing is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Writes to variables of an instance: all of them, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetVars {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// Values by path: a declared variable, or a member of one, such as `order.items`.
    pub vars: Map<String, Value>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
    /// Only tell what would become of it: the answer is that of the order, and nothing is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Saves a point that a fork can begin from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// Its name; an earlier one of the same name is replaced.
    pub name: String,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// Begins a new instance where another one was; that one stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The instance to fork, ended or not: full id, key alone, or unique suffix.
    pub instance: String,
    /// A checkpoint, or a step: it runs again, and all that needs it.
    pub from: String,
    /// The key of the new instance; absent: the engine makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
    /// Only decide about it: nothing is begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What became of a [`Fork`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkReply {
    /// The instance that was forked: `workflow/key`.
    pub origin: String,
    /// The checkpoint or step.
    pub from: String,
    /// The new instance.
    #[serde(flatten)]
    pub verdict: InstanceVerdict,
}

/// Fires an armed timer, or moves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimerOrder {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// Which of its timers: the id, the name, or a part of it that no other has.
    pub timer: String,
    /// To move it: when it shall be due, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// To move it: so many milliseconds later than it is due, or earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_ms: Option<i64>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// Pauses a plugin or a definition as a whole, or ends that: name one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The plugin whose calls wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The workflow whose instances begin paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// With `workflow`: only those of this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// What became of a [`Hold`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReply {
    /// Is it paused now?
    pub paused: bool,
    /// Was it otherwise before?
    pub changed: bool,
    /// How many of the plugin run now: none may be a misspelled name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// Do mocks of the engine that was asked answer for it? Nobody runs it then, and its calls
    /// wait all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mocked: bool,
}
