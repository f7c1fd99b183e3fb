//! The JSON Schema of the format, made of the tables that find unknown keys.

use serde_json::{Map, Value, json};

use super::check::{Field, Shape, TABLES};

/// The schema, for editors: completion, hover, squiggles. The checker knows more than it.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for (name, fields) in TABLES.iter().filter(|(name, _)| *name != "root") {
        definitions.insert((*name).to_owned(), table(fields));
    }
    definitions.insert(
        "transitions".to_owned(),
        json!({
            "description": "a target, a transition, or a list of them",
            "anyOf": [
                { "type": "string" },
                reference("transition"),
                {
                    "type": "array",
                    "items": { "anyOf": [{ "type": "string" }, reference("transition")] },
                },
            ],
        }),
    );
    definitions.insert(
        "actions".to_owned(),
        json!({
            "description": "the name of an action, an action, or a list of them",
            "anyOf": [
                { "type": ["string", "null"] },
                reference("action"),
                {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            { "type": "string" },
                            reference("action"),
                            {
                                "type": "array",
                                "items": {
                                    "anyOf": [{ "type": "string" }, reference("action")],
                                },
                            },
                        ],
                    },
                },
            ],
        }),
    );
    let root = TABLES.iter().find(|(name, _)| *name == "root");
    let mut schema = root.map_or(Value::Null, |(_, fields)| table(fields));
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        object.insert("title".into(), "Gearshift workflow definition".into());
        object.insert("required".into(), json!(["workflow"]));
        let one = json!([{ "required": ["states"] }, { "required": ["steps"] }]);
        object.insert("oneOf".into(), one);
        object.insert("$defs".into(), Value::Object(definitions));
    }
    schema
}

fn table(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut shape = shape(&field.shape);
        if let Some(object) = shape.as_object_mut() {
            object.insert("description".to_owned(), field.doc.into());
        }
        properties.insert(field.name.to_owned(), shape);
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        // Plain YAML scalars such as `true`, `1` and `null` are expressions too.
        Shape::Expression => json!({ "type": ["string", "number", "boolean", "null"] }),
        Shape::Duration => {
            json!({ "type": "string", "examples": ["500ms", "30s", "1h 30m", "2d", "PT5M"] })
        }
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Count => json!({ "type": "integer", "minimum": 1 }),
        Shape::Data => json!({}),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Table(name) | Shape::Named(name) => reference(name),
        Shape::List(items) => json!({ "type": "array", "items": self::shape(items) }),
        Shape::Map(values) => {
            json!({ "type": "object", "additionalProperties": self::shape(values) })
        }
        Shape::OneOf(shapes) => {
            let shapes: Vec<Value> = shapes.iter().map(self::shape).collect();
            json!({ "anyOf": shapes })
        }
        Shape::Null => json!({ "type": "null" }),
    }
}
