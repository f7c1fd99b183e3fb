//! `plugin check`: tries a plugin, says what it finds, and how to mend it.

use std::time::Duration;

use clap::Args;
use gearshift_bus::{Bus, Message, ServiceInfo, Subject};
use gearshift_protocol::{OperationRef, PluginMetadata, metadata, plugin};
use serde::Serialize;
use serde_json::json;

use super::super::args::Global;
use super::super::connect;
use super::super::failure::{ENDED_BADLY, Failure, NOT_FOUND, Outcome};
use super::super::finding::{Finding, Level, summary};
use super::super::joining::unusable;
use super::super::words::count;
use super::desk::Desk;
use super::samples::{SampleArgs, Samples};
use super::{calls, declared};

/// How long an answer is waited for where the operation names no time of its own.
const LIMIT: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  gearshift plugin check validator
  gearshift plugin check validator --operation validate_document -d title='Q3 report'
  gearshift plugin check validator --samples samples.yaml -o json

It asks the plugin over NATS as an engine does, whatever language it is written in. Without a sample
it only looks at what the plugin says of itself, and sends nonsense that must be refused. With one,
the operation is really called, up to a dozen times: use a sample whose effect does no harm.
Exit 0: no problem; 1: at least one; 3: no such plugin runs.";

/// `gearshift plugin check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct CheckArgs {
    /// The plugin
    name: String,
    #[command(flatten)]
    samples: SampleArgs,
    /// The NATS servers; else those of --server, --context, or the `gearshift dev` of this folder
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

/// What was found about the plugin, or about one operation.
#[derive(Debug, Serialize)]
struct Section {
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    findings: Vec<Finding>,
}

/// Tries everything.
pub(in crate::cli) async fn check(global: &Global, args: &CheckArgs) -> Outcome {
    let (target, _) = connect::nats_to_look_at(global, args.nats.as_deref())?;
    let bus = Bus::connect(&target.options).await.map_err(|error| unusable(&target, &error))?;
    let sections = Box::pin(examine(global, args, &bus)).await?;
    if let Err(error) = bus.close().await {
        tracing::debug!(%error, "connection did not close cleanly");
    }
    print(global, &args.name, &sections)?;
    let is_bad = sections.iter().flat_map(|one| &one.findings);
    let is_bad = is_bad.into_iter().any(|found| found.level == Level::Problem);
    Ok(if is_bad { ENDED_BADLY } else { 0 })
}

async fn examine(global: &Global, args: &CheckArgs, bus: &Bus) -> Result<Vec<Section>, Failure> {
    let services = bus.requests().discover().await;
    let services = services.map_err(|error| Failure::new(ENDED_BADLY, error.to_string()))?;
    let mut ours: Vec<&ServiceInfo> = services.iter().filter(|one| one.name == args.name).collect();
    let takes_no_calls = |one: &ServiceInfo| PluginMetadata::from_map(&one.metadata)?.state;
    let states: Vec<_> = ours.iter().filter_map(|one| takes_no_calls(one)).collect();
    ours.retain(|one| takes_no_calls(one).is_none());
    let Some(first) = ours.first() else {
        return Err(match states.first() {
            Some(state) => {
                let words = format!("plugin `{}` takes no calls: it is {state}", args.name);
                Failure::new(NOT_FOUND, words)
            }
            None => absent(&args.name, &services),
        });
    };
    let names: Vec<&str> = first.endpoints.iter().map(|one| one.name.as_str()).collect();
    let samples = Samples::read(&args.samples, &names)?;
    let mut findings = declared::service(&ours);
    for verb in ["PING", "STATS"] {
        findings.push(answers(bus, verb, &args.name).await);
    }
    let mut sections = vec![Section { operation: None, findings }];
    for endpoint in &first.endpoints {
        if samples.only.as_ref().is_some_and(|only| *only != endpoint.name) {
            continue;
        }
        let mut findings = declared::endpoint(first, endpoint);
        let told = endpoint.metadata.get(metadata::METADATA_TIMEOUT);
        let told = told.and_then(|text| plugin::parse_duration(text)).map(Duration::from_millis);
        match Subject::parse(&endpoint.subject) {
            Ok(subject) => {
                let limit = told.unwrap_or(LIMIT).min(global.timeout);
                let desk = Desk { bus, subject, limit };
                let sample = samples.of(&endpoint.name);
                findings.extend(calls::operation(&desk, endpoint, sample).await);
            }
            Err(error) => findings.push(Finding::problem(
                "subject",
                format!("`{}`: {error}", endpoint.subject),
                "use a subject without wildcards and spaces",
            )),
        }
        sections.push(Section { operation: Some(endpoint.name.clone()), findings });
    }
    // It must have survived all of that.
    let after = Section { operation: None, findings: vec![answers(bus, "PING", &args.name).await] };
    sections.push(after);
    Ok(sections)
}

