//! `check`: everything that is wrong with definitions, with place and help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gearshift_client::Client;
use gearshift_machine::definition::{Child, Problem};
use serde_json::json;

use super::args::Global;
use super::connect;
use super::deploy::is_deployed;
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

/// How long an engine is waited for that nobody said must be there.
const ASKED: Duration = Duration::from_secs(2);
/// Behind a child that is in no file, where no engine answers.
const NOT_LOOKED_UP: &str = "it may be deployed all the same: no engine answers, so that was not \
     looked up. Name its file too, or the servers by `--nats`";

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
    let client = if args.live { Some(connect::client(global).await?) } else { None };
    let live = match &client {
        Some(client) => Some(Live::ask(client).await?),
        None => None,
    };
    let mut deployed = Deployed { global, client, away: false };
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
                    for child in known.missing(&one) {
                        warnings.extend(deployed.missing(child).await);
                    }
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

/// Which children are deployed: the engine is asked about those that are in no file.
struct Deployed<'g> {
    global: &'g Global,
    client: Option<Client>,
    /// Nobody answers: it is not tried again.
    away: bool,
}

impl Deployed<'_> {
    /// The warning for a child that is not deployed, or of which nobody can say that it is.
    async fn missing(&mut self, child: &Child) -> Option<Problem> {
        match self.has(child).await {
            Some(true) => None,
            Some(false) => Some(child.missing.clone()),
            None => Some(child.missing.clone().with_help(NOT_LOOKED_UP)),
        }
    }

    /// `None`: nobody answers.
    async fn has(&mut self, child: &Child) -> Option<bool> {
        if self.client.is_none() && !self.away {
            self.client = tokio::time::timeout(ASKED, connect::client(self.global))
                .await
                .ok()
                .and_then(Result::ok);
        }
        let Some(client) = self.client.as_ref() else {
            self.away = true;
            return None;
        };
        let found = match tokio::time::timeout(ASKED, is_deployed(client, child)).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(_)) | Err(_) => None,
        };
        if found.is_none() {
            (self.client, self.away) = (None, true);
        }
        found
    }
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
