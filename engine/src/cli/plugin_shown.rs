//! Plugins as people read them.

use gearshift_client::protocol::PluginState;
use gearshift_client::protocol::metadata::METADATA_PROTOCOL;
use gearshift_client::protocol::view::{
    OperationView, PluginInstanceView, PluginView, RequirementView,
};
use serde_json::Value;

use super::output::{Look, Table};
use super::words::{count, span};

/// What is not known.
const UNKNOWN: &str = "-";

/// `plugin ls`: what the engine that answered has seen, else what plugins say themselves.
pub(super) fn table(items: &[PluginView], by_engine: bool) -> Table<'static, PluginView> {
    let implement = items.iter().any(|one| !one.interfaces.is_empty());
    Table {
        headings: if implement { &WITH_INTERFACES } else { &HEADINGS },
        cells: match (by_engine, implement) {
            (true, false) => |one| cells(one, by_the_engine(one)),
            (false, false) => |one| cells(one, by_themselves(one)),
            (true, true) => |one| with_interfaces(one, cells(one, by_the_engine(one))),
            (false, true) => |one| with_interfaces(one, cells(one, by_themselves(one))),
        },
    }
}

const HEADINGS: [&str; 9] =
    ["PLUGIN", "VERSION", "INSTANCES", "STATE", "LOAD", "CALLS", "ERRORS", "P99", "BREAKER"];

const WITH_INTERFACES: [&str; 10] = [
    "PLUGIN",
    "VERSION",
    "INSTANCES",
    "STATE",
    "LOAD",
    "CALLS",
    "ERRORS",
    "P99",
    "BREAKER",
    "IMPLEMENTS",
];

/// Calls, errors, how long, breaker.
fn cells(one: &PluginView, seen: [String; 4]) -> Vec<String> {
    let told = [
        one.name.clone(),
        one.version.clone(),
        one.instances.len().to_string(),
        state(one),
        load(&one.instances),
    ];
    told.into_iter().chain(seen).collect()
}

fn with_interfaces(one: &PluginView, mut cells: Vec<String>) -> Vec<String> {
    cells.push(match one.interfaces.as_slice() {
        [] => UNKNOWN.to_owned(),
        interfaces => interfaces.join(", "),
    });
    cells
}

/// As the engine has seen them: what operators compare.
fn by_the_engine(one: &PluginView) -> [String; 4] {
    let sum = |of: fn(&OperationView) -> u64| one.operations.iter().map(of).sum::<u64>();
    let (calls, errors) = (sum(|it| it.calls), sum(|it| it.errors));
    let took = one.operations.iter().map(|it| it.p99_us).max().filter(|took| *took > 0);
    let took = took.map_or_else(|| UNKNOWN.to_owned(), micros);
    [calls.to_string(), share(errors, calls), took, breaker(one)]
}

/// As the instances count them, where no engine tells; not every library counts the failures that
/// it answers.
fn by_themselves(one: &PluginView) -> [String; 4] {
    let sum = |of: fn(&PluginInstanceView) -> u64| one.instances.iter().map(of).sum::<u64>();
    let (calls, errors) = (sum(|it| it.calls), sum(|it| it.errors));
    let took = one.instances.iter().map(|it| it.average_us).max().filter(|took| *took > 0);
    let took = took.map_or_else(|| UNKNOWN.to_owned(), |took| format!("~{}", micros(took)));
    [calls.to_string(), share(errors, calls), took, UNKNOWN.to_owned()]
}

/// Who provides an interface, line by line.
pub(super) fn providers(interface: &str, items: &[PluginView]) -> Vec<String> {
    let line = |one: &PluginView| {
        let names: Vec<_> = one.operations.iter().map(|it| it.name.as_str()).collect();
        let instances = count(one.instances.len(), "instance");
        format!("  {} {}  {instances}  {}", one.name, one.version, names.join(", "))
    };
    let head = format!("interface {interface} is provided by");
    std::iter::once(head).chain(items.iter().map(line)).collect()
}

