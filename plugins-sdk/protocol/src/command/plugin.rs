//! Plugins: calls by hand, and breakers closed by hand.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Calls an operation once, for no instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginCall {
    /// `plugin.operation`, or with the versions that will do, `plugin@^1.2.operation`.
    pub operation: String,
    /// What it is given.
    #[serde(default)]
    pub input: Value,
    /// How long it may take, in milliseconds; 10 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// What came of a call by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginCallReply {
    /// What it gave; absent where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<PluginCallFailure>,
    /// Where it was asked.
    #[serde(default)]
    pub subject: String,
    /// Was that a mock of the engine that was told to call, and no plugin?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mocked: bool,
    /// How long it took, in microseconds.
    #[serde(default)]
    pub took_us: u64,
}

/// How a call by hand failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginCallFailure {
    /// `retryable`, `permanent`, `timeout`, `plugin_not_found`, `invalid_reply`.
    pub kind: String,
    /// The plugin's code, or a word of the engine.
    #[serde(default)]
    pub code: String,
    /// What went wrong.
    #[serde(default)]
    pub message: String,
    /// When the plugin wants to be asked again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// Closes the breakers of a plugin, or of one operation of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginReset {
    /// The plugin.
    pub plugin: String,
    /// One operation of it; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// Which breakers were closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginResetReply {
    /// `<plugin>.v<major>.<operation>`, in order.
    #[serde(default)]
    pub closed: Vec<String>,
}
