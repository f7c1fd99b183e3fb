//! `check`: everything that is wrong with definitions, with place and help.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gearshift_machine::definition::Problem;
use serde_json::json;

use super::args::Global;
use super::connect;
use super::failure::{ENDED_BADLY, Failure, Outcome};
use super::live::Live;
use super::output::Format;
use super::sources::{Known, Source, files};
use super::words::count;

const EXAMPLES: &str = "\
Examples:
  gearshift check order.workflow.yaml
  gearshift check workflows/ --deny-warnings      all definitions below a folder, as in CI
  gearshift check workflows/ --format github      annotations on a pull request
  gearshift check order.workflow.yaml --live      and whether running plugins answer its calls
  gearshift explain GS0104                        what a code means

Exit 1: there are errors. Completion in editors: `gearshift schema > workflow.v1.schema.json`.";

/// `gearshift check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// Definition files, or folders with them
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// How findings are written in text form
    #[arg(long, value_enum, default_value_t)]
    format: Style,
    /// Let warnings fail the check too
    #[arg(long)]
    deny_warnings: bool,
    /// Ask the engine which plugins run, and warn of calls that none of them answers or takes
    #[arg(long)]
    live: bool,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Style {
    /// With the line and a caret.
    #[default]
    Text,
    /// As commands for GitHub Actions.
    Github,
}

/// What all files came to.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    checked: Vec<String>,
}

/// Checks every file.
pub(super) async fn check(global: &Global, args: &CheckArgs) -> Outcome {
    let output = global.out();
    let mut all = Findings::default();
    let paths = files(&args.paths)?;
    let sources = paths.iter().map(|path| Source::read(path)).collect::<Result<Vec<_>, _>>()?;
    let looked: Vec<_> = sources.iter().map(Source::load).collect();
    let known = Known::of(looked.iter().flatten().flatten());
    let live =
        if args.live { Some(Live::ask(&connect::client(global).await?).await?) } else { None };
    for (source, looked) in sources.iter().zip(looked) {
        let problems = match looked {
            Err(problems) => problems,
            Ok(loaded) => {
                let mut warnings = Vec::new();
                for one in loaded {
                    let name = format!("{}@{}", one.definition.name, one.definition.version);
                    all.checked.push(name);
                    let told = live.iter().flat_map(|live| live.problems(source, &one.definition));
                    warnings.extend(told);
                    warnings.extend(known.missing(&one).map(|child| child.missing.clone()));
                    warnings.extend(one.warnings);
                }
                warnings.sort_by_key(|problem| (problem.span, problem.code));
                warnings
            }
        };
        if !problems.is_empty() {
            output.line(match args.format {
                Style::Text => source.render(&problems, output.look.color).trim_end().to_owned(),
                Style::Github => annotations(&problems),
            })?;
        }
        all.problems.extend(problems);
    }
    report(global, args, &all)
}

fn report(global: &Global, args: &CheckArgs, all: &Findings) -> Outcome {
    let output = global.out();
    let errors = all.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = all.problems.len() - errors;
    match output.format {
        Format::Json => output.json(&json!({
            "errors": errors,
            "warnings": warnings,
            "definitions": all.checked,
            "diagnostics": all.problems,
        }))?,
        Format::Jsonl => {
            all.problems.iter().try_for_each(|problem| output.json(problem))?;
        }
        Format::Text | Format::None => summary(global, all, errors, warnings)?,
    }
    let failed = errors > 0 || (args.deny_warnings && warnings > 0);
    Ok(if failed { ENDED_BADLY } else { 0 })
}

fn summary(global: &Global, all: &Findings, errors: usize, warnings: usize) -> Result<(), Failure> {
    let output = global.out();
    // What matters most is explained.
    let error = all.problems.iter().find(|problem| problem.is_error());
    let Some(first) = error.or_else(|| all.problems.first()) else {
        let green = output.look.green();
        return output.line(format!("{green}ok{green:#}  {}", all.checked.join(" ")));
    };
    let totals = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
    output.line(format!("{totals} · gearshift explain {}", first.code))
}

/// `::error file=…,line=…,col=…::…`, one line each.
fn annotations(problems: &[Problem]) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let line = |problem: &Problem| {
        format!(
            "::{} file={},line={},col={},endLine={},endColumn={},title={}::{}",
            problem.severity.as_str(),
            escaped(&problem.origin).replace(',', "%2C").replace(':', "%3A"),
            problem.line.max(1),
            problem.column.max(1),
            problem.end_line.max(1),
            problem.end_column.max(1),
            problem.code,
            escaped(&problem.message),
        )
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
