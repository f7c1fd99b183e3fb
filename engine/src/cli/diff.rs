//! `diff`: what changed between two definitions, and what that means for living instances.

use std::path::{Path, PathBuf};

use clap::Args;
use gearshift_machine::definition::Format as Written;
use gearshift_machine::definition::model::Definition;
use serde::Serialize;
use serde_json::Value;

use super::args::Global;
use super::connect;
use super::drive::name_and_version;
use super::failure::{Failure, Outcome};
use super::output::{Look, clean, tell};
use super::sources::Source;

const EXAMPLES: &str = "\
Examples:
  gearshift diff order@1 order@2                   both as deployed
  gearshift diff order order.workflow.yaml         the newest deployed, and a file
  gearshift diff old.workflow.yaml new.workflow.yaml -o json | jq .changes";

/// `gearshift diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiffArgs {
    /// The former definition: a file, or the name of a deployed workflow
    #[arg(value_name = "FILE|WORKFLOW")]
    from: String,
    /// The new one
    #[arg(value_name = "FILE|WORKFLOW")]
    to: String,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Change {
    /// Where: `states.review.after.24h.to`.
    path: String,
    /// What stood there; absent where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Value>,
    /// What stands there; absent where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Value>,
}

/// What two definitions differ in.
#[derive(Debug, Serialize)]
struct Report {
    from: String,
    to: String,
    changes: Vec<Change>,
    /// States that instances may be in and the new definition does not have.
    lost_states: Vec<String>,
    /// Variables whose values would be lost.
    lost_vars: Vec<String>,
}

/// Compares two definitions.
pub(super) async fn diff(global: &Global, args: &DiffArgs) -> Outcome {
    let from = definition(global, &args.from).await?;
    let to = definition(global, &args.to).await?;
    let mut changes = Vec::new();
    compare("", &tree(&from), &tree(&to), &mut changes);
    let report = Report {
        from: format!("{}@{}", from.name, from.version),
        to: format!("{}@{}", to.name, to.version),
        changes,
        lost_states: lost_states(&from, &to),
        lost_vars: from
            .vars
            .iter()
            .filter(|var| to.var_index(&var.name).is_none())
            .map(|var| var.name.to_string())
            .collect(),
    };
    let output = global.out();
    output.json(&report)?;
    output.line(render(&report, from.hash == to.hash, output.look))?;
    Ok(0)
}

/// States that an instance may rest in: history states are never active.
fn lost_states(from: &Definition, to: &Definition) -> Vec<String> {
    let gone = from.states.iter().skip(1).filter(|state| {
        state.kind.is_leaf() && state.hidden_for.is_none() && to.state_named(&state.id).is_none()
    });
    gone.map(|state| state.id.to_string()).collect()
}

async fn definition(global: &Global, what: &str) -> Result<Definition, Failure> {
    let path = Path::new(what);
    let source = if path.exists() || path.extension().is_some_and(|end| end != "workflow") {
        Source::read(path)?
    } else {
        let (name, version) = name_and_version(what)?;
        let detail = connect::client(global).await?.definition(&name, version).await?;
        let (path, origin) = (PathBuf::from(what), what.to_owned());
        Source { path, origin, text: detail.text, format: Written::Json }
    };
    let mut loaded = source.load().map_err(|problems| {
        tell(source.render(&problems, global.stderr_look().color).trim_end());
        Failure::invalid(format!("`{}` has errors", source.origin), &problems)
    })?;
    match (loaded.pop(), loaded.is_empty()) {
        (Some(only), true) => Ok(only.definition),
        (_, _) => Err(Failure::usage(format!("`{what}` holds several definitions"))),
    }
}

fn tree(definition: &Definition) -> Value {
    serde_json::from_str(&definition.canonical).unwrap_or_default()
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

fn render(report: &Report, same: bool, look: Look) -> String {
    let (green, red, yellow) = (look.green(), look.red(), look.yellow());
    let mut text = format!("{} → {}", report.from, report.to);
    for Change { path, from, to } in &report.changes {
        let path = clean(path);
        let shown = |value: &Value| clean(&value.to_string()).into_owned();
        text.push_str(&match (from, to) {
            (None, Some(to)) => format!("\n{green}+ {path}{green:#}: {}", shown(to)),
            (Some(from), None) => format!("\n{red}- {path}{red:#}: {}", shown(from)),
            (Some(from), Some(to)) => {
                format!("\n{yellow}~ {path}{yellow:#}: {} → {}", shown(from), shown(to))
            }
            (None, None) => String::new(),
        });
    }
    if report.changes.is_empty() {
        text.push_str(if same { "\nthe same" } else { "\nonly the order of keys differs" });
    }
    for state in &report.lost_states {
        text.push_str(&format!(
            "\n{yellow}lost{yellow:#}  state `{state}`: instances in it need `--map {state}=STATE`"
        ));
    }
    for var in &report.lost_vars {
        text.push_str(&format!(
            "\n{yellow}lost{yellow:#}  variable `{var}`: its values are dropped"
        ));
    }
    text
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
