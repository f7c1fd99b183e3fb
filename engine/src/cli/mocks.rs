//! Mocks: operations that answer without any plugin, from `--mock` or `mocks.yaml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Error, Message, Request, Server, SubjectPattern};
use gearshift_client::protocol::{OperationRef, headers, subjects};
use gearshift_machine::machine::{CallOutcome, ErrorKind};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::failure::{BUG, Failure, USAGE};
use super::stage::{Answer, Answers, Kind, Prepared};

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
#[derive(Clone, Debug, Default)]
pub(super) struct Mocks {
    answers: BTreeMap<String, Answers>,
    /// Do all others answer `{}`? Else they are not served.
    others: bool,
}

impl Mocks {
    /// Those of the command line: with any of them no plugin runs, and what is not named
    /// answers `{}`.
    pub(super) fn of(list: &[Mock]) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        let mut mocks = Self { answers: BTreeMap::new(), others: true };
        for mock in list {
            if let Mock::One { operation, output } = mock {
                let answer = Answer { output: Some(output.clone()), ..Answer::default() };
                mocks.answers.insert(operation.clone(), answer.into());
            }
        }
        Some(mocks)
    }

    /// Those of `mocks.yaml`, a mapping of `plugin.operation` to answers as scenarios write them,
    /// or to a bare output; `None` without a file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("cannot read", path, &error)),
        };
        let refused = |reason: String| {
            Failure::new(USAGE, format!("`{}` holds no mocks: {reason}", path.display()))
        };
        // As scenarios are read: `y` and `no` are texts.
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let written: BTreeMap<String, Value> = serde_saphyr::from_str_with_options(&text, options)
            .map_err(|error| refused(error.to_string()))?;
        let mut mocks = Self::default();
        for (operation, written) in written {
            let wrong = |reason: String| refused(format!("mock of `{operation}`: {reason}"));
            let key = key(&operation).map_err(refused)?;
            let answers = Answers::read(written).map_err(wrong)?;
            if let Some(word) = answers.failures().find_map(unsayable) {
                let reason = format!("no reply can say `{word}`; only scenarios of `test` have it");
                return Err(wrong(reason));
            }
            mocks.answers.insert(key, answers);
        }
        Prepared::default().add(&mocks.answers).map_err(refused)?;
        Ok(Some(mocks))
    }

    /// Adds the answers of `others` where there is none yet.
    pub(super) fn or(mut self, others: Self) -> Self {
        for (operation, output) in others.answers {
            self.answers.entry(operation).or_insert(output);
        }
        self
    }

    /// What answers: `plugin.operation`, and `*` where all others do, too.
    pub(super) fn operations(&self) -> impl Iterator<Item = String> {
        let all = self.others.then(|| EVERYTHING.to_owned());
        self.answers.keys().cloned().chain(all)
    }

    /// `3 operations mocked`.
    pub(super) fn summary(&self) -> String {
        match (self.others, self.answers.len()) {
            (true, 0) => "every operation mocked".to_owned(),
            (true, named) => format!("every operation mocked, {named} by name"),
            (false, named) => format!("{} mocked", super::words::count(named, "operation")),
        }
    }

    /// Serves them on the bus as long as `tasks` is held, and until what is returned is dropped;
    /// what was asked before that is answered.
    pub(super) async fn serve(
        &self,
        bus: &Bus,
        tasks: &mut JoinSet<()>,
    ) -> Result<DropGuard, Failure> {
        let mut prepared = Prepared::default();
        prepared.add(&self.answers).map_err(Failure::usage)?;
        let prepared = Arc::new(Mutex::new(prepared));
        let failed = |error: Error| Failure::new(BUG, format!("mocks: {error}"));
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        for pattern in self.patterns() {
            let pattern = SubjectPattern::parse(&pattern).map_err(failed)?;
            let requests = bus.requests();
            let server = requests.serve(&pattern, subjects::PLUGIN_GROUP).await.map_err(failed)?;
            tasks.spawn(answers(server, Arc::clone(&prepared), stop.clone()));
        }
        Ok(guard)
    }

    /// Where they are asked.
    fn patterns(&self) -> Vec<String> {
        if self.others {
            // One server for all, so that no operation has two.
            return vec![format!("{}>", subjects::PLUGIN)];
        }
        let pattern = |key: &String| {
            let (plugin, operation) = key.split_once('.').unwrap_or((key, "*"));
            format!("{}{plugin}.*.{operation}", subjects::PLUGIN)
        };
        self.answers.keys().map(pattern).collect()
    }
}

