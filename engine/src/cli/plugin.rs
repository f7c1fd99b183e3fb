//! `plugin`: look at the plugins that run, call them, and check them.

use clap::{Args, Subcommand};
use gearshift_bus::Bus;
use gearshift_client::protocol::command::{PluginCall, PluginCallReply, PluginReset};
use gearshift_client::protocol::query::Plugins;
use gearshift_client::protocol::subjects;
use gearshift_client::protocol::view::PluginView;

use super::args::Global;
use super::conformance::{CheckArgs, check};
use super::connect::{self, Target};
use super::data::DataArgs;
use super::failure::{ENDED_BADLY, Failure, NOT_FOUND, Outcome, TIMED_OUT, UNREACHABLE};
use super::joining::unusable;
use super::output::{clean, tell};
use super::plugin_shown::{PLUGINS, WITHOUT_ENGINE, shown};
use super::words;
use crate::api::plugins_of_bus;

const EXAMPLES: &str = "\
Examples:
  gearshift plugin ls
  gearshift plugin show validator                what it can be asked, with schemas
  gearshift plugin call validator validate_document -d title='Q3 report'
  gearshift plugin reset payments --reason 'the bank is back'
  gearshift plugin check validator -d title='Q3 report'

CALLS and ERRORS are the instances' own where they count them, else what the engine that answers
has seen; P99 is what that engine has seen, `~` before the instances' average where it has seen
nothing. Over NATS `ls` and `show` work without an engine: plugins tell of themselves. A call by
hand goes out whatever the breaker says. Exit 1: it failed; 7: no answer in time.";

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
        /// Only the versions of this one
        name: Option<String>,
    },
    /// Show what a plugin can be asked, what it needs, and its instances
    Show {
        /// The plugin
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
    let items = known.of(name);
    global.out().items(&items, if known.by_engine { &PLUGINS } else { &WITHOUT_ENGINE })?;
    Ok(0)
}

async fn show(global: &Global, name: &str) -> Outcome {
    let known = Known::ask(global).await?;
    known.say();
    let items = known.of(Some(name));
    if items.is_empty() {
        return Err(known.absent(name));
    }
    let output = global.out();
    output.json(&items)?;
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

/// The plugins that run.
struct Known {
    items: Vec<PluginView>,
    /// Did an engine tell? Else they did themselves.
    by_engine: bool,
}

impl Known {
    /// Asks an engine, and where none answers on the NATS servers the plugins themselves.
    async fn ask(global: &Global) -> Result<Self, Failure> {
        let client = connect::client(global).await?;
        let failure = match client.plugins(&Plugins::default()).await {
            Ok(page) => return Ok(Self { items: page.items, by_engine: true }),
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
        Ok(Self { items, by_engine: false })
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

    fn of(&self, name: Option<&str>) -> Vec<PluginView> {
        let is_meant = |one: &&PluginView| name.is_none_or(|name| name == one.name);
        self.items.iter().filter(is_meant).cloned().collect()
    }

    /// No plugin of that name runs, but perhaps one of nearly the same.
    fn absent(&self, name: &str) -> Failure {
        let failure = Failure::new(NOT_FOUND, format!("no plugin `{name}` is running"));
        let names = self.items.iter().map(|one| one.name.as_str());
        match words::nearest(name, names) {
            Some(nearest) => failure.with_help(format!("did you mean `{nearest}`?")),
            None => failure,
        }
    }
}

async fn call(global: &Global, args: &CallArgs) -> Outcome {
    let client = connect::client(global).await?;
    let input = args.data.object()?;
    let timeout_ms = u64::try_from(global.timeout.as_millis()).ok();
    let operation = format!("{}.{}", args.name, args.operation);
    let reply = client.plugin_call(&PluginCall { operation, input, timeout_ms }).await?;
    told(global, &reply)
}

fn told(global: &Global, reply: &PluginCallReply) -> Outcome {
    let output = global.out();
    output.json(reply)?;
    let Some(failure) = &reply.failure else {
        let given = reply.output.clone().unwrap_or_default();
        let text = serde_json::to_string_pretty(&given).unwrap_or_default();
        output.line(clean(&text))?;
        return Ok(0);
    };
    let says = !failure.code.is_empty() && failure.code != failure.kind;
    let code = if says { format!(" {}", failure.code) } else { String::new() };
    let again = failure.retry_after_ms.map(|wait| format!("  again in {}", words::span(wait)));
    output.line(clean(&format!(
        "{}{code}  {}{}",
        failure.kind,
        failure.message,
        again.unwrap_or_default()
    )))?;
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
    let (plugin, operation) = (plugin.to_owned(), operation.map(str::to_owned));
    let order = PluginReset { plugin, operation, reason: global.reason.clone() };
    let reply = client.plugin_reset(&order).await?;
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
