//! `plugin`: look at the plugins that run, call them, and check them.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use gearshift_bus::Bus;
use gearshift_client::protocol::command::{PluginCall, PluginCallReply, PluginReset};
use gearshift_client::protocol::query::Plugins;
use gearshift_client::protocol::view::PluginView;
use gearshift_client::protocol::{OperationRef, subjects};

use super::args::Global;
use super::conformance::{CheckArgs, check};
use super::connect::{self, DevNote, Target};
use super::data::DataArgs;
use super::failure::{ENDED_BADLY, Failure, NOT_FOUND, Outcome, TIMED_OUT, UNREACHABLE};
use super::joining::unusable;
use super::live::{named, not_meant};
use super::output::{clean, tell};
use super::plugin_shown::WIDTH as COLUMNS;
use super::plugin_shown::{NOT_SURE, contradictions, interfaces, mocked, providers, shown, table};
use super::words;
use crate::api::{plugin_is_silent, plugins_of_bus};

const EXAMPLES: &str = "\
Examples:
  gearshift plugin ls
  gearshift plugin show validator                what it can be asked, with schemas
  gearshift plugin show document-validator@^1    who provides an interface, in these versions
  gearshift plugin call validator validate_document -d title='Q3 report'
  gearshift plugin call calculator sum --data '[1, 2, 3]'
  gearshift plugin reset payments --reason 'the bank is back'
  gearshift plugin check validator -d title='Q3 report'

CALLS, ERRORS and P99 are what the engine that answers has seen since it started, of all minor
versions together; `show` has what each instance counts itself, whoever asked it. Over NATS `ls` and
`show` work without an engine: plugins tell of themselves, and `~` under P99 is their average. A
call by hand goes out whatever the breaker says. Exit 1: it failed; 3: there is none; 7: no answer
in time, or a plugin that is connected and does not answer.";

/// `gearshift plugin`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// List the plugins that run
    Ls {
        /// Only this one, or those that provide this interface; `docs@^2`: in these versions
        #[arg(value_name = "NAME[@VERSIONS]")]
        name: Option<String>,
    },
    /// Show what a plugin can be asked, what it needs, and its instances
    Show {
        /// The plugin, or an interface: who provides it; `docs@^2`: in these versions
        #[arg(value_name = "NAME[@VERSIONS]")]
        name: String,
    },
    /// Call an operation once, by hand, for no instance
    Call(CallArgs),
    /// Close the breakers of a plugin: its calls are sent again at once
    Reset {
        /// The plugin, or `plugin.operation`
        #[arg(value_name = "NAME[.OPERATION]")]
        name: String,
    },
    /// Find out whether a plugin, in whatever language, keeps the protocol
    Check(CheckArgs),
}

/// `gearshift plugin call`.
#[derive(Debug, Args)]
struct CallArgs {
    /// The plugin, or with the versions that will do: validator@^1.2
    name: String,
    /// Its operation
    operation: String,
    #[command(flatten)]
    data: DataArgs,
}

/// Does it.
pub(super) async fn plugin(global: &Global, args: &PluginArgs) -> Outcome {
    match &args.command {
        PluginCommand::Ls { name } => ls(global, name.as_deref()).await,
        PluginCommand::Show { name } => show(global, name).await,
        PluginCommand::Call(args) => call(global, args).await,
        PluginCommand::Reset { name } => reset(global, name).await,
        PluginCommand::Check(args) => check(global, args).await,
    }
}

async fn ls(global: &Global, name: Option<&str>) -> Outcome {
    let known = Known::ask(global).await?;
    known.say();
    let items = match name {
        Some(name) => known.meant_or_silent(global, &wanted(name)?).await?,
        None => known.items.clone(),
    };
    for words in known.silent.iter().filter(|_| name.is_none()) {
        tell(&clean(&format!("warning: {words}")));
    }
    if items.is_empty() && known.silent.is_empty() {
        tell(nobody(global)?);
    }
    let output = global.out();
    let table = table(known.by_engine);
    match output.is_text() && !items.is_empty() {
        true => output.line(table.render_within(&items, COLUMNS))?,
        false => output.items(&items, &table)?,
    }
    for line in interfaces(&items).into_iter().chain(mocked(&items)) {
        output.line(clean(&line))?;
    }
    for words in contradictions(&items) {
        tell(&clean(&format!("warning: {words}: {NOT_SURE}")));
    }
    Ok(0)
}

async fn show(global: &Global, name: &str) -> Outcome {
    let known = Known::ask(global).await?;
    known.say();
    let wanted = wanted(name)?;
    let items = known.meant_or_silent(global, &wanted).await?;
    let output = global.out();
    output.json(&items)?;
    if items.iter().all(|one| one.name != wanted.plugin) {
        for line in providers(&wanted.plugin, &items) {
            output.line(clean(&line))?;
        }
        output.line("")?;
    }
    for (at, one) in items.iter().enumerate() {
        if at > 0 {
            output.line("")?;
        }
        for line in shown(one, output.look) {
            output.line(clean(&line))?;
        }
    }
    Ok(0)
}

