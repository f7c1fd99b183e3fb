//! The steps of a scenario, as they are written.

use std::sync::Arc;

use gearshift_machine::machine::{Clocks, Command, Principal, TIMEOUT_MS, TRANSACTION};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::expectation::Expectation;
use crate::cli::stage::{Answer, value_of};
use crate::cli::words;

/// One step: something happens, something is expected, or both.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    /// An event is sent: its name.
    event: Option<String>,
    /// A life is begun: the workflow's name.
    start: Option<String>,
    /// An open approval is decided: the choice.
    decide: Option<String>,
    /// An operator's order: `cancel`, `kill`, `retry`, `skip`, `pause`, `resume`, `rollback` or
    /// `checkpoint`; of a transaction `begin`, `commit` or `rollback`.
    command: Option<Order>,
    /// The oldest open call of an operation is answered.
    reply: Option<String>,
    /// Time passes: how much.
    advance: Option<String>,
    /// What is expected now.
    pub(super) expect: Option<Expectation>,

    /// Payload of an event, input of a start, further fields of a decision.
    data: Option<Value>,
    /// Who does it.
    by: Option<String>,
    /// The roles in which it is done; for events none, else all of them where absent.
    roles: Option<Vec<String>>,
    /// The correlation key of a start.
    key: Option<String>,
    /// The version of a start; the newest where absent.
    version: Option<u32>,
    /// The open transaction whose member a start becomes.
    transaction: Option<String>,
    /// How long a transaction that begins stays open.
    open_for: Option<String>,
    /// Down to which step a rollback goes.
    from: Option<String>,
    /// The name of a checkpoint.
    name: Option<String>,
    /// What becomes of the timers in a pause.
    timers: Option<Timers>,
    /// The publisher's id of an event.
    id: Option<String>,
    /// The publisher of an event.
    source: Option<String>,
    /// The instance meant: `workflow/key`, or a bare key.
    pub(super) instance: Option<String>,
    /// The reply's output.
    output: Option<Value>,
    /// How the call fails instead.
    fail: Option<crate::cli::stage::Kind>,
    /// The plugin's code of a failure.
    code: Option<String>,
    /// The plugin's message of a failure.
    message: Option<String>,
}

/// An operator's order, as a word.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Cancel,
    Kill,
    Retry,
    Skip,
    Pause,
    Resume,
    Rollback,
    Checkpoint,
    Begin,
    Commit,
}

impl Order {
    const fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Kill => "kill",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Checkpoint => "checkpoint",
            Self::Begin => "begin",
            Self::Commit => "commit",
        }
    }
}

/// What becomes of timers in a pause.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Timers {
    Freeze,
    Keep,
}

/// What a step does.
pub(super) enum Act {
    /// Nothing: it only expects.
    Look,
    /// Sends an event.
    Event {
        /// Its name.
        name: Arc<str>,
        /// Its payload.
        data: gearshift_machine::value::Value,
        /// Who sends it.
        by: Option<Principal>,
        /// Its id.
        id: Option<Arc<str>>,
        /// Who published it.
        source: Option<Arc<str>>,
    },
    /// Begins a life.
    Start {
        /// The workflow's name.
        workflow: String,
        /// The correlation key.
        key: String,
        /// The version.
        version: Option<u32>,
        /// The transaction whose member it becomes.
        transaction: Option<Arc<str>>,
        /// The input.
        input: gearshift_machine::value::Value,
        /// Who starts it.
        by: Principal,
    },
    /// Gives an order.
    Command {
        /// Which.
        command: Command,
        /// Who gives it.
        by: Principal,
    },
    /// Answers a call.
    Reply {
        /// The operation.
        operation: String,
        /// The answer.
        answer: Answer,
    },
    /// Lets time pass, in milliseconds.
    Advance(u64),
}

impl Step {
    /// Is it one thing, with the words that belong to it?
    pub(super) fn check(&self) -> Result<(), String> {
        let verbs = [
            ("event", self.event.is_some()),
            ("start", self.start.is_some()),
            ("decide", self.decide.is_some()),
            ("command", self.command.is_some()),
            ("reply", self.reply.is_some()),
            ("advance", self.advance.is_some()),
        ];
        let said: Vec<_> = verbs.iter().filter(|(_, said)| *said).map(|(verb, _)| *verb).collect();
        if said.len() > 1 {
            return Err(format!("a step is one of `{}`, not several", said.join("` and `")));
        }
        let verb = said.first().copied().unwrap_or("expect");
        if said.is_empty() && self.expect.is_none() {
            return Err("a step is one of `event`, `start`, `decide`, `command`, `reply`, \
                        `advance` and `expect`"
                .to_owned());
        }
        let words: [(&str, bool, &[&str]); 17] = [
            ("data", self.data.is_some(), &["event", "start", "decide"]),
            ("by", self.by.is_some(), &["event", "start", "decide", "command"]),
            ("roles", self.roles.is_some(), &["event", "start", "decide", "command"]),
            ("key", self.key.is_some(), &["start"]),
            ("version", self.version.is_some(), &["start"]),
            ("transaction", self.transaction.is_some(), &["start"]),
            ("open_for", self.open_for.is_some(), &["command"]),
            ("from", self.from.is_some(), &["command"]),
            ("name", self.name.is_some(), &["command"]),
            ("timers", self.timers.is_some(), &["command"]),
            ("id", self.id.is_some(), &["event"]),
            ("source", self.source.is_some(), &["event"]),
            ("instance", self.instance.is_some(), &["event", "decide", "command", "expect"]),
            ("output", self.output.is_some(), &["reply"]),
            ("fail", self.fail.is_some(), &["reply"]),
            ("code", self.code.is_some(), &["reply"]),
            ("message", self.message.is_some(), &["reply"]),
        ];
        self.check_order()?;
        if let Some((word, _, verbs)) =
            words.iter().find(|(_, said, verbs)| *said && !verbs.contains(&verb))
        {
            let verbs = verbs.join("`, `");
            return Err(format!("`{word}` does not belong to `{verb}`, but to `{verbs}`"));
        }
        self.act().map(drop)
    }

