//! [`main`]: parse, run, exit code.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use gearshift_bus::Bus;

use tokio::runtime::Builder;

use super::args::{Cli, Command, Global};
use super::failure::{BUG, Failure, Outcome, USAGE};
use super::output::{Format, tell};
use super::{
    bench, bus, cache, check, control, convert, definitions, deploy, dev, diff, dlq, drive,
    explain, fork, further, graph, health, look, migrate, play, plugin, repair, run, schedule,
    serve, start, test, timer, transaction, watch, words,
};
use crate::runtime::init_tracing;

/// Plugins that run in this process as long as this is held.
pub type LoadedPlugins = Box<dyn Send>;

/// The work of loading them; `None` where there are none under that name.
pub type PluginFuture = Pin<Box<dyn Future<Output = Result<Option<LoadedPlugins>, String>> + Send>>;

/// Serves the plugins of a folder on a bus: the bus, the folder's name, the folder.
pub type PluginLoader = Box<dyn Fn(Bus, String, PathBuf) -> PluginFuture + Send + Sync>;

/// The start of our environment variables; the second one belongs to test programs.
const PREFIX: &str = "GEARSHIFT_";
const TEST_PREFIX: &str = "GEARSHIFT_TEST_";

/// Runs the command that the process was started with.
#[must_use]
pub fn main(plugins: PluginLoader) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments()) {
        Ok(cli) => cli,
        Err(error) => return refused(&plainly(error)),
    };
    // A command says itself what went wrong; logs beside it would say it twice.
    let is_quiet = !cli.command.has_engine() && cli.global.verbose == 0;
    let level = if is_quiet { "error" } else { cli.global.log_level() };
    init_tracing(level, cli.global.log_format.into());
    let global = cli.global.clone();
    let names = std::env::vars_os().map(|(name, _)| name);
    let outcome = check_environment(names).and_then(|()| in_runtime(cli, plugins));
    ExitCode::from(match outcome {
        Ok(code) => code,
        Err(failure) => report(&global, &failure),
    })
}

/// The command line; `help --help` asks for help as `help` does.
fn arguments() -> impl Iterator<Item = OsString> {
    let list: Vec<OsString> = std::env::args_os().collect();
    let helps = list.get(1).is_some_and(|first| first == "help");
    list.into_iter().filter(move |word| !(helps && (word == "--help" || word == "-h")))
}