/// What `ls` says where there is nothing to list.
const NOBODY: &str = "note: no plugin is running; start one as a process of its own, with \
                      `NATS_URL` set to the engine's servers, or try `gearshift dev \
                      document-approval`, which has its plugins inside";

/// The same of an engine whose bus is in its process.
const NOBODY_INSIDE: &str = "note: no plugin is running, and the bus of this engine is inside its \
                             process: plugins of other processes need `gearshift dev --nats`; \
                             `gearshift dev document-approval` has its plugins inside, and a \
                             mocks.yaml answers without any";

fn nobody(global: &Global) -> Result<&'static str, Failure> {
    let note = std::env::current_dir().ok().and_then(|folder| DevNote::read(&folder));
    Ok(match (connect::chosen(global)?, note) {
        (Target::Http { url, .. }, Some(note)) if url == note.url && note.nats.is_none() => {
            NOBODY_INSIDE
        }
        (Target::Http { .. } | Target::Nats(_), _) => NOBODY,
    })
}

/// `NAME` or `NAME@VERSIONS`; no operation is meant.
fn wanted(name: &str) -> Result<OperationRef, Failure> {
    // Read as a definition reads it, which has an operation behind that.
    match format!("{name}.any").parse::<OperationRef>() {
        Ok(wanted) => Ok(OperationRef { operation: String::new(), ..wanted }),
        Err(_) => {
            let failure = Failure::usage(format!("`{name}` is not NAME or NAME@VERSIONS"));
            // People paste what stands in a definition.
            Err(match name.parse::<OperationRef>() {
                Ok(it) => failure.with_help(format!("name the plugin alone: `{}`", it.plugin)),
                Err(_) => failure.with_help("write it as in `validator` or `validator@^1.2`"),
            })
        }
    }
}

/// The plugins that run.
struct Known {
    items: Vec<PluginView>,
    /// Those that are connected and do not answer, in words, as far as definitions call them.
    silent: Vec<String>,
    /// Did an engine tell? Else they did themselves.
    by_engine: bool,
}

impl Known {
    /// Asks an engine, and where none answers on the NATS servers the plugins themselves.
    async fn ask(global: &Global) -> Result<Self, Failure> {
        let client = connect::client(global).await?;
        let failure = match client.plugins(&Plugins::default()).await {
            Ok(page) => {
                let (items, silent) = (page.items, page.missing);
                return Ok(Self { items, silent, by_engine: true });
            }
            Err(error) => Failure::from(error),
        };
        let target = match connect::chosen(global)? {
            Target::Nats(target) if failure.exit == UNREACHABLE => target,
            Target::Nats(_) | Target::Http { .. } => return Err(failure),
        };
        let bus = Bus::connect(&target.options).await.map_err(|error| unusable(&target, &error))?;
        let found = plugins_of_bus(&bus, None).await;
        if let Err(error) = bus.close().await {
            tracing::debug!(%error, "connection did not close cleanly");
        }
        let items = found.map_err(|error| Failure::new(UNREACHABLE, error.to_string()))?;
        Ok(Self { items, silent: Vec::new(), by_engine: false })
    }

    /// [`Known::meant`]; of one that is connected and does not answer, it is said so.
    async fn meant_or_silent(
        &self,
        global: &Global,
        wanted: &OperationRef,
    ) -> Result<Vec<PluginView>, Failure> {
        if !named(&self.items, &wanted.plugin).is_empty() {
            return self.meant(wanted);
        }
        let silent = match (self.by_engine, connect::chosen(global)?) {
            (true, _) => {
                let list = Plugins { name: Some(wanted.plugin.clone()) };
                connect::client(global).await?.plugins(&list).await?.missing.into_iter().next()
            }
            (false, Target::Nats(target)) => {
                let bus = Bus::connect(&target.options).await;
                let bus = bus.map_err(|error| unusable(&target, &error))?;
                let silent = plugin_is_silent(&bus, &wanted.plugin).await;
                if let Err(error) = bus.close().await {
                    tracing::debug!(%error, "connection did not close cleanly");
                }
                silent
            }
            (false, Target::Http { .. }) => None,
        };
        match silent {
            Some(words) => Err(Failure::new(TIMED_OUT, words).with_help(
                "end or wake that process; its calls wait for their deadlines, or go to others",
            )),
            None => self.meant(wanted),
        }
    }

    /// Says where this is from, where it is not from an engine.
    fn say(&self) {
        if !self.by_engine {
            tell(
                "note: no engine answers, so this is what the plugins say themselves; breakers, \
                 pauses and what engines count are unknown",
            );
        }
    }

    /// Those that are meant: of the plugin, or of those that provide the interface.
    fn meant(&self, wanted: &OperationRef) -> Result<Vec<PluginView>, Failure> {
        let running = named(&self.items, &wanted.plugin);
        if running.is_empty() {
            return Err(self.absent(&wanted.plugin));
        }
        let is_meant = |one: &PluginView| one.version.is_empty() || wanted.accepts(&one.version);
        let meant = running.iter().filter(|one| is_meant(one));
        let meant: Vec<_> = meant.map(|one| (*one).clone()).collect();
        match meant.is_empty() {
            true => Err(Failure::new(NOT_FOUND, not_meant(&running, wanted))),
            false => Ok(meant),
        }
    }