    /// Has the order the words that belong to it?
    fn check_order(&self) -> Result<(), String> {
        let Some(order) = self.command else { return Ok(()) };
        let words: [(&str, bool, Order); 4] = [
            ("from", self.from.is_some(), Order::Rollback),
            ("name", self.name.is_some(), Order::Checkpoint),
            ("timers", self.timers.is_some(), Order::Pause),
            ("open_for", self.open_for.is_some(), Order::Begin),
        ];
        for (word, said, owner) in words {
            if said && owner.word() != order.word() {
                let (order, owner) = (order.word(), owner.word());
                return Err(format!("`{word}` does not belong to `{order}`, but to `{owner}`"));
            }
        }
        if matches!(order, Order::Checkpoint) && self.name.is_none() {
            return Err("`checkpoint` needs a `name`".to_owned());
        }
        let of_transaction = matches!(order, Order::Begin | Order::Commit);
        let named = self.instance.as_ref().and_then(|it| it.split_once('/'));
        if of_transaction && named.is_none_or(|(workflow, _)| workflow != TRANSACTION) {
            let word = order.word();
            return Err(format!("`{word}` needs an `instance: {TRANSACTION}/NAME`"));
        }
        self.open_for.as_deref().map_or(Ok(()), |text| words::duration(text).map(drop))
    }

    fn command(&self, order: Order) -> Command {
        match order {
            Order::Cancel => Command::Cancel,
            Order::Kill => Command::Kill,
            Order::Retry => Command::Retry,
            Order::Skip => Command::Skip,
            Order::Pause => Command::Pause {
                clocks: match self.timers {
                    Some(Timers::Keep) => Clocks::Keep,
                    Some(Timers::Freeze) | None => Clocks::Freeze,
                },
            },
            Order::Resume => Command::Resume,
            Order::Rollback => Command::RollBack { from: self.from.as_deref().map(Arc::from) },
            Order::Checkpoint => {
                Command::Checkpoint { name: self.name.as_deref().unwrap_or_default().into() }
            }
            Order::Begin => {
                let given = self.open_for.as_deref().and_then(|text| words::duration(text).ok());
                let given = given.and_then(|given| u64::try_from(given.as_millis()).ok());
                Command::Begin { timeout_ms: given.unwrap_or(TIMEOUT_MS) }
            }
            Order::Commit => Command::Commit,
        }
    }

    /// What it does.
    pub(super) fn act(&self) -> Result<Act, String> {
        if let Some(name) = &self.event {
            return Ok(Act::Event {
                name: name.as_str().into(),
                data: self.object()?,
                // Whoever publishes an event acts in no role, as at the doors.
                by: self.by.is_some().then(|| self.principal(&[])),
                id: self.id.as_deref().map(Arc::from),
                source: self.source.as_deref().map(Arc::from),
            });
        }
        if let Some(workflow) = &self.start {
            return Ok(Act::Start {
                workflow: workflow.clone(),
                key: self.key.clone().unwrap_or_else(|| "k1".to_owned()),
                version: self.version,
                transaction: self.transaction.as_deref().map(Arc::from),
                input: self.object()?,
                by: self.principal(&["*"]),
            });
        }
        if let Some(choice) = &self.decide {
            let data = self.data.as_ref().map(value_of).transpose()?;
            let command = Command::Decide { choice: choice.as_str().into(), data };
            return Ok(Act::Command { command, by: self.principal(&["*"]) });
        }
        if let Some(order) = self.command {
            return Ok(Act::Command { command: self.command(order), by: self.principal(&["*"]) });
        }
        if let Some(operation) = &self.reply {
            crate::cli::mocks::key(operation)?;
            let answer = Answer {
                output: self.output.clone(),
                fail: self.fail,
                code: self.code.clone().unwrap_or_default(),
                message: self.message.clone().unwrap_or_default(),
                ..Answer::default()
            };
            answer.outcome()?;
            return Ok(Act::Reply { operation: operation.clone(), answer });
        }
        let Some(text) = &self.advance else { return Ok(Act::Look) };
        let passed = words::duration(text)?.as_millis();
        u64::try_from(passed).map(Act::Advance).map_err(|_| format!("`{text}` is too long"))
    }

    fn object(&self) -> Result<gearshift_machine::value::Value, String> {
        match &self.data {
            None => value_of(&Value::Object(Map::new())),
            Some(data @ Value::Object(_)) => value_of(data),
            Some(other) => Err(format!("`data` is `{other}`, but a mapping is needed")),
        }
    }

    fn principal(&self, roles: &[&str]) -> Principal {
        let roles = match &self.roles {
            Some(list) => list.iter().map(|role| role.as_str().into()).collect(),
            None => roles.iter().map(|role| (*role).into()).collect(),
        };
        Principal { user: self.by.as_deref().unwrap_or("tester").into(), roles }
    }
}
