//! What fits a published schema, what is told of what does not, and what is compared with nothing.

use super::*;

fn misfit(schema: &str, output: &str) -> Option<String> {
    let output = Value::from_json(output.as_bytes()).unwrap();
    Shape::new(&Arc::from(schema)).misfit(&output)
}

/// A list of items with a price, and whatever else.
const ITEMS: &str = r##"{
    "type": "object",
    "properties": {
        "items": { "type": "array", "items": { "$ref": "#/$defs/item" } },
        "by": { "additionalProperties": { "type": "integer" } },
        "word": { "enum": ["a", "b"] }
    },
    "required": ["items"],
    "$defs": { "item": {
        "properties": { "price": { "type": ["number", "null"], "maximum": 10 } },
        "required": ["price"],
        "additionalProperties": false
    } }
}"##;

#[test]
fn p5_a_place_and_what_is_due_there_are_told_and_never_what_is_there() {
    for (output, told) in [
        (r#"{"items":[]}"#, None),
        (r#"{"items":[{"price":1.5}],"more":"than that"}"#, None),
        (r#"{"items":[{"price":null}]}"#, None),
        (r#""secret""#, Some("it is of type string, where object is due")),
        ("{}", Some("`items` is missing")),
        (r#"{"items":[{}]}"#, Some("`items.0.price` is missing")),
        (
            r#"{"items":[{"price":"secret"}]}"#,
            Some("`items.0.price` is of type string, where null or number is due"),
        ),
        (r#"{"items":[{"price":11}]}"#, Some("`items.0.price` does not fit `maximum: 10`")),
        (
            r#"{"items":[{"price":1,"secret":2}]}"#,
            Some("`items.0` has members that the schema does not name"),
        ),
        // Whose name it is may be data.
        (
            r#"{"items":[],"by":{"secret":"x"}}"#,
            Some("`by.*` is of type string, where integer is due"),
        ),
        (r#"{"items":[],"word":"secret"}"#, Some("`word` does not fit `enum: [\"a\",\"b\"]`")),
    ] {
        assert_eq!(misfit(ITEMS, output).as_deref(), told, "{output}");
    }
    let many = misfit(ITEMS, r#"{"items":[{},{},{},{},{}]}"#).unwrap();
    assert_eq!(many.matches("is missing").count(), 3, "{many}");
    assert!(many.ends_with(", and more"), "{many}");
}

#[test]
fn numbers_are_those_of_json_schema() {
    let integer = r#"{"type":"integer","minimum":0}"#;
    assert_eq!(misfit(integer, "1.0"), None);
    assert_eq!(misfit(integer, "18446744073709551615"), None);
    assert!(misfit(integer, "1.5").is_some() && misfit(integer, "true").is_some());
}

#[test]
fn what_is_no_schema_or_lies_elsewhere_is_compared_with_nothing() {
    let long = format!(r#"{{"const":"{}"}}"#, "x".repeat(SCHEMA_BYTES_MAX));
    for schema in [
        "",
        "{",
        "true",
        "{}",
        r#"{"title":"AnyValue","$schema":"https://json-schema.org/draft/2020-12/schema"}"#,
        r#"{"type":7}"#,
        r#"{"$ref":"https://example.invalid/schema.json"}"#,
        r#"{"$ref":"file:///none/such.json"}"#,
        r##"{"$ref":"#/$defs/none"}"##,
        r#"{"pattern":"("}"#,
        &long,
    ] {
        assert_eq!(misfit(schema, r#"{"n":"x"}"#), None, "{:.60}", schema);
    }
}

/// Row P5: whoever publishes a schema must not bring an engine down by it.
#[test]
fn p5_schemas_without_an_end_end() {
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    for schema in [
        r##"{"$ref":"#"}"##.to_owned(),
        r##"{"allOf":[{"$ref":"#"}],"not":{"$ref":"#"}}"##.to_owned(),
        r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}},
            "$ref":"#/$defs/a"}"##
            .to_owned(),
        r##"{"$dynamicAnchor":"x","allOf":[{"$dynamicRef":"#x"}]}"##.to_owned(),
        r##"{"anyOf":[{"items":{"$ref":"#"}},{"items":{"$ref":"#"}}]}"##.to_owned(),
        r##"{"allOf":[{"items":{"$ref":"#"}},{"items":{"$ref":"#"}}]}"##.to_owned(),
        r#"{"pattern":"^(([a-z])+.)+[A-Z]([a-z])+$"}"#.to_owned(),
        chain(),
    ] {
        drop(misfit(&schema, &deep));
        drop(misfit(&schema, &format!("\"{}\"", "a".repeat(60_000))));
    }
}

/// As many references, one behind the other, as a schema has room for.
fn chain() -> String {
    let count = SCHEMA_BYTES_MAX / 32;
    let parts = (0..count).map(|at| format!(r##""{at}":{{"$ref":"#/$defs/{}"}}"##, at + 1));
    let parts = parts.collect::<Vec<_>>().join(",");
    format!(r##"{{"$ref":"#/$defs/0","$defs":{{{parts},"{count}":{{"type":"null"}}}}}}"##)
}

#[test]
fn one_text_is_compiled_once_and_those_that_nobody_has_make_room() {
    let shapes = Shapes::default();
    let text = Arc::from(ITEMS);
    let shape = shapes.of(&text);
    assert!(Arc::ptr_eq(&shape, &shapes.of(&Arc::from(ITEMS))));
    for number in 0..2 * KEPT_MAX {
        shapes.of(&Arc::from(format!(r#"{{"const":{number}}}"#)));
    }
    assert!(Arc::ptr_eq(&shape, &shapes.of(&text)), "somebody has it");
    assert!(shapes.0.lock().unwrap().len() <= KEPT_MAX);
}
