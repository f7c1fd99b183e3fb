//! `steps add`: a running instance is given further steps.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gearshift_client::protocol::ProblemKind;
use gearshift_client::protocol::command::{AddSteps, AddStepsReply, Format as WireFormat};
use gearshift_machine::definition::Format;
use serde_json::Value;

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::output::{clean, tell};
use super::sources::Source;
use super::words::{FEW, few};

const EXAMPLES: &str = "\
Examples:
  gearshift steps add import-7 --file more.yaml --dry-run
  gearshift steps add import-7 --file more.yaml --reason 'the customer wants a report, too'
  ./more-steps.sh | gearshift steps add import-7 --file -

The file has `steps:`, as a definition has it:

  steps:
    report:
      needs: [clean]
      call: reporter.write
      with: { rows: \"${ steps.clean.rows }\" }

They are checked with the definition of the instance, all of it, and join the steps that run; their
needs may name steps that are there, which stay as they are. One whose needs are over starts at
once; of a paused instance, when it is resumed. The instance goes on under a derived version of its
definition, of which nothing is started and which goes when its last instance does; `def ls` lists
it. The history goes on and says who gave it the steps, and why. Exit 1: the steps have errors,
which are shown; 4: the instance or its steps have ended, it is stuck, or it is being taken back.";

/// `gearshift steps`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StepsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Give an instance that runs further steps
    #[command(after_help = EXAMPLES)]
    Add {
        /// Full id, key, or unique end of one
        id: String,
        /// The file with the `steps:`; `-` reads stdin
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// The state whose steps they join; that whose steps run where absent
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// Only tell what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// Gives an instance further steps.
pub(super) async fn steps(global: &Global, args: &StepsArgs) -> Outcome {
    let What::Add { id, file, state, dry_run } = &args.what;
    let source = Source::read_or_stdin(file)?;
    let client = connect::client(global).await?;
    let order = AddSteps {
        instance: id.clone(),
        text: source.text,
        origin: source.origin,
        format: match source.format {
            Format::Yaml => WireFormat::Yaml,
            Format::Json => WireFormat::Json,
        },
        state: state.clone(),
        dry_run: *dry_run,
        reason: global.reason.clone(),
    };
    let reply = client.add_steps(&order).await.map_err(|error| shown(Failure::from(error)))?;
    let output = global.out();
    if output.is_text() {
        told(&reply.diagnostics);
    }
    output.json(&reply)?;
    output.line(words(&reply))?;
    Ok(0)
}

/// Shows what is wrong with the steps, each at its place in the file.
fn shown(failure: Failure) -> Failure {
    if failure.problem.kind() == ProblemKind::Invalid {
        told(&failure.problem.diagnostics);
    }
    failure
}

/// Findings, as many as a person reads on.
fn told(findings: &[Value]) {
    let lines: Vec<_> = findings.iter().map(line).collect();
    few(&lines).iter().for_each(|line| tell(line));
}

/// `more.yaml:3:13: error[GS0132]: no step `cleen``.
fn line(finding: &Value) -> String {
    let text = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| finding.get(name).and_then(Value::as_u64).unwrap_or_default();
    let place = match number("line") {
        0 => String::new(),
        line => format!(":{line}:{}", number("column")),
    };
    let (file, severity, code) = (text("file"), text("severity"), text("code"));
    let line = format!("{file}{place}: {severity}[{code}]: {}", text("message"));
    let help = match text("help") {
        "" => String::new(),
        help => format!("\n  help: {help}"),
    };
    clean(&line).into_owned() + &clean(&help)
}

/// Names as far as a line or two have room for them.
fn added(steps: &[String]) -> String {
    let shown = steps.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    match steps.len().checked_sub(FEW).filter(|more| *more > 0) {
        Some(more) => format!("{shown} and {more} more"),
        None => shown,
    }
}

/// `import/7  import@3 → import@2871634113  + report`, and what is to be noted below it.
fn words(reply: &AddStepsReply) -> String {
    let AddStepsReply { instance, from, to, steps, notes, dry_run, .. } = reply;
    let workflow = instance.split('/').next().unwrap_or_default();
    let would = if *dry_run { "  would go on" } else { "" };
    let steps = added(steps);
    let line = format!("{instance}  {workflow}@{from} → {workflow}@{to}  + {steps}{would}");
    let mut text = clean(&line).into_owned();
    for note in few(notes) {
        text.push_str(&format!("\n  {}", clean(&note)));
    }
    text
}
