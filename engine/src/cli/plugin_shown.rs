//! Plugins as people read them.

use std::collections::BTreeMap;

use gearshift_client::protocol::PluginState;
use gearshift_client::protocol::metadata::METADATA_PROTOCOL;
use gearshift_client::protocol::view::{
    OperationView, PluginInstanceView, PluginView, RequirementState, RequirementView,
};
use serde_json::Value;

use super::output::{Look, Table};
use super::words::{count, quoted, span};

/// What nobody told.
const UNKNOWN: &str = "unknown";
/// The columns of a usual terminal.
pub(super) const WIDTH: usize = 80;
/// What follows where instances contradict each other.
pub(super) const NOT_SURE: &str = "which one a call meets is not known, and only one of them is \
                                   shown and compared with definitions";
/// What stands for all plugins, where mocks answer for each of them.
const EVERYTHING: &str = "*";
/// What there is none of.
const NONE: &str = "-";

/// Words of an `enum` that are shown one by one.
const WORDS_MAX: usize = 6;

/// `plugin ls`: what the engine that answered has seen, else what plugins say themselves.
pub(super) fn table(by_engine: bool) -> Table<'static, PluginView> {
    Table {
        headings: &HEADINGS,
        cells: match by_engine {
            true => |one| cells(one, by_the_engine(one)),
            false => |one| cells(one, by_themselves(one)),
        },
    }
}

const HEADINGS: [&str; 8] =
    ["PLUGIN", "VERSION", "INSTANCES", "LOAD", "CALLS", "ERRORS", "P99", "BREAKER"];

/// Calls, errors, how long, breaker.
fn cells(one: &PluginView, seen: [String; 4]) -> Vec<String> {
    // Of mocks alone there are no versions.
    let version = if one.version.is_empty() { NONE.to_owned() } else { one.version.clone() };
    let load = if one.instances.is_empty() { NONE.to_owned() } else { load(&one.instances) };
    let told = [one.name.clone(), version, states(one), load];
    told.into_iter().chain(seen).collect()
}

/// What stands below the table: who provides each interface. A column of it would not fit.
pub(super) fn interfaces(items: &[PluginView]) -> Vec<String> {
    let mut providing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in items {
        for interface in &one.interfaces {
            let who = format!("{} {}", one.name, one.version);
            providing.entry(interface).or_default().push(who);
        }
    }
    let told = providing
        .iter()
        .flat_map(|(interface, who)| wrapped(&format!("interface {interface}: "), who));
    told.collect()
}

/// What of them mocks answer, below that.
pub(super) fn mocked(items: &[PluginView]) -> Vec<String> {
    let of = |one: &PluginView| {
        let mocked = one.operations.iter().filter(|it| it.mocked);
        let names = mocked.map(|it| match one.name.as_str() {
            EVERYTHING => "every operation".to_owned(),
            name => format!("{name}.{}", it.name),
        });
        names.collect::<Vec<_>>()
    };
    let mut names: Vec<_> = items.iter().flat_map(of).collect();
    names.sort();
    // Of several versions each has it.
    names.dedup();
    if names.is_empty() { names } else { wrapped("mocked for calls of this engine: ", &names) }
}

/// Which instances of a version say something else than the others, a sentence for each operation.
pub(super) fn contradictions(items: &[PluginView]) -> Vec<String> {
    let each = |one: &PluginView| {
        let told = one.operations.iter().filter_map(|it| differing(one, it));
        told.collect::<Vec<_>>()
    };
    items.iter().flat_map(each).collect()
}

/// The same of one operation.
pub(super) fn differing(one: &PluginView, it: &OperationView) -> Option<String> {
    let (name, version, ids) = (&one.name, &one.version, quoted(&it.differing));
    let (whose, publish) = match it.differing.len() {
        0 => return None,
        1 => ("instance", "publishes"),
        _ => ("instances", "publish"),
    };
    Some(format!(
        "{whose} {ids} of plugin `{name}` {version} {publish} another schema of `{}` than the rest \
         of that version",
        it.name
    ))
}

/// The words behind the head, with commas between, in lines of 80 columns where that goes.
fn wrapped(head: &str, words: &[String]) -> Vec<String> {
    let mut lines = vec![head.to_owned()];
    for (at, word) in words.iter().enumerate() {
        let word = if at + 1 < words.len() { format!("{word},") } else { word.clone() };
        let Some(line) = lines.last_mut() else { break };
        if at > 0 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("    {word}"));
            continue;
        }
        if at > 0 {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines
}

