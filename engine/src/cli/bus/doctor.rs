//! `bus doctor`: everything about the servers that could be wrong, and how to mend it.

use clap::Args;
use gearshift_bus::{Bus, ServerReport};
use gearshift_client::Client;
use serde_json::json;

use super::super::args::Global;
use super::super::connect;
use super::super::durability::durability;
use super::super::failure::{DENIED, ENDED_BADLY, Failure, Outcome};
use super::super::finding::{Finding, Level, summary};
use super::super::joining::unusable;
use super::super::login::NatsTarget;
use super::super::output::Table;
use super::api::{Asked, account, streams};
use super::engine_checks::engines;
use super::role_checks::may;
use super::server_checks;
use super::stream_checks::{self, Row, rows};
use crate::runtime::Clock;

const EXAMPLES: &str = "\
Examples:
  gearshift bus doctor
  gearshift bus doctor --nats nats://127.0.0.1:4222 --nats-credentials engine.creds
  gearshift bus doctor -o json | jq '.findings[] | select(.level != \"ok\")'

It changes nothing. Exit 0: no problem; 1: at least one; 5 or 6: the servers do not let us in, or
are away. What a login may not look at is said; the engine's login sees everything.";

/// `gearshift bus doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct DoctorArgs {
    /// The NATS servers; else those of --server, --context, or the `gearshift dev` of this folder
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// The server's monitoring, which tells whether it syncs [default: its port 8222]
    #[arg(long, value_name = "URL", env = "GEARSHIFT_MONITOR")]
    monitor: Option<String>,
}

/// What was found.
struct Report {
    servers: String,
    server: Option<ServerReport>,
    findings: Vec<Finding>,
    rows: Vec<Row>,
    /// The exit code where there was no way to the servers.
    no_way: Option<u8>,
}

/// Looks at everything, and says how it is.
pub(super) async fn doctor(global: &Global, args: &DoctorArgs) -> Outcome {
    let (target, known) = connect::nats_to_look_at(global, args.nats.as_deref())?;
    let monitor = args.monitor.as_deref().or(known.as_deref());
    // It asks many things at once, so it is large.
    let report = Box::pin(examine(global, &target, monitor)).await;
    report.print(global)?;
    let is_bad = report.findings.iter().any(|one| one.level == Level::Problem);
    Ok(report.no_way.unwrap_or(if is_bad { ENDED_BADLY } else { 0 }))
}

async fn examine(global: &Global, target: &NatsTarget, monitor: Option<&str>) -> Report {
    let servers = target.shown();
    let alone = |failure: Failure| Report {
        servers: servers.clone(),
        server: None,
        no_way: Some(failure.exit),
        findings: vec![not_connected(&failure)],
        rows: Vec::new(),
    };
    let bus = match Bus::connect(&target.options).await {
        Ok(bus) => bus,
        Err(error) => return alone(unusable(target, &error)),
    };
    let server = match bus.server().await {
        Ok(Some(server)) => server,
        Ok(None) => return alone(Failure::new(DENIED, "no NATS server")),
        Err(error) => return alone(unusable(target, &error)),
    };
    let user = match (&global.user, &target.user) {
        (None, Some(login)) => login.clone(),
        (Some(_) | None, _) => connect::user(global),
    };
    let mut findings = server_checks::server(&server);
    let known = durability(&server, monitor).await;
    findings.push(server_checks::sync(&server, &known));
    findings.push(server_checks::replicas(&server));
    findings.push(server_checks::payload(&server));
    let asked = Clock::System.now().0;
    let (account, listed) = tokio::join!(account(&bus), streams(&bus));
    let heard = Clock::System.now().0;
    findings.push(server_checks::limits(&account));
    let listed = seen(listed, &mut findings);
    findings.extend(server_checks::clock(listed.as_deref().unwrap_or_default(), asked, heard));
    if let Some(listed) = &listed {
        findings.extend(stream_checks::streams(listed, server.replicas));
    }
    let may = may(&bus, &user).await;
    findings.extend(may.findings(&user, target.logs_in()));
    let client = Client::bus(bus.clone()).as_user(&user).with_timeout(global.timeout);
    findings.extend(engines(&client, may, listed.as_deref()).await);
    if let Err(error) = bus.close().await {
        tracing::debug!(%error, "connection did not close cleanly");
    }
    Report {
        servers,
        server: Some(server),
        findings,
        rows: rows(&listed.unwrap_or_default()),
        no_way: None,
    }
}

/// The streams, where this login may see them.
fn seen<T>(asked: Asked<Vec<T>>, findings: &mut Vec<Finding>) -> Option<Vec<T>> {
    match &asked {
        Asked::Is(_) | Asked::Nobody => {}
        Asked::Refused(reason) => findings.push(Finding::problem(
            "streams",
            format!("they cannot be listed: {reason}"),
            "look into the server's log",
        )),
        Asked::Silence => findings
            .push(Finding::ok("streams", "not ours to look at: this user may not list them")),
    }
    asked.answer()
}

fn not_connected(failure: &Failure) -> Finding {
    let help = failure.help.as_deref().unwrap_or("change what it names");
    Finding::problem("server", failure.problem.detail.clone(), help)
}

impl Report {
    fn print(&self, global: &Global) -> Result<(), Failure> {
        let output = global.out();
        output.json(&json!({
            "servers": self.servers,
            "server": self.server.as_ref().map(|server| json!({
                "name": server.name,
                "id": server.id,
                "version": server.version,
                "cluster": server.cluster,
                "replicas": server.replicas,
            })),
            "problems": self.count(Level::Problem),
            "warnings": self.count(Level::Warning),
            "findings": self.findings,
            "streams": self.rows,
        }))?;
        if !output.is_text() {
            return Ok(());
        }
        output.line(format!("{}\n", self.servers))?;
        for finding in &self.findings {
            output.line(finding.render(output.look))?;
        }
        if !self.rows.is_empty() {
            let table = Table::<Row> { headings: Row::HEADINGS, cells: Row::cells };
            output.line(format!("\n{}", table.render(&self.rows)))?;
        }
        output.line(format!("\n{}", summary(&self.findings)))
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|one| one.level == level).count()
    }
}
