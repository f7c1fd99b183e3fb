//! The command: which files, what they came to, and how that is told.

use std::path::PathBuf;

use clap::Args;
use gearshift_machine::definition::duration;
use serde::Serialize;
use serde_saphyr::Spanned;

use super::coverage::{Covered, Taken};
use super::differences::Difference;
use super::file::{Scenario, ScenarioFile};
use super::reading::Unreadable;
use super::run::{self, Played};
use crate::cli::args::Global;
use crate::cli::failure::{ENDED_BADLY, Failure, Outcome, USAGE};
use crate::cli::output::{Format, Output, tell};
use crate::cli::sources::{files_named, is_scenario};
use crate::cli::timeline::width;
use crate::cli::words::span;
use crate::runtime::monotonic;

const EXAMPLES: &str = "\
Examples:
  gearshift test examples/order                   all *.test.yaml below a folder
  gearshift test order.test.yaml --only cancelled
  gearshift test . --all-transitions              fail where a transition is never taken
  gearshift test . -o json | jq '.definitions[].never'

A scenario is a list of steps on the real machine, under a clock that only `advance` moves:

  scenarios:
    - name: withdrawn
      steps:
        - event: order.placed
          data: { orderId: o-1, amount: 5 }
        - advance: 14m
        - event: order.withdrawn
          data: { orderId: o-1 }
          expect: { state: cancelled, effects: [publish order.cancelled] }

The definition is the one named alike (order.workflow.yaml), or `definition: FILE`. All about
scenarios: docs/TESTING.md. Exit 1: a scenario failed; 2: one is unreadable (the
others are played).";

/// `gearshift test`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct TestArgs {
    /// Scenario files, or folders with *.test.yaml
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Only scenarios whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Fail where a transition is never taken, too; of all scenarios
    #[arg(long, conflicts_with = "only")]
    all_transitions: bool,
}

/// One scenario as data.
#[derive(Serialize)]
struct Told {
    file: String,
    line: u64,
    name: String,
    passed: bool,
    virtual_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<ToldFailure>,
}

/// Why one failed, as data.
#[derive(Serialize)]
struct ToldFailure {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    differences: Vec<Difference>,
}

/// What cannot be played, as data.
#[derive(Serialize)]
struct Unplayed {
    file: String,
    #[serde(flatten)]
    why: Unreadable,
}

/// What all files came to.
#[derive(Default, Serialize)]
struct Totals {
    passed: usize,
    failed: usize,
    scenarios: Vec<Told>,
    unreadable: Vec<Unplayed>,
    definitions: Vec<Covered>,
}

/// Plays all scenarios.
pub(in crate::cli) fn test(global: &Global, args: &TestArgs) -> Outcome {
    let output = global.out();
    let began = monotonic();
    let mut totals = Totals::default();
    let mut exit = None;
    for path in files_named(&args.paths, is_scenario, "*.test.yaml")? {
        match ScenarioFile::read(&path, global.stderr_look().color) {
            Ok(file) => one_file(global, args, file, &mut totals)?,
            Err(failure) => {
                tell(failure.render(global.stderr_look()).trim_end());
                exit.get_or_insert(failure.exit);
                let (file, reason) = (path.display().to_string(), failure.problem.to_string());
                let why = Unreadable { line: 0, name: None, reason };
                totals.unreadable.push(Unplayed { file, why });
            }
        }
    }
    if totals.scenarios.is_empty() && totals.unreadable.is_empty() {
        let only = args.only.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!("no scenario has `{only}` in its name")));
    }
    // Who looks at some scenarios only does not ask what the others take.
    if args.only.is_some() {
        totals.definitions.clear();
    }
    let never: usize = totals.definitions.iter().map(|one| one.never.len()).sum();
    let spent = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    summary(output, &totals, spent)?;
    match output.format {
        Format::Json => output.json(&totals)?,
        Format::Jsonl => totals.scenarios.iter().try_for_each(|one| output.json(one))?,
        Format::Text | Format::None => {}
    }
    if !totals.unreadable.is_empty() {
        return Ok(exit.unwrap_or(USAGE));
    }
    let failed = totals.failed > 0 || (args.all_transitions && never > 0);
    Ok(if failed { ENDED_BADLY } else { 0 })
}

/// Tells of the scenarios that cannot be played; the others.
fn readable(
    global: &Global,
    args: &TestArgs,
    file: &mut ScenarioFile,
    totals: &mut Totals,
) -> Vec<Spanned<Scenario>> {
    let (shown, look) = (file.path.display().to_string(), global.stderr_look());
    let mut scenarios = Vec::new();
    for read in std::mem::take(&mut file.scenarios) {
        let why = match read {
            Ok(scenario) => {
                scenarios.push(scenario);
                continue;
            }
            Err(why) => why,
        };
        let name = why.name.as_deref();
        let meant = |only: &String| name.is_none_or(|name| name.contains(only.as_str()));
        if args.only.as_ref().is_none_or(meant) {
            let name = name.map_or_else(String::new, |name| format!("`{name}`: "));
            let failure = Failure::usage(format!("{shown}:{}: {name}{}", why.line, why.reason));
            tell(failure.render(look).trim_end());
            totals.unreadable.push(Unplayed { file: shown.clone(), why });
        }
    }
    scenarios
}

