//! Further steps for an instance that runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Format;

/// Gives an instance further steps: they are checked with its definition, and run in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddSteps {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// `steps:`, as a definition has it; their needs may name steps that are there.
    pub text: String,
    /// What diagnostics call the text, such as its path.
    #[serde(default)]
    pub origin: String,
    /// How the text is written.
    #[serde(default)]
    pub format: Format,
    /// The state whose steps they join; absent: the one whose steps run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// What became of an [`AddSteps`], or would become.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AddStepsReply {
    /// The instance: `workflow/key`.
    pub instance: String,
    /// The version it ran.
    pub from: u32,
    /// The derived version with the steps, which it runs now.
    pub to: u32,
    /// The steps that were added, in the order of the text.
    pub steps: Vec<String>,
    /// What else it means, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Warnings about the steps, in the form `gearshift check -o json` prints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Value>,
    /// Nothing was done.
    #[serde(default)]
    pub dry_run: bool,
}
