//! What running plugins say to a definition: is there one for each call, and does it take what is
//! written in `with`?

use std::collections::BTreeSet;

use gearshift_client::Client;
use gearshift_client::protocol::OperationRef;
use gearshift_client::protocol::query::Plugins;
use gearshift_client::protocol::view::{OperationView, PluginView};
use gearshift_machine::definition::codes::{self, Code};
use gearshift_machine::definition::expr::Template;
use gearshift_machine::definition::model::{Action, CallSpec, Definition, SeqStep};
use gearshift_machine::definition::{Problem, Span};
use serde_json::Value;

use super::failure::Failure;
use super::sources::Source;
use crate::api::operations;

/// The plugins that run.
pub(super) struct Live(Vec<PluginView>);

impl Live {
    /// Those that the engine knows.
    pub(super) async fn ask(client: &Client) -> Result<Self, Failure> {
        Ok(Self(client.plugins(&Plugins::default()).await?.items))
    }

    /// What they say to a definition of `source`.
    pub(super) fn problems(&self, source: &Source, definition: &Definition) -> Vec<Problem> {
        let mut problems = Vec::new();
        let named: BTreeSet<String> = operations(definition).into_iter().collect();
        for name in &named {
            let Ok(wanted) = name.parse::<OperationRef>() else { continue };
            if self.serving(&wanted).next().is_none() {
                let message = self.missing(&wanted);
                problems.push(placed(source, codes::MISSING_PLUGIN, name, message));
            }
        }
        for spec in calls(definition) {
            let Ok(wanted) = spec.operation.parse::<OperationRef>() else { continue };
            let Some(with) = &spec.with else { continue };
            // Of several versions one that takes it will do.
            let found: Vec<Vec<String>> = self
                .serving(&wanted)
                .filter_map(|operation| operation.input.as_ref())
                .map(|schema| mismatches(with, schema))
                .collect();
            if found.iter().any(Vec::is_empty) {
                continue;
            }
            for message in found.into_iter().next().unwrap_or_default() {
                let message = format!("input of `{}`: {message}", spec.operation);
                let problem = placed(source, codes::INPUT_MISMATCH, &spec.operation, message);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        problems
    }

    /// The operation, of each version that will do.
    fn serving(&self, wanted: &OperationRef) -> impl Iterator<Item = &OperationView> {
        let is_called = |one: &&PluginView| one.name == wanted.plugin;
        let by_name = self.0.iter().any(|one| is_called(&one));
        let fits = move |one: &&PluginView| {
            let is_meant = match by_name {
                true => one.name == wanted.plugin,
                false => one.interfaces.contains(&wanted.plugin),
            };
            is_meant && wanted.accepts(&one.version)
        };
        let operations = self.0.iter().filter(fits).flat_map(|one| &one.operations);
        operations.filter(|operation| operation.name == wanted.operation)
    }

    fn missing(&self, wanted: &OperationRef) -> String {
        let OperationRef { plugin, requirement, operation } = wanted;
        let running: Vec<_> = self.0.iter().filter(|one| one.name == *plugin).collect();
        let versions: Vec<_> = running.iter().map(|one| one.version.as_str()).collect();
        let versions = versions.join(", ");
        let is_meant = running.iter().any(|one| wanted.accepts(&one.version));
        match (running.is_empty(), is_meant, requirement) {
            (true, _, _) => format!("no plugin `{plugin}` is running"),
            (false, false, Some(needed)) => {
                format!("plugin `{plugin}` runs as {versions}, but `{needed}` is needed")
            }
            (false, _, _) => {
                format!("plugin `{plugin}` {versions} has no operation `{operation}`")
            }
        }
    }
}

/// A problem where the operation is written first; nowhere where it is made of other text.
fn placed(source: &Source, code: Code, operation: &str, message: String) -> Problem {
    let problem = Problem::new(code, &source.origin, message);
    match source.text.find(operation) {
        Some(start) => problem.at(&source.text, Span::new(start, start + operation.len())),
        None => problem,
    }
}

/// Every call of the definition, with those that take it back.
fn calls(definition: &Definition) -> impl Iterator<Item = &CallSpec> {
    let steps = definition.sequences.iter().flat_map(|sequence| &sequence.steps);
    let specs = steps.filter_map(|step| match step {
        SeqStep::Call { spec, .. } | SeqStep::Do(Action::Tell(spec)) => Some(spec),
        SeqStep::Do(_)
        | SeqStep::Child { .. }
        | SeqStep::Wait { .. }
        | SeqStep::Approval { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    });
    specs.flat_map(|spec| std::iter::once(spec).chain(&spec.undo)).map(|spec| &**spec)
}

/// Why what is written cannot be what the schema asks for; only what is certain counts, and what
/// an expression gives is not.
fn mismatches(with: &Template, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Look { root: schema }.compare(with, schema, "", &mut found);
    found
}

/// A schema, and where its parts are.
struct Look<'s> {
    root: &'s Value,
}

/// How deep a schema is followed.
const DEPTH_MAX: usize = 32;

impl<'s> Look<'s> {
    /// The schema that a reference leads to.
    fn resolved(&self, mut schema: &'s Value) -> Option<&'s Value> {
        for _ in 0..DEPTH_MAX {
            let Some(named) = schema.get("$ref").and_then(Value::as_str) else {
                return Some(schema);
            };
            schema = self.root.pointer(named.strip_prefix('#')?)?;
        }
        None
    }

    fn compare(&self, with: &Template, schema: &'s Value, at: &str, found: &mut Vec<String>) {
        let Some(schema) = self.resolved(schema) else { return };
        let what = if at.is_empty() { "it".to_owned() } else { format!("`{at}`") };
        let kinds = kinds_of(schema);
        if let Some(is) = kind_of(with)
            && !kinds.is_empty()
            && !kinds.iter().any(|kind| *kind == is || (*kind == "number" && is == "integer"))
        {
            found.push(format!("{what} is of type {is}, where {} is due", kinds.join(" or ")));
            return;
        }
        let members: Vec<(String, Template)> = match with {
            Template::Map(parts) => {
                parts.iter().map(|(name, part)| (name.to_string(), part.clone())).collect()
            }
            Template::Const(value) => {
                let map = value.as_map().into_iter().flat_map(|map| map.iter());
                map.map(|(name, value)| (name.to_string(), Template::Const(value.clone())))
                    .collect()
            }
            Template::Expr(_) | Template::Text(_) | Template::List(_) => return,
        };
        let is_map = kind_of(with) == Some("object");
        if !is_map {
            return;
        }
        let inside = |name: &str| match at {
            "" => name.to_owned(),
            at => format!("{at}.{name}"),
        };
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !members.iter().any(|(known, _)| known == name) {
                found.push(format!("`{}` is missing", inside(name)));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, part) in &members {
            match properties.and_then(|properties| properties.get(name)) {
                Some(schema) => self.compare(part, schema, &inside(name), found),
                None if is_closed => found.push(format!("nobody takes `{}`", inside(name))),
                None => {}
            }
        }
    }
}

/// The types a schema allows; none where it says nothing that is certain.
fn kinds_of(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The JSON type of what is written, where no expression decides it.
fn kind_of(with: &Template) -> Option<&'static str> {
    let value = match with {
        Template::Expr(_) => return None,
        Template::Text(_) => return Some("string"),
        Template::List(_) => return Some("array"),
        Template::Map(_) => return Some("object"),
        Template::Const(value) => serde_json::to_value(value).ok()?,
    };
    Some(match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
