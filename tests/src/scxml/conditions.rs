//! `conf:` attributes that become conditions.

/// What the events of the only processor say where they come from.
const PROCESSOR: &str = "http://www.w3.org/TR/scxml/#SCXMLEventProcessor";

/// The condition that `conf:name="value"` stands for; none where it is no condition.
pub(super) fn condition(name: &str, value: &str) -> Option<String> {
    Some(match name {
        "true" => "true".to_owned(),
        "false" => "false".to_owned(),
        // It parses, and it is no bool.
        "nonBoolean" => "dyn('x')".to_owned(),
        "inState" => format!("active('{value}')"),
        "idVal" | "namelistIdVal" => compared(value, |right| right.to_owned())?,
        "idQuoteVal" => compared(value, quoted)?,
        "varIdVal" | "compareIDVal" => compared(value, variable)?,
        "idSystemVarVal" => compared(value, system)?,
        "idSomeVal" => format!("{} == 123", variable(value)),
        "VarEqVar" | "VarEqVarStruct" => {
            let (left, right) = pair(value)?;
            format!("{} == {}", variable(left), variable(right))
        }
        "varPrefix" => {
            let (prefix, whole) = pair(value)?;
            format!("{}.startsWith({})", variable(whole), variable(prefix))
        }
        "isBound" => format!("{} != null", variable(value)),
        "unboundVar" | "noValue" => format!("{} == null", variable(value)),
        "systemVarIsBound" if value == "_event" => "has(event.name)".to_owned(),
        "systemVarIsBound" => "true".to_owned(),
        "nameVarVal" => format!("workflow == {}", quoted(value)),
        "eventNameVal" => format!("event.name == {}", quoted(value)),
        "eventvarVal" => {
            let (left, operator, right) = split(value)?;
            format!("event.data.Var{left} {operator} {right}")
        }
        "eventdataVal" => format!("event.data == {value}"),
        "eventdataSomeVal" => "event.data == 123".to_owned(),
        "emptyEventData" => "!has(event.data)".to_owned(),
        "eventDataHasField" => {
            format!("has(event.data.{})", value.trim_matches(['\'', '"', ' ']))
        }
        "eventIsExternal" => "event.type == 'external'".to_owned(),
        // Rule 39: absent fields are absent.
        "eventFieldsAreBound" => "has(event.name) && has(event.type)".to_owned(),
        "eventFieldHasNoValue" if value == "origintype" => "!has(event.origin)".to_owned(),
        "eventFieldHasNoValue" => format!("!has(event.{value})"),
        "originTypeEq" => format!("has(event.origin) && {} == '{PROCESSOR}'", quoted(value)),
        _ => return None,
    })
}

/// `1=2`: a variable, an operator, and what it is compared with.
fn compared(value: &str, right: impl Fn(&str) -> String) -> Option<String> {
    let (left, operator, other) = split(value)?;
    Some(format!("{} {operator} {}", variable(left), right(other)))
}

fn split(value: &str) -> Option<(&str, &str, &str)> {
    let start = value.find(['=', '<', '>', '!'])?;
    let (left, rest) = value.split_at(start);
    let length = rest.find(|c| !"=<>!".contains(c)).unwrap_or(rest.len());
    let (operator, right) = rest.split_at(length);
    let operator = match operator {
        "=" | "==" | "===" => "==",
        "<" | ">" | "<=" | ">=" | "!=" => operator,
        _ => return None,
    };
    Some((left.trim(), operator, right.trim()))
}

/// `1 2` or `1=2`: two variables.
fn pair(value: &str) -> Option<(&str, &str)> {
    let mut parts = value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    Some((parts.next()?, parts.next()?))
}

/// A field of the event; one that is absent is bound to nothing.
pub(super) fn field(name: &str) -> String {
    match name {
        "origintype" => format!("has(event.origin) ? '{PROCESSOR}' : null"),
        _ => format!("has(event.{name}) ? event.{name} : null"),
    }
}

/// Variable number `number`.
pub(super) fn variable(number: &str) -> String {
    format!("vars.Var{}", number.trim())
}

/// A literal text.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// What a system variable of SCXML is here.
pub(super) fn system(name: &str) -> String {
    match name.trim() {
        "_sessionid" => "instance".to_owned(),
        "_name" => "workflow".to_owned(),
        "_event" => "event".to_owned(),
        "_ioprocessors" => format!(
            "{{'scxml': {{'location': instance}}, '{PROCESSOR}': {{'location': instance}}}}"
        ),
        other => other.to_owned(),
    }
}
