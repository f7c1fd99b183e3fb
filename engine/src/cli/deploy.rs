//! `deploy`: makes definitions available; moves no running instance.

use std::path::{Path, PathBuf};

use clap::Args;
use gearshift_client::Client;
use gearshift_client::protocol::command::{Deploy, DeployReply, Deployed, Format as WireFormat};
use gearshift_client::protocol::query::{Definitions, Instances};
use gearshift_client::protocol::view::InstanceSummary;
use gearshift_machine::definition::codes::{self, Code};
use gearshift_machine::definition::{Child, Format, Problem};
use serde_json::{Map, Value, json};

use super::args::Global;
use super::connect;
use super::failure::{Failure, Outcome};
use super::ids::Tally;
use super::live::Live;
use super::output::{Format as Form, Look, Output, clean, tell};
use super::sources::{Known, Source, files};
use super::words::{count, states};

/// Instances of older versions that are listed.
const LEFT_BEHIND_SHOWN: u32 = 10;
/// Instances of older versions that programs get; `older_instances` counts them all.
const LEFT_BEHIND_MAX: u32 = 1_000;

const EXAMPLES: &str = "\
Examples:
  gearshift deploy order.workflow.yaml
  gearshift deploy workflows/                     all definitions below a folder

Running instances stay on their version, and are listed (`left_behind` in JSON); new ones take the
newest. A deployed version never changes: raise `version:` to deploy other content (exit 4
otherwise). A child's workflow that is nowhere is a warning, and so is a call that no running plugin
answers, or whose written input it does not take. `-o json` is one document for all files: their
`definitions`, their `diagnostics`, and in `failed` each of several files that was refused; `-o
jsonl` is a line for each file.";

/// `gearshift deploy`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeployArgs {
    /// Definition files, or folders with them
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
}

/// Deploys each file.
pub(super) async fn deploy(global: &Global, args: &DeployArgs) -> Outcome {
    let client = connect::client(global).await?;
    let output = global.out();
    let paths = files(&args.paths)?;
    let several = paths.len() > 1;
    let mut tally = Tally::default();
    let mut documents = Vec::with_capacity(paths.len());
    let known = known(&paths);
    // An engine of an earlier version does not tell which plugins run.
    let live = Live::ask(&client).await.ok();
    for path in &paths {
        let one = one(&client, global, (&known, live.as_ref()), path).await;
        let result = one.map(|document| {
            documents.push(document);
            0
        });
        if let (true, Err(failure)) = (several, &result) {
            let file = path.display().to_string();
            documents.push(json!({ "failed": [{ "file": file, "problem": failure.problem }] }));
        }
        tally.add(output.without_documents(), global, several, result)?;
    }
    match output.format {
        Form::Json => output.json(&together(documents))?,
        Form::Jsonl => documents.iter().try_for_each(|one| output.json(one))?,
        Form::Text | Form::None => {}
    }
    Ok(tally.exit_code())
}

/// Deploys one file, and gives what programs get of it.
async fn one(
    client: &Client,
    global: &Global,
    (known, live): (&Known, Option<&Live>),
    path: &Path,
) -> Result<Value, Failure> {
    let reply = send(client, global, path).await?;
    let missing = missing(client, known, (live, &TOLD), path).await?;
    told(client, global, reply, missing.as_ref()).await
}

/// What came of several files as one document: their lists behind each other.
fn together(documents: Vec<Value>) -> Value {
    let mut all = Map::from_iter([("definitions".to_owned(), json!([]))]);
    let lists =
        documents.into_iter().filter_map(|one| serde_json::from_value::<Map<_, _>>(one).ok());
    for (name, list) in lists.flatten() {
        let held = all.entry(name).or_insert_with(|| json!([]));
        if let (Value::Array(held), Value::Array(list)) = (held, list) {
            held.extend(list);
        }
    }
    Value::Object(all)
}

/// What the files hold, all together; what is wrong with one of them is told when its turn comes.
pub(super) fn known(paths: &[PathBuf]) -> Known {
    let loaded = paths.iter().filter_map(|path| Source::read(path).ok()?.load().ok());
    Known::of(loaded.collect::<Vec<_>>().iter().flatten())
}

/// The warnings for children of a file that are in no file and not deployed either, for calls that
/// no running plugin answers or takes, and its own of these codes: all in the order of the file.
async fn missing(
    client: &Client,
    known: &Known,
    (live, own): (Option<&Live>, &[Code]),
    path: &Path,
) -> Result<Option<(Source, Vec<Problem>)>, Failure> {
    let source = Source::read(path)?;
    let mut warnings = Vec::new();
    for one in source.load().unwrap_or_default() {
        warnings.extend(one.warnings.iter().filter(|it| own.contains(&it.code)).cloned());
        warnings.extend(live.iter().flat_map(|live| live.problems(&source, &one.definition)));
        for child in known.missing(&one) {
            if !is_deployed(client, child).await? {
                warnings.push(child.missing.clone());
            }
        }
    }
    warnings.sort_by_key(|problem| (problem.span, problem.code));
    Ok((!warnings.is_empty()).then_some((source, warnings)))
}

/// Is what a definition runs as a child deployed?
pub(super) async fn is_deployed(client: &Client, child: &Child) -> Result<bool, Failure> {
    let name = Some(child.workflow.clone());
    let deployed = client.definitions(&Definitions { name }).await?;
    Ok(deployed.items.iter().any(|found| child.is(&found.name, found.version)))
}

