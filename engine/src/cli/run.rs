//! `run`: one instance to its end, in this process, with nothing installed.

use std::path::{Path, PathBuf};

use clap::Args;
use gearshift_client::Client;
use gearshift_machine::definition::model::{Definition, Early};

use super::args::Global;
use super::connect;
use super::data::DataArgs;
use super::deploy::order;
use super::entry::PluginLoader;
use super::failure::{Failure, NOT_FOUND, Outcome};
use super::mocks::{self, Mock};
use super::output::tell;
use super::providers::{self, Providers};
use super::script::{self, Step};
use super::session::{Opening, Session};
use super::sources::{Source, is_definition};
use crate::api;
use crate::runtime::{Engine, EngineConfig};

const EXAMPLES: &str = "\
Examples:
  gearshift run examples/document-approval
  gearshift run examples/document-approval --no-input -d documentId=doc-43 -d title=Budget \\
    -d submitter=eve                              your own data; exit 7: nobody decides
  gearshift run examples/document-approval --no-input -d documentId=d -d title=T -d submitter=eve \\
    --mock 'directory.pick_reviewer={\"userId\": \"ann\"}'
  gearshift run examples/order -o json | jq -r .status

A folder may hold `events.yaml`, a script of what happens; plugins named like the folder run in
this process; `mocks.yaml` answers for operations without one. At a terminal you are asked for
decisions; elsewhere, and with --no-input, the script decides.

Exit 0: it reached a final state; 1: it failed, was cancelled or is stuck; 7: nothing more
happened in --timeout.";

/// `gearshift run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// A definition file, or a folder with one
    path: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Answer calls without plugins: PLUGIN.OPERATION with this output, all others with {}.
    /// May be repeated
    #[arg(long, value_name = "PLUGIN.OPERATION=JSON", num_args = 0..=1)]
    #[arg(default_missing_value = mocks::EVERYTHING, value_parser = mocks::parse)]
    pub(super) mock: Vec<Mock>,
    /// The event that starts it, where the workflow has several
    #[arg(long)]
    event: Option<String>,
    /// The correlation key, where no event starts the workflow
    #[arg(long, alias = "id")]
    key: Option<String>,
    /// Keep everything in this directory instead of memory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs one instance to its end.
pub(super) async fn run(global: &Global, args: RunArgs, plugins: PluginLoader) -> Outcome {
    let source = Source::read(&find(&args.path)?)?;
    let definition = load(global, &source)?;
    let folder = source.folder();
    let steps = match args.data.is_given() || args.event.is_some() || args.key.is_some() {
        // The script tells of another instance.
        true => None,
        false => script::read(&folder.join("events.yaml"))?,
    };
    let opening = opening(&args, &definition, steps)?;
    let (bus, config) = providers::open(args.dir.as_deref()).await?;
    let mut providers = Providers::default();
    let mocked = providers.mock(&args.mock, &folder).await?;
    if !mocked {
        providers.load(&bus, &plugins, &folder).await?;
    }
    let config = EngineConfig { mocked: providers.mocked(), ..config };
    let engine = Engine::start(bus.clone(), config).await?;
    let door = api::serve_on_bus(&engine.handle()).await?;
    let client = Client::bus(bus).as_user(&connect::user(global)).with_timeout(global.timeout);
    let output = global.out();
    let kept = args.dir.as_ref().map_or_else(String::new, |dir| format!(" in {}", dir.display()));
    output.line(format!("embedded bus{kept} · no server needed · {}", providers.summary()))?;
    if let Some(operation) = api::operations(&definition).first().filter(|_| providers.is_empty()) {
        tell(&unanswered(operation));
    }
    let outcome = async {
        client.deploy(&order(&source)).await?;
        let session = Session::new(global, client, engine.handle().notices(), &definition, mocked);
        session.run(opening).await
    }
    .await;
    door.close().await;
    if !engine.shutdown().await {
        tracing::warn!("the engine did not stop in time");
    }
    drop(providers);
    outcome
}

