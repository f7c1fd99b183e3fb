//! W2: event → transition → call of a plugin in another process → done; every end is checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use gearshift_bus::{Bus, EndpointInfo, Headers, Message, NatsOptions, ServiceInfo};
use gearshift_protocol::{Wait, headers, subjects};
use tokio::task::JoinSet;

use super::super::args::Global;
use super::super::failure::{ENDED_BADLY, Failure, Outcome};
use super::load::record;
use super::measure::{Latencies, finish};
use super::nats::{Process, World, send};
use super::{BenchArgs, Report};
use crate::runtime::monotonic;

/// Keys per round where nobody says.
const KEYS: u32 = 20_000;

const CALLING: &str = r#"
workflow: bench_calling
version: 1
correlate: data.id
events:
  bench.requested: { start: true }
vars: { ok: false }
initial: draft
states:
  draft:
    on: { bench.requested: checking }
  checking:
    entry:
      - call: bench.check
        with: { amount: data.amount, requester: data.requester }
        timeout: 10s
        set: { ok: output.ok }
    done: checked
    failed: refused
  checked: { final: true }
  refused: { final: true }
"#;

/// `gearshift bench-plugin`: what W2 calls.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gearshift bench-plugin --nats nats://127.0.0.1:4222")]
pub(in crate::cli) struct PluginArgs {
    /// The servers
    #[arg(long)]
    nats: String,
}

pub(super) async fn run(args: &BenchArgs) -> Result<Report, String> {
    let mut world = World::start(args, CALLING).await?;
    let url = world.servers.url.clone();
    let plugin = Process::start(&world.servers.dir, &["bench-plugin", "--nats", &url]).await?;
    let bus = world.servers.bus.clone();
    let keys = args.keys.unwrap_or(KEYS);
    round(&bus, "warm", keys.min(2_000), args.in_flight).await?;
    let least = Duration::from_secs(u64::from(args.seconds));
    let mut latencies = Latencies::default();
    world.begin();
    let plugin_before = plugin.cpu();
    let (begun, mut number) = (monotonic(), 0_u32);
    while begun.elapsed() < least {
        number += 1;
        latencies.merge(round(&bus, &format!("r{number}"), keys, args.in_flight).await?);
    }
    let took = begun.elapsed();
    let cpu = world.cpu();
    let plugin_cpu = plugin.cpu().saturating_sub(plugin_before);
    let mut report = Report { workload: "w2", door: "nats", ..Report::default() };
    world.report(&mut report, args);
    finish(&mut report, latencies.len(), took, cpu);
    world.report_others(&mut report, latencies.len());
    report.plugin_cpu_us_per_event = Some(plugin_cpu.as_secs_f64() * 1e6 / latencies.len() as f64);
    latencies.report(&mut report);
    plugin.stop().await?;
    world.stop().await?;
    Ok(report)
}

/// One round: each key is started by one event, answered when the call is done.
async fn round(bus: &Bus, prefix: &str, keys: u32, in_flight: u32) -> Result<Latencies, String> {
    let mut waiting = Headers::default();
    let wait = Wait::End.to_header().unwrap_or_default();
    waiting.insert(headers::WAIT_FOR, &wait).map_err(|error| error.to_string())?;
    waiting.insert(headers::TIMEOUT_MS, "20000").map_err(|error| error.to_string())?;
    let next = Arc::new(AtomicU32::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..in_flight.min(keys) {
        let (bus, next, prefix) = (bus.clone(), Arc::clone(&next), prefix.to_owned());
        let waiting = waiting.clone();
        senders.spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= keys {
                    return Ok::<_, String>(latencies);
                }
                let body = record(&format!("{prefix}-{number}"));
                let begun = monotonic();
                send(&bus, "bench.requested", &body, &waiting, "checked").await?;
                latencies.add(begun.elapsed());
            }
        });
    }
    let mut latencies = Latencies::default();
    while let Some(sender) = senders.join_next().await {
        latencies.merge(sender.map_err(|error| error.to_string())??);
    }
    Ok(latencies)
}

/// Answers calls until it is ended.
pub(in crate::cli) async fn plugin(global: &Global, args: &PluginArgs) -> Outcome {
    let failed = |error: gearshift_bus::Error| Failure::new(ENDED_BADLY, error.to_string());
    let bus = Bus::connect(&NatsOptions::new(&args.nats)).await.map_err(failed)?;
    let check = EndpointInfo {
        name: "check".to_owned(),
        subject: subjects::plugin("bench", 1, "check"),
        metadata: BTreeMap::new(),
    };
    let info = ServiceInfo {
        name: "bench".to_owned(),
        id: "bench".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::from([("gearshift.plugin".to_owned(), "1".to_owned())]),
        endpoints: vec![check],
    };
    let offered = bus.requests().offer(info, subjects::PLUGIN_GROUP).await.map_err(failed)?;
    let (_registration, mut servers) = offered;
    let mut signals = super::super::signals::Signals::new()?;
    global.out().raw("ready")?;
    let Some(server) = servers.first_mut() else { return Ok(0) };
    loop {
        let request = tokio::select! {
            biased;
            _ = signals.next() => return Ok(0),
            request = server.next() => request,
        };
        let Some(request) = request else { return Ok(0) };
        let subject = request.message.subject.clone();
        let reply = Message::new(subject, Bytes::from_static(br#"{"ok":true}"#))
            .with_header(headers::CONTENT_TYPE, headers::JSON)
            .map_err(failed)?;
        if let Err(error) = request.respond(reply).await {
            tracing::warn!(%error, "a call was not answered");
        }
    }
}
