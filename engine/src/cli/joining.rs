//! How an engine gets onto NATS servers: waits for them, and says what is weak about them.

use std::time::Duration;

use clap::Args;
use gearshift_bus::{Bus, Durability, ErrorKind, ServerReport};

use super::durability::{durability, weakness};
use super::failure::{CONFLICT, DENIED, Failure, UNREACHABLE};
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
    /// Refuse servers that do not sync to disk before they acknowledge, or do not tell: exit 4
    #[arg(long, env = "GEARSHIFT_STRICT")]
    strict: bool,
    /// Do not wait for servers that are away: exit 6
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

impl JoinArgs {
    /// Waits it for servers that are away?
    pub(super) const fn waits(&self) -> bool {
        !self.no_wait
    }

    /// Those of a command that asks for nothing but where the monitoring is.
    pub(super) fn with_monitor(monitor: Option<String>) -> Self {
        Self { monitor, ..Self::default() }
    }
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
    let server = loop {
        match report(&bus, target).await {
            // They went away again.
            Err(failure) if args.waits() && failure.exit == UNREACHABLE => {
                tokio::time::sleep(AGAIN).await;
            }
            reported => break reported?,
        }
    };
    let known = durability(&server, args.monitor.as_deref()).await;
    let mut warnings = server.missing.clone();
    if let Some(weakness) = weakness(&known, server.replicas) {
        if args.strict && (server.replicas < 2 || known.durability == Durability::Unknown) {
            return Err(Failure::outside(CONFLICT, "weak_durability", weakness)
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
        Ok(None) => Err(Failure::new(DENIED, format!("{}: no NATS server", target.shown()))),
        Err(error) => Err(unusable(target, &error)),
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
            return Err(unusable(target, &error));
        }
        if tries.is_multiple_of(SAY_AGAIN) {
            tell(&format!("waiting for {}: {}", target.shown(), reason(target, &error)));
        }
        tries = tries.saturating_add(1);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Is nobody there, so that somebody may come?
pub(super) fn is_away(error: &gearshift_bus::Error) -> bool {
    matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout { .. } | ErrorKind::Unknown)
}

/// The failure of every command whose servers are away (6) or do not let us in (5).
pub(super) fn unusable(target: &NatsTarget, error: &gearshift_bus::Error) -> Failure {
    let reason = reason(target, error);
    if is_away(error) {
        // What a server says that waits for the client to begin with TLS: nothing.
        let help = match reason.contains("expected INFO, got nothing") {
            true => "a server with `handshake_first` wants `--nats-tls-first`",
            false => "is a server running, and is the address right?",
        };
        return Failure::new(UNREACHABLE, reason).with_help(help);
    }
    let is_login = reason.contains(" let us ");
    let failure = Failure::new(DENIED, reason);
    match is_login {
        true => failure.with_help(
            "who we are is said by --context, or by --nats-user, --nats-credentials, --nats-nkey, \
             --nats-ca, --nats-inbox-prefix",
        ),
        false => failure,
    }
}

/// Why there is no connection, naming the servers once.
fn reason(target: &NatsTarget, error: &gearshift_bus::Error) -> String {
    let reason = match (error.kind(), std::error::Error::source(error)) {
        (ErrorKind::Refused { reason }, _) => reason.clone(),
        (ErrorKind::Disconnected, Some(source)) => source.to_string(),
        (_, _) => words(error),
    };
    let servers = target.shown();
    let host = |server: &str| server.split_once("://").map_or(server, |(_, host)| host).to_owned();
    match servers.split(',').any(|server| reason.contains(&host(server))) {
        true => reason,
        false => format!("{servers}: {reason}"),
    }
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