/// As the engine has seen them: what operators compare.
fn by_the_engine(one: &PluginView) -> [String; 4] {
    let sum = |of: fn(&OperationView) -> u64| one.operations.iter().map(of).sum::<u64>();
    let (calls, errors) = (sum(|it| it.calls), sum(|it| it.errors));
    let took = one.operations.iter().map(|it| it.p99_us).max().filter(|took| *took > 0);
    let took = took.map_or_else(|| NONE.to_owned(), micros);
    [calls.to_string(), share(errors, calls), took, breaker(one)]
}

/// As the instances count them, where no engine tells; not every library counts the failures that
/// it answers.
fn by_themselves(one: &PluginView) -> [String; 4] {
    let sum = |of: fn(&PluginInstanceView) -> u64| one.instances.iter().map(of).sum::<u64>();
    let (calls, errors) = (sum(|it| it.calls), sum(|it| it.errors));
    let took = one.instances.iter().map(|it| it.average_us).max().filter(|took| *took > 0);
    let took = took.map_or_else(|| NONE.to_owned(), |took| format!("~{}", micros(took)));
    [calls.to_string(), share(errors, calls), took, UNKNOWN.to_owned()]
}

/// Who provides an interface, line by line.
pub(super) fn providers(interface: &str, items: &[PluginView]) -> Vec<String> {
    let line = |one: &PluginView| {
        let names: Vec<_> = one.operations.iter().map(|it| it.name.as_str()).collect();
        let names = if names.is_empty() { NONE.to_owned() } else { names.join(", ") };
        format!("  {} {}  {}  {names}", one.name, one.version, states(one))
    };
    let head = format!("interface {interface} is provided by");
    std::iter::once(head).chain(items.iter().map(line)).collect()
}

