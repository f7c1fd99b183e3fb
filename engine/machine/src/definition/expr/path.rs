//! Path: `vars.order.items[0]`, found in the scope without converting anything on the way.

use std::fmt;
use std::sync::Arc;

use super::scope::View;
use super::steps;
use crate::machine::{Event, Timestamp};
use crate::value::{Map, Value};

/// Where a path begins (E7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Vars,
    Data,
    Event,
    Key,
    Instance,
    Workflow,
    Now,
    Input,
    Output,
    Error,
    Steps,
    Local(Arc<str>),
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Member(Arc<str>),
    Index(usize),
}

/// A name of E7 and members below it.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) root: Root,
    /// Where the variable or step stood among the names at compile time; a hint, checked when
    /// used.
    pub(super) var: usize,
    pub(super) steps: Vec<Step>,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Value(&'a Value),
    Text(&'a str),
    Time(Timestamp),
    Made(Value),
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missing {
    /// The root is unbound.
    Root,
    /// The step at this place does not exist.
    Step(usize),
}

/// The fields of `event` (rule 39), sorted.
pub(super) const EVENT_FIELDS: [&str; 11] = [
    "data", "headers", "id", "invokeid", "name", "origin", "sendid", "source", "subject", "time",
    "type",
];

impl Path {
    /// What the path leads to in `view`.
    pub(super) fn find<'a>(&self, view: &View<'a>) -> Result<Found<'a>, Missing> {
        let (found, taken) = self.start(view)?;
        let Some(rest) = self.steps.get(taken..).filter(|rest| !rest.is_empty()) else {
            return Ok(found);
        };
        let Found::Value(mut value) = found else { return Err(Missing::Step(taken)) };
        for (at, step) in rest.iter().enumerate() {
            value = step.of(value).ok_or(Missing::Step(taken + at))?;
        }
        Ok(Found::Value(value))
    }

    /// Does what the path leads to have the member `name`? Only maps have members.
    pub(super) fn has(&self, view: &View<'_>, name: &str) -> Result<bool, Missing> {
        match (&self.root, self.steps.is_empty()) {
            (Root::Vars, true) => Ok(view.definition.var_index(name).is_some()),
            (Root::Steps, true) => Ok(steps::output(view, name, self.var).is_some()),
            (Root::Event, true) => {
                let event = view.event.ok_or(Missing::Root)?;
                Ok(event_field(event, name).is_some())
            }
            _ => match self.find(view)? {
                Found::Value(Value::Map(map)) => Ok(map.contains_key(name)),
                Found::Value(_) | Found::Text(_) | Found::Time(_) | Found::Made(_) => {
                    Err(Missing::Step(self.steps.len()))
                }
            },
        }
    }

    /// The value at the root and the number of steps it took: two roots have no value of their
    /// own, and their members are found without making one.
    fn start<'a>(&self, view: &View<'a>) -> Result<(Found<'a>, usize), Missing> {
        let found = match &self.root {
            Root::Vars => return self.start_vars(view),
            Root::Event => return self.start_event(view),
            Root::Steps => return self.start_steps(view),
            Root::Data => {
                Found::Value(view.event.and_then(|event| event.data.as_ref()).ok_or(Missing::Root)?)
            }
            Root::Key => Found::Text(view.key.ok_or(Missing::Root)?.key()),
            Root::Workflow => Found::Text(&view.definition.name),
            Root::Instance => {
                Found::Made(Value::string(view.key.ok_or(Missing::Root)?.to_string()))
            }
            Root::Now => Found::Time(view.now),
            Root::Input => Found::Value(view.input),
            Root::Output => Found::Value(view.output.ok_or(Missing::Root)?),
            Root::Error => Found::Value(view.error.ok_or(Missing::Root)?),
            Root::Local(name) => {
                let bound = view.locals.iter().rev().find(|(local, _)| local == name);
                Found::Value(bound.map(|(_, value)| value).ok_or(Missing::Root)?)
            }
        };
        Ok((found, 0))
    }

    fn start_vars<'a>(&self, view: &View<'a>) -> Result<(Found<'a>, usize), Missing> {
        let declared = &view.definition.vars;
        let Some(Step::Member(name)) = self.steps.first() else {
            let map: Map = declared
                .iter()
                .zip(view.vars)
                .map(|(var, value)| (Arc::clone(&var.name), value.clone()))
                .collect();
            return Ok((Found::Made(map.into()), 0));
        };
        let hinted = declared.get(self.var).filter(|var| var.name == *name);
        let at = hinted.map(|_| self.var).or_else(|| view.definition.var_index(name));
        let value = at.and_then(|at| view.vars.get(at)).ok_or(Missing::Step(0))?;
        Ok((Found::Value(value), 1))
    }

    fn start_steps<'a>(&self, view: &View<'a>) -> Result<(Found<'a>, usize), Missing> {
        let Some(Step::Member(name)) = self.steps.first() else {
            return Ok((Found::Made(steps::outputs(view).into()), 0));
        };
        let output = steps::output(view, name, self.var).ok_or(Missing::Step(0))?;
        Ok((Found::Value(output), 1))
    }

    fn start_event<'a>(&self, view: &View<'a>) -> Result<(Found<'a>, usize), Missing> {
        let event = view.event.ok_or(Missing::Root)?;
        let Some(Step::Member(name)) = self.steps.first() else {
            let map: Map = EVENT_FIELDS
                .iter()
                .filter_map(|name| Some((*name, event_field(event, name)?.into_value())))
                .collect();
            return Ok((Found::Made(map.into()), 0));
        };
        event_field(event, name).map(|found| (found, 1)).ok_or(Missing::Step(0))
    }

    /// Why the path leads nowhere, for people.
    pub(super) fn explain(&self, view: &View<'_>, missing: Missing) -> String {
        let at = match missing {
            Missing::Root => return format!("`{}` is not bound here", self.root),
            Missing::Step(at) => at,
        };
        let before = Self { steps: self.steps.iter().take(at).cloned().collect(), ..self.clone() };
        let kind = match before.find(view) {
            Ok(Found::Value(value)) => value.type_name(),
            Ok(Found::Text(_)) => "string",
            Ok(Found::Time(_)) => "timestamp",
            Ok(Found::Made(value)) => value.type_name(),
            Err(_) => "null",
        };
        let step = self.steps.get(at);
        match step {
            Some(Step::Member(_)) if kind != "map" => {
                format!("`{before}` is {kind}, not a map, and `{self}` asks for a member of it")
            }
            Some(Step::Index(_)) if kind != "list" => {
                format!("`{before}` is {kind}, not a list, and `{self}` asks for an item of it")
            }
            Some(step) => {
                let mut to = before;
                to.steps.push(step.clone());
                format!("`{to}` is absent")
            }
            None => format!("`{before}` is {kind}, not a map"),
        }
    }
}

