//! W3: five durable steps, one after the other, each a call of a plugin; every end is checked. And
//! fan-outs: the same call for each item of a list.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::Bus;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::load::{World, record};
use super::measure::{Latencies, cpu_time, disk_bytes, finish, rss_bytes};
use super::w2::{self, Load};
use super::{BenchArgs, Report};
use crate::api::{self, Request};
use crate::runtime::{Handle, monotonic};

/// Keys per round where nobody says.
const KEYS: u32 = 10_000;

/// The most items that a fan-out may have under way.
const MOST_AT_ONCE: u32 = 256;

/// Items of a fan-out where nobody says.
const ITEMS: u32 = 10_000;

const STEPS: &str = r#"
workflow: bench_steps
version: 1
correlate: data.id
events: { bench.requested: { start: true } }
mode: sequential
steps:
  check: { call: bench.check, with: { amount: "${ input.amount }" }, timeout: 10s }
  reserve: { call: bench.check, with: { ok: "${ steps.check.ok }" }, timeout: 10s }
  charge: { call: bench.check, with: { by: "${ input.requester }" }, timeout: 10s }
  ship: { call: bench.check, with: { ok: "${ steps.charge.ok }" }, timeout: 10s }
  tell: { call: bench.check, with: { ok: "${ steps.ship.ok }" }, timeout: 10s }
"#;

const FANOUT: &str = r#"
workflow: bench_fanout
version: 1
correlate: data.id
events: { bench.requested: { start: true } }
steps:
  each:
    foreach: { in: input.items, as: item, max_parallel: MOST, collect: all, aggregate: merge }
    call: bench.check
    with: { item: "${ item }" }
    timeout: 10s
"#;

/// The state in which workflows of steps end.
const END: &str = "done";

pub(super) async fn run(args: &BenchArgs) -> Result<Report, String> {
    if args.is_nats() {
        return w2::measure(args, &Load { workload: "w3", definition: STEPS, end: END }).await;
    }
    let world = World::start(args, STEPS).await?;
    let _plugin = plugin(world.handle().bus()).await?;
    let keys = args.keys.unwrap_or(KEYS);
    round(&world.handle(), "warm", keys.min(2_000), args.in_flight).await?;
    let mut latencies = Latencies::default();
    let (begun, cpu) = (monotonic(), cpu_time(std::process::id()));
    let mut number = 0_u32;
    while begun.elapsed() < seconds(args) {
        number += 1;
        let prefix = format!("r{number}");
        latencies.merge(round(&world.handle(), &prefix, keys, args.in_flight).await?);
    }
    let (took, cpu) = (begun.elapsed(), cpu_time(std::process::id()).saturating_sub(cpu));
    let mut report = report(args, "w3", &world);
    finish(&mut report, latencies.len(), took, cpu);
    latencies.report(&mut report);
    world.stop().await?;
    Ok(report)
}

/// Fan-outs one after the other; an event is an item, a latency that of a whole fan-out.
pub(super) async fn fanout(args: &BenchArgs) -> Result<Report, String> {
    let most = args.in_flight.min(MOST_AT_ONCE).to_string();
    let world = World::start(args, &FANOUT.replace("MOST", &most)).await?;
    let _plugin = plugin(world.handle().bus()).await?;
    let items = args.items.unwrap_or(ITEMS);
    let list = (0..items).map(|item| item.to_string()).collect::<Vec<_>>().join(",");
    let handle = world.handle();
    let one = async |id: &str| ask(&handle, &format!(r#"{{"id":"{id}","items":[{list}]}}"#)).await;
    one("warm").await?;
    let mut latencies = Latencies::default();
    let (begun, cpu) = (monotonic(), cpu_time(std::process::id()));
    while begun.elapsed() < seconds(args) {
        let began = monotonic();
        one(&format!("f-{}", latencies.len())).await?;
        latencies.add(began.elapsed());
    }
    let (took, cpu) = (begun.elapsed(), cpu_time(std::process::id()).saturating_sub(cpu));
    let mut report = report(args, "fanout", &world);
    finish(&mut report, latencies.len() * u64::from(items), took, cpu);
    latencies.report(&mut report);
    world.stop().await?;
    Ok(report)
}

fn seconds(args: &BenchArgs) -> Duration {
    Duration::from_secs(u64::from(args.seconds))
}

fn report(args: &BenchArgs, workload: &'static str, world: &World) -> Report {
    Report {
        workload,
        bus: args.bus.clone(),
        door: "in-process",
        rss_bytes: rss_bytes(std::process::id()),
        disk_bytes: disk_bytes(world.dir()),
        ..Report::default()
    }
}

/// The plugin in this process, for as long as what is returned is held.
async fn plugin(bus: &Bus) -> Result<JoinSet<()>, String> {
    let (registration, servers) = w2::offer(bus).await.map_err(|error| error.to_string())?;
    let mut tasks = JoinSet::new();
    for mut server in servers {
        tasks.spawn(async move {
            while let Some(request) = server.next().await {
                if let Err(error) = w2::answer(request).await {
                    tracing::warn!(%error, "a call was not answered");
                }
            }
        });
    }
    tasks.spawn(async move {
        let _held = registration;
        std::future::pending::<()>().await;
    });
    Ok(tasks)
}

/// One round: each key is started by one event, answered when its last step is done.
async fn round(
    handle: &Handle,
    prefix: &str,
    keys: u32,
    in_flight: u32,
) -> Result<Latencies, String> {
    let next = Arc::new(AtomicU32::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..in_flight.min(keys) {
        let (handle, next, prefix) = (handle.clone(), Arc::clone(&next), prefix.to_owned());
        senders.spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= keys {
                    return Ok::<_, String>(latencies);
                }
                let body = record(&format!("{prefix}-{number}"));
                let begun = monotonic();
                ask(&handle, &body).await?;
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

/// What is read of an answer.
#[derive(Deserialize)]
struct Answer {
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    active: Vec<String>,
}

/// Starts an instance, waits for its end and checks it.
async fn ask(handle: &Handle, body: &str) -> Result<(), String> {
    let request = Request {
        subject: "gearshift.event.bench.requested".to_owned(),
        headers: w2::until_the_end()?,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let reply = api::answer(handle, request).await.map_err(|problem| problem.to_string())?;
    let text = || String::from_utf8_lossy(&reply).into_owned();
    let answer: Answer = serde_json::from_slice(&reply).map_err(|error| error.to_string())?;
    match answer.verdicts.as_slice() {
        [one] if one.active.iter().any(|active| active == END) => Ok(()),
        _ => Err(format!("an event was answered by {}", text())),
    }
}