/// Does the plugin answer what every NATS service does?
async fn answers(bus: &Bus, verb: &'static str, name: &str) -> Finding {
    let check = if verb == "PING" { "ping" } else { "stats" };
    let help = "use the services library of your NATS client: it answers this by itself";
    let subject = match Subject::parse(&format!("$SRV.{verb}.{name}")) {
        Ok(subject) => subject,
        Err(error) => return Finding::problem(check, error.to_string(), help),
    };
    let asked = Message::new(subject, Vec::new());
    match bus.requests().request(asked, LIMIT).await {
        Ok(reply) => match serde_json::from_slice::<serde_json::Value>(&reply.payload) {
            Ok(told) if told["name"] == name => {
                Finding::ok(check, format!("$SRV.{verb} is answered"))
            }
            Ok(told) => Finding::problem(
                check,
                format!("$SRV.{verb} is answered by `{}`", told["name"]),
                help,
            ),
            Err(error) => Finding::problem(
                check,
                format!("$SRV.{verb} is answered with no JSON: {error}"),
                help,
            ),
        },
        Err(error) => {
            Finding::problem(check, format!("$SRV.{verb} is not answered: {error}"), help)
        }
    }
}

fn absent(name: &str, services: &[ServiceInfo]) -> Failure {
    let (key, _) = metadata::METADATA_PROTOCOL;
    let mut running: Vec<&str> = services
        .iter()
        .filter(|one| one.metadata.contains_key(key))
        .map(|one| one.name.as_str())
        .collect();
    running.dedup();
    let help = match &running[..] {
        [] => "no plugin answers here at all: are these its servers?".to_owned(),
        running => format!("these run: {}", running.join(", ")),
    };
    let mut failure = Failure::new(NOT_FOUND, format!("no plugin `{name}` runs")).with_help(help);
    // People paste what stands in a definition.
    if let Ok(asked) = name.parse::<OperationRef>() {
        let help = format!("name the plugin: `gearshift plugin check {}`", asked.plugin);
        failure = failure.with_help(help);
    }
    failure
}

fn print(global: &Global, name: &str, sections: &[Section]) -> Result<(), Failure> {
    let output = global.out();
    let all: Vec<Finding> = sections.iter().flat_map(|one| one.findings.clone()).collect();
    let level = |level| all.iter().filter(|one| one.level == level).count();
    output.json(&json!({
        "plugin": name,
        "problems": level(Level::Problem),
        "warnings": level(Level::Warning),
        "sections": sections,
    }))?;
    for (index, section) in sections.iter().enumerate() {
        match (&section.operation, index) {
            (Some(operation), _) => output.line(format!("\n{name}.{operation}"))?,
            (None, 0) => output.line(name)?,
            (None, _) => output.line("\nafterwards")?,
        }
        for finding in &section.findings {
            output.line(format!("  {}", finding.render(output.look).replace('\n', "\n  ")))?;
        }
    }
    output.line(format!("\n{}, {}", count(all.len(), "check"), summary(&all)))
}