/// Answers what one server gets, until the stop.
async fn answers(mut server: Server, prepared: Arc<Mutex<Prepared>>, stop: CancellationToken) {
    // One that is late must not hold up the others.
    let mut late = JoinSet::new();
    loop {
        let request = tokio::select! {
            biased;
            request = server.next() => request,
            () = stop.cancelled() => None,
        };
        let Some(request) = request else { break };
        let next = next(&prepared, request.message.subject.as_str());
        if let Some((outcome, delay_ms)) = next {
            late.spawn(answer(request, outcome, Duration::from_millis(delay_ms)));
        }
        while late.try_join_next().is_some() {}
    }
    drop(server);
    while late.join_next().await.is_some() {}
}

/// The answer on `gearshift.plugin.<name>.v<major>.<operation>`; none where it is held.
fn next(prepared: &Mutex<Prepared>, subject: &str) -> Option<(CallOutcome, u64)> {
    let mut tokens = subject.strip_prefix(subjects::PLUGIN).unwrap_or_default().split('.');
    let plugin = tokens.next().unwrap_or_default();
    let key = format!("{plugin}.{}", tokens.nth(1).unwrap_or_default());
    let mut prepared = prepared.lock().unwrap_or_else(PoisonError::into_inner);
    if prepared.knows(&key) {
        return prepared.next(&key);
    }
    Some((Answer::default().outcome().ok()?, 0))
}

async fn answer(request: Request, outcome: CallOutcome, delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let answered = match reply(&request, &outcome) {
        Ok(reply) => request.respond(reply).await,
        Err(error) => Err(error),
    };
    if let Err(error) = answered {
        tracing::warn!(%error, "mock did not answer");
    }
}

fn reply(request: &Request, outcome: &CallOutcome) -> Result<Message, Error> {
    let subject = request.message.subject.clone();
    match outcome {
        CallOutcome::Success(output) | CallOutcome::Cached(output) => {
            Message::new(subject, output.to_json())
                .with_header(headers::CONTENT_TYPE, headers::JSON)
        }
        CallOutcome::Failure { kind, code, message, .. } => {
            // Headers hold one line, and not much more than that.
            let plain = |c: char| if c.is_control() { ' ' } else { c };
            let message: String = message.chars().map(plain).take(TEXT_MAX).collect();
            Message::new(subject, Bytes::new())
                .with_header(headers::SERVICE_ERROR_CODE, code)?
                .with_header(headers::SERVICE_ERROR, &message)?
                .with_header(headers::ERROR_KIND, word(*kind))
        }
    }
}

/// The longest text of a failure, in characters.
const TEXT_MAX: usize = 500;

/// How a reply says this kind; what is neither of the first two is no reply at all.
const fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Permanent => "permanent",
        ErrorKind::Retryable => "retryable",
        ErrorKind::InvalidReply
        | ErrorKind::Timeout
        | ErrorKind::PluginNotFound
        | ErrorKind::OutcomeUnknown
        | ErrorKind::NotStarted
        | ErrorKind::ChildFailed => "invalid_reply",
    }
}

