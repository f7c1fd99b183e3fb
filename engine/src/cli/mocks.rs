//! Mocks: operations that answer without any plugin, from `--mock` or `mocks.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use gearshift_bus::{Bus, Message, Request, SubjectPattern};
use gearshift_client::protocol::{OperationRef, headers, subjects};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::failure::{BUG, Failure, USAGE};

/// One `--mock`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mock {
    /// `--mock` alone: every operation answers `{}`.
    Everything,
    /// `--mock plugin.operation=JSON`.
    One {
        /// `plugin.operation`.
        operation: String,
        /// What it answers.
        output: Value,
    },
}

/// The value that stands for a `--mock` without one.
pub(super) const EVERYTHING: &str = "*";

/// Reads the value of `--mock`.
pub(super) fn parse(text: &str) -> Result<Mock, String> {
    if text == EVERYTHING {
        return Ok(Mock::Everything);
    }
    let (operation, output) = text.split_once('=').ok_or_else(|| {
        format!("`{text}` is not PLUGIN.OPERATION=JSON; a path stands before `--mock`")
    })?;
    let operation = key(operation)?;
    let output = serde_json::from_str(output)
        .map_err(|error| format!("the answer of `{operation}` is not JSON: {error}"))?;
    Ok(Mock::One { operation, output })
}

/// `plugin.operation`, whatever version was asked for.
pub(super) fn key(operation: &str) -> Result<String, String> {
    let parsed = operation.parse::<OperationRef>().map_err(|error| error.to_string())?;
    Ok(format!("{}.{}", parsed.plugin, parsed.operation))
}

/// What operations answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mocks {
    answers: BTreeMap<String, Value>,
    /// What all others answer; `None`: they are not served.
    others: Option<Value>,
}

impl Mocks {
    /// Those of the command line: with any of them no plugin runs, and what is not named
    /// answers `{}`.
    pub(super) fn of(list: &[Mock]) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        let mut mocks = Self { answers: BTreeMap::new(), others: Some(Value::Object(Map::new())) };
        for mock in list {
            if let Mock::One { operation, output } = mock {
                mocks.answers.insert(operation.clone(), output.clone());
            }
        }
        Some(mocks)
    }

    /// Those of `mocks.yaml`, a mapping of `plugin.operation` to output; `None` without a file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("cannot read", path, &error)),
        };
        let refused = |reason: String| {
            Failure::new(USAGE, format!("`{}` holds no mocks: {reason}", path.display()))
        };
        let written: BTreeMap<String, Value> =
            serde_saphyr::from_str(&text).map_err(|error| refused(error.to_string()))?;
        let mut mocks = Self::default();
        for (operation, output) in written {
            mocks.answers.insert(key(&operation).map_err(refused)?, output);
        }
        Ok(Some(mocks))
    }

    /// Adds the answers of `others` where there is none yet.
    pub(super) fn or(mut self, others: Self) -> Self {
        for (operation, output) in others.answers {
            self.answers.entry(operation).or_insert(output);
        }
        self
    }

    /// `3 operations mocked`.
    pub(super) fn summary(&self) -> String {
        match (&self.others, self.answers.len()) {
            (Some(_), 0) => "every operation mocked".to_owned(),
            (Some(_), named) => format!("every operation mocked, {named} by name"),
            (None, named) => format!("{} mocked", super::words::count(named, "operation")),
        }
    }

    /// Serves them on the bus as long as `tasks` is held.
    pub(super) async fn serve(&self, bus: &Bus, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
        let patterns: Vec<String> = match self.others {
            // One server for all, so that no operation has two.
            Some(_) => vec![format!("{}>", subjects::PLUGIN)],
            None => {
                let pattern = |key: &String| {
                    let (plugin, operation) = key.split_once('.').unwrap_or((key, "*"));
                    format!("{}{plugin}.*.{operation}", subjects::PLUGIN)
                };
                self.answers.keys().map(pattern).collect()
            }
        };
        let failed = |error: gearshift_bus::Error| Failure::new(BUG, format!("mocks: {error}"));
        for pattern in patterns {
            let pattern = SubjectPattern::parse(&pattern).map_err(failed)?;
            let requests = bus.requests();
            let mut server =
                requests.serve(&pattern, subjects::PLUGIN_GROUP).await.map_err(failed)?;
            let mocks = self.clone();
            tasks.spawn(async move {
                while let Some(request) = server.next().await {
                    mocks.answer(request).await;
                }
            });
        }
        Ok(())
    }

    async fn answer(&self, request: Request) {
        let subject = request.message.subject.clone();
        let output = self.output(subject.as_str());
        let body = Bytes::from(output.to_string());
        let reply = Message::new(subject, body).with_header(headers::CONTENT_TYPE, headers::JSON);
        let answered = match reply {
            Ok(reply) => request.respond(reply).await,
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "mock did not answer");
        }
    }

    /// The answer on `gearshift.plugin.<name>.v<major>.<operation>`.
    fn output(&self, subject: &str) -> Value {
        let mut tokens = subject.strip_prefix(subjects::PLUGIN).unwrap_or_default().split('.');
        let plugin = tokens.next().unwrap_or_default();
        let operation = tokens.nth(1).unwrap_or_default();
        let named = self.answers.get(&format!("{plugin}.{operation}"));
        named.or(self.others.as_ref()).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gearshift_bus::Subject;
    use serde_json::json;

    use super::*;

    async fn ask(bus: &Bus, subject: &str) -> Option<Value> {
        let message = Message::new(Subject::parse(subject).unwrap(), Bytes::new());
        let reply = bus.requests().request(message, Duration::from_secs(5)).await.ok()?;
        serde_json::from_slice(&reply.payload).ok()
    }

    #[tokio::test]
    async fn named_operations_answer_their_value_and_all_others_nothing() {
        let list = [parse(r#"a@^2.b={"x": 1}"#).unwrap(), parse("*").unwrap()];
        let bus = Bus::in_memory();
        let mut tasks = JoinSet::new();
        Mocks::of(&list).unwrap().serve(&bus, &mut tasks).await.unwrap();
        assert_eq!(ask(&bus, "gearshift.plugin.a.v2.b").await, Some(json!({"x": 1})));
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.c").await, Some(json!({})));
    }

    #[tokio::test]
    async fn a_file_serves_what_it_names_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mocks.yaml");
        assert_eq!(Mocks::read(&path).unwrap(), None);
        std::fs::write(&path, "a.b: { x: 2 }\n").unwrap();
        let bus = Bus::in_memory();
        let mut tasks = JoinSet::new();
        Mocks::read(&path).unwrap().unwrap().serve(&bus, &mut tasks).await.unwrap();
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.b").await, Some(json!({"x": 2})));
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.c").await, None);
        std::fs::write(&path, "nonsense: 1\n").unwrap();
        assert_eq!(Mocks::read(&path).unwrap_err().exit, 2);
    }

    #[test]
    fn what_is_no_mock_says_why() {
        assert!(parse("examples/x").unwrap_err().contains("a path stands before"));
        assert!(parse("a.b={").unwrap_err().contains("not JSON"));
        assert!(parse("ab={}").is_err());
    }
}
