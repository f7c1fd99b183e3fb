//! Tests of what people read of plugins.

use gearshift_client::protocol::view::BreakerView;
use serde_json::json;

use super::*;

#[test]
fn schemas_are_told_in_one_line() {
    let schema = json!({
        "type": "object",
        "required": ["title"],
        "properties": { "title": { "type": "string" }, "pages": { "type": ["integer", "null"] } },
    });
    assert_eq!(short(&schema), "{ pages?: integer|null, title: string }");
    assert_eq!(short(&json!({ "type": "integer" })), "integer");
    let words = json!({ "properties": { "as": { "enum": ["a", 1] }, "of": { "const": "b" } } });
    assert_eq!(short(&words), r#"{ as?: "a"|1, of?: "b" }"#);
    assert_eq!(short(&json!(true)), "true");
}

fn row(one: &PluginView, by_engine: bool) -> String {
    (table(by_engine).cells)(one).join(" ")
}

fn instance(state: PluginState, load: Option<(u32, u32)>) -> PluginInstanceView {
    PluginInstanceView {
        state,
        in_flight: load.map(|(in_flight, _)| in_flight),
        capacity: load.map(|(_, capacity)| capacity),
        calls: 41,
        average_us: 3_000,
        ..PluginInstanceView::default()
    }
}

fn bare() -> PluginView {
    PluginView {
        name: "validator".to_owned(),
        version: "1.2.0".to_owned(),
        instances: vec![instance(PluginState::Unknown, None)],
        ..PluginView::default()
    }
}

#[test]
fn a_row_tells_what_is_known_and_what_nobody_told() {
    assert_eq!(row(&bare(), true), "validator 1.2.0 1 unknown unknown 0 - - closed");
    let states = [PluginState::Active, PluginState::Active, PluginState::Degraded];
    let told = PluginView {
        instances: states.map(|state| instance(state, Some((3, 16)))).to_vec(),
        ..bare()
    };
    assert_eq!(row(&told, true), "validator 1.2.0 2 active, 1 degraded 9/48 0 - - closed");
}

#[test]
fn the_numbers_of_a_row_are_of_one_source() {
    let told = PluginView {
        operations: vec![OperationView {
            calls: 11,
            errors: 3,
            p99_us: 1_024,
            ..OperationView::default()
        }],
        ..bare()
    };
    assert_eq!(row(&told, true), "validator 1.2.0 1 unknown unknown 11 27.2% 1ms closed");
    assert_eq!(row(&told, false), "validator 1.2.0 1 unknown unknown 41 0.0% ~3ms unknown");
    let shown = shown(&told, Look { color: false }).join("\n");
    let own = "by their own count\n    unknown  load unknown  41 calls, 0.0% failed";
    assert!(shown.contains(own) && shown.contains("11 calls seen by this engine"), "{shown}");
}

#[test]
fn p3_answers_that_contradict_each_other_are_shown() {
    let told = |conflicts| PluginView {
        operations: vec![OperationView { conflicts, ..OperationView::default() }],
        ..bare()
    };
    let lines = |conflicts| shown(&told(conflicts), Look { color: false }).join("\n");
    assert!(lines(2).contains("2 answered twice, and differently"), "{}", lines(2));
    assert!(!lines(0).contains("answered twice"));
}

#[test]
fn instances_that_publish_another_schema_are_named() {
    let told = |ids: &[&str]| {
        let differing = ids.iter().map(|id| (*id).to_owned()).collect();
        let name = "validate".to_owned();
        let operations = vec![OperationView { name, differing, ..OperationView::default() }];
        PluginView { operations, ..bare() }
    };
    assert!(contradictions(&[told(&[]), bare()]).is_empty());
    let said = "instance `b` of plugin `validator` 1.2.0 publishes another schema of `validate` \
                than the rest of that version";
    assert_eq!(contradictions(&[told(&["b"])]), [said]);
    let said = "instances `b`, `c` of plugin `validator` 1.2.0 publish another schema";
    assert!(contradictions(&[told(&["b", "c"])])[0].starts_with(said));
    let shown = shown(&told(&["b"]), Look { color: false }).join("\n");
    assert!(shown.contains("    warning: instance `b` of plugin"), "{shown}");
}

#[test]
fn interfaces_stand_below_the_table_in_80_columns() {
    let named = |number: usize, interfaces: &[&str]| PluginView {
        name: format!("document-checker-{number}"),
        interfaces: interfaces.iter().map(|it| (*it).to_owned()).collect(),
        ..bare()
    };
    assert!(interfaces(&[bare()]).is_empty());
    let two = [bare(), named(1, &["reader", "checker"]), named(2, &["checker"])];
    let said = "interface checker: document-checker-1 1.2.0, document-checker-2 1.2.0";
    assert_eq!(interfaces(&two), [said, "interface reader: document-checker-1 1.2.0"]);
    let many: Vec<_> = (0..20).map(|number| named(number, &["checker"])).collect();
    let lines = interfaces(&many);
    assert!(lines.len() > 5 && lines.iter().all(|line| line.len() <= WIDTH), "{lines:#?}");
    assert_eq!(lines.join(" ").matches("document-checker-").count(), 20);
    assert!(lines[0].ends_with(',') && lines[1].starts_with("    document-checker-"));
}

#[test]
fn who_provides_an_interface_is_told_with_the_state() {
    let mut one = bare();
    one.instances.push(instance(PluginState::Initializing, None));
    let lines = providers("checker", std::slice::from_ref(&one));
    assert_eq!(lines[1], "  validator 1.2.0  1 unknown, 1 initializing  -");
    one.paused = Some("plugin `validator` is paused by ann".to_owned());
    assert_eq!(providers("checker", &[one])[1], "  validator 1.2.0  2 paused  -");
}

#[test]
fn a_breaker_that_is_due_says_so_and_not_a_time() {
    let told = |state: &str, left_ms| PluginView {
        operations: vec![OperationView {
            breaker: Some(BreakerView {
                state: state.to_owned(),
                left_ms,
                ..BreakerView::default()
            }),
            ..OperationView::default()
        }],
        ..bare()
    };
    let lines = |one: &PluginView| shown(one, Look { color: false }).join("\n");
    assert!(row(&told("open", 0), true).ends_with(" open, due"));
    assert!(row(&told("open", 12_000), true).ends_with(" open 12.0s"));
    assert!(row(&told("half_open", 0), true).ends_with(" half open"));
    assert!(lines(&told("open", 0)).contains("the next call is tried:"));
    assert!(lines(&told("half_open", 7)).contains("one call is tried now:"));
}

#[test]
fn one_that_takes_no_calls_has_no_heading_without_operations() {
    let mut starting = instance(PluginState::Initializing, None);
    starting.since = Some("2026-01-02T03:04:05Z".to_owned());
    let told = PluginView { instances: vec![starting], ..bare() };
    let lines = shown(&told, Look { color: false });
    assert_eq!(lines.last().unwrap(), "in this state it tells no operations");
    assert!(lines.iter().any(|line| line.contains("initializing since 2026-01-02T03:04:05Z")));
    let none = shown(&bare(), Look { color: false });
    assert_eq!(none.last().unwrap(), "it has no operations");
}

#[test]
fn usual_rows_have_room_in_80_columns() {
    let told = PluginView {
        name: "document-parser".to_owned(),
        version: "1.12.0".to_owned(),
        instances: vec![instance(PluginState::Initializing, Some((16, 16)))],
        operations: vec![OperationView {
            calls: 81_144,
            errors: 7_000,
            p99_us: 20_000_000,
            ..OperationView::default()
        }],
        ..bare()
    };
    let text = table(true).render(std::slice::from_ref(&told));
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
}

#[test]
fn p10_another_protocol_is_shown_as_such() {
    let told = PluginView { foreign_protocol: Some("99".to_owned()), ..bare() };
    assert!(row(&told, true).starts_with("validator 1.2.0 1 protocol 99 unknown"));
    let shown = shown(&told, Look { color: false }).join("\n");
    assert!(shown.contains("foreign protocol 99: it is not asked, as `1` is needed"));
}

#[test]
fn what_is_needed_is_told_with_how_it_is() {
    let told = |state, found| {
        let (plugin, version) = ("beta".to_owned(), "^2".to_owned());
        let versions = vec!["1.0.0".to_owned()];
        required(&RequirementView { plugin, version, optional: false, found, state, versions })
    };
    for (state, found, said) in [
        (RequirementState::Runs, true, "it runs"),
        (RequirementState::Absent, false, "it does not run"),
        (RequirementState::Initializing, false, "it is initializing, and takes no calls yet"),
        (RequirementState::Deactivating, false, "it ends, and takes no calls any more"),
        (RequirementState::WrongVersion, false, "it runs as 1.0.0"),
        (RequirementState::ForeignProtocol, false, "it speaks another protocol version"),
        (RequirementState::Unknown, true, "it runs"),
        (RequirementState::Unknown, false, "it does not run"),
    ] {
        assert_eq!(told(state, found), format!("  needs beta ^2: {said}"));
    }
    let newer = serde_json::from_value::<RequirementState>(json!("asleep")).unwrap();
    assert_eq!(newer, RequirementState::Unknown);
}