    /// No plugin of that name runs, but perhaps one of nearly the same.
    fn absent(&self, name: &str) -> Failure {
        let failure = Failure::new(NOT_FOUND, format!("no plugin `{name}` is running"));
        let names = || self.items.iter().map(|one| one.name.as_str());
        let interfaces = self.items.iter().flat_map(|one| one.interfaces.iter());
        if let Some(near) = words::nearest(name, names().chain(interfaces.map(String::as_str))) {
            return failure.with_help(format!("did you mean `{near}`?"));
        }
        let names = Vec::from_iter(names().collect::<BTreeSet<_>>());
        match names.is_empty() {
            true => failure.with_help("nor is any other"),
            false => failure.with_help(format!("these run: {}", names.join(", "))),
        }
    }

    /// Why there is no breaker to close: no such plugin runs, or it has no such operation.
    fn has(&self, plugin: &str, operation: Option<&str>) -> Result<(), Failure> {
        let running = named(&self.items, plugin);
        let Some(first) = running.first() else { return Err(self.absent(plugin)) };
        if first.name != plugin {
            let names: BTreeSet<_> = running.iter().map(|one| one.name.as_str()).collect();
            let names = Vec::from_iter(names).join(", ");
            let what = format!("`{plugin}` is an interface, and breakers are the plugins'");
            return Err(Failure::new(NOT_FOUND, what).with_help(format!("name one of: {names}")));
        }
        let Some(operation) = operation else { return Ok(()) };
        let has = || running.iter().flat_map(|one| &one.operations).map(|it| it.name.as_str());
        if has().any(|name| name == operation) {
            return Ok(());
        }
        let what = format!("plugin `{plugin}` has no operation `{operation}`");
        let has = Vec::from_iter(has().collect::<BTreeSet<_>>()).join(", ");
        Err(Failure::new(NOT_FOUND, what).with_help(format!("it has: {has}")))
    }
}

async fn call(global: &Global, args: &CallArgs) -> Outcome {
    let client = connect::client(global).await?;
    let input = args.data.value()?;
    let timeout_ms = u64::try_from(global.timeout.as_millis()).ok();
    let operation = format!("{}.{}", args.name, args.operation);
    let reply = client.plugin_call(&PluginCall { operation, input, timeout_ms }).await?;
    told(global, &reply)
}

fn told(global: &Global, reply: &PluginCallReply) -> Outcome {
    let output = global.out();
    output.json(reply)?;
    if reply.mocked {
        tell("note: a mock of this engine answered, and no plugin was asked");
    }
    let Some(failure) = &reply.failure else {
        let given = reply.output.clone().unwrap_or_default();
        let text = serde_json::to_string_pretty(&given).unwrap_or_default();
        output.line(clean(&text))?;
        return Ok(0);
    };
    // Nobody was asked: that is told as every command tells of what is not there.
    if failure.kind == "plugin_not_found" && output.is_text() {
        return Err(Failure::new(NOT_FOUND, failure.message.clone()));
    }
    let what = match (failure.kind.as_str(), failure.code.as_str()) {
        (kind, code) if code.is_empty() || code == kind => kind.to_owned(),
        (kind, code) => format!("{kind} {code}"),
    };
    let again = failure.retry_after_ms.map(|wait| format!("  again in {}", words::span(wait)));
    let again = again.unwrap_or_default();
    output.line(clean(&format!("{what}  {}{again}", failure.message)))?;
    Ok(match failure.kind.as_str() {
        "timeout" => TIMED_OUT,
        "plugin_not_found" => NOT_FOUND,
        _ => ENDED_BADLY,
    })
}

async fn reset(global: &Global, name: &str) -> Outcome {
    let (plugin, operation) = match name.split_once('.') {
        Some((plugin, operation)) => (plugin, Some(operation)),
        None => (name, None),
    };
    if ![Some(plugin), operation].into_iter().flatten().all(subjects::is_service_name) {
        return Err(Failure::usage(format!("`{name}` is not NAME or NAME.OPERATION")));
    }
    let client = connect::client(global).await?;
    let order = PluginReset {
        plugin: plugin.to_owned(),
        operation: operation.map(str::to_owned),
        reason: global.reason.clone(),
    };
    let reply = client.plugin_reset(&order).await?;
    if reply.closed.is_empty() {
        // A plugin that is away may have a breaker; one with none has to be there to be known.
        let items = client.plugins(&Plugins::default()).await?.items;
        Known { items, silent: Vec::new(), by_engine: true }.has(plugin, operation)?;
    }
    let output = global.out();
    output.json(&reply)?;
    if reply.closed.is_empty() {
        output.line(format!("{name}  every breaker is closed"))?;
    }
    for key in &reply.closed {
        output.line(format!("{key}  closed"))?;
    }
    Ok(0)
}
