//! Plugins as people read them.

use gearshift_client::protocol::PluginState;
use gearshift_client::protocol::view::{
    OperationView, PluginInstanceView, PluginView, RequirementView,
};
use serde_json::Value;

use super::output::{Look, Table};
use super::words::span;

/// What stands under BREAKER where no engine tells.
const UNKNOWN: &str = "-";

/// `plugin ls` where no engine runs, so that nobody knows of breakers.
pub(super) const WITHOUT_ENGINE: Table<'static, PluginView> = Table {
    headings: PLUGINS.headings,
    cells: |one| {
        let mut cells = (PLUGINS.cells)(one);
        if let Some(breaker) = cells.last_mut() {
            UNKNOWN.clone_into(breaker);
        }
        cells
    },
};

/// `plugin ls`.
pub(super) const PLUGINS: Table<'static, PluginView> = Table {
    headings: &[
        "PLUGIN",
        "VERSION",
        "INSTANCES",
        "STATE",
        "LOAD",
        "CALLS",
        "ERRORS",
        "P99",
        "BREAKER",
    ],
    cells: |one| {
        let (calls, errors) = calls(one);
        vec![
            one.name.clone(),
            one.version.clone(),
            one.instances.len().to_string(),
            state(one),
            load(&one.instances),
            calls.to_string(),
            share(errors, calls),
            p99(one),
            breaker(one),
        ]
    },
};

/// Calls and failures: as the instances count them, else as the engine has seen them. Not every
/// library counts the failures that it answers.
fn calls(one: &PluginView) -> (u64, u64) {
    let own = |of: fn(&PluginInstanceView) -> u64| one.instances.iter().map(of).sum::<u64>();
    let seen = |of: fn(&OperationView) -> u64| one.operations.iter().map(of).sum::<u64>();
    let (calls, errors) = (own(|it| it.calls), own(|it| it.errors));
    match calls {
        0 => (seen(|it| it.calls), seen(|it| it.errors)),
        calls => (calls, errors.max(seen(|it| it.errors)).min(calls)),
    }
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

fn p99(one: &PluginView) -> String {
    let seen = one.operations.iter().map(|it| it.p99_us).max().unwrap_or_default();
    if seen > 0 {
        return micros(seen);
    }
    match one.instances.iter().map(|it| it.average_us).max().unwrap_or_default() {
        0 => "-".to_owned(),
        average => format!("~{}", micros(average)),
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
    lines.extend(one.paused.iter().map(|held| format!("  {held}")));
    if !one.interfaces.is_empty() {
        lines.push(format!("  implements {}", one.interfaces.join(", ")));
    }
    lines.extend(one.requires.iter().map(required));
    if !one.cycle.is_empty() {
        lines.push(format!("  needs itself: {}", one.cycle.join(" → ")));
    }
    lines.push("instances".to_owned());
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
        about.push(format!("{} calls seen, {errors} failed, 99% within {took}", it.calls));
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

    #[test]
    fn a_row_tells_what_is_known_and_a_dash_for_the_rest() {
        let instance = |state, load: Option<(u32, u32)>| PluginInstanceView {
            state,
            in_flight: load.map(|(in_flight, _)| in_flight),
            capacity: load.map(|(_, capacity)| capacity),
            ..PluginInstanceView::default()
        };
        let bare = PluginView {
            name: "validator".to_owned(),
            version: "1.2.0".to_owned(),
            instances: vec![instance(PluginState::Unknown, None)],
            ..PluginView::default()
        };
        let row = (PLUGINS.cells)(&bare).join(" ");
        assert_eq!(row, "validator 1.2.0 1 - - 0 - - closed");
        let states = [PluginState::Active, PluginState::Active, PluginState::Degraded];
        let told = PluginView {
            instances: states.map(|state| instance(state, Some((3, 16)))).to_vec(),
            operations: vec![OperationView {
                calls: 1_000,
                errors: 4,
                p99_us: 1_024,
                ..OperationView::default()
            }],
            ..bare
        };
        let row = (PLUGINS.cells)(&told).join(" ");
        assert_eq!(row, "validator 1.2.0 3 2 active, 1 degraded 9/48 1000 0.4% 1ms closed");
    }
}