/// The word of a failure that is made without a reply.
const fn unsayable(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::PluginNotFound => Some("plugin_not_found"),
        Kind::OutcomeUnknown => Some("outcome_unknown"),
        Kind::Retryable | Kind::Permanent | Kind::InvalidReply => None,
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
        let _served = Mocks::of(&list).unwrap().serve(&bus, &mut tasks).await.unwrap();
        assert_eq!(ask(&bus, "gearshift.plugin.a.v2.b").await, Some(json!({"x": 1})));
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.c").await, Some(json!({})));
    }

    #[tokio::test]
    async fn a_file_serves_what_it_names_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mocks.yaml");
        assert!(Mocks::read(&path).unwrap().is_none());
        std::fs::write(&path, "a.b: { x: 2 }\n").unwrap();
        let bus = Bus::in_memory();
        let mut tasks = JoinSet::new();
        let _served = Mocks::read(&path).unwrap().unwrap().serve(&bus, &mut tasks).await.unwrap();
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.b").await, Some(json!({"x": 2})));
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.c").await, None);
        std::fs::write(&path, "nonsense: 1\n").unwrap();
        assert_eq!(Mocks::read(&path).unwrap_err().exit, 2);
    }

    #[tokio::test]
    async fn a_file_answers_as_scenarios_do_attempt_by_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mocks.yaml");
        let text = "a.b: { output: { n: 9 } }\n\
                    a.list: [{ fail: retryable, code: '503', message: busy }, { output: 2 }]\n\
                    a.late: { output: 3, after: 20ms }\na.bare: [1, 2]\na.none: { hold: true }\n\
                    a.words: { code: x, message: y }\n";
        std::fs::write(&path, text).unwrap();
        let bus = Bus::in_memory();
        let mut tasks = JoinSet::new();
        let _served = Mocks::read(&path).unwrap().unwrap().serve(&bus, &mut tasks).await.unwrap();
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.b").await, Some(json!({"n": 9})));
        let subject = Subject::parse("gearshift.plugin.a.v1.list").unwrap();
        let message = Message::new(subject, Bytes::new());
        let first = bus.requests().request(message, Duration::from_secs(5)).await.unwrap();
        let header = |name| first.headers.get(name);
        assert_eq!(header(headers::SERVICE_ERROR_CODE), Some("503"));
        assert_eq!(header(headers::SERVICE_ERROR), Some("busy"));
        assert_eq!(header(headers::ERROR_KIND), Some("retryable"));
        for _ in 0..2 {
            assert_eq!(ask(&bus, "gearshift.plugin.a.v1.list").await, Some(json!(2)));
        }
        let began = crate::runtime::monotonic();
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.late").await, Some(json!(3)));
        assert!(began.elapsed() >= Duration::from_millis(20));
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.bare").await, Some(json!([1, 2])));
        let words = json!({"code": "x", "message": "y"});
        assert_eq!(ask(&bus, "gearshift.plugin.a.v1.words").await, Some(words));
        let message =
            Message::new(Subject::parse("gearshift.plugin.a.v1.none").unwrap(), Bytes::new());
        let held = bus.requests().request(message, Duration::from_millis(50)).await;
        assert!(held.is_err());
    }

    #[test]
    fn a_file_that_could_be_read_in_two_ways_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mocks.yaml");
        for (text, reason) in [
            ("a.b: { output: 1, n: 2 }", "unknown field `n`"),
            ("a.b: [{ output: 1 }, 5]", "an output with these words"),
            ("a.b: { output: 1, fail: permanent }", "either `output` or `fail`"),
            ("a.b: { after: soon }", "`soon`"),
            ("a.b: { fail: plugin_not_found }", "no reply can say `plugin_not_found`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = Mocks::read(&path).unwrap_err().problem.detail;
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_no_mock_says_why() {
        assert!(parse("examples/x").unwrap_err().contains("a path stands before"));
        assert!(parse("a.b={").unwrap_err().contains("not JSON"));
        assert!(parse("ab={}").is_err());
    }
}
