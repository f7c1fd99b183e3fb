//! Definitions beside the plugins that run.

use gearshift_client::protocol::view::PluginInstanceView;
use gearshift_machine::definition::Format;
use serde_json::{Value, json};

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
    let problems =
        Live { items: live.to_vec(), silent: Vec::new() }.problems(&source, &loaded.definition);
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
    let implements = [PluginView {
        interfaces: vec!["checker".to_owned()],
        ..plugin("validator", "1.1.0", json!({}))
    }];
    assert_eq!(said(&implements, "{ call: checker.validate }"), [""; 0]);
    assert_eq!(
        said(&implements, "{ call: checker@^2.validate }"),
        ["3:GS0226 plugin `validator`, which implements `checker`, runs as 1.1.0, but `^2` is \
          needed"]
    );
}

#[test]
fn each_document_of_a_file_has_places_of_its_own() {
    let document = |name: &str, call: &str| {
        format!(
            "workflow: {name}\nstates:\n  a: {{ entry: [{call}], done: b }}\n  b: {{ final: true }}\n"
        )
    };
    let call = "{ call: other.validate, with: { n: 1 } }";
    let texts = [document("v", call), document("w", call), document("x", "{ raise: e }")];
    let text = texts.join("---\n");
    let source =
        Source { path: "w.yaml".into(), origin: "w.yaml".to_owned(), text, format: Format::Yaml };
    let live = Live { items: Vec::new(), silent: Vec::new() };
    let loaded = source.load().unwrap();
    let lines = |one: &gearshift_machine::definition::Loaded| {
        let told = live.problems(&source, &one.definition);
        told.iter().map(|it| it.line).collect::<Vec<_>>()
    };
    assert_eq!(loaded.iter().map(lines).collect::<Vec<_>>(), [vec![3], vec![8], vec![]]);
}

#[test]
fn instances_that_contradict_each_other_are_told_where_they_are_called() {
    let mut one = plugin("validator", "1.1.0", json!({}));
    one.operations[0].differing = vec!["b".to_owned(), "c".to_owned()];
    let told = [one, plugin("other", "1.0.0", json!({}))];
    assert_eq!(
        said(&told, "{ call: validator.validate }, { call: other.validate }"),
        ["3:GS0232 instances `b`, `c` of plugin `validator` 1.1.0 publish another schema of \
          `validate` than the rest of that version"]
    );
    assert!(said(&told, "{ call: validator@^2.validate }")[0].contains("GS0226"));
}

#[test]
fn one_that_takes_no_calls_yet_is_told_so() {
    let waits =
        PluginInstanceView { state: PluginState::Initializing, ..PluginInstanceView::default() };
    let waits = PluginView {
        operations: Vec::new(),
        instances: vec![waits],
        ..plugin("p", "1.0.0", json!({}))
    };
    assert_eq!(
        said(&[waits], "{ call: p.validate }"),
        ["3:GS0226 plugin `p` takes no calls: it is initializing"]
    );
}

#[test]
fn p10_a_plugin_of_another_protocol_serves_nothing() {
    let foreign =
        PluginView { foreign_protocol: Some("99".to_owned()), ..plugin("p", "1.0.0", json!({})) };
    let one = [foreign.clone()];
    assert_eq!(
        said(&one, "{ call: p.validate }"),
        ["3:GS0226 plugin `p` speaks protocol version `99`, but `1` is needed"]
    );
    let both = [foreign, plugin("p", "1.1.0", json!({}))];
    assert_eq!(said(&both, "{ call: p.validate }"), [""; 0]);
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

#[test]
fn every_word_of_a_schema_counts_where_no_expression_decides() {
    let schema = json!({
        "type": "object",
        "properties": {
            "kind": { "enum": ["a", "b"] },
            "size": { "type": "integer", "minimum": 5 },
            "tags": { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
            "name": { "type": "string", "pattern": "^[a-z]+$" },
            "where": { "oneOf": [
                { "type": "object", "required": ["street"] },
                { "type": "object", "required": ["point"] },
            ] },
        },
        "if": { "properties": { "kind": { "const": "a" } } },
        "then": { "required": ["size"] },
        "minProperties": 1,
    });
    let running = [plugin("p", "1.0.0", schema)];
    let with = |with: &str| said(&running, &format!("{{ call: p.validate, with: {with} }}"));
    let one = |with_it: &str, part: &str| {
        let said = with(with_it);
        assert!(said.len() == 1 && said[0].contains(part), "{with_it}: {said:?}");
    };
    one("{ kind: c }", "`kind`: \"c\" is not one of \"a\" or \"b\", by `enum`");
    one("{ kind: b, size: 3 }", "`size`: 3 is less than the minimum of 5, by `minimum`");
    one("{ kind: b, tags: [x, 3] }", "`tags.1` is of type integer, where string is due");
    one("{ kind: b, tags: [x, x] }", "by `uniqueItems`");
    one("{ kind: b, name: X9 }", "by `pattern`");
    one("{ kind: b, where: { land: x } }", "by `oneOf`");
    one("{ kind: a }", "`size` is missing");
    let empty = with("{}");
    assert!(empty.len() == 2 && empty[0].ends_with("by `minProperties`"), "{empty:?}");
    one("{ kind: b, size: 'x${data.y}' }", "`size` is of type string, where integer is due");
    for unknown in [
        "{ kind: '${data.k}', size: '${data.s}' }",
        "{ kind: '${data.k}' }",
        "{ kind: b, tags: [x, '${data.t}', '${data.t}'] }",
        "{ kind: b, name: 'x${data.n}' }",
        "{ kind: b, where: '${data.w}' }",
        "{ kind: b, where: { point: '${data.w}' } }",
    ] {
        assert_eq!(with(unknown), [""; 0], "{unknown}");
    }
    // A schema that is none is not the definition's fault.
    let running = [plugin("p", "1.0.0", json!({ "type": "nonsense" }))];
    assert_eq!(said(&running, "{ call: p.validate, with: { x: 1 } }"), [""; 0]);
}

#[test]
fn what_is_wrong_is_told_at_the_call_that_is() {
    let schema = json!({
        "type": "object",
        "required": ["title"],
        "properties": { "title": { "type": "string" } },
    });
    let running = [plugin("p", "1.0.0", schema)];
    let two = |first: &str, second: &str| {
        said(
            &running,
            &format!("{{ call: p.validate{first} }},\n    {{ call: p.validate{second} }}"),
        )
    };
    let wrong = "GS0227 input of `p.validate`: `title` is of type integer, where string is due";
    let (fine, bad) = (", with: { title: fine }", ", with: { title: 7 }");
    assert_eq!(two(fine, bad), [format!("4:{wrong}")]);
    assert_eq!(two(bad, fine), [format!("3:{wrong}")]);
    assert_eq!(two(bad, bad), [format!("3:{wrong}"), format!("4:{wrong}")]);
    let without = "GS0227 input of `p.validate`: without `with` it is the data of the event in \
                   hand, which must have `title`";
    assert_eq!(two(fine, ""), [format!("4:{without}")]);
    assert_eq!(two(fine, ", with: '${data}'"), [""; 0]);
}
