//! What a scenario expects, as it is written, and how it differs from what is the case.

use std::collections::BTreeMap;
use std::fmt;

use gearshift_client::protocol::view::{InstanceDetail, StepView};
use gearshift_client::protocol::{InstanceVerdict, Status};
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor, value};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::differences::{Difference, lines};
use super::file::Names;
use crate::cli::stage::{Told, given};
use crate::cli::words::names;

/// What must be the case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expectation {
    /// The active atomic states, in any order.
    #[serde(alias = "states")]
    pub(super) state: Option<Spanned<Names>>,
    /// `running`, `done`, `stuck`, ….
    status: Option<Status>,
    /// Variables and their values; others are not looked at.
    vars: Option<Map<String, Value>>,
    /// The result of an ended instance.
    #[serde(deserialize_with = "given")]
    output: Option<Value>,
    /// Everything asked of the world since the last `expect`, in order.
    effects: Option<Vec<Line>>,
    /// What became of the event or order of this step: `transitioned`, `ignored`, ….
    pub(super) verdict: Option<Word>,
    /// The names of deferred events, in order.
    deferred: Option<Names>,
    /// What people may choose now, in order.
    choices: Option<Names>,
    /// The version it runs.
    version: Option<u32>,
    /// Steps of its graphs and where they stand; others are not looked at.
    steps: Option<BTreeMap<String, String>>,
}

/// What may become of an input, by the words of [`Verdict::as_str`].
///
/// [`Verdict::as_str`]: gearshift_client::protocol::Verdict::as_str
const VERDICTS: [&str; 14] = [
    "transitioned",
    "started",
    "deferred",
    "ignored",
    "duplicate",
    "id_reuse",
    "no_instance",
    "rejected",
    "denied",
    "dead_lettered",
    "stuck",
    "buffered",
    "done",
    "busy",
];

/// A verdict as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(&'static str);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let known = VERDICTS.iter().find(|word| **word == text);
        known.map(|word| Self(word)).ok_or_else(|| de::Error::unknown_variant(&text, &VERDICTS))
    }
}

/// One effect: `publish order.confirmed`, or `{ publish: order.confirmed, with: { … } }`.
#[derive(Debug)]
struct Line {
    words: String,
    with: Option<Value>,
}

/// The mapping form of an effect.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Long {
    call: Option<String>,
    cancel: Option<String>,
    publish: Option<String>,
    dead_letter: Option<String>,
    #[serde(deserialize_with = "given")]
    with: Option<Value>,
}

impl Long {
    fn line(self) -> Result<Line, String> {
        let Self { call, cancel, publish, dead_letter, with } = self;
        let named = [
            ("call", call),
            ("cancel", cancel),
            ("publish", publish),
            ("dead_letter", dead_letter),
        ];
        let said = named.into_iter().filter_map(|(verb, what)| Some((verb, what?)));
        let [(verb, what)]: [_; 1] = said
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| "an effect is one of `call`, `cancel`, `publish` and `dead_letter`")?;
        Ok(Line { words: format!("{verb} {what}"), with })
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ShortOrLong;
        impl<'de> Visitor<'de> for ShortOrLong {
            type Value = Line;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an effect such as `publish order.confirmed`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Line, E> {
                match text.split_once(' ') {
                    Some(("call" | "cancel" | "publish" | "dead_letter", _)) => {
                        Ok(Line { words: text.to_owned(), with: None })
                    }
                    Some(_) | None => Err(E::custom(format!(
                        "effect `{text}` is none of `call NAME`, `cancel NAME`, `publish NAME` \
                         and `dead_letter NAME`"
                    ))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Line, A::Error> {
                let long = Long::deserialize(value::MapAccessDeserializer::new(map))?;
                long.line().map_err(de::Error::custom)
            }
        }
        from.deserialize_any(ShortOrLong)
    }
}

/// What is the case.
pub(super) struct Seen<'a> {
    /// The instance, where there is one.
    pub(super) detail: Option<&'a InstanceDetail>,
    /// What became of the step's event or order.
    pub(super) verdict: Option<&'a InstanceVerdict>,
    /// What was asked of the world since the last `expect`.
    pub(super) told: &'a [Told],
}

impl Expectation {
    /// Everything that is not as expected.
    pub(super) fn differences(&self, seen: &Seen<'_>) -> Vec<Difference> {
        let mut all = Vec::new();
        if let Some(expected) = &self.verdict {
            let found = seen.verdict.map_or("nothing", |verdict| verdict.verdict.as_str());
            differ(&mut all, "verdict", expected.0, found);
        }
        if self.looks_at_the_instance() {
            match seen.detail {
                Some(detail) => self.instance(detail, &mut all),
                None => differ(&mut all, "instance", "there is one", "there is none"),
            }
        }
        if let Some(expected) = &self.effects {
            effects(expected, seen.told, &mut all);
        }
        all
    }