impl Step {
    /// What stands below `value` at this step.
    pub(super) fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Member(name) => value.get(name),
            Self::Index(at) => value.as_list()?.get(*at),
        }
    }
}

impl Found<'_> {
    /// The value itself; a moment becomes its RFC 3339 text.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Text(text) => text.into(),
            Self::Time(time) => Value::string(time.to_string()),
            Self::Made(value) => value,
        }
    }
}

/// A field of the event; absent ones are absent.
fn event_field<'a>(event: &'a Event, name: &str) -> Option<Found<'a>> {
    Some(match name {
        "name" => Found::Text(&event.name),
        "type" => Found::Text(event.kind.as_str()),
        "data" => Found::Value(event.data.as_ref()?),
        "id" => Found::Text(event.id.as_deref()?),
        "source" => Found::Text(event.source.as_deref()?),
        "time" => Found::Time(event.time?),
        "subject" => Found::Text(event.subject.as_deref()?),
        "headers" => Found::Value(event.headers.as_ref()?),
        "sendid" => Found::Text(event.send_id.as_deref()?),
        "invokeid" => Found::Text(event.invoke_id.as_deref()?),
        "origin" => Found::Text(event.origin.as_deref()?),
        _ => return None,
    })
}

impl fmt::Display for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Vars => "vars",
            Self::Data => "data",
            Self::Event => "event",
            Self::Key => "key",
            Self::Instance => "instance",
            Self::Workflow => "workflow",
            Self::Now => "now",
            Self::Input => "input",
            Self::Output => "output",
            Self::Error => "error",
            Self::Steps => "steps",
            Self::Local(name) => name,
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.root)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Member(name) => write!(formatter, ".{name}"),
            Step::Index(at) => write!(formatter, "[{at}]"),
        })
    }
}
