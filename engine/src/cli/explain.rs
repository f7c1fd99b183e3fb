//! `schema`, `explain`: the format and the codes, from the binary itself.

use clap::Args;
use gearshift_machine::definition::codes::{self, Explanation};
use gearshift_machine::definition::schema as schema_of_format;

use super::args::Global;
use super::failure::{Failure, NOT_FOUND, Outcome};
use super::output::{Format, Table};
use super::words::nearest;

const SCHEMA_EXAMPLES: &str = "\
Example:
  gearshift schema > workflow.v1.schema.json
  # first line of a definition, for completion in editors:
  # yaml-language-server: $schema=./workflow.v1.schema.json";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  gearshift explain GS0104
  gearshift explain unknown_state                 by name
  gearshift explain                               every code";

/// `gearshift schema`.
#[derive(Debug, Args)]
#[command(after_help = SCHEMA_EXAMPLES)]
pub(super) struct SchemaArgs {}

/// `gearshift explain`.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(super) struct ExplainArgs {
    /// A code or its name; absent: all of them
    code: Option<String>,
}

/// Prints the JSON Schema of the format: JSON in every form.
pub(super) fn schema(global: &Global) -> Outcome {
    let text = serde_json::to_string_pretty(&schema_of_format())
        .map_err(|error| Failure::new(super::failure::BUG, format!("not JSON: {error}")))?;
    global.out().raw(&text)?;
    Ok(0)
}

const CODES: Table<'static, Explanation> = Table {
    headings: &["CODE", "NAME", "TITLE"],
    cells: |one| vec![one.code.to_string(), one.name.to_owned(), one.title.to_owned()],
};

/// How wide text is at most, and where the shell tells nothing else.
const COLUMNS_MAX: usize = 100;
/// Below this, wrapped text is no easier to read.
const COLUMNS_MIN: usize = 40;

/// How wide text should be.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    told.unwrap_or(COLUMNS_MAX).clamp(COLUMNS_MIN, COLUMNS_MAX)
}

/// Breaks long lines between words; indented lines are code and stay as they are.
fn wrapped(text: &str, columns: usize) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        if line.starts_with(' ') {
            shown.push_str(line);
        } else {
            let mut width = 0;
            for word in line.split(' ') {
                let letters = word.chars().count();
                if width > 0 && width + 1 + letters > columns {
                    shown.push('\n');
                    width = 0;
                } else if width > 0 {
                    shown.push(' ');
                    width += 1;
                }
                shown.push_str(word);
                width += letters;
            }
        }
        shown.push('\n');
    }
    shown.trim_end().to_owned()
}

/// Explains a code, or lists all of them.
pub(super) fn explain(global: &Global, args: &ExplainArgs) -> Outcome {
    let output = global.out();
    let Some(code) = &args.code else {
        output.items(codes::all(), &CODES)?;
        return Ok(0);
    };
    let Some(found) = codes::explain(code) else {
        let failure = Failure::new(NOT_FOUND, format!("no code is called `{code}`"));
        let names = codes::all().iter().map(|one| one.name);
        let near = nearest(code, names).map(|name| format!("did you mean `{name}`?"));
        let near = near.unwrap_or_else(|| "`gearshift explain` lists all of them".to_owned());
        return Err(failure.with_help(near));
    };
    match output.format {
        Format::Text => {
            output.line(format!(
                "{} {}: {}\n\n{}",
                found.code,
                found.name,
                found.title,
                wrapped(found.text, columns())
            ))?;
        }
        Format::Json | Format::Jsonl | Format::None => output.json(&found)?,
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_fit_the_terminal() {
        let text = "one two three four\n\n  code stays as it is\nfive";
        assert_eq!(wrapped(text, 9), "one two\nthree\nfour\n\n  code stays as it is\nfive");
        for one in codes::all() {
            let wide = wrapped(one.text, COLUMNS_MAX);
            let long = wide.lines().find(|line| line.chars().count() > COLUMNS_MAX);
            assert!(long.is_none_or(|line| line.starts_with(' ')), "{}: {long:?}", one.code);
        }
    }
}
