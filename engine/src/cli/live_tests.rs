//! Definitions beside the plugins that run.

use gearshift_machine::definition::Format;
use serde_json::json;

use super::*;

fn plugin(name: &str, version: &str, input: Value) -> PluginView {
    let operation =
        OperationView { name: "validate".to_owned(), input: Some(input), ..Default::default() };
    PluginView {
        name: name.to_owned(),
        version: version.to_owned(),
        operations: vec![operation],
        ..PluginView::default()
    }
}

fn said(live: &[PluginView], call: &str) -> Vec<String> {
    let text = format!(
        "workflow: w\nstates:\n  a: {{ entry: [{call}], done: b }}\n  b: {{ final: true }}\n"
    );
    let source =
        Source { path: "w.yaml".into(), origin: "w.yaml".to_owned(), text, format: Format::Yaml };
    let loaded = source.load().unwrap().remove(0);
    let problems = Live(live.to_vec()).problems(&source, &loaded.definition);
    problems.iter().map(|one| format!("{}:{} {}", one.line, one.code, one.message)).collect()
}

#[test]
fn a_call_that_nobody_answers_is_told_with_what_runs() {
    let running = [plugin("validator", "1.1.0", json!({}))];
    assert_eq!(said(&running, "{ call: validator.validate }"), [""; 0]);
    assert_eq!(
        said(&running, "{ call: other.validate }"),
        ["3:GS0226 no plugin `other` is running"]
    );
    assert_eq!(
        said(&running, "{ call: validator@^1.2.validate }"),
        ["3:GS0226 plugin `validator` runs as 1.1.0, but `^1.2` is needed"]
    );
    assert_eq!(
        said(&running, "{ call: validator.check }"),
        ["3:GS0226 plugin `validator` 1.1.0 has no operation `check`"]
    );
    let implements = PluginView {
        interfaces: vec!["checker".to_owned()],
        ..plugin("validator", "1.1.0", json!({}))
    };
    assert_eq!(said(&[implements], "{ call: checker.validate }"), [""; 0]);
}

#[test]
fn written_input_is_compared_with_the_schema_and_expressions_are_not() {
    let schema = json!({
        "type": "object",
        "required": ["title", "size"],
        "properties": {
            "title": { "type": "string" },
            "size": { "$ref": "#/$defs/Size" },
            "share": { "type": ["number", "null"] },
        },
        "$defs": { "Size": {
            "type": "object",
            "properties": { "pages": { "type": "integer" } },
            "additionalProperties": false,
        } },
    });
    let running = [plugin("p", "1.0.0", schema)];
    let with = |with: &str| said(&running, &format!("{{ call: p.validate, with: {with} }}"));
    assert_eq!(with("{ title: x, size: { pages: 3 }, share: 2 }"), [""; 0]);
    assert_eq!(with("{ title: '${data.x}', size: '${data.y}' }"), [""; 0]);
    assert_eq!(with("'${data}'"), [""; 0]);
    assert_eq!(
        with("{ title: 3, size: { pages: many, color: red } }"),
        [
            "3:GS0227 input of `p.validate`: nobody takes `size.color`",
            "3:GS0227 input of `p.validate`: `size.pages` is of type string, where integer is due",
            "3:GS0227 input of `p.validate`: `title` is of type integer, where string is due",
        ]
    );
    assert_eq!(with("{ title: x }"), ["3:GS0227 input of `p.validate`: `size` is missing"]);
    assert_eq!(
        with("text"),
        ["3:GS0227 input of `p.validate`: it is of type string, where object is due"]
    );
}
