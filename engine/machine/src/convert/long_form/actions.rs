//! Actions of the long form: `message`, `plugin_call`, `timer`.

use super::super::yaml::Yaml;
use super::reader::{Members, Reader};
use crate::definition::codes;
use crate::definition::expr::Template;
use crate::definition::expr::{NameSet, Names};
use crate::definition::{Kind, Node, Plain, plain};
use crate::value::Value;

/// Members of an action.
const ACTION: [&str; 7] = ["name", "id", "type", "parameters", "description", "timeout", "retries"];

/// One action under the name it is called by.
pub(super) fn action(reader: &Reader<'_>, name: &str, node: &Node) -> Option<Yaml> {
    let members = reader.members(node, format!("action `{name}`"), &ACTION)?;
    let (kind, span) = members.needed(&["type"])?;
    let empty = Node { span, kind: Kind::Map(Vec::new()) };
    let parameters = members.get(&["parameters"]).unwrap_or(&empty);
    match kind.as_str() {
        "message" => message(reader, name, parameters),
        "plugin_call" => plugin_call(reader, name, &members, parameters),
        "timer" => timer(reader, name, parameters),
        other => {
            let message = format!(
                "type `{other}` of action `{name}` has no equivalent; there are `message`, \
                 `plugin_call` and `timer`"
            );
            reader.refuse(span, message);
            None
        }
    }
}

/// `publish`: without further parameters the data of the event in hand goes along, as there.
fn message(reader: &Reader<'_>, name: &str, parameters: &Node) -> Option<Yaml> {
    let (topic, rest) = taken(reader, name, parameters, &["topic", "subject"])?;
    let whole = ["data", "payload", "message"];
    let with = match rest.as_slice() {
        [] => None,
        [(key, node)] if whole.contains(&key.as_str()) => Some(data(reader, node)),
        several => Some(mapping(reader, several)),
    };
    Some(Yaml::map([("publish", Some(Yaml::text(topic))), ("with", with)]))
}

fn plugin_call(
    reader: &Reader<'_>,
    name: &str,
    members: &Members<'_, '_>,
    parameters: &Node,
) -> Option<Yaml> {
    let plugin = ["plugin", "pluginId", "plugin_id", "plugin_name", "service"];
    let (plugin, rest) = taken(reader, name, parameters, &plugin)?;
    let (call, mut rest) = match plugin.split_once('.') {
        // One word may name both.
        Some(_) => (plugin, rest),
        None => {
            let node = Node {
                span: parameters.span,
                kind: Kind::Map(
                    parameters
                        .entries()
                        .unwrap_or_default()
                        .iter()
                        .filter(|(key, _)| rest.iter().any(|(known, _)| **known == *key.text))
                        .cloned()
                        .collect(),
                ),
            };
            let (operation, _) = taken(reader, name, &node, &OPERATION)?;
            let others = |(key, _): &(String, &Node)| !OPERATION.contains(&key.as_str());
            (format!("{plugin}.{operation}"), rest.into_iter().filter(others).collect())
        }
    };
    let timeout = match rest.iter().position(|(key, _)| key == "timeout") {
        Some(at) => Some(rest.remove(at).1),
        None => members.get(&["timeout"]),
    };
    let timeout = timeout.and_then(|node| reader.delay(node, "ms")).map(Yaml::Text);
    let retries = members.get(&["retries"]).and_then(Node::scalar);
    let retry =
        retries.map(|scalar| Yaml::map([("max", Some(Yaml::Literal(scalar.text.to_string())))]));
    let whole = ["parameters", "arguments", "args", "data", "input"];
    let with = match rest.as_slice() {
        [] => None,
        [(key, node)] if whole.contains(&key.as_str()) => Some(data(reader, node)),
        several => Some(mapping(reader, several)),
    };
    Some(Yaml::map([
        ("call", Some(Yaml::text(call))),
        ("with", with),
        ("timeout", timeout),
        ("retry", retry),
    ]))
}

/// What says which operation is called.
const OPERATION: [&str; 4] = ["operation", "method", "function", "command"];