/// `0.4%`.
fn share(errors: u64, calls: u64) -> String {
    if calls == 0 {
        return "-".to_owned();
    }
    let tenths = errors.saturating_mul(1_000) / calls;
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The state that all instances have, or how many have which.
fn state(one: &PluginView) -> String {
    if let Some(spoken) = &one.foreign_protocol {
        return format!("foreign protocol {spoken}");
    }
    if one.paused.is_some() {
        return "paused".to_owned();
    }
    let mut counted: Vec<(PluginState, usize)> = Vec::new();
    for instance in &one.instances {
        match counted.iter_mut().find(|(state, _)| *state == instance.state) {
            Some((_, count)) => *count += 1,
            None => counted.push((instance.state, 1)),
        }
    }
    match counted.as_slice() {
        [(PluginState::Unknown, _)] => "-".to_owned(),
        [(state, _)] => state.to_string(),
        several => {
            let told = several.iter().map(|(state, count)| format!("{count} {state}"));
            told.collect::<Vec<_>>().join(", ")
        }
    }
}

/// `3/32`: calls in flight of what all instances together can do.
fn load(instances: &[PluginInstanceView]) -> String {
    let told = |of: fn(&PluginInstanceView) -> Option<u32>| {
        let known: Option<Vec<u32>> = instances.iter().map(of).collect();
        known.map(|all| all.into_iter().map(u64::from).sum::<u64>())
    };
    match (told(|it| it.in_flight), told(|it| it.capacity)) {
        (Some(in_flight), Some(capacity)) => format!("{in_flight}/{capacity}"),
        (None | Some(_), _) => "-".to_owned(),
    }
}

/// `850us`, `12ms`, `3s`.
fn micros(micros: u64) -> String {
    if micros < 1_000 { format!("{micros}us") } else { span(micros / 1_000) }
}

/// The breaker that is farthest from closed.
fn breaker(one: &PluginView) -> String {
    let tripped = one.operations.iter().filter_map(|it| it.breaker.as_ref());
    let worst = tripped.max_by_key(|it| (it.state == "open", it.left_ms));
    match worst {
        None => "closed".to_owned(),
        Some(it) if it.state == "open" => format!("open {}", span(it.left_ms)),
        Some(_) => "half open".to_owned(),
    }
}

/// `plugin show`, line by line.
pub(super) fn shown(one: &PluginView, look: Look) -> Vec<String> {
    let (bold, dim) = (look.green(), look.dim());
    let mut lines = vec![format!("{bold}{}{bold:#} {}", one.name, one.version)];
    lines.extend(one.foreign_protocol.iter().map(|spoken| {
        let (_, known) = METADATA_PROTOCOL;
        format!("  foreign protocol {spoken}: it is not asked, as `{known}` is needed")
    }));
    lines.extend(one.paused.iter().map(|held| format!("  {held}")));
    if !one.interfaces.is_empty() {
        lines.push(format!("  implements {}", one.interfaces.join(", ")));
    }
    lines.extend(one.requires.iter().map(required));
    if !one.cycle.is_empty() {
        lines.push(format!("  needs itself: {}", one.cycle.join(" → ")));
    }
    lines.push("instances, by their own count".to_owned());
    for it in &one.instances {
        let load = load(std::slice::from_ref(it));
        let calls = match it.calls {
            0 => String::new(),
            calls => {
                let (errors, took) = (share(it.errors, calls), micros(it.average_us));
                format!("  {calls} calls, {errors} failed, {took} on average")
            }
        };
        lines.push(format!("  {}  {}  load {load}{calls}", it.id, it.state));
    }
    lines.push("operations".to_owned());
    for it in &one.operations {
        lines.push(format!("  {bold}{}{bold:#}  {dim}{}{dim:#}", it.name, it.subject));
        lines.extend(operation(it));
    }
    lines
}

fn required(one: &RequirementView) -> String {
    let optional = if one.optional { ", can do without" } else { "" };
    let found = if one.found { "runs" } else { "does not run" };
    format!("  needs {} {}{optional}: it {found}", one.plugin, one.version)
}

fn operation(it: &OperationView) -> Vec<String> {
    let mut about = Vec::new();
    if !it.idempotent {
        about.push("not idempotent: asked once".to_owned());
    }
    about.extend(it.timeout.iter().map(|time| format!("takes up to {time}")));
    about.extend(it.heartbeat.iter().map(|time| format!("long work, a sign of life every {time}")));
    if it.calls > 0 {
        let (errors, took) = (share(it.errors, it.calls), micros(it.p99_us));
        let seen = format!("{} calls seen by this engine", it.calls);
        about.push(format!("{seen}, {errors} failed, 99% within {took}"));
    }
    if it.conflicts > 0 {
        about.push(format!("{} answered twice, and differently", it.conflicts));
    }
    if it.in_flight + it.waiting > 0 {
        about.push(format!("{} under way, {} held", it.in_flight, it.waiting));
    }
    let mut lines = Vec::new();
    if !about.is_empty() {
        lines.push(format!("    {}", about.join("; ")));
    }
    if let Some(breaker) = &it.breaker {
        let state = breaker.state.replace('_', " ");
        let (failures, error) = (breaker.failures, &breaker.error);
        lines.push(format!(
            "    breaker {state} since {}, a call is tried in {}: {failures} failures in a row, \
             the last: {error}",
            breaker.since,
            span(breaker.left_ms)
        ));
    }
    for (what, schema) in [("input ", &it.input), ("output", &it.output)] {
        lines.extend(schema.iter().map(|schema| format!("    {what} {}", short(schema))));
    }
    lines
}

/// A schema in one line: `{ title: string, pages?: integer }`; what is no plain object as it is.
fn short(schema: &Value) -> String {
    let kind = |schema: &Value| match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|")
        }
        _ => match schema.get("$ref").and_then(Value::as_str) {
            Some(named) => named.rsplit('/').next().unwrap_or(named).to_owned(),
            None => "any".to_owned(),
        },
    };
    let Some(members) = schema.get("properties").and_then(Value::as_object) else {
        return match schema.get("type") {
            Some(_) => kind(schema),
            None => schema.to_string(),
        };
    };
    let required = schema.get("required").and_then(Value::as_array);
    let member = |(name, schema): (&String, &Value)| {
        let is_due = required.is_some_and(|list| list.iter().any(|one| one == name));
        format!("{name}{}: {}", if is_due { "" } else { "?" }, kind(schema))
    };
    format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(short(&json!(true)), "true");
    }

    fn row(one: &PluginView, by_engine: bool) -> String {
        (table(std::slice::from_ref(one), by_engine).cells)(one).join(" ")
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
    fn a_row_tells_what_is_known_and_a_dash_for_the_rest() {
        assert_eq!(row(&bare(), true), "validator 1.2.0 1 - - 0 - - closed");
        let states = [PluginState::Active, PluginState::Active, PluginState::Degraded];
        let told = PluginView {
            instances: states.map(|state| instance(state, Some((3, 16)))).to_vec(),
            ..bare()
        };
        assert_eq!(row(&told, true), "validator 1.2.0 3 2 active, 1 degraded 9/48 0 - - closed");
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
        assert_eq!(row(&told, true), "validator 1.2.0 1 - - 11 27.2% 1ms closed");
        assert_eq!(row(&told, false), "validator 1.2.0 1 - - 41 0.0% ~3ms -");
        let shown = shown(&told, Look { color: false }).join("\n");
        let own = "by their own count\n    unknown  load -  41 calls, 0.0% failed";
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
    fn interfaces_have_a_column_where_there_are_some() {
        let told = PluginView { interfaces: vec!["checker".to_owned()], ..bare() };
        let table = table(&[bare(), told.clone()], true);
        assert_eq!(table.headings.last(), Some(&"IMPLEMENTS"));
        assert!((table.cells)(&told).join(" ").ends_with("closed checker"));
        assert!((table.cells)(&bare()).join(" ").ends_with("closed -"));
        let lines = providers("checker", &[told]);
        assert_eq!(lines[1], "  validator 1.2.0  1 instance  ");
    }

    #[test]
    fn p10_another_protocol_is_shown_as_such() {
        let told = PluginView { foreign_protocol: Some("99".to_owned()), ..bare() };
        assert!(row(&told, true).starts_with("validator 1.2.0 1 foreign protocol 99 -"));
        let shown = shown(&told, Look { color: false }).join("\n");
        assert!(shown.contains("foreign protocol 99: it is not asked, as `1` is needed"));
    }
}
