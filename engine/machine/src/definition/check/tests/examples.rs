//! The examples load, are described by the schema, and keep their canonical text.

use crate::definition::{Format, from_canonical, load, load_all, schema};

/// The text of an example's workflow.
macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../../../examples/", $path, ".workflow.yaml"))
    };
}

const EXAMPLES: [&str; 9] = [
    example!("data-aggregation/data_aggregation"),
    example!("data-analysis/data_analysis"),
    example!("data-processing/data_processing"),
    example!("document-approval/document_approval"),
    example!("document-processing/document_processing"),
    example!("document-router/document_router"),
    example!("order/order"),
    example!("parallel-media/parallel_media"),
    example!("system-update/system_update"),
];

#[test]
fn examples_load_without_warnings() {
    for text in EXAMPLES {
        let loaded = load(text, "example.yaml", Format::Yaml).unwrap();
        assert_eq!(loaded.warnings, []);
    }
}

#[test]
fn canonical_text_gives_the_same_definition() {
    for text in EXAMPLES {
        let first = load(text, "example.yaml", Format::Yaml).unwrap().definition;
        let second = from_canonical(&first.canonical).unwrap();
        assert_eq!(first.canonical, second.canonical);
        assert_eq!(first.hash, second.hash);
        assert_eq!(format!("{:?}", first.states), format!("{:?}", second.states));
        assert_eq!(format!("{:?}", first.sequences), format!("{:?}", second.sequences));
    }
}

#[test]
fn the_hash_ignores_layout_and_minds_order() {
    let hash = |text: &str| load(text, "w.yaml", Format::Yaml).unwrap().definition.hash;
    let one = hash("workflow: w\nstates:\n  a: { final: true } # end\n  b: { final: true }\n");
    let same = hash("workflow: 'w'\nstates: {a: {final: true}, b: {final: true}}\n");
    let other = hash("workflow: w\nstates: {b: {final: true}, a: {final: true}}\n");
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn examples_fit_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for text in EXAMPLES {
        let canonical = load(text, "example.yaml", Format::Yaml).unwrap().definition.canonical;
        let value: serde_json::Value = serde_json::from_str(&canonical).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{error}")).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn workflows_of_steps_load_and_fit_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let text = include_str!("steps.workflow.yaml");
    let all = load_all(text, "steps.yaml", Format::Yaml).unwrap();
    let names: Vec<&str> = all.iter().map(|loaded| &*loaded.definition.name).collect();
    let known = ["data_processing", "parallel_media", "data_analysis", "transactional_update"];
    assert_eq!(names, known);
    for loaded in all {
        assert_eq!(loaded.warnings, []);
        let value = serde_json::from_str(&loaded.definition.canonical).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{error}")).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn the_schema_refuses_what_the_checker_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for text in [
        r#"{"workflow": "w"}"#,
        r#"{"workflow": "w", "states": {}, "titel": "x"}"#,
        r#"{"workflow": "w", "states": {"a": {"transitons": []}}}"#,
        r#"{"workflow": "w", "states": {"a": {"on": {"x": {"frm": "a"}}}}}"#,
        r#"{"workflow": "w", "states": {"a": {"entry": {"cal": "p.o"}}}}"#,
        r#"{"workflow": "w", "version": "one", "states": {"a": {"final": true}}}"#,
        r#"{"workflow": "w", "unhandled": "never", "states": {"a": {"final": true}}}"#,
        r#"{"workflow": "w", "states": {"a": {"run": {"flow": "other"}}}}"#,
        r#"{"workflow": "w", "steps": {"a": {"cal": "p.o"}}}"#,
        r#"{"workflow": "w", "steps": {"a": {"call": "p.o", "needs": {"some": ["b"]}}}}"#,
        r#"{"workflow": "w", "steps": {"a": {"call": "p.o"}}, "mode": "wild"}"#,
        r#"{"workflow": "w", "steps": {"a": {"call": "p.o"}}, "states": {"b": {}}}"#,
    ] {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(!validator.is_valid(&value), "{text}");
        assert!(load(text, "w.json", Format::Json).is_err(), "{text}");
    }
}

#[test]
fn every_key_of_the_tables_is_in_the_schema_and_every_table_is_used() {
    let schema = schema();
    let text = schema.to_string();
    for (name, fields) in crate::definition::check::TABLES {
        let place = if *name == "root" {
            "/properties".to_owned()
        } else {
            assert!(text.contains(&format!("#/$defs/{name}")), "nothing refers to {name}");
            format!("/$defs/{name}/properties")
        };
        let properties = schema.pointer(&place).and_then(|value| value.as_object()).unwrap();
        assert_eq!(properties.len(), fields.len(), "{name}");
        for field in *fields {
            assert!(properties.contains_key(field.name), "{name}.{}", field.name);
        }
    }
}
