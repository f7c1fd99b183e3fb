//! Deployments: what is made available, and what came of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Makes the definitions of a text available; moves no running instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The text of one file: one or several definitions.
    pub text: String,
    /// What diagnostics call the text, such as its path.
    #[serde(default)]
    pub origin: String,
    /// How the text is written.
    #[serde(default)]
    pub format: Format,
}

/// How a definition is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// YAML, the default.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// What was deployed; a text with errors is refused as a whole, with a problem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeployReply {
    /// The definitions, in the order of the text.
    pub definitions: Vec<Deployed>,
    /// Warnings, in the form `gearshift check -o json` prints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Value>,
    /// Where instances of older versions could not be counted, in words: partitions that refuse to
    /// serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncounted: Vec<String>,
}

/// One deployed definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The workflow's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The hash of its content, in lower-case hexadecimal digits.
    pub hash: String,
    /// Was exactly this definition deployed before?
    #[serde(default)]
    pub unchanged: bool,
    /// Instances that stay on an older version.
    #[serde(default)]
    pub older_instances: u64,
}