/// `timer`: it becomes `timer.expired` with its id, as there.
fn timer(reader: &Reader<'_>, name: &str, parameters: &Node) -> Option<Yaml> {
    let known =
        ["id", "timerId", "duration", "delay", "after", "timeout", "duration_ms", "event", "name"];
    let members = reader.members(parameters, format!("`parameters` of timer `{name}`"), &known)?;
    let after = match members.get(&["duration_ms"]) {
        Some(node) => reader.delay(node, "ms"),
        None => match members.get(&["duration", "delay", "after", "timeout"]) {
            Some(node) => reader.delay(node, "s"),
            None => {
                let message = format!("timer `{name}` has no `duration`");
                reader.add(codes::MISSING_FIELD, members.span(), message);
                None
            }
        },
    };
    let id = members.text(&["timerId", "id", "name"]).map_or_else(|| name.to_owned(), |it| it.0);
    let event = members.text(&["event"]).map(|(event, _)| Yaml::text(event));
    let timer = Yaml::map([
        ("id", Some(Yaml::text(id))),
        ("after", Some(Yaml::Text(after?))),
        ("event", event),
    ]);
    Some(Yaml::map([("timer", Some(timer))]))
}

/// The text of the first member that has one of the names, and all other members.
fn taken<'n>(
    reader: &Reader<'_>,
    action: &str,
    parameters: &'n Node,
    names: &[&str],
) -> Option<(String, Vec<(String, &'n Node)>)> {
    let Some(entries) = parameters.entries() else {
        let message = format!("`parameters` of action `{action}` is not a mapping");
        reader.add(codes::TYPE, parameters.span, message);
        return None;
    };
    let found = entries.iter().find(|(key, _)| names.contains(&&*key.text));
    let Some(text) = found.and_then(|(_, node)| node.scalar()) else {
        let name = names.first().copied().unwrap_or_default();
        let message = format!("`parameters` of action `{action}` has no text `{name}`");
        reader.add(codes::MISSING_FIELD, parameters.span, message);
        return None;
    };
    let rest = entries.iter().filter(|(key, _)| !names.contains(&&*key.text));
    let rest = rest.map(|(key, node)| (key.text.to_string(), node)).collect();
    Some((text.text.to_string(), rest))
}

fn mapping(reader: &Reader<'_>, entries: &[(String, &Node)]) -> Yaml {
    Yaml::Map(entries.iter().map(|(key, node)| (key.clone(), data(reader, node))).collect())
}

/// Data: `${ … }` in it is an expression where it reads as one, else text.
pub(super) fn data(reader: &Reader<'_>, node: &Node) -> Yaml {
    match &node.kind {
        Kind::Scalar(scalar) => match plain(scalar) {
            Plain::Null => Yaml::Literal("null".to_owned()),
            Plain::Bool(value) => Yaml::Literal(value.to_string()),
            Plain::Number(_, json) => Yaml::Literal(json),
            Plain::OutOfRange => {
                reader.refuse(node.span, format!("the number `{}` is out of range", scalar.text));
                Yaml::Literal("null".to_owned())
            }
            Plain::Text if reads(&scalar.text) => Yaml::text(&*scalar.text),
            Plain::Text => {
                if scalar.text.contains("${") {
                    let message = format!("`{}` stays text: it holds no expression", scalar.text);
                    reader.warn(node.span, message);
                }
                Yaml::data(&Value::from(&*scalar.text))
            }
        },
        Kind::List(items) => Yaml::List(items.iter().map(|item| data(reader, item)).collect()),
        Kind::Map(entries) => {
            let entries = entries.iter();
            Yaml::Map(
                entries.map(|(key, node)| (key.text.to_string(), data(reader, node))).collect(),
            )
        }
    }
}

/// Does every `${ … }` in the text hold an expression?
fn reads(text: &str) -> bool {
    let names = Names { vars: &[], states: &[], steps: &[], locals: &[], allowed: NameSet::ACTION };
    Template::compile_text(text, &names).is_ok()
}