/// The same complaint without the flags that stand in the environment: nobody typed them here.
fn plainly(error: clap::Error) -> clap::Error {
    let command = Cli::command().mut_args(|argument| argument.env(None::<&'static str>));
    match command.try_get_matches_from(arguments()) {
        Err(plain) if plain.kind() == error.kind() => plain,
        Err(_) | Ok(_) => error,
    }
}

/// Help goes to stdout with 0, complaints to stderr with 2; a closed pipe is no failure.
fn refused(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
    match error.print().and_then(|()| std::io::stdout().flush()) {
        Ok(()) => ExitCode::from(code),
        Err(problem) if problem.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(code),
        Err(_) => ExitCode::from(BUG),
    }
}

fn in_runtime(cli: Cli, plugins: PluginLoader) -> Outcome {
    let runtime = threads(&cli.command)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(BUG, format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(perform(cli, plugins));
    // What is left, such as a prompt in a thread of its own, must not keep the process.
    runtime.shutdown_background();
    outcome
}

/// The threads that a command needs.
fn threads(command: &Command) -> Builder {
    // What asks only to measure takes as little of the machine as it can.
    let only_asks = if let Command::Bench(args) = command {
        args.is_nats()
    } else {
        matches!(command, Command::BenchPlugin(_))
    };
    if only_asks {
        return Builder::new_current_thread();
    }
    let wanted = if let Command::Serve(args) = command { args.threads } else { None };
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = wanted.and_then(|threads| usize::try_from(threads).ok()) {
        builder.worker_threads(threads);
    }
    builder
}

/// Tells a failure: data (`-o json`) on stdout, words on stderr.
fn report(global: &Global, failure: &Failure) -> u8 {
    if failure.unread {
        return 0;
    }
    let output = global.out();
    match output.format {
        Format::Json | Format::Jsonl => match output.json(&failure.problem) {
            Err(second) if second.unread => {}
            Err(_) | Ok(()) => tell(failure.render(global.stderr_look()).trim_end()),
        },
        Format::Text | Format::None => tell(failure.render(global.stderr_look()).trim_end()),
    }
    failure.exit
}

async fn perform(cli: Cli, plugins: PluginLoader) -> Outcome {
    let Cli { global, command } = cli;
    match command {
        Command::Run(args) => run::run(&global, args, plugins).await,
        Command::Dev(args) => dev::dev(&global, args, plugins).await,
        Command::Serve(args) => serve::serve(&global, args).await,
        Command::Check(args) => check::check(&global, &args).await,
        Command::Convert(args) => convert::convert(&global, &args).await,
        Command::Diff(args) => diff::diff(&global, &args).await,
        Command::Play(args) => play::play(&global, &args),
        Command::Test(args) => test::test(&global, &args),
        Command::Deploy(args) => deploy::deploy(&global, &args).await,
        Command::Start(args) => start::start(&global, args).await,
        Command::Send(args) => drive::send(&global, args).await,
        Command::Tasks(args) => drive::tasks(&global, args).await,
        Command::Approve(args) => drive::vote(&global, args, "approve").await,
        Command::Reject(args) => drive::vote(&global, args, "reject").await,
        Command::Decide(args) => drive::decide(&global, args).await,
        Command::Ls(args) => look::ls(&global, args).await,
        Command::Show(args) => look::show(&global, &args).await,
        Command::History(args) => look::history(&global, &args).await,
        Command::Why(args) => look::why(&global, &args).await,
        Command::Health(_) => health::health(&global).await,
        Command::Watch(args) => watch::watch(&global, args).await,
        Command::Pause(args) => control::pause(&global, &args).await,
        Command::Resume(args) => control::resume(&global, &args).await,
        Command::Rollback(args) => control::rollback(&global, &args).await,
        Command::Set(args) => control::set(&global, &args).await,
        Command::Checkpoint(args) => fork::checkpoint(&global, &args).await,
        Command::Fork(args) => fork::fork(&global, &args).await,
        Command::Timer(args) => timer::timer(&global, &args).await,
        Command::Transaction(args) => transaction::transaction(&global, &args).await,
        Command::Plugin(args) => plugin::plugin(&global, &args).await,
        Command::Cache(args) => cache::cache(&global, &args).await,
        Command::Schedule(args) => schedule::schedule(&global, &args).await,
        Command::Cancel(args) => repair::cancel(&global, &args).await,
        Command::Kill(args) => repair::repair(&global, &args, repair::Verb::Kill).await,
        Command::Retry(args) => repair::repair(&global, &args, repair::Verb::Retry).await,
        Command::Skip(args) => repair::repair(&global, &args, repair::Verb::Skip).await,
        Command::Migrate(args) => migrate::migrate(&global, &args).await,
        Command::Steps(args) => further::steps(&global, &args).await,
        Command::Dlq(args) => dlq::dlq(&global, args).await,
        Command::Def(args) => definitions::def(&global, args).await,
        Command::Graph(args) => graph::graph(&global, &args).await,
        Command::Schema(_) => explain::schema(&global),
        Command::Bus(args) => bus::bus(&global, &args).await,
        Command::Bench(args) => bench::bench(&global, &args).await,
        Command::BenchPlugin(args) => bench::plugin(&global, &args).await,
        Command::Explain(args) => explain::explain(&global, &args),
    }
}

/// Refuses variables with our prefix that nothing reads: a misspelled one would be ignored in
/// silence (row C1).
fn check_environment(names: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let mut known = BTreeSet::new();
    collect_variables(&Cli::command(), &mut known);
    for name in names {
        let name = name.to_string_lossy();
        if !name.starts_with(PREFIX) || name.starts_with(TEST_PREFIX) || known.contains(&*name) {
            continue;
        }
        let failure = Failure::usage(format!("environment variable `{name}` is not known"));
        let nearest = words::nearest(&name, known.iter().map(String::as_str));
        return Err(match nearest {
            Some(nearest) => failure.with_help(format!("did you mean `{nearest}`?")),
            None => failure.with_help(format!("unset it; nothing reads `{name}`")),
        });
    }
    Ok(())
}

fn collect_variables(command: &clap::Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    for command in command.get_subcommands() {
        collect_variables(command, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_an_unknown_variable_with_our_prefix_is_refused_with_the_nearest_name() {
        let check = |name: &str| check_environment(std::iter::once(OsString::from(name)));
        let failure = check("GEARSHIFT_SEVER").unwrap_err();
        assert_eq!(failure.exit, 2);
        assert_eq!(failure.help.as_deref(), Some("did you mean `GEARSHIFT_SERVER`?"));
        assert!(check("GEARSHIFT_LISTEN").is_ok(), "a subcommand's variable is known");
        assert!(check("GEARSHIFT_TEST_SEED").is_ok());
        assert!(check("PATH").is_ok());
    }
}
