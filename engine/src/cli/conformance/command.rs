//! `plugin check`: tries a plugin, says what it finds, and how to mend it.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use gearshift_bus::{Bus, Message, Subject};
use gearshift_protocol::{OperationRef, metadata, plugin};
use serde::Serialize;
use serde_json::json;

use super::super::args::Global;
use super::super::connect::{self, DevNote, Target as Way};
use super::super::failure::{ENDED_BADLY, Failure, Outcome, UNREACHABLE};
use super::super::finding::{Finding, Level, summary};
use super::super::joining::unusable;
use super::super::output::clean;
use super::super::plugin_shown::WIDTH as COLUMNS;
use super::super::words::count;
use super::desk::Desk;
use super::samples::{SampleArgs, Samples};
use super::targets::{Judged, Target, foreign, targets, wanted};
use super::{calls, declared};

/// How long an answer is waited for where the operation names no time of its own.
const LIMIT: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  gearshift plugin check validator
  gearshift plugin check validator.validate_document -d title='Q3 report'
  gearshift plugin check validator@^2            only these versions; else every major that runs
  gearshift plugin check document-validator      all plugins that provide the interface
  gearshift plugin check validator --samples samples.yaml -o json

It asks the plugin over NATS as an engine does, whatever language it is written in. Without a sample
it only looks at what the plugin says of itself, and sends nonsense that must be refused. With one,
the operation is really called, up to a dozen times in each major version: use a sample whose effect
does no harm. Where instances tell different things of an operation, one of each kind is asked, so
often each, under its own subject. What engines would refuse of an answer is a problem; nothing is
left behind in them. What speaks another protocol version is a problem, and is not called.
Exit 0: no problem; 1: at least one; 3: no such plugin runs, or it has no such operation.";

/// `gearshift plugin check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct CheckArgs {
    /// The plugin, or an interface: all that provide it; `docs@^2`: in these versions
    #[arg(value_name = "NAME[@VERSIONS][.OPERATION]")]
    name: String,
    #[command(flatten)]
    samples: SampleArgs,
    /// The NATS servers; else those of --server, --context, or the `gearshift dev` of this folder
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
}

/// What was found about a major version of a plugin, or about one operation of it.
#[derive(Debug, Serialize)]
struct Section {
    plugin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    major: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// Which one it is of, where instances tell different things of the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Is it what was looked at when all had been called?
    #[serde(skip)]
    is_last: bool,
    findings: Vec<Finding>,
}

impl Section {
    fn of(target: &Target<'_>, operation: Option<String>, findings: Vec<Finding>) -> Self {
        let (plugin, major) = (target.name.to_owned(), target.major);
        Self { plugin, major, operation, instance: None, is_last: false, findings }
    }

    /// What stands above it; `several` plugins or versions are told apart.
    fn title(&self, several: bool) -> String {
        let plugin = &self.plugin;
        let version = self.major.filter(|_| several).map(|major| format!(" v{major}"));
        let version = version.unwrap_or_default();
        match &self.operation {
            Some(operation) => {
                let at = self.instance.as_ref().map(|id| format!(", instance {id}"));
                format!("{plugin}.{operation}{version}{}", at.unwrap_or_default())
            }
            None if self.is_last && several => format!("{plugin} afterwards"),
            None if self.is_last => "afterwards".to_owned(),
            None => format!("{plugin}{version}"),
        }
    }
}

/// Tries everything.
pub(in crate::cli) async fn check(global: &Global, args: &CheckArgs) -> Outcome {
    let wanted = wanted(&args.name)?;
    let target = connect::nats_to_look_at(global, args.nats.as_deref());
    let (target, _) = target.map_err(|failure| inside(global).unwrap_or(failure))?;
    let bus = Bus::connect(&target.options).await.map_err(|error| unusable(&target, &error))?;
    let sections = Box::pin(examine(global, args, &wanted, &bus)).await?;
    if let Err(error) = bus.close().await {
        tracing::debug!(%error, "connection did not close cleanly");
    }
    print(global, &args.name, &sections)?;
    let is_bad = sections.iter().flat_map(|one| &one.findings);
    let is_bad = is_bad.into_iter().any(|found| found.level == Level::Problem);
    Ok(if is_bad { ENDED_BADLY } else { 0 })
}

