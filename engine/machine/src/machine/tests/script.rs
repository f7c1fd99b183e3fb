//! The script language of the tests: one input per line, and relaxed JSON.

use std::sync::Arc;

use crate::machine::{Clocks, Command, Event, Principal, TimerOrder};
use crate::value::{Map, Value};

/// One line of a script, read.
pub(super) struct Line<'a> {
    /// The first word.
    pub(super) verb: &'a str,
    /// The other words before the value.
    pub(super) words: Vec<&'a str>,
    /// The `{…}`, where there is one.
    pub(super) value: Option<Value>,
    /// The pairs of `[id=x by=ann roles=legal,finance]`.
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    pub(super) fn read(line: &'a str) -> Self {
        let (line, options) = match line.split_once(" [") {
            Some((line, options)) if options.ends_with(']') => {
                (line, options.trim_end_matches(']'))
            }
            Some(_) | None => (line, ""),
        };
        let options = options.split_whitespace().filter_map(|pair| pair.split_once('='));
        let (line, value) = match line.find('{') {
            Some(at) => (&line[..at], Some(relaxed(&line[at..]))),
            None => (line, None),
        };
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        Line { verb, words: words.collect(), value, options: options.collect() }
    }

    pub(super) fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// The principal of `by=` and `roles=`.
    pub(super) fn by(&self) -> Option<Principal> {
        let user = self.option("by")?.into();
        let roles = self.option("roles").unwrap_or_default();
        let roles = roles.split(',').filter(|role| !role.is_empty()).map(Arc::from).collect();
        Some(Principal { user, roles })
    }

    /// The name of a start that no event brings.
    pub(super) fn start_id(&self) -> Option<Arc<str>> {
        self.option("id").filter(|_| self.words.is_empty()).map(Into::into)
    }

    /// The event that `event name {…} […]` describes.
    pub(super) fn event(&self, name: &str) -> Event {
        Event {
            name: name.into(),
            data: self.value.clone(),
            id: self.option("id").map(Into::into),
            source: self.option("source").map(Into::into),
            by: self.by(),
            ..Event::default()
        }
    }
}

/// Reads JSON whose words need no quotes: `{amount: 5, who: ann, tags: [a, b]}`.
pub(super) fn relaxed(text: &str) -> Value {
    let mut rest = text;
    let value = read(&mut rest);
    assert!(rest.trim().is_empty(), "left over in a test's value: `{rest}`");
    value
}

fn read(rest: &mut &str) -> Value {
    *rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        *rest = inner;
        let mut map = Map::new();
        while !closes(rest, '}') {
            let (key, after) = rest.split_once(':').unwrap();
            *rest = after;
            let value = read(rest);
            map.insert(key.trim(), value);
        }
        return map.into();
    }
    if let Some(inner) = rest.strip_prefix('[') {
        *rest = inner;
        let mut items = Vec::new();
        while !closes(rest, ']') {
            items.push(read(rest));
        }
        return Value::list(items);
    }
    let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    let word = word.trim();
    Value::from_json(word.as_bytes()).unwrap_or_else(|_| Value::from(word))
}

/// Skips a comma; true, and skipped, at the closing bracket.
fn closes(rest: &mut &str, bracket: char) -> bool {
    *rest = rest.trim_start().trim_start_matches(',').trim_start();
    match rest.strip_prefix(bracket) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

/// The orders of control.
pub(super) fn control(word: &str, line: &Line<'_>) -> Command {
    let first = line.words.get(1).copied();
    match word {
        "pause" if first == Some("keep") => Command::Pause { clocks: Clocks::Keep },
        "pause" => Command::Pause { clocks: Clocks::Freeze },
        "resume" => Command::Resume,
        "rollback" => Command::RollBack { from: first.map(Into::into) },
        "checkpoint" => Command::Checkpoint { name: first.unwrap_or_default().into() },
        "set" => {
            let value = line.value.clone().unwrap_or_default();
            let pairs = value.as_map().into_iter().flat_map(Map::iter);
            Command::Set {
                values: pairs.map(|(path, value)| (path.clone(), value.clone())).collect(),
            }
        }
        "fire" | "move" => {
            let timer = first.unwrap_or_default().parse().unwrap();
            let order = match line.words.get(2) {
                Some(by) => TimerOrder::By(by.parse().unwrap()),
                None => TimerOrder::Fire,
            };
            Command::Timer { timer, order }
        }
        other => panic!("unknown command `{other}`"),
    }
}
