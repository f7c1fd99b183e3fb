//! The commands of `bus`.

use clap::{Args, Subcommand};

use super::super::args::Global;
use super::super::failure::Outcome;
use super::config::{ConfigArgs, config};
use super::doctor::{DoctorArgs, doctor};

const EXAMPLES: &str = "\
Examples:
  gearshift bus doctor                            what is wrong with the servers, and how to mend it
  gearshift bus config > nats-server.conf         one user per role, and no more than each needs";

/// `gearshift bus`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct BusArgs {
    #[command(subcommand)]
    what: What,
}

/// What to do about the servers.
#[derive(Debug, Subcommand)]
enum What {
    /// Find what is wrong with the NATS servers, and how to mend it
    Doctor(DoctorArgs),
    /// Print a NATS server's configuration with one user per role
    Config(ConfigArgs),
}

/// Does it.
pub(in crate::cli) async fn bus(global: &Global, args: &BusArgs) -> Outcome {
    match &args.what {
        What::Doctor(args) => doctor(global, args).await,
        What::Config(args) => config(global, args),
    }
}
