//! The command line: flags that every command has, and the commands.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::login::NatsLogin;
use super::output::{Color, Format, Logs, Look, Output};
use super::{
    bench, bus, cache, check, control, convert, definitions, deploy, dev, diff, dlq, drive,
    explain, fork, further, graph, health, look, migrate, play, plugin, repair, run, schedule,
    serve, start, test, timer, transaction, watch, words,
};

const EXAMPLES: &str = "\
Start here:
  gearshift run examples/document-approval      one instance to its end, nothing installed
  gearshift dev examples                        an engine on this machine, reloading files
  gearshift send document.submitted -d documentId=doc-43 -d title=Budget \\
    -d submitter=eve --wait-for under_review
  gearshift tasks                               what waits for a decision
  gearshift approve doc-43 --reason 'numbers match'
  gearshift why doc-43                          why it is where it is

Exit codes:
  0 done   1 ended badly   2 usage   3 not found   4 conflict   5 denied   6 unreachable
  7 timed out   8 some of several failed   70 our bug   130/143 signals";

/// Workflows as state machines, driven by events.
#[derive(Debug, Parser)]
#[command(name = "gearshift", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(infer_subcommands = false, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Flags that every command has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// How to print data
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value_t)]
    #[arg(env = "GEARSHIFT_OUTPUT")]
    pub(super) output: Format,
    /// The engine's address, such as http://127.0.0.1:4500, or that of its NATS servers, such as
    /// nats://127.0.0.1:4222; else the `gearshift dev` started in this folder
    #[arg(short = 's', long, global = true, value_name = "URL", env = "GEARSHIFT_SERVER")]
    pub(super) server: Option<String>,
    /// The token that the engine printed at its start
    #[arg(long, global = true, value_name = "TOKEN", env = "GEARSHIFT_TOKEN")]
    #[arg(hide_env_values = true)]
    pub(super) token: Option<String>,
    /// A file that holds the token
    #[arg(long, global = true, value_name = "FILE", env = "GEARSHIFT_TOKEN_FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// In whose name commands are given and recorded
    #[arg(long = "as", global = true, value_name = "USER", env = "GEARSHIFT_USER")]
    pub(super) user: Option<String>,
    /// How long to wait for an answer, such as 30s or 2m
    #[arg(long, global = true, value_parser = words::duration, default_value = "30s")]
    #[arg(env = "GEARSHIFT_TIMEOUT")]
    pub(super) timeout: Duration,
    /// Why, in your words; recorded with the command
    #[arg(long, global = true, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    /// Do it without asking first
    #[arg(long, global = true)]
    pub(super) yes: bool,
    /// Never ask, not even at a terminal
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// When to color
    #[arg(long, global = true, value_enum, default_value_t, env = "GEARSHIFT_COLOR")]
    pub(super) color: Color,
    /// Log more: -v what happens, -vv every detail
    #[arg(short = 'v', long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// How to log
    #[arg(long, global = true, value_enum, default_value_t, env = "GEARSHIFT_LOG_FORMAT")]
    pub(super) log_format: Logs,
    /// Log nothing but errors
    #[arg(short = 'q', long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) nats: NatsLogin,
}

impl Global {
    /// Where data goes.
    pub(super) fn out(&self) -> Output {
        Output::new(self.output, self.color)
    }

    /// Colors of stderr.
    pub(super) fn stderr_look(&self) -> Look {
        Look::stderr(self.color)
    }

    /// Is there somebody to ask?
    pub(super) fn may_ask(&self) -> bool {
        !self.no_input && std::io::stdin().is_terminal()
    }

    /// The level of logs; `RUST_LOG` wins over it.
    pub(super) const fn log_level(&self) -> &'static str {
        match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => "warn",
            (false, 1) => "info",
            (false, 2) => "debug",
            (false, _) => "trace",
        }
    }
}