/// `0.4%`.
fn share(errors: u64, calls: u64) -> String {
    if calls == 0 {
        return NONE.to_owned();
    }
    let tenths = errors.saturating_mul(1_000) / calls;
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// `3 active`, `2 active, 1 degraded`: how many instances are in which state.
fn states(one: &PluginView) -> String {
    let all = one.instances.len();
    if let Some(spoken) = &one.foreign_protocol {
        return format!("{all} protocol {spoken}");
    }
    if all == 0 {
        return if one.paused.is_some() { "mocked, paused" } else { "mocked" }.to_owned();
    }
    if one.paused.is_some() {
        return format!("{all} paused");
    }
    let mut counted: Vec<(PluginState, usize)> = Vec::new();
    for instance in &one.instances {
        match counted.iter_mut().find(|(state, _)| *state == instance.state) {
            Some((_, count)) => *count += 1,
            None => counted.push((instance.state, 1)),
        }
    }
    let told = counted.iter().map(|(state, count)| format!("{count} {state}"));
    told.collect::<Vec<_>>().join(", ")
}

/// `3/32`: calls in flight of what all instances together can do.
fn load(instances: &[PluginInstanceView]) -> String {
    let told = |of: fn(&PluginInstanceView) -> Option<u32>| {
        let known: Option<Vec<u32>> = instances.iter().map(of).collect();
        known.map(|all| all.into_iter().map(u64::from).sum::<u64>())
    };
    match (told(|it| it.in_flight), told(|it| it.capacity)) {
        (Some(in_flight), Some(capacity)) => format!("{in_flight}/{capacity}"),
        (None | Some(_), _) => UNKNOWN.to_owned(),
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
        // Nobody has called since its time came.
        Some(it) if it.state == "open" && it.left_ms == 0 => "open, due".to_owned(),
        Some(it) if it.state == "open" => format!("open {}", span(it.left_ms)),
        Some(_) => "half open".to_owned(),
    }
}

/// `plugin show`, line by line.
pub(super) fn shown(one: &PluginView, look: Look) -> Vec<String> {
    let (bold, dim) = (look.green(), look.dim());
    let head = format!("{bold}{}{bold:#} {}", one.name, one.version);
    let mut lines = vec![head.trim_end().to_owned()];
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
    lines.push(match one.instances.is_empty() {
        true => "no instance: mocks of this engine answer".to_owned(),
        false => "instances, by their own count".to_owned(),
    });
    for it in &one.instances {
        let load = load(std::slice::from_ref(it));
        let calls = match it.calls {
            0 => String::new(),
            calls => {
                let (errors, took) = (share(it.errors, calls), micros(it.average_us));
                let calls = many_calls(calls);
                format!("  {calls}, {errors} failed, {took} on average")
            }
        };
        let since = it.since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        lines.push(format!("  {}  {}{since}  load {load}{calls}", it.id, it.state));
    }
    if one.operations.is_empty() {
        let takes = one.instances.iter().any(|it| it.state.takes_calls());
        lines.push(match takes {
            true => "it has no operations".to_owned(),
            false => "in this state it tells no operations".to_owned(),
        });
        return lines;
    }
    lines.push("operations".to_owned());
    for it in &one.operations {
        lines.push(format!("  {bold}{}{bold:#}  {dim}{}{dim:#}", it.name, it.subject));
        lines.extend(operation(it));
        lines.extend(differing(one, it).map(|words| format!("    warning: {words}: {NOT_SURE}")));
    }
    lines
}

fn many_calls(calls: u64) -> String {
    count(usize::try_from(calls).unwrap_or(usize::MAX), "call")
}

fn required(one: &RequirementView) -> String {
    let optional = if one.optional { ", can do without" } else { "" };
    let is = match one.state {
        RequirementState::Initializing => "is initializing, and takes no calls yet".to_owned(),
        RequirementState::Deactivating => "ends, and takes no calls any more".to_owned(),
        RequirementState::WrongVersion => format!("runs as {}", one.versions.join(", ")),
        RequirementState::ForeignProtocol => "speaks another protocol version".to_owned(),
        // An older engine tells no more.
        RequirementState::Unknown if one.found => "runs".to_owned(),
        RequirementState::Runs => "runs".to_owned(),
        RequirementState::Unknown | RequirementState::Absent => "does not run".to_owned(),
    };
    format!("  needs {} {}{optional}: it {is}", one.plugin, one.version)
}

fn operation(it: &OperationView) -> Vec<String> {
    let mut about = Vec::new();
    if it.mocked {
        about.push("mocked for calls of this engine".to_owned());
    }
    if !it.idempotent {
        about.push("not idempotent: asked once".to_owned());
    }
    about.extend(it.timeout.iter().map(|time| format!("takes up to {time}")));
    about.extend(it.heartbeat.iter().map(|time| format!("long work, a sign of life every {time}")));
    if it.calls > 0 {
        let (errors, took) = (share(it.errors, it.calls), micros(it.p99_us));
        let seen = format!("{} seen by this engine", many_calls(it.calls));
        about.push(format!("{seen}, {errors} failed, 99% within about {took}"));
    }
    if it.conflicts > 0 {
        about.push(format!(
            "{} answered twice, and differently: it has to do an effect once for each call id",
            it.conflicts
        ));
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
        let error = &breaker.error;
        let failures = match breaker.failures {
            1 => "one failure".to_owned(),
            several => format!("{several} failures in a row, the last"),
        };
        let next = match (breaker.state.as_str(), breaker.left_ms) {
            ("open", 0) => "the next call is tried".to_owned(),
            ("open", left) => format!("a call is tried in {}", span(left)),
            (_, _) => "one call is tried now".to_owned(),
        };
        lines.push(format!(
            "    breaker {state} since {}, {next}: {failures}: {error}",
            breaker.since,
        ));
    }
    for (what, schema) in [("input ", &it.input), ("output", &it.output)] {
        lines.extend(schema.iter().map(|schema| format!("    {what} {}", short(schema))));
    }
    lines
}

/// The words that a schema allows, or its type.
fn kind(schema: &Value) -> String {
    let allowed = schema.get("enum").and_then(Value::as_array);
    if let Some(allowed) = allowed.filter(|words| words.len() <= WORDS_MAX) {
        return allowed.iter().map(Value::to_string).collect::<Vec<_>>().join("|");
    }
    if let Some(only) = schema.get("const") {
        return only.to_string();
    }
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|")
        }
        _ => match schema.get("$ref").and_then(Value::as_str) {
            Some(named) => named.rsplit('/').next().unwrap_or(named).to_owned(),
            None => "any".to_owned(),
        },
    }
}

/// A schema in one line: `{ title: string, pages?: integer }`; what is no plain object as it is.
fn short(schema: &Value) -> String {
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
#[path = "plugin_shown_tests.rs"]
mod tests;
