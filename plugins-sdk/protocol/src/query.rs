//! Reads: `gearshift.query.<what>`; what they answer is in [`crate::view`].

use serde::{Deserialize, Serialize};

/// The last token of a query's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// [`Instances`] → [`crate::view::Page`] of [`crate::view::InstanceSummary`].
    Instances,
    /// [`ById`] → [`crate::view::InstanceDetail`].
    Instance,
    /// [`ById`] → [`crate::view::Page`] of [`crate::view::HistoryEntry`], oldest first.
    History,
    /// [`ById`] → [`crate::view::Why`].
    Why,
    /// [`Tasks`] → [`crate::view::Page`] of [`crate::view::Task`].
    Tasks,
    /// [`Definitions`] → [`crate::view::Page`] of [`crate::view::DefinitionSummary`].
    Definitions,
    /// [`Definition`] → [`crate::view::DefinitionDetail`].
    Definition,
    /// [`DeadLetters`] → [`crate::view::Page`] of [`crate::view::DeadLetter`].
    DeadLetters,
    /// [`ById`] → [`crate::view::DeadLetter`].
    DeadLetter,
    /// [`Nothing`] → [`crate::view::Health`].
    Health,
    /// [`Graph`] → [`crate::view::GraphText`].
    Graph,
    /// [`Definitions`] → [`crate::view::Page`] of [`crate::view::ScheduleView`].
    Schedules,
    /// [`Plugins`] → [`crate::view::Page`] of [`crate::view::PluginView`].
    Plugins,
}

impl What {
    /// Everything that can be read.
    pub const ALL: [Self; 13] = [
        Self::Instances,
        Self::Instance,
        Self::History,
        Self::Why,
        Self::Tasks,
        Self::Definitions,
        Self::Definition,
        Self::DeadLetters,
        Self::DeadLetter,
        Self::Health,
        Self::Graph,
        Self::Schedules,
        Self::Plugins,
    ];

    /// The subject token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Instance => "instance",
            Self::History => "history",
            Self::Why => "why",
            Self::Tasks => "tasks",
            Self::Definitions => "definitions",
            Self::Definition => "definition",
            Self::DeadLetters => "dead_letters",
            Self::DeadLetter => "dead_letter",
            Self::Health => "health",
            Self::Graph => "graph",
            Self::Schedules => "schedules",
            Self::Plugins => "plugins",
        }
    }

    /// What a subject token asks for.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == token)
    }
}

/// Asks for nothing in particular: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Asks about one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ById {
    /// For an instance: full id (`workflow/key`), key alone, or unique suffix.
    pub id: String,
    /// Answer only once the instance has recorded this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_step: Option<u64>,
}

/// Lists instances, newest change first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// Only those for which this CEL expression over the fields of
    /// [`crate::view::InstanceSummary`] is true; `state == 'x'` asks for an active state.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Only those of this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// At most so many; absent: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Go on after this cursor: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Lists open approvals, the earliest due first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    /// Only those of this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only those assigned to this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign: Option<String>,
    /// At most so many; absent: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Go on after this cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Lists definitions, by name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definitions {
    /// Only the versions of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Lists the plugins that run, by name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugins {
    /// Only the versions of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Asks for one definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The workflow's name.
    pub name: String,
    /// Its version; absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// Lists dead letters, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// Only those of this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// At most so many; absent: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Go on after this cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Asks for a definition as a drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// The workflow's name.
    pub name: String,
    /// Its version; absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// In which language.
    #[serde(default)]
    pub format: GraphFormat,
}

/// Languages of drawings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphFormat {
    /// Mermaid `stateDiagram-v2`, the default.
    #[default]
    Mermaid,
    /// Graphviz.
    Dot,
    /// Nodes and edges as JSON.
    Json,
}
