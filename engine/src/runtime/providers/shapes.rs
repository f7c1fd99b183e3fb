//! [`Shape`]: what an operation says that it gives, and whether an answer is that (decision 0060).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gearshift_machine::value::Value;
use gearshift_protocol::metadata::METADATA_OUTPUT;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

/// Schemas that are kept, beyond those that routes hold.
const KEPT_MAX: usize = 512;
/// The longest schema that answers are compared with, in bytes.
pub(crate) const SCHEMA_BYTES_MAX: usize = 256 * 1_024;
/// Places that are told of one answer.
const TOLD_MAX: usize = 3;
/// The longest part of a schema that is told, in characters.
const PART_MAX: usize = 120;

/// One published schema, whoever publishes it. It is compiled when the first answer comes.
#[derive(Debug)]
pub(crate) struct Shape {
    text: Arc<str>,
    /// Nothing where every answer fits, or nobody can tell.
    compiled: OnceLock<Option<Box<Compiled>>>,
}

#[derive(Debug)]
struct Compiled {
    schema: Json,
    validator: Validator,
    /// The members that it names: what else is called somehow may be data.
    names: BTreeSet<String>,
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Shape {}

impl Shape {
    pub(super) fn new(text: &Arc<str>) -> Self {
        Self { text: Arc::clone(text), compiled: OnceLock::new() }
    }

    /// The schema as it is published.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Why `output` is not what it says; the places and what is due there, never what is there.
    pub(super) fn misfit(&self, output: &Value) -> Option<String> {
        let compiled = self.compiled.get_or_init(|| Compiled::of(&self.text)).as_ref()?;
        let output = serde_json::to_value(output).ok()?;
        if compiled.validator.is_valid(&output) {
            return None;
        }
        Some(compiled.words(&output))
    }
}

impl Compiled {
    fn of(text: &str) -> Option<Box<Self>> {
        let compiled = Self::try_of(text);
        compiled.unwrap_or_else(|why| {
            // Once, as what comes of it is kept.
            tracing::warn!(
                code = "GS5010",
                schema = shortened(text),
                "answers are not compared with a published `{METADATA_OUTPUT}`: {why}"
            );
            None
        })
    }

    fn try_of(text: &str) -> Result<Option<Box<Self>>, String> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(format!("it has {} bytes, of at most {SCHEMA_BYTES_MAX}", text.len()));
        }
        let schema: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if allows_all(&schema) {
            return Ok(None);
        }
        // Nothing is fetched: what it refers to is in it, or it is none.
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        let mut names = BTreeSet::new();
        name(&schema, &mut names);
        Ok(Some(Box::new(Self { schema, validator, names })))
    }

    fn words(&self, output: &Json) -> String {
        let mut errors = self.validator.iter_errors(output);
        let told: Vec<_> = errors.by_ref().take(TOLD_MAX).map(|one| self.word(&one)).collect();
        // More than so many are not counted: a long list may have as many.
        let more = if errors.next().is_some() { ", and more" } else { "" };
        told.join("; ") + more
    }

    fn word(&self, error: &ValidationError<'_>) -> String {
        let at = self.place(error.instance_path().as_str());
        let what = if at.is_empty() { "it".to_owned() } else { format!("`{at}`") };
        if let Kind::Required { property } = error.kind() {
            let dot = if at.is_empty() { "" } else { "." };
            return format!("`{at}{dot}{}` is missing", property.as_str().unwrap_or_default());
        }
        if let Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } = error.kind()
        {
            return format!("{what} has members that the schema does not name");
        }
        if let Kind::Type { kind } = error.kind() {
            let due = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(all) => {
                    all.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
                }
            };
            return format!("{what} is of type {}, where {due} is due", type_of(error.instance()));
        }
        let keyword = error.kind().keyword();
        match self.schema.pointer(error.schema_path().as_str()) {
            Some(part) => {
                format!("{what} does not fit `{keyword}: {}`", shortened(&part.to_string()))
            }
            None => format!("{what} does not fit `{keyword}`"),
        }
    }

    /// A JSON pointer as people write it; `*` for what the schema does not name.
    fn place(&self, pointer: &str) -> String {
        let part = |part: &str| {
            let part = part.replace("~1", "/").replace("~0", "~");
            let is_known = self.names.contains(&part) || part.parse::<usize>().is_ok();
            if is_known { part } else { "*".to_owned() }
        };
        pointer.split('/').skip(1).map(part).collect::<Vec<_>>().join(".")
    }
}

/// Does it say nothing of what is given? So does that of `serde_json::Value`.
fn allows_all(schema: &Json) -> bool {
    const WORDS: [&str; 5] = ["$schema", "$comment", "title", "description", "$defs"];
    match schema {
        Json::Bool(all) => *all,
        Json::Object(members) => members.keys().all(|key| WORDS.contains(&key.as_str())),
        Json::Null | Json::Number(_) | Json::String(_) | Json::Array(_) => false,
    }
}

/// The members that a schema names anywhere.
fn name(schema: &Json, names: &mut BTreeSet<String>) {
    match schema {
        Json::Object(members) => {
            for (key, part) in members {
                if let (true, Json::Object(named)) = (key == "properties", part) {
                    names.extend(named.keys().cloned());
                }
                name(part, names);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| name(item, names)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn shortened(text: &str) -> String {
    let mut left = text.chars();
    let mut kept = left.by_ref().take(PART_MAX).collect::<String>();
    if left.next().is_some() {
        kept.push('…');
    }
    kept
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// Schemas by their text, so that many instances, operations and routes share one.
#[derive(Debug, Default)]
pub(super) struct Shapes(Mutex<HashMap<Arc<str>, Arc<Shape>>>);

impl Shapes {
    pub(super) fn of(&self, text: &Arc<str>) -> Arc<Shape> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = known.get(text) {
            return Arc::clone(shape);
        }
        let shape = Arc::new(Shape::new(text));
        if known.len() >= KEPT_MAX {
            known.retain(|_, shape| Arc::strong_count(shape) > 1);
        }
        if known.len() < KEPT_MAX {
            known.insert(Arc::clone(text), Arc::clone(&shape));
        }
        shape
    }
}

#[cfg(test)]
#[path = "shapes_tests.rs"]
mod tests;
