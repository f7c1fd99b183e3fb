//! JSON input: `--data '{…}'`, `--data @file`, `--data -`, `-d key=value` (05 §4).

use std::io::Read;
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value};

use super::failure::Failure;

/// The largest input taken, in bytes: what the engine would refuse is not read (01 §10: 8 MiB).
const INPUT_MAX: u64 = 8 * 1_024 * 1_024;

/// Where the data of an event or start comes from.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct DataArgs {
    /// One member of the data; JSON if the value parses as it, else text. May be repeated
    #[arg(short = 'd', value_name = "KEY=VALUE", value_parser = member)]
    members: Vec<(String, Value)>,
    /// The data as JSON: itself, `@FILE`, or `-` for stdin
    #[arg(long = "data", value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    whole: Option<String>,
}

pub(super) fn member(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value_of(value)))
}

/// JSON if the text parses as it, else the text.
pub(super) fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

impl DataArgs {
    /// Was anything given?
    pub(super) fn is_given(&self) -> bool {
        self.whole.is_some() || !self.members.is_empty()
    }

    /// Does it come from stdin?
    pub(super) fn is_stdin(&self) -> bool {
        self.whole.as_deref() == Some("-")
    }

    /// The value: any JSON that is given whole; with single members, or nothing, an object.
    pub(super) fn value(&self) -> Result<Value, Failure> {
        match &self.whole {
            Some(text) if self.members.is_empty() => parse(&read(text)?),
            Some(_) | None => self.object(),
        }
    }

    /// The object: the whole first, then single members over it.
    pub(super) fn object(&self) -> Result<Value, Failure> {
        let mut object = match &self.whole {
            None => Map::new(),
            Some(text) => parse_object(&read(text)?)?,
        };
        object.extend(self.members.iter().cloned());
        Ok(Value::Object(object))
    }
}

fn read(text: &str) -> Result<String, Failure> {
    let mut content = String::new();
    if text == "-" {
        let mut input = std::io::stdin().lock().take(INPUT_MAX + 1);
        let read = input.read_to_string(&mut content);
        read.map_err(|error| Failure::file("cannot read", Path::new("-"), &error))?;
    } else if let Some(path) = text.strip_prefix('@') {
        let path = Path::new(path);
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(INPUT_MAX + 1).read_to_string(&mut content));
        read.map_err(|error| Failure::file("cannot read", path, &error))?;
    } else {
        text.clone_into(&mut content);
    }
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > INPUT_MAX {
        return Err(Failure::usage(format!("data exceeds the limit of {INPUT_MAX} bytes")));
    }
    Ok(content)
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("data is not JSON: {error}"))
            .with_help("`--data @FILE` reads a file, `--data -` reads stdin")
    })
}

fn parse_object(text: &str) -> Result<Map<String, Value>, Failure> {
    match parse(text)? {
        Value::Object(object) => Ok(object),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => {
            Err(Failure::usage(format!("data is `{other}`, but an object is needed"))
                .with_help("write `--data '{\"key\": \"value\"}'` or `-d key=value`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(members: &[&str], whole: Option<&str>) -> DataArgs {
        let members = members.iter().map(|text| member(text).unwrap()).collect();
        DataArgs { members, whole: whole.map(str::to_owned) }
    }

    #[test]
    fn members_are_json_if_they_parse_else_text() {
        let data = given(&["total=12", "ok=true", "title=Q3 report", "x=a=b", "list=[1]"], None);
        let expected = serde_json::json!({
            "total": 12, "ok": true, "title": "Q3 report", "x": "a=b", "list": [1],
        });
        assert_eq!(data.object().unwrap(), expected);
    }

    #[test]
    fn members_lie_over_the_whole() {
        let data = given(&["a=2"], Some(r#"{"a": 1, "b": 1}"#));
        assert_eq!(data.object().unwrap(), serde_json::json!({"a": 2, "b": 1}));
    }

    #[test]
    fn a_value_is_any_json_and_an_object_with_members() {
        let value = |members: &[&str], whole| given(members, whole).value();
        assert_eq!(value(&[], Some("[1]")).unwrap(), serde_json::json!([1]));
        assert_eq!(value(&[], Some("\"x\"")).unwrap(), "x");
        assert_eq!(value(&[], Some("null")).unwrap(), Value::Null);
        assert_eq!(value(&["a=1"], Some("{}")).unwrap(), serde_json::json!({"a": 1}));
        assert_eq!(value(&[], None).unwrap(), serde_json::json!({}));
        assert_eq!(value(&["a=1"], Some("[1]")).unwrap_err().exit, 2);
        assert_eq!(value(&[], Some("nonsense")).unwrap_err().exit, 2);
    }

    #[test]
    fn what_is_not_an_object_is_a_usage_error() {
        for text in ["[1]", "nonsense", "", "\"x\""] {
            assert_eq!(given(&[], Some(text)).object().unwrap_err().exit, 2, "{text}");
        }
        assert_eq!(given(&[], Some("@/nonexistent/x")).object().unwrap_err().exit, 3);
        assert!(member("novalue").is_err() && member("=x").is_err());
    }
}
