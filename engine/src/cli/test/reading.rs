//! Scenario files as they are written, scenario by scenario: one that is wrong hides no other.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_saphyr::{Options, Spanned};

use super::file::{Names, Scenario};
use crate::cli::stage::{Answers, Prepared};
use crate::cli::words::nearest;

/// One scenario file, with its scenarios as `S`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written<S> {
    /// The definitions it tests; else the one beside it that is named like it.
    #[serde(default)]
    pub(super) definition: Names,
    /// When its scenarios begin.
    #[serde(default)]
    pub(super) clock: Option<Spanned<String>>,
    /// What operations answer in every scenario.
    #[serde(default)]
    pub(super) mocks: BTreeMap<String, Answers>,
    /// Its scenarios, in order.
    pub(super) scenarios: Vec<S>,
}

/// A scenario that cannot be played.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Unreadable {
    /// Where it is wrong.
    pub(super) line: u64,
    /// What it is called, where it says so.
    pub(super) name: Option<String>,
    /// What is wrong.
    pub(super) reason: String,
}

/// A scenario, or why it is none.
pub(super) type Read = Result<Spanned<Scenario>, Unreadable>;

/// Reads a file; an error says what is wrong with it as a whole.
pub(super) fn read(text: &str) -> Result<Written<Read>, String> {
    let strict = serde_saphyr::from_str_with_options::<Written<Spanned<Scenario>>>(text, options());
    let mut written = match strict {
        Ok(written) => {
            let Written { definition, clock, mocks, scenarios } = written;
            Written { definition, clock, mocks, scenarios: scenarios.into_iter().map(Ok).collect() }
        }
        Err(_) => one_by_one(text)?,
    };
    if written.scenarios.is_empty() {
        return Err("`scenarios` is empty".to_owned());
    }
    Prepared::default().add(&written.mocks)?;
    let mut names: Vec<String> = Vec::new();
    for read in &mut written.scenarios {
        let wrong = read.as_ref().ok().and_then(|scenario| {
            let name = &scenario.value.name;
            if names.contains(name) {
                let reason = format!("another scenario is called `{name}` too");
                return Some(Unreadable {
                    line: scenario.defined.line(),
                    name: Some(name.clone()),
                    reason,
                });
            }
            names.push(name.clone());
            let (line, reason) = wrong(scenario)?;
            Some(Unreadable { line, name: Some(scenario.value.name.clone()), reason })
        });
        if let Some(unreadable) = wrong {
            *read = Err(unreadable);
        }
    }
    Ok(written)
}

/// What is wrong with a scenario that has the right form, and the line of it.
fn wrong(scenario: &Spanned<Scenario>) -> Option<(u64, String)> {
    if let Err(reason) = Prepared::default().add(&scenario.value.mocks) {
        return Some((scenario.defined.line(), reason));
    }
    let steps = &scenario.value.steps;
    if steps.is_empty() {
        return Some((scenario.defined.line(), "`steps` is empty".to_owned()));
    }
    steps.iter().find_map(|step| Some((step.defined.line(), step.value.check().err()?)))
}

/// Reads a file in which something is wrong: each scenario for itself.
fn one_by_one(text: &str) -> Result<Written<Read>, String> {
    let outline = serde_saphyr::from_str_with_options::<Written<Spanned<Value>>>(text, options());
    let outline = outline.map_err(|error| with_nearest(&error.to_string()))?;
    let read = |(place, item): (usize, &Spanned<Value>)| {
        let found =
            serde_saphyr::with_deserializer_from_str_with_options(text, options(), |from| {
                Only(place).deserialize(from)
            });
        let refused = |reason: &str, line: u64| {
            let name = item.value.get("name").or_else(|| item.value.get("scenario"));
            let name = name.and_then(Value::as_str).map(str::to_owned);
            Unreadable { line, name, reason: placeless(&with_nearest(reason)).to_owned() }
        };
        match found {
            Ok(Some(scenario)) => Ok(scenario),
            Ok(None) => Err(refused("it is not there", item.defined.line())),
            Err(error) => {
                let line =
                    error.location().map_or_else(|| item.defined.line(), |place| place.line());
                Err(refused(&error.to_string(), line))
            }
        }
    };
    let scenarios = outline.scenarios.iter().enumerate().map(read).collect();
    let Written { definition, clock, mocks, .. } = outline;
    Ok(Written { definition, clock, mocks, scenarios })
}

fn options() -> Options {
    serde_saphyr::options! { strict_booleans: true, with_snippet: false }
}

/// The scenario at one place of a file; whatever the others are.
struct Only(usize);

impl<'de> DeserializeSeed<'de> for Only {
    type Value = Option<Spanned<Scenario>>;

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Only {
    type Value = Option<Spanned<Scenario>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a scenario file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "scenarios" {
                found = map.next_value_seed(OnlyOf(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The scenario at one place of a list.
struct OnlyOf(usize);

impl<'de> DeserializeSeed<'de> for OnlyOf {
    type Value = Option<Spanned<Scenario>>;

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OnlyOf {
    type Value = Option<Spanned<Scenario>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of scenarios")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        for _ in 0..self.0 {
            list.next_element::<IgnoredAny>()?;
        }
        let found = list.next_element()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// What serde says, with the word that is meant instead of an unknown one:
/// ``unknown field `X`, expected one of A, B at line 1, column 2``.
fn with_nearest(message: &str) -> String {
    let meant = || {
        let (_, rest) = message.split_once("unknown ")?;
        let (word, rest) = rest.split_once('`')?.1.split_once('`')?;
        let (_, known) = rest.split_once("expected ")?;
        let separators = |letter: char| !letter.is_alphanumeric() && letter != '_';
        nearest(word, known.split(separators).filter(|word| !word.is_empty()))
    };
    match (meant(), message.split_once(", expected ")) {
        (Some(meant), Some((unknown, _))) => format!("{unknown}; did you mean `{meant}`?"),
        _ => message.to_owned(),
    }
}

/// The same without its place, which is told otherwise.
fn placeless(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((said, place)) if place.contains(", column ") => said,
        Some(_) | None => message,
    }
}
