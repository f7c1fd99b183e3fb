//! What is written in `with` beside a JSON Schema: only what is certain counts, as an expression
//! may give anything.

use std::sync::Arc;

use gearshift_machine::definition::expr::Template;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

/// What an expression gives is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    /// Not even its type.
    Anything,
    /// It is some text.
    Text,
}

/// What is written, with something in place of what is not known.
#[derive(Default)]
struct Written {
    /// Where something is not known, as JSON pointers.
    holes: Vec<(String, Hole)>,
}

/// Why what is written cannot be what the schema asks for.
pub(super) fn mismatches(with: &Template, schema: &Value) -> Vec<String> {
    // A schema that is none is the plugin's problem: `plugin check` tells it.
    let Ok(validator) = jsonschema::validator_for(schema) else { return Vec::new() };
    said(with, &validator)
}

/// What the data of an event must have to be an input, where no `with` says what that is.
pub(super) fn required(schema: &Value) -> Vec<String> {
    let Ok(validator) = jsonschema::validator_for(schema) else { return Vec::new() };
    if validator.is_valid(&Value::Null) {
        return Vec::new();
    }
    let nothing = Value::Object(Map::new());
    let errors = validator.iter_errors(&nothing);
    let mut names: Vec<String> = errors
        .filter_map(|error| {
            let Kind::Required { property } = error.kind() else { return None };
            Some(format!("`{}`", property.as_str()?))
        })
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return names;
    }
    let names = names.join(", ");
    vec![format!("without `with` it is the data of the event in hand, which must have {names}")]
}

/// Is this what was written as `value`? Where an expression is, any text may be.
pub(super) fn is_written(with: &Template, value: &Value) -> bool {
    match (with, value) {
        (Template::Const(known), value) => {
            serde_json::to_value(known).is_ok_and(|known| known == *value)
        }
        (Template::Expr(_) | Template::Text(_), value) => value.is_string(),
        (Template::List(parts), Value::Array(items)) => {
            parts.len() == items.len()
                && parts.iter().zip(items).all(|(it, one)| is_written(it, one))
        }
        (Template::Map(parts), Value::Object(members)) => {
            let is_same = |(name, part): &(Arc<str>, Template)| {
                members.get(&**name).is_some_and(|member| is_written(part, member))
            };
            parts.len() == members.len() && parts.iter().all(is_same)
        }
        (Template::List(_) | Template::Map(_), _) => false,
    }
}

fn said(with: &Template, validator: &Validator) -> Vec<String> {
    let mut written = Written::default();
    let value = written.read(with, "");
    let errors = validator.iter_errors(&value).filter(|error| written.is_certain(error));
    // By place, whatever order the schema's words have.
    let mut found: Vec<(String, String)> = errors.flat_map(|error| words(&error)).collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, words)| words).collect()
}

impl Written {
    /// The part at the pointer `at`.
    fn read(&mut self, with: &Template, at: &str) -> Value {
        match with {
            Template::Const(value) => serde_json::to_value(value).unwrap_or_default(),
            Template::Expr(_) => {
                self.holes.push((at.to_owned(), Hole::Anything));
                Value::Null
            }
            Template::Text(_) => {
                self.holes.push((at.to_owned(), Hole::Text));
                Value::String(String::new())
            }
            Template::List(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| self.read(item, &format!("{at}/{index}"))).collect()
            }
            Template::Map(members) => {
                let mut map = Map::new();
                for (name, part) in members {
                    let token = name.replace('~', "~0").replace('/', "~1");
                    map.insert(name.to_string(), self.read(part, &format!("{at}/{token}")));
                }
                Value::Object(map)
            }
        }
    }

    /// Is it wrong whatever the expressions give?
    fn is_certain(&self, error: &ValidationError<'_>) -> bool {
        let at = error.instance_path().as_str();
        let of_itself = |(hole, kind): &(String, Hole)| {
            hole == at && !(*kind == Hole::Text && matches!(error.kind(), Kind::Type { .. }))
        };
        if self.holes.iter().any(of_itself) {
            return false;
        }
        let is_inside =
            |hole: &str| hole.strip_prefix(at).is_some_and(|rest| rest.starts_with('/'));
        let has_hole = self.holes.iter().any(|(hole, _)| is_inside(hole));
        // Which branch counts may hang on any of them.
        let path = error.evaluation_path().as_str();
        let is_branch = path.split('/').any(|part| matches!(part, "then" | "else"));
        (!has_hole || hangs_on_names(error.kind())) && (!is_branch || self.holes.is_empty())
    }
}

/// Does it hang on nothing but the names and the number of members?
fn hangs_on_names(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Type { .. }
            | Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::AdditionalItems { .. }
            | Kind::PropertyNames { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxProperties { .. }
            | Kind::MinItems { .. }
            | Kind::MaxItems { .. }
            | Kind::FalseSchema
    )
}

/// Where something is wrong, and what.
fn words(error: &ValidationError<'_>) -> Vec<(String, String)> {
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let parts = error.instance_path().as_str().split('/').skip(1);
    let at = parts.map(unescaped).collect::<Vec<_>>().join(".");
    let inside = |name: &str| match at.as_str() {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    };
    let what = if at.is_empty() { "it".to_owned() } else { format!("`{at}`") };
    if let Kind::Required { property } = error.kind() {
        let place = inside(property.as_str().unwrap_or_default());
        let words = format!("`{place}` is missing");
        return vec![(place, words)];
    }
    if let Kind::AdditionalProperties { unexpected } = error.kind() {
        let nobody = |place: String| (place.clone(), format!("nobody takes `{place}`"));
        return unexpected.iter().map(|name| nobody(inside(name))).collect();
    }
    let Kind::Type { kind } = error.kind() else {
        let words = format!("{what}: {error}, by `{}`", error.kind().keyword());
        return vec![(at, words)];
    };
    let due = match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(all) => {
            all.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
        }
    };
    let words = format!("{what} is of type {}, where {due} is due", type_of(error.instance()));
    vec![(at, words)]
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
