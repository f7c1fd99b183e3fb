//! Prepared answers: what operations reply on a stage, attempt by attempt.

use std::collections::BTreeMap;
use std::fmt;

use gearshift_machine::machine::{CallOutcome, ErrorKind};
use gearshift_machine::value::Value;
use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor, value};

use crate::cli::mocks;
use crate::cli::words;

/// The answer to one attempt.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Answer {
    /// The reply; nothing written is `{}`.
    #[serde(default, deserialize_with = "given")]
    pub(in crate::cli) output: Option<serde_json::Value>,
    /// How it fails instead.
    #[serde(default)]
    pub(in crate::cli) fail: Option<Kind>,
    /// The plugin's own code.
    #[serde(default)]
    pub(in crate::cli) code: String,
    /// What it says.
    #[serde(default)]
    pub(in crate::cli) message: String,
    /// How long it takes, such as `45s`.
    #[serde(default)]
    pub(in crate::cli) after: Option<String>,
    /// It never answers.
    #[serde(default)]
    pub(in crate::cli) hold: bool,
}

/// How an attempt fails, by the words that expressions see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Kind {
    /// Try again.
    Retryable,
    /// Trying again is useless.
    Permanent,
    /// Nobody answers the subject.
    PluginNotFound,
    /// The reply is not one.
    InvalidReply,
    /// It was sent, and nobody knows what became of it.
    OutcomeUnknown,
}

impl Kind {
    const fn of_machine(self) -> ErrorKind {
        match self {
            Self::Retryable => ErrorKind::Retryable,
            Self::Permanent => ErrorKind::Permanent,
            Self::PluginNotFound => ErrorKind::PluginNotFound,
            Self::InvalidReply => ErrorKind::InvalidReply,
            Self::OutcomeUnknown => ErrorKind::OutcomeUnknown,
        }
    }
}

/// `output: null` is given as well.
pub(in crate::cli) fn given<'de, D: de::Deserializer<'de>>(
    from: D,
) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(from).map(Some)
}

impl Answer {
    /// The reply as the machine takes it.
    pub(in crate::cli) fn outcome(&self) -> Result<CallOutcome, String> {
        let Some(kind) = self.fail else {
            let empty = || serde_json::Value::Object(serde_json::Map::new());
            let output = self.output.clone().unwrap_or_else(empty);
            return Ok(CallOutcome::Success(value_of(&output)?));
        };
        if self.output.is_some() {
            return Err("an answer has either `output` or `fail`".to_owned());
        }
        Ok(CallOutcome::Failure {
            kind: kind.of_machine(),
            code: self.code.as_str().into(),
            message: self.message.as_str().into(),
            retry_after_ms: None,
        })
    }
}

/// JSON as the machine's value.
pub(in crate::cli) fn value_of(json: &serde_json::Value) -> Result<Value, String> {
    Value::from_json(json.to_string().as_bytes()).map_err(|error| error.to_string())
}

/// The answers of one operation, one attempt after the other; the last one stays.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Answers(Vec<Answer>);

impl Default for Answers {
    fn default() -> Self {
        Self::from(Answer::default())
    }
}

impl From<Answer> for Answers {
    fn from(one: Answer) -> Self {
        Self(vec![one])
    }
}

impl Answers {
    /// An answer, a list of them, or the bare output of every attempt: a mapping that has none of
    /// the words by which an answer is known, and whatever else is no list of answers.
    pub(in crate::cli) fn read(written: serde_json::Value) -> Result<Self, String> {
        let is_answer = |one: &serde_json::Value| {
            let known = ["output", "fail", "hold", "after"];
            one.as_object().is_some_and(|map| known.iter().any(|word| map.contains_key(*word)))
        };
        let is_list = |list: &Vec<_>| !list.is_empty() && list.iter().any(is_answer);
        if is_answer(&written) || written.as_array().is_some_and(is_list) {
            return serde_json::from_value(written).map_err(|error| {
                format!("{error}; an output with these words in it is `output: …`")
            });
        }
        Ok(Self::from(Answer { output: Some(written), ..Answer::default() }))
    }

    /// The kinds of failure in them.
    pub(in crate::cli) fn failures(&self) -> impl Iterator<Item = Kind> {
        self.0.iter().filter_map(|answer| answer.fail)
    }
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;
        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Answers;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an answer such as `{ output: {} }`, or a list of answers")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answers, A::Error> {
                let one = Answer::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok(Answers(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Answers, A::Error> {
                Vec::deserialize(value::SeqAccessDeserializer::new(seq)).map(Answers)
            }
        }
        from.deserialize_any(OneOrSeveral)
    }
}

/// What is prepared for every operation.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Prepared {
    answers: BTreeMap<String, Answers>,
    /// How often each one was asked.
    asked: BTreeMap<String, usize>,
}

/// What comes back to one attempt, and how many milliseconds later.
pub(in crate::cli) type Reply = (CallOutcome, u64);

impl Prepared {
    /// Adds answers; what is there is replaced.
    pub(in crate::cli) fn add(&mut self, more: &BTreeMap<String, Answers>) -> Result<(), String> {
        for (operation, answers) in more {
            let key = mocks::key(operation)?;
            for answer in &answers.0 {
                let wrong = |reason: String| format!("mock of `{operation}`: {reason}");
                answer.outcome().map_err(wrong)?;
                answer.delay().map_err(wrong)?;
                if answer.hold && (answer.output.is_some() || answer.fail.is_some()) {
                    return Err(wrong("`hold` answers nothing".to_owned()));
                }
            }
            if answers.0.is_empty() {
                return Err(format!("mock of `{operation}` has no answer"));
            }
            self.answers.insert(key, answers.clone());
        }
        Ok(())
    }

    /// Is anything prepared for `plugin.operation`?
    pub(in crate::cli) fn knows(&self, key: &str) -> bool {
        self.answers.contains_key(key)
    }

    /// The answer to the next attempt of `operation`; none where nothing is prepared, or held.
    pub(in crate::cli) fn next(&mut self, operation: &str) -> Option<Reply> {
        let key = mocks::key(operation).ok()?;
        let answers = &self.answers.get(&key)?.0;
        let asked = self.asked.entry(key).or_default();
        let answer = answers.get(*asked).or_else(|| answers.last())?;
        *asked += 1;
        if answer.hold {
            return None;
        }
        // Both were looked at when they were added.
        Some((answer.outcome().ok()?, answer.delay().ok()?))
    }
}

impl Answer {
    fn delay(&self) -> Result<u64, String> {
        let Some(text) = &self.after else { return Ok(0) };
        let delay = words::duration(text)?;
        u64::try_from(delay.as_millis()).map_err(|_| format!("`{text}` is too long"))
    }
}