impl Command {
    /// Does it run an engine, whose log is read later?
    pub(super) const fn has_engine(&self) -> bool {
        matches!(
            self,
            Self::Run(_) | Self::Dev(_) | Self::Serve(_) | Self::Bench(_) | Self::BenchPlugin(_)
        )
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run one instance to its end, in this process
    Run(run::RunArgs),
    /// Run an engine for development: reloads definitions, prints its address and token
    Dev(dev::DevArgs),
    /// Run an engine in production, on NATS servers, beside others
    Serve(serve::ServeArgs),
    /// Find everything that is wrong with definitions
    Check(check::CheckArgs),
    /// Play scenarios on definitions, under a clock of their own
    Test(test::TestArgs),
    /// Step through a definition by hand, at a terminal or from a pipe
    Play(play::PlayArgs),
    /// Turn other formats into definitions, and definitions into other formats
    Convert(convert::ConvertArgs),
    /// Compare two definitions, and what the change means for instances
    Diff(diff::DiffArgs),
    /// Make definitions available to an engine
    Deploy(deploy::DeployArgs),
    /// Look at the NATS servers beneath, and configure them
    Bus(bus::BusArgs),
    /// Measure the published workloads on this machine
    Bench(bench::BenchArgs),
    /// Answer the calls of `bench w2`
    #[command(hide = true)]
    BenchPlugin(bench::PluginArgs),
    /// Begin the life of an instance
    Start(start::StartArgs),
    /// Send an event and learn what became of it
    Send(drive::SendArgs),
    /// List what waits for a decision
    Tasks(drive::TasksArgs),
    /// Decide open approvals by `approve`
    Approve(drive::VoteArgs),
    /// Decide open approvals by `reject`
    Reject(drive::VoteArgs),
    /// Decide open approvals by one of their choices
    Decide(drive::DecideArgs),
    /// List instances
    Ls(look::LsArgs),
    /// Show all there is about instances
    Show(look::ShowArgs),
    /// Show what happened to instances, oldest first
    History(look::IdsArgs),
    /// Explain why instances are where they are, and what would move them on
    Why(look::IdsArgs),
    /// Tell whether the engines are well
    Health(health::HealthArgs),
    /// Print changes as they happen
    Watch(watch::WatchArgs),
    /// Hold instances: events and replies wait, no timer fires
    Pause(control::PauseArgs),
    /// Let paused instances go on
    Resume(control::ResumeArgs),
    /// Take back what instances have done, newest first; then they wait for a person
    Rollback(control::RollbackArgs),
    /// Write to variables of instances that run
    Set(control::SetArgs),
    /// Save a point of an instance that a fork can begin from
    Checkpoint(fork::CheckpointArgs),
    /// Begin a new instance where another one was
    Fork(fork::ForkArgs),
    /// Look at armed timers, let one fire, or be due at another time
    Timer(timer::TimerArgs),
    /// Begin, commit, roll back and look at transactions over several instances
    #[command(visible_alias = "tx")]
    Transaction(transaction::TransactionArgs),
    /// Look at the plugins that run, call them, and check them
    Plugin(plugin::PluginArgs),
    /// Forget results of calls that `cache:` keeps for the same calls again
    Cache(cache::CacheArgs),
    /// Look at the schedules of workflows, or let one start an instance now
    Schedule(schedule::ScheduleArgs),
    /// End instances softly: what was done is taken back, exit actions run
    Cancel(repair::CancelArgs),
    /// End instances at once: nothing runs
    Kill(repair::RepairArgs),
    /// Re-run what made instances stuck, and only that
    Retry(repair::RepairArgs),
    /// Leave behind what made instances stuck
    Skip(repair::RepairArgs),
    /// Let instances go on under another version of their definition
    Migrate(migrate::MigrateArgs),
    /// Give an instance that runs further steps
    Steps(further::StepsArgs),
    /// Look at and repair dead letters: events nobody could use
    Dlq(dlq::DlqArgs),
    /// Look at deployed definitions
    Def(definitions::DefArgs),
    /// Draw a definition as Mermaid or DOT
    Graph(graph::GraphArgs),
    /// Print the JSON Schema of the definition format
    Schema(explain::SchemaArgs),
    /// Explain a code such as GS0104
    Explain(explain::ExplainArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::{ContextKind, ErrorKind};

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_and_every_option_a_meaning() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            assert!(command.get_after_help().is_some(), "{name} shows no example");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
        }
    }

    #[test]
    fn global_flags_stand_before_and_behind_the_command() {
        for line in ["gearshift -o json --timeout 5s ls", "gearshift ls --timeout 5s -o json"] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.global.output, Format::Json);
            assert_eq!(cli.global.timeout, Duration::from_secs(5));
        }
    }

    #[test]
    fn c1_an_unknown_flag_or_command_gets_the_nearest_name_and_exit_2() {
        let error = parse("gearshift ls --wher x").unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::UnknownArgument, 2));
        assert!(error.get(ContextKind::SuggestedArg).is_some(), "{error}");
        let error = parse("gearshift aprove x").unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::InvalidSubcommand, 2));
        assert!(error.to_string().contains("approve"), "{error}");
    }

    #[test]
    fn c9_numbers_out_of_range_are_usage_errors_that_name_the_range() {
        for number in ["0", "-1", "10001", "18446744073709551616"] {
            let error = parse(&format!("gearshift ls --limit={number}")).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("from 1 to 10000"), "{error}");
        }
        for time in ["0s", "-1s", "200y", "5"] {
            let error = parse(&format!("gearshift ls --timeout={time}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{time}");
        }
    }

    #[test]
    fn mock_takes_a_value_or_none() {
        let mocks = |line: &str| {
            let Command::Run(run) = parse(line).unwrap().command else { panic!("not `run`") };
            run.mock.len()
        };
        assert_eq!(mocks("gearshift run x"), 0);
        assert_eq!(mocks("gearshift run x --mock -d a=1"), 1);
        assert_eq!(mocks(r#"gearshift run x --mock a.b={"c":1} --mock a.c={}"#), 2);
        assert_eq!(parse("gearshift run --mock x").unwrap_err().exit_code(), 2);
    }
}
