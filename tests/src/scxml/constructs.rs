//! The `conf:` constructs of the suite and the plain SCXML, with expressions of ours, that each
//! stands for. One table for all documents, whatever their name.

use super::conditions::{condition, field, quoted, system, variable};

/// What a `conf:` attribute becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// A plain attribute.
    Attribute(&'static str, String),
    /// A child element, as text.
    Child(String),
}

/// Where nothing can be assigned: `foo` is declared and holds nothing.
const NOWHERE: &str = "foo.bar.baz";
/// What parses and fails: syntax errors are refused when a definition is loaded.
pub(super) const FAILS: &str = "1 / 0";

/// What the attribute `conf:name="value"` of an `element` stands for.
///
/// # Errors
/// A construct that is not known.
pub(super) fn attribute(element: &str, name: &str, value: &str) -> Result<Became, String> {
    if let Some(condition) = condition(name, value) {
        return Ok(Became::Attribute("cond", condition));
    }
    if let Some(expression) = expression(name, value) {
        let key = if element == "foreach" { "array" } else { "expr" };
        return Ok(Became::Attribute(key, expression));
    }
    let var = || format!("Var{}", value.trim());
    let (key, text) = match name {
        "datamodel" => ("datamodel", "cel".to_owned()),
        "targetpass" => ("target", "pass".to_owned()),
        "targetfail" => ("target", "fail".to_owned()),
        "id" => ("id", var()),
        "name" => ("name", var()),
        "location" => ("location", var()),
        "idlocation" => ("idlocation", var()),
        "item" => ("item", var()),
        "index" => ("index", var()),
        "namelist" | "multipleNamelist" => {
            let numbers = value.split(|c: char| !c.is_ascii_digit()).filter(|it| !it.is_empty());
            let names: Vec<String> = numbers.map(|number| format!("Var{number}")).collect();
            ("namelist", names.join(" "))
        }
        "invalidLocation" | "systemVarLocation" => ("location", NOWHERE.to_owned()),
        "illegalItem" => ("item", NOWHERE.to_owned()),
        "arrayVar" | "arrayTextVar" => ("array", variable(value)),
        "eventExpr" => ("eventexpr", variable(value)),
        "targetVar" | "targetExpr" => ("targetexpr", variable(value)),
        "typeExpr" => ("typeexpr", variable(value)),
        "delayFromVar" => ("delayexpr", variable(value)),
        "sendIDExpr" => ("sendidexpr", variable(value)),
        "srcExpr" => ("srcexpr", variable(value)),
        "delay" => ("delay", format!("{}s", value.trim())),
        "illegalTarget" => ("targetexpr", "'baz'".to_owned()),
        "unreachableTarget" => ("targetexpr", "'#_nobody'".to_owned()),
        "invalidSendType" => ("typeexpr", "'27'".to_owned()),
        "invalidNamelist" => {
            return Ok(Became::Child(format!("<param name=\"foo\" expr=\"{FAILS}\"/>")));
        }
        "scxmlExpr" => return Ok(Became::Child("<scxml><final/></scxml>".to_owned())),
        other => return Err(unknown(other)),
    };
    Ok(Became::Attribute(key, text))
}

/// The expression that `conf:name="value"` stands for; none where it is no expression.
fn expression(name: &str, value: &str) -> Option<String> {
    Some(match name {
        "expr" => value.to_owned(),
        "quoteExpr" => match value.strip_prefix("file:") {
            // The address of a document is the name of its workflow.
            Some(file) => quoted(file.split('.').next().unwrap_or(file)),
            None => quoted(value),
        },
        "varExpr" | "varChildExpr" => variable(value),
        "systemVarExpr" => system(value),
        "varNonexistentStruct" => format!("{}.bar", variable(value)),
        "illegalExpr" => FAILS.to_owned(),
        "illegalArray" => "7".to_owned(),
        "arrayExpr123" => "[1,2,3]".to_owned(),
        // Well-formed, and nobody's.
        "invalidSessionID" => "'nobody/nothing'".to_owned(),
        "invalidSendTypeExpr" => "'27'".to_owned(),
        "eventName" => "event.name".to_owned(),
        "eventType" => "event.type".to_owned(),
        "eventSendid" => field("sendid"),
        "eventField" => field(value),
        "eventDataFieldValue" | "eventDataParamValue" => format!("event.data.{value}"),
        "eventDataNamelistValue" => format!("event.data.Var{value}"),
        "scxmlEventIOLocation" => "instance".to_owned(),
        _ => return None,
    })
}

/// What the element `conf:name` stands for, as text; `get` reads its attributes.
///
/// # Errors
/// A construct that is not known.
pub(super) fn element(name: &str, get: impl Fn(&str) -> String) -> Result<String, String> {
    let assign = |to: &str, expression: String| {
        format!("<assign location=\"Var{to}\" expr=\"{expression}\"/>")
    };
    Ok(match name {
        "pass" => "<final id=\"pass\"/>".to_owned(),
        "fail" => "<final id=\"fail\"/>".to_owned(),
        "incrementID" => assign(&get("id"), format!("{} + 1", variable(&get("id")))),
        "concatVars" | "sumVars" => {
            let sum = format!("{} + {}", variable(&get("id1")), variable(&get("id2")));
            assign(&get("id1"), sum)
        }
        "extendArray" => assign(&get("id"), format!("{} + [4]", variable(&get("id")))),
        "array123" => "[1,2,3]".to_owned(),
        "someInlineVal" => "123".to_owned(),
        "contentFoo" => "<content>foo</content>".to_owned(),
        "sendToSender" => {
            format!("<send event=\"{}\" targetexpr=\"event.origin\"/>", get("name"))
        }
        "script" => "<script/>".to_owned(),
        "illegalContent" => format!("<content expr=\"{FAILS}\"/>"),
        other => return Err(unknown(other)),
    })
}

/// Why a construct means nothing here.
fn unknown(name: &str) -> String {
    let why = match name {
        "scriptGoodSrc" | "scriptBadSrc" => "it is a script",
        "eventRaw"
        | "basicHTTPAccessURI"
        | "basicHTTPAccessURITarget"
        | "testOnServer"
        | "setUpHTTPTest"
        | "methodIsPost"
        | "eventIdParamHasValue"
        | "eventNamedParamHasValue"
        | "messageBodyEquals"
        | "getNamedParamVal"
        | "getIDParamVal"
        | "getNthParamName"
        | "getNthParamVal"
        | "scxmlEventExpr"
        | "msgContent"
        | "msgIsBody" => "it is of the processor for HTTP, which is not offered",
        _ => return format!("unknown construct `conf:{name}`"),
    };
    format!("construct `conf:{name}` has no equivalent: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_construct_nobody_knows_is_an_error() {
        assert!(attribute("transition", "surprise", "1").is_err());
        assert!(element("surprise", |_| String::new()).is_err());
    }

    #[test]
    fn comparisons_keep_their_operator() {
        let became = |name, value| attribute("transition", name, value);
        let cond = |text: &str| Ok(Became::Attribute("cond", text.to_owned()));
        assert_eq!(became("idVal", "1=2"), cond("vars.Var1 == 2"));
        assert_eq!(became("compareIDVal", "1<=2"), cond("vars.Var1 <= vars.Var2"));
        assert_eq!(became("idQuoteVal", "2=a b"), cond("vars.Var2 == 'a b'"));
        assert_eq!(became("varPrefix", "2 1"), cond("vars.Var1.startsWith(vars.Var2)"));
    }
}