/// What helps where nothing answers the calls of a definition.
fn unanswered(operation: &str) -> String {
    format!(
        "hint: nothing here answers `{operation}`: `--mock` answers every call with {{}}, and \
         `--mock '{operation}=JSON'` this one. The plugins in this process are those of the \
         examples, for a folder named like one of them; others run beside `gearshift dev --nats`"
    )
}

/// The one definition file that `path` means.
fn find(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: &std::io::Error| Failure::file("cannot read", path, error);
    let about = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !about.is_dir() {
        return Ok(path.to_owned());
    }
    let entries = std::fs::read_dir(path).map_err(|error| failed(&error))?;
    let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    let mut found: Vec<PathBuf> =
        entries.iter().map(std::fs::DirEntry::path).filter(|path| is_definition(path)).collect();
    found.sort();
    let shown = path.display();
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::new(
            NOT_FOUND,
            format!("`{shown}` holds no *.workflow.yaml or *.workflow.json"),
        )),
        several => {
            let names: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
            Err(Failure::usage(format!("`{shown}` holds several definitions"))
                .with_help(format!("name one of {}", names.join(", "))))
        }
    }
}

/// The first definition of a file, which is the one to run: the others are there for its children.
/// Shows what is wrong with them.
fn load(global: &Global, source: &Source) -> Result<Definition, Failure> {
    let color = global.stderr_look().color;
    let loaded = source.load().map_err(|problems| {
        tell(source.render(&problems, color).trim_end());
        Failure::invalid(format!("`{}` has errors", source.origin), &problems)
    })?;
    for one in loaded.iter().filter(|one| !one.warnings.is_empty() && !global.quiet) {
        tell(source.render(&one.warnings, color).trim_end());
    }
    let mut loaded = loaded.into_iter();
    let first = loaded.next().map(|first| first.definition);
    first.ok_or_else(|| Failure::usage(format!("`{}` holds no definition", source.origin)))
}

/// How the instance begins: by the script, by an event with the data given, or by a start.
fn opening(
    args: &RunArgs,
    definition: &Definition,
    steps: Option<Vec<Step>>,
) -> Result<Opening, Failure> {
    if let Some(steps) = steps {
        return Ok(Opening::Script(steps));
    }
    let data = args.data.object()?;
    if let Some(key) = &args.key {
        key_counts(key, args.event.as_deref(), definition)?;
    }
    if let Some(event) = &args.event {
        return Ok(Opening::Script(vec![Step::Event { event: event.clone(), data }]));
    }
    let starts = definition.events.iter().filter(|event| event.early == Early::Start);
    let names: Vec<String> = starts.map(|event| event.name.to_string()).collect();
    match names.as_slice() {
        [] => Ok(Opening::Start {
            workflow: definition.name.to_string(),
            key: args.key.clone(),
            input: data,
        }),
        [only] => Ok(Opening::Script(vec![Step::Event { event: only.clone(), data }])),
        several => Err(Failure::usage("several events start this workflow")
            .with_help(format!("choose with `--event`: {}", several.join(", ")))),
    }
}

/// Refuses a key where the instance takes its own from the event that starts it.
fn key_counts(key: &str, event: Option<&str>, definition: &Definition) -> Result<(), Failure> {
    let declared = |name| definition.event(name);
    let first = || definition.events.iter().find(|event| event.early == Early::Start);
    let Some(event) = event.map_or_else(first, declared) else { return Ok(()) };
    let (workflow, name) = (&definition.name, &event.name);
    let correlate = event.correlate.as_ref().or(definition.correlate.as_ref());
    let (why, help) = match correlate {
        Some(correlate) => (
            format!(
                "`{name}` starts `{workflow}`, and `correlate: {}` is the key",
                correlate.source()
            ),
            "leave `--key` out, and give the key with `--data`",
        ),
        None => (
            format!("`{name}` starts `{workflow}`, which has no `correlate:` to find the key with"),
            "add `correlate: data.…` to the definition, and give the key with `--data`",
        ),
    };
    Err(Failure::usage(format!("`--key {key}` would count for nothing: {why}")).with_help(help))
}
