//! How an engine gets onto NATS servers: waits for them, and says what is weak about them.

use std::time::Duration;

use clap::Args;
use gearshift_bus::{Bus, Durability, ErrorKind, ServerReport};

use super::durability::{durability, weakness};
use super::failure::{Failure, NOT_FOUND};
use super::login::NatsTarget;
use super::output::tell;

/// Wait between two tries to reach the servers.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is said that the servers are still away.
const SAY_AGAIN: u32 = 15;

/// What is asked of the servers.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct JoinArgs {
    /// Copies that the servers keep of everything [default: 3 in a cluster of servers, else 1]
    #[arg(long, value_name = "COPIES", env = "GEARSHIFT_REPLICAS")]
    #[arg(value_parser = super::words::within(1, 5))]
    replicas: Option<u32>,
    /// Refuse servers that do not sync to disk before they acknowledge, or do not tell
    #[arg(long, env = "GEARSHIFT_STRICT")]
    strict: bool,
    /// Do not wait for servers that are away: exit 3
    #[arg(long, env = "GEARSHIFT_NO_WAIT")]
    no_wait: bool,
    /// The server's monitoring, which tells whether it syncs [default: its port 8222]
    #[arg(long, value_name = "URL", env = "GEARSHIFT_MONITOR")]
    monitor: Option<String>,
}

/// A bus on NATS servers, and what is to say about them.
pub(super) struct Joined {
    /// The bus.
    pub(super) bus: Bus,
    /// The server we are connected to.
    pub(super) server: ServerReport,
    /// Whether it syncs before it acknowledges.
    pub(super) durability: Durability,
    /// What an operator should know, one sentence each.
    pub(super) warnings: Vec<String>,
}

impl Joined {
    /// `always`, `weak` or `unknown`.
    pub(super) const fn level(&self) -> &'static str {
        match self.durability {
            Durability::Always => "always",
            Durability::Interval { .. } => "weak",
            Durability::Unknown => "unknown",
        }
    }
}

/// Connects as soon as the servers are there.
pub(super) async fn join(target: &NatsTarget, args: &JoinArgs) -> Result<Joined, Failure> {
    let mut options = target.options.clone();
    options.replicas = args.replicas.and_then(|copies| usize::try_from(copies).ok());
    let bus = connect(target, &options, args.no_wait).await?;
    let server = report(&bus, target).await?;
    let known = durability(&server, args.monitor.as_deref()).await;
    let mut warnings = server.missing.clone();
    if let Some(weakness) = weakness(&known, server.replicas) {
        if args.strict && (server.replicas < 2 || known.durability == Durability::Unknown) {
            return Err(Failure::outside(NOT_FOUND, "weak_durability", weakness)
                .with_help("without `--strict` it starts all the same, and says so"));
        }
        warnings.push(weakness);
    }
    Ok(Joined { bus, server, durability: known.durability, warnings })
}

/// What the connected server is.
pub(super) async fn report(bus: &Bus, target: &NatsTarget) -> Result<ServerReport, Failure> {
    match bus.server().await {
        Ok(Some(report)) => Ok(report),
        Ok(None) => Err(refused(target, "it is no NATS server")),
        Err(error) => Err(refused(target, &words(&error))),
    }
}

async fn connect(
    target: &NatsTarget,
    options: &gearshift_bus::NatsOptions,
    no_wait: bool,
) -> Result<Bus, Failure> {
    let mut tries = 0_u32;
    loop {
        let error = match Bus::connect(options).await {
            Ok(bus) => return Ok(bus),
            Err(error) => error,
        };
        // Only what is away may come by itself; who is not let in has to change something.
        if no_wait || !is_away(&error) {
            return Err(refused(target, &words(&error)));
        }
        if tries.is_multiple_of(SAY_AGAIN) {
            tell(&format!("waiting for {}: {}", target.shown(), words(&error)));
        }
        tries = tries.saturating_add(1);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Is nobody there, so that somebody may come?
fn is_away(error: &gearshift_bus::Error) -> bool {
    matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout { .. })
}

fn refused(target: &NatsTarget, reason: &str) -> Failure {
    let servers = target.shown();
    // The reason usually names the server already.
    let detail = match reason.contains(&servers) {
        true => reason.to_owned(),
        false => format!("{servers}: {reason}"),
    };
    Failure::outside(NOT_FOUND, "no_server", detail)
        .with_help("`gearshift bus doctor` looks at the server and says what is wrong")
}

/// An error and what is beneath it.
pub(super) fn words(error: &gearshift_bus::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}
