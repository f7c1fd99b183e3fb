//! [`Script`]: what happens in an example, as `events.yaml` says it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// What happens, step by step.
///
/// ```yaml
/// - event: document.submitted     # send an event and wait for the verdict
///   data: { documentId: doc-42 }
/// - wait: under_review            # until the state is active
/// - decide: approve               # decide the open approval of the instance
///   by: ann
///   reason: numbers match
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this event.
    Event {
        /// Its type.
        event: String,
        /// Its payload.
        data: Value,
    },
    /// Decide the open approval of the script's instance.
    Decide {
        /// The choice.
        choice: String,
        /// Who decides.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// Wait until this state of the script's instance is active, or was its last one.
    Wait {
        /// The state.
        state: String,
    },
}

/// Why a script could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file could not be read.
    #[error("`{}` could not be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not a script.
    #[error("not a script: {0}")]
    Syntax(String),
    /// A step is not exactly one of event, decide and wait.
    #[error("step {number} is not exactly one of `event`, `decide` and `wait`")]
    Step {
        /// Which step, from 1.
        number: usize,
    },
}

/// A step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    event: Option<String>,
    data: Option<Value>,
    decide: Option<String>,
    by: Option<String>,
    reason: Option<String>,
    wait: Option<String>,
}

impl Script {
    /// Reads `events.yaml` in an example's folder.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not a script.
    pub fn read(dir: &Path) -> Result<Self, ScriptError> {
        let path = dir.join("events.yaml");
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text),
            Err(source) => Err(ScriptError::Read { path, source }),
        }
    }

    /// Reads the text of a script.
    ///
    /// # Errors
    ///
    /// The text is not a script.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let written: Vec<Written> =
            serde_saphyr::from_str(text).map_err(|error| ScriptError::Syntax(error.to_string()))?;
        let steps = written
            .into_iter()
            .enumerate()
            .map(|(index, step)| step.into_step().ok_or(ScriptError::Step { number: index + 1 }));
        Ok(Self { steps: steps.collect::<Result<_, _>>()? })
    }
}

impl Written {
    fn into_step(self) -> Option<Step> {
        match self {
            Self { event: Some(event), data, decide: None, by: None, reason: None, wait: None } => {
                Some(Step::Event { event, data: data.unwrap_or_default() })
            }
            Self { event: None, data: None, decide: Some(choice), by, reason, wait: None } => {
                let by = by.unwrap_or_else(|| "local".to_owned());
                Some(Step::Decide { choice, by, reason: reason.unwrap_or_default() })
            }
            Self {
                event: None,
                data: None,
                decide: None,
                by: None,
                reason: None,
                wait: Some(state),
            } => Some(Step::Wait { state }),
            _ => None,
        }
    }
}
