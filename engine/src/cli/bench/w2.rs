//! W2: event → transition → call of a plugin in another process → done; every end is checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use gearshift_bus::{
    Bus, EndpointInfo, Headers, Message, NatsOptions, Registration, Request, Server, ServiceInfo,
};
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
    measure(args, &Load { workload: "w2", definition: CALLING, end: "checked" }).await
}

/// What is measured over NATS with a plugin in a process of its own.
pub(super) struct Load {
    /// Its name.
    pub(super) workload: &'static str,
    /// What an event `bench.requested` starts.
    pub(super) definition: &'static str,
    /// The state in which every instance must end.
    pub(super) end: &'static str,
}

/// Starts everything, measures rounds until the time is over, and stops everything.
pub(super) async fn measure(args: &BenchArgs, load: &Load) -> Result<Report, String> {
    let mut world = World::start(args, load.definition).await?;
    let url = world.servers.url.clone();
    let plugin = Process::start(&world.servers.dir, &["bench-plugin", "--nats", &url]).await?;
    let bus = world.servers.bus.clone();
    let keys = args.keys.unwrap_or(KEYS);
    round(&bus, "warm", keys.min(2_000), args.in_flight, load.end).await?;
    let least = Duration::from_secs(u64::from(args.seconds));
    let mut latencies = Latencies::default();
    world.begin();
    let plugin_before = plugin.cpu();
    let (begun, mut number) = (monotonic(), 0_u32);
    while begun.elapsed() < least {
        number += 1;
        let prefix = format!("r{number}");
        latencies.merge(round(&bus, &prefix, keys, args.in_flight, load.end).await?);
    }
    let took = begun.elapsed();
    let cpu = world.cpu();
    let plugin_cpu = plugin.cpu().saturating_sub(plugin_before);
    let mut report = Report { workload: load.workload, door: "nats", ..Report::default() };
    world.report(&mut report, args);
    finish(&mut report, latencies.len(), took, cpu);
    world.report_others(&mut report, latencies.len());
    report.plugin_cpu_us_per_event = Some(plugin_cpu.as_secs_f64() * 1e6 / latencies.len() as f64);
    latencies.report(&mut report);
    plugin.stop().await?;
    world.stop().await?;
    Ok(report)
}

/// The headers of an event whose answer waits for the instance's end.
pub(super) fn until_the_end() -> Result<Headers, String> {
    let mut waiting = Headers::default();
    let wait = Wait::End.to_header().unwrap_or_default();
    waiting.insert(headers::WAIT_FOR, &wait).map_err(|error| error.to_string())?;
    waiting.insert(headers::TIMEOUT_MS, "20000").map_err(|error| error.to_string())?;
    Ok(waiting)
}

/// One round: each key is started by one event, answered when the call is done.
async fn round(
    bus: &Bus,
    prefix: &str,
    keys: u32,
    in_flight: u32,
    end: &'static str,
) -> Result<Latencies, String> {
    let waiting = until_the_end()?;
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
                send(&bus, "bench.requested", &body, &waiting, end).await?;
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
    let (_registration, mut servers) = offer(&bus).await.map_err(failed)?;
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
        answer(request).await.map_err(failed)?;
    }
}

/// Offers the one operation of the plugin.
pub(super) async fn offer(bus: &Bus) -> Result<(Registration, Vec<Server>), gearshift_bus::Error> {
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
    bus.requests().offer(info, subjects::PLUGIN_GROUP).await
}

/// Answers a call.
pub(super) async fn answer(request: Request) -> Result<(), gearshift_bus::Error> {
    let subject = request.message.subject.clone();
    let reply = Message::new(subject, Bytes::from_static(br#"{"ok":true}"#))
        .with_header(headers::CONTENT_TYPE, headers::JSON)?;
    if let Err(error) = request.respond(reply).await {
        tracing::warn!(%error, "a call was not answered");
    }
    Ok(())
}
