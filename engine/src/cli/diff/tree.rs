//! Every change of the text, by its path.

use gearshift_machine::definition::model::Definition;
use serde::Serialize;
use serde_json::Value;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Change {
    /// Where: `states.review.after.24h.to`.
    pub(super) path: String,
    /// What stood there; absent where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Value>,
    /// What stands there; absent where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Value>,
}

/// All changes from one definition to another.
pub(super) fn changes(from: &Definition, to: &Definition) -> Vec<Change> {
    let tree = |definition: &Definition| -> Value {
        serde_json::from_str(&definition.canonical).unwrap_or_default()
    };
    let mut changes = Vec::new();
    compare("", &tree(from), &tree(to), &mut changes);
    changes
}

fn compare(path: &str, from: &Value, to: &Value, changes: &mut Vec<Change>) {
    let change = |path: String, from: Option<&Value>, to: Option<&Value>| Change {
        path,
        from: from.cloned(),
        to: to.cloned(),
    };
    match (from, to) {
        (Value::Object(left), Value::Object(right)) => {
            let inside = |key: &str| match path {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            };
            for (key, value) in left {
                match right.get(key) {
                    Some(other) => compare(&inside(key), value, other, changes),
                    None => changes.push(change(inside(key), Some(value), None)),
                }
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                changes.push(change(inside(key), None, Some(value)));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for at in 0..left.len().max(right.len()) {
                let path = format!("{path}[{at}]");
                match (left.get(at), right.get(at)) {
                    (Some(one), Some(other)) => compare(&path, one, other, changes),
                    (one, other) => changes.push(change(path, one, other)),
                }
            }
        }
        (left, right) if left != right => {
            changes.push(change(path.to_owned(), Some(left), Some(right)));
        }
        (_, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_told_by_path_with_both_sides() {
        let from = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1 });
        let to = json!({ "a": { "b": 2, "c": [1] }, "e": 1 });
        let mut changes = Vec::new();
        compare("", &from, &to, &mut changes);
        let paths: Vec<_> = changes.iter().map(|change| &*change.path).collect();
        assert_eq!(paths, ["a.b", "a.c[1]", "d", "e"]);
        let sides: Vec<_> =
            changes.iter().map(|change| (change.from.is_some(), change.to.is_some())).collect();
        assert_eq!(sides, [(true, true), (true, false), (true, false), (false, true)]);
    }
}