/// Why no server is named, where the engine of this folder has its bus in its process.
fn inside(global: &Global) -> Option<Failure> {
    let folder = std::env::current_dir().ok()?;
    let note = DevNote::read(&folder).filter(|note| note.nats.is_none())?;
    match connect::chosen(global).ok()? {
        Way::Http { url, .. } if url == note.url => {}
        Way::Http { .. } | Way::Nats(_) => return None,
    }
    let what = "the bus of the engine of this folder is inside its process: a check asks plugins \
                over NATS, as engines in other processes do";
    let help = "start it by `gearshift dev --nats`, or name servers by `--nats URL`";
    Some(Failure::new(UNREACHABLE, what).with_help(help))
}

async fn examine(
    global: &Global,
    args: &CheckArgs,
    wanted: &OperationRef,
    bus: &Bus,
) -> Result<Vec<Section>, Failure> {
    let services = bus.requests().discover().await;
    let services = services.map_err(|error| Failure::new(ENDED_BADLY, error.to_string()))?;
    let targets = targets(&services, wanted)?;
    let names = targets.iter().flat_map(|one| one.endpoints()).map(|(_, it)| it.name.as_str());
    let names = Vec::from_iter(names.collect::<BTreeSet<_>>());
    let samples = Samples::read(&args.samples, wanted, &names)?;
    let mut sections = Vec::new();
    let mut known = BTreeSet::new();
    for target in &targets {
        let mut findings = Vec::from_iter(target.not_asked());
        if !target.services.is_empty() {
            findings.extend(declared::service(&target.services));
            findings.extend(declared::agreement(&target.services));
            findings.extend(declared::compared(&target.services));
        }
        // Both are asked by the name, whatever the version.
        if known.insert(target.name) {
            for verb in ["PING", "STATS"] {
                findings.push(answers(bus, verb, target.name).await);
            }
        }
        sections.push(Section::of(target, None, findings));
        sections.extend(Box::pin(operations(global, bus, target, &samples)).await);
    }
    // They must have survived all of that.
    for name in known {
        let findings = vec![answers(bus, "PING", name).await];
        let plugin = name.to_owned();
        let (operation, instance) = (None, None);
        let last = Section { plugin, major: None, operation, instance, is_last: true, findings };
        sections.push(last);
    }
    Ok(sections)
}

/// Tries each operation of a plugin that is meant.
async fn operations(
    global: &Global,
    bus: &Bus,
    target: &Target<'_>,
    samples: &Samples,
) -> Vec<Section> {
    let mut sections = Vec::new();
    for judged in target.judged() {
        let Judged { service, endpoint, subject, instance, finding } = judged;
        if samples.only.as_ref().is_some_and(|only| *only != endpoint.name) {
            continue;
        }
        // What another protocol means by its words is not known here.
        let mut findings = match foreign(service) {
            None => declared::endpoint(service, endpoint),
            Some(_) => Vec::new(),
        };
        findings.extend(finding);
        let told = endpoint.metadata.get(metadata::METADATA_TIMEOUT);
        let told = told.and_then(|text| plugin::parse_duration(text)).map(Duration::from_millis);
        match subject.map(|text| Subject::parse(&text)) {
            Ok(Ok(subject)) => {
                let limit = told.unwrap_or(LIMIT).min(global.timeout);
                let desk = Desk { bus, subject, limit };
                let sample = samples.of(&endpoint.name);
                findings.extend(calls::operation(&desk, endpoint, sample).await);
            }
            Ok(Err(error)) => findings.push(Finding::problem(
                "subject",
                format!("`{}`: {error}", endpoint.subject),
                "use a subject without wildcards and spaces",
            )),
            Err(why) => findings.push(Finding::skipped("call", why)),
        }
        let section = Section::of(target, Some(endpoint.name.clone()), findings);
        sections.push(Section { instance, ..section });
    }
    sections
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
    let whole = |one: &&Section| one.operation.is_none() && !one.is_last;
    let several = sections.iter().filter(whole).count() > 1;
    for (index, section) in sections.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        output.line(clean(&format!("{gap}{}", section.title(several))))?;
        for finding in &section.findings {
            // Whatever reads a pipe gets each finding in one line.
            let columns = if output.is_terminal { COLUMNS - 2 } else { usize::MAX };
            let text = finding.render_within(output.look, columns);
            output.line(format!("  {}", text.replace('\n', "\n  ")))?;
        }
    }
    output.line(format!("\n{}, {}", count(all.len(), "check"), summary(&all)))
}