    const fn looks_at_the_instance(&self) -> bool {
        self.state.is_some()
            || self.status.is_some()
            || self.vars.is_some()
            || self.output.is_some()
            || self.deferred.is_some()
            || self.choices.is_some()
            || self.version.is_some()
            || self.steps.is_some()
    }

    fn instance(&self, detail: &InstanceDetail, all: &mut Vec<Difference>) {
        let summary = &detail.summary;
        if let Some(expected) = &self.state {
            let sorted = |list: &[String]| {
                let mut list = list.to_vec();
                list.sort();
                names(&list)
            };
            differ(all, "state", &sorted(&expected.value.0), &sorted(&summary.active));
        }
        if let Some(expected) = self.status {
            let mut found = summary.status.as_str().to_owned();
            if summary.status != expected
                && let Some(reason) = &summary.stuck_reason
            {
                found = format!("{found}: {reason}");
            }
            differ(all, "status", expected.as_str(), &found);
        }
        for (name, expected) in self.vars.iter().flatten() {
            let found = detail.vars.get(name);
            if !found.is_some_and(|found| same(expected, found)) {
                let found = found.map_or_else(|| "not declared".to_owned(), Value::to_string);
                let expected = expected.to_string();
                all.push(Difference::of(&format!("vars.{name}"), &expected, &found));
            }
        }
        if let Some(expected) = &self.output
            && !same(expected, &detail.output)
        {
            let (expected, found) = (expected.to_string(), detail.output.to_string());
            all.push(Difference::of("output", &expected, &found));
        }
        if let Some(expected) = &self.deferred {
            differ(all, "deferred", &names(&expected.0), &names(&detail.deferred));
        }
        if let Some(expected) = &self.choices {
            let choices = detail.approvals.iter().flat_map(|task| task.choices.iter().cloned());
            differ(all, "choices", &names(&expected.0), &names(&choices.collect::<Vec<_>>()));
        }
        if let Some(expected) = self.version {
            differ(all, "version", &expected.to_string(), &summary.version.to_string());
        }
        for (name, expected) in self.steps.iter().flatten() {
            let step = detail.steps.steps.iter().find(|step| step.id == *name);
            let found = step.map_or_else(|| "no such step".to_owned(), standing);
            let word = step.map_or("", |step| step.status.as_str());
            if word != expected {
                all.push(Difference::of(&format!("steps.{name}"), expected, &found));
            }
        }
    }
}

/// The status of a step, with what went wrong.
fn standing(step: &StepView) -> String {
    match &step.error {
        Some(error) => format!("{}: {}: {}", step.status, error.kind, error.message),
        None => step.status.to_string(),
    }
}

fn differ(all: &mut Vec<Difference>, what: &str, expected: &str, found: &str) {
    if expected != found {
        all.push(Difference::of(what, expected, found));
    }
}

/// Compares in order; a payload only where one is written.
fn effects(expected: &[Line], told: &[Told], all: &mut Vec<Difference>) {
    let fits = |line: &Line, told: &Told| {
        let data = told.with.as_ref().map(crate::api::json).unwrap_or_default();
        line.words == told.words && line.with.as_ref().is_none_or(|with| same(with, &data))
    };
    let equal = expected.len() == told.len()
        && expected.iter().zip(told).all(|(line, told)| fits(line, told));
    if equal {
        return;
    }
    let shown = |words: &str, with: Option<&Value>| match with {
        Some(with) => format!("{words} {with}"),
        None => words.to_owned(),
    };
    let expected_lines = expected.iter().map(|line| shown(&line.words, line.with.as_ref()));
    let found_lines = told.iter().map(|told| {
        let line = expected.iter().find(|line| fits(line, told));
        // What was not written is not shown, unless the payload is what differs.
        let differs = expected.iter().any(|line| line.words == told.words && line.with.is_some());
        match line {
            Some(line) => shown(&line.words, line.with.as_ref()),
            None if differs => {
                shown(&told.words, told.with.as_ref().map(crate::api::json).as_ref())
            }
            None => told.words.clone(),
        }
    });
    all.push(lines(
        "effects",
        &expected_lines.collect::<Vec<_>>(),
        &found_lines.collect::<Vec<_>>(),
    ));
}

/// Equal values; numbers by what they count, so that `1` and `1.0` are the same.
fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, a)| right.get(name).is_some_and(|b| same(a, b)))
        }
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests {
    use gearshift_client::protocol::Verdict;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_word_is_a_verdict() {
        for word in VERDICTS {
            let members = json!({"verdict": word, "from": [], "to": [], "reason": "r", "at": 1});
            let verdict: Verdict = serde_json::from_value(members).unwrap();
            assert_eq!(verdict.as_str(), word);
        }
        let other = serde_json::from_value::<Word>(json!("stated")).unwrap_err().to_string();
        assert!(other.contains("unknown variant `stated`"), "{other}");
    }
}