/// Where a warning is in its file: in the order of `check`.
fn place(diagnostic: &Value) -> (Option<u64>, Option<u64>, Option<String>) {
    let number = |name: &str| diagnostic[name].as_u64();
    (number("line"), number("column"), diagnostic["code"].as_str().map(str::to_owned))
}

/// The same, shown; as they are no reason to end, nothing is said where nobody answers.
pub(super) async fn tell_missing(
    client: &Client,
    known: &Known,
    own: &[Code],
    path: &Path,
    look: Look,
) {
    if let Ok(Some((source, warnings))) = missing(client, known, (None, own), path).await {
        tell(source.render(&warnings, look.color).trim_end());
    }
}

/// Says what was deployed, what it left behind, and which children it has that nobody knows.
async fn told(
    client: &Client,
    global: &Global,
    mut reply: DeployReply,
    missing: Option<&(Source, Vec<Problem>)>,
) -> Result<Value, Failure> {
    let output = global.out();
    if let Some((source, warnings)) = missing {
        if output.is_text() {
            tell(source.render(warnings, global.stderr_look().color).trim_end());
        }
        // The engine told some of them too.
        let warnings = warnings.iter().filter_map(|problem| serde_json::to_value(problem).ok());
        let news: Vec<_> = warnings.filter(|one| !reply.diagnostics.contains(one)).collect();
        reply.diagnostics.extend(news);
        reply.diagnostics.sort_by_key(place);
    }
    for one in &reply.uncounted {
        tell(&format!(
            "warning: instances of older versions are not counted there: {}",
            clean(one)
        ));
    }
    let mut all = json!(reply);
    for (place, one) in reply.definitions.iter().enumerate() {
        let behind = left_behind(client, output, one).await?;
        output.line(line(one))?;
        if output.is_text() && !behind.is_empty() {
            list(output, one, &behind)?;
        }
        if let Some(Value::Object(shown)) = all["definitions"].get_mut(place) {
            shown.insert("left_behind".to_owned(), json!(behind));
        }
    }
    Ok(all)
}

/// Checks one file here, then deploys it.
pub(super) async fn send(
    client: &Client,
    global: &Global,
    path: &Path,
) -> Result<DeployReply, Failure> {
    let source = Source::read(path)?;
    check(&source, global.stderr_look())?;
    Ok(client.deploy(&order(&source)).await?)
}

/// Warnings about what an engine does not do, told at each deployment.
pub(super) const TOLD: [Code; 3] =
    [codes::ROLES_SHOWN, codes::TRANSACTION_NAME, codes::TRANSACTION_EACH];

/// Shows what is wrong with a file here, where its text is at hand.
fn check(source: &Source, look: Look) -> Result<(), Failure> {
    let Err(problems) = source.load() else { return Ok(()) };
    tell(source.render(&problems, look.color).trim_end());
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let detail = format!("`{}` has {}", source.origin, count(errors, "error"));
    Err(Failure::invalid(detail, &problems))
}

/// The command that deploys `source`.
pub(super) fn order(source: &Source) -> Deploy {
    let format = match source.format {
        Format::Yaml => WireFormat::Yaml,
        Format::Json => WireFormat::Json,
    };
    Deploy { text: source.text.clone(), origin: source.origin.clone(), format }
}

fn line(one: &Deployed) -> String {
    let hash: String = one.hash.chars().take(12).collect();
    let what = if one.unchanged { "unchanged" } else { "deployed" };
    let stays = match one.older_instances {
        0 => String::new(),
        older => format!("  ({older} stay on older versions)"),
    };
    format!("{}@{}  {what}  {hash}{stays}", one.name, one.version)
}

/// Which instances a version leaves behind.
fn left_behind_by(one: &Deployed) -> String {
    let living = "status != 'done' && status != 'failed' && status != 'cancelled'";
    format!("workflow == '{}' && version < {} && {living}", one.name, one.version)
}

/// The living instances of older versions: as many as a person reads, or a program.
async fn left_behind(
    client: &Client,
    output: Output,
    one: &Deployed,
) -> Result<Vec<InstanceSummary>, Failure> {
    if one.older_instances == 0 {
        return Ok(Vec::new());
    }
    let ask = Instances {
        filter: Some(left_behind_by(one)),
        workflow: Some(one.name.clone()),
        limit: Some(if output.is_text() { LEFT_BEHIND_SHOWN } else { LEFT_BEHIND_MAX }),
        ..Instances::default()
    };
    Ok(client.instances(&ask).await?.items)
}

/// Lists them for people.
fn list(output: Output, one: &Deployed, behind: &[InstanceSummary]) -> Result<(), Failure> {
    for item in behind {
        output.line(format!(
            "  {}  {}@{}  {}",
            clean(&item.key),
            item.workflow,
            item.version,
            states(&item.active)
        ))?;
    }
    let more = one.older_instances.saturating_sub(u64::from(LEFT_BEHIND_SHOWN));
    if more > 0 {
        let filter = left_behind_by(one);
        output.line(format!("  and {more} more: gearshift ls --where \"{filter}\""))?;
    }
    output.line(format!("  gearshift migrate lets them go on under {}@{}", one.name, one.version))
}
