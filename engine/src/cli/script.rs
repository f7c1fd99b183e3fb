//! `events.yaml`: what happens in an example, step by step.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::failure::{Failure, USAGE};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Send an event.
    Event {
        /// Its type.
        event: String,
        /// Its payload.
        data: Value,
    },
    /// Decide the open approval.
    Decide {
        /// One of its choices.
        choice: String,
        /// Who decides.
        by: String,
        /// Why; may be empty.
        reason: String,
        /// Further fields of the event's payload.
        data: Option<Value>,
    },
    /// Wait until a state is active, or was the last one.
    Wait {
        /// The state.
        state: String,
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

/// Reads a script; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Step>>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file("cannot read the script", path, &error)),
    };
    let steps = parse(&text).map_err(|reason| {
        Failure::new(USAGE, format!("`{}` is not a script: {reason}", path.display()))
    })?;
    Ok(Some(steps))
}

fn parse(text: &str) -> Result<Vec<Step>, String> {
    let written: Vec<Written> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let step = |(index, step): (usize, Written)| {
        let number = index + 1;
        step.into_step().ok_or_else(|| {
            format!("step {number} is not exactly one of `event`, `decide` and `wait`")
        })
    };
    written.into_iter().enumerate().map(step).collect()
}

impl Written {
    fn into_step(self) -> Option<Step> {
        let Self { event, data, decide, by, reason, wait } = self;
        match (event, decide, wait) {
            (Some(event), None, None) if by.is_none() && reason.is_none() => {
                let data = data.unwrap_or_else(|| Value::Object(Map::new()));
                Some(Step::Event { event, data })
            }
            (None, Some(choice), None) => Some(Step::Decide {
                choice,
                by: by.unwrap_or_else(|| "local".to_owned()),
                reason: reason.unwrap_or_default(),
                data,
            }),
            (None, None, Some(state)) if by.is_none() && reason.is_none() && data.is_none() => {
                Some(Step::Wait { state })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_in_order() {
        let text = "- event: a.b\n  data: { x: 1 }\n- wait: s\n- decide: approve\n  by: ann\n";
        let expected = [
            Step::Event { event: "a.b".to_owned(), data: serde_json::json!({"x": 1}) },
            Step::Wait { state: "s".to_owned() },
            Step::Decide {
                choice: "approve".to_owned(),
                by: "ann".to_owned(),
                reason: String::new(),
                data: None,
            },
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn a_step_is_one_thing_with_known_words() {
        for text in ["- { event: a, wait: b }", "- {}", "- { wait: s, by: ann }"] {
            let reason = parse(text).unwrap_err();
            assert!(reason.starts_with("step 1 is not"), "{reason}");
        }
        assert!(parse("- { evnt: a }").unwrap_err().contains("evnt"));
    }
}