fn one_file(
    global: &Global,
    args: &TestArgs,
    mut file: ScenarioFile,
    totals: &mut Totals,
) -> Result<(), Failure> {
    let output = global.out();
    let scenarios = readable(global, args, &mut file, totals);
    let file = &file;
    let (green, red, dim) = (output.look.green(), output.look.red(), output.look.dim());
    let mut taken = Taken::default();
    let mut marks = Vec::new();
    let mut failures = String::new();
    for scenario in &scenarios {
        let name = &scenario.value.name;
        if args.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let played = run::play(file, &scenario.value, &mut taken);
        let passed = played.failure.is_none();
        let passing = match played.virtual_ms {
            0 => String::new(),
            ms => format!(" {dim}({} virtual){dim:#}", duration::format(ms)),
        };
        marks.push(if passed {
            totals.passed += 1;
            format!("{name} {green}✓{green:#}{passing}")
        } else {
            totals.failed += 1;
            failures.push_str(&failure(output, file, name, &played));
            format!("{name} {red}✗{red:#}{passing}")
        });
        totals.scenarios.push(Told {
            file: file.path.display().to_string(),
            line: scenario.defined.line(),
            name: name.clone(),
            passed,
            virtual_ms: played.virtual_ms,
            failure: played.failure.map(|failed| ToldFailure {
                line: failed.line,
                refused: failed.refused,
                differences: failed.differences,
            }),
        });
    }
    merge(&mut totals.definitions, taken.of(&file.definitions, &file.origins));
    if marks.is_empty() {
        return Ok(());
    }
    output.line(marks.join("  "))?;
    if failures.is_empty() { Ok(()) } else { output.line(failures.trim_end()) }
}

/// A definition that several files test is told once: never taken is what none of them takes.
fn merge(all: &mut Vec<Covered>, more: Vec<Covered>) {
    for one in more {
        let known =
            all.iter_mut().find(|known| known.workflow == one.workflow && known.file == one.file);
        let Some(known) = known else {
            all.push(one);
            continue;
        };
        known.never.retain(|left| one.never.contains(left));
        known.taken = known.transitions - known.never.len();
    }
}

/// Where a scenario failed, how, and what happened up to there.
fn failure(output: Output, file: &ScenarioFile, name: &str, played: &Played) -> String {
    let Some(failed) = &played.failure else { return String::new() };
    let (red, dim) = (output.look.red(), output.look.dim());
    let place = format!("{}:{}", file.path.display(), failed.line);
    let mut text = format!("\n{red}{name}{red:#}  {place}\n");
    if let Some(reason) = &failed.refused {
        text.push_str(&format!("  {}\n", crate::cli::output::clean(reason)));
    }
    for difference in &failed.differences {
        text.push_str(&difference.render(output.look, 2));
    }
    if !played.rows.is_empty() {
        text.push_str("  what happened\n");
    }
    let width = width(played.rows.iter().map(|(_, row)| row.state.as_str()));
    for (at, row) in &played.rows {
        let at = format!("+{}", duration::format(*at));
        text.push_str(&format!("    {dim}{at:>8}{dim:#}  {}\n", row.render(output.look, width)));
    }
    text
}

/// `transitions taken 7/7 · 4 passed in 31ms`, and what was never taken.
fn summary(output: Output, totals: &Totals, spent: u64) -> Result<(), Failure> {
    let yellow = output.look.yellow();
    let mut parts = Vec::new();
    if !totals.definitions.is_empty() {
        let taken: usize = totals.definitions.iter().map(|one| one.taken).sum();
        let all: usize = totals.definitions.iter().map(|one| one.transitions).sum();
        parts.push(format!("transitions taken {taken}/{all}"));
    }
    if totals.failed > 0 {
        parts.push(format!("{} failed", totals.failed));
    }
    if !totals.unreadable.is_empty() {
        parts.push(format!("{} unreadable", totals.unreadable.len()));
    }
    parts.push(format!("{} passed in {}", totals.passed, span(spent)));
    output.line(parts.join(" · "))?;
    for one in &totals.definitions {
        for never in &one.never {
            output.line(format!(
                "{yellow}never taken{yellow:#}  {}:{}  {}: {}",
                one.file, never.line, never.from, never.name
            ))?;
        }
    }
    Ok(())
}
