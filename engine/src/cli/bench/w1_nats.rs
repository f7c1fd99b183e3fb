//! W1 over NATS: asking the engine for verdicts, or one way on bare subjects until all is applied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gearshift_bus::{Bus, Headers};
use gearshift_client::Client;
use gearshift_client::protocol::Status;
use gearshift_client::protocol::query::Instances;
use tokio::task::JoinSet;

use super::load::{APPROVAL, record};
use super::measure::{Latencies, finish};
use super::nats::{Servers, World, publish, send};
use super::{BenchArgs, Report};
use crate::runtime::monotonic;

/// Keys per round where nobody says.
const KEYS: u32 = 20_000;
/// Keys that are published last: when they are done, all before them are, in every partition.
const SENTINELS: u32 = 64;
/// Wait between two looks at a sentinel.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// What is published goes nowhere but into this stream.
const STORE: &str = "gearshift-bench-store";

/// How the three events of a key are brought in.
#[derive(Clone, Copy)]
enum Door {
    /// To the engine, which answers with a verdict.
    Ask,
    /// On bare subjects, answered by the stream that stores them.
    Publish,
}

/// Verdicts, or one way.
pub(super) async fn run(args: &BenchArgs) -> Result<Report, String> {
    let mut world = World::start(args, APPROVAL).await?;
    let bus = world.servers.bus.clone();
    let keys = args.keys.unwrap_or(KEYS);
    let door = if args.one_way { Door::Publish } else { Door::Ask };
    round(&bus, door, "warm", keys.min(2_000), args.in_flight).await?;
    let client = Client::bus(bus.clone());
    let least = Duration::from_secs(u64::from(args.seconds));
    let mut latencies = Latencies::default();
    world.begin();
    let begun = monotonic();
    let mut number = 0_u32;
    while begun.elapsed() < least {
        number += 1;
        latencies.merge(round(&bus, door, &format!("r{number}"), keys, args.in_flight).await?);
    }
    if args.one_way {
        latencies.merge(round(&bus, door, "last", SENTINELS, 1).await?);
        all_applied(&client).await?;
    }
    let took = begun.elapsed();
    let cpu = world.cpu();
    let door = if args.one_way { "nats, one way" } else { "nats" };
    let mut report = Report { workload: "w1", door, ..Report::default() };
    world.report(&mut report, args);
    finish(&mut report, latencies.len(), took, cpu);
    world.report_others(&mut report, latencies.len());
    let events = latencies.len();
    latencies.report(&mut report);
    if args.one_way {
        none_left_behind(&client, events / 3 + u64::from(keys.min(2_000))).await?;
    }
    world.stop().await?;
    Ok(report)
}

/// What the server stores alone: the same messages, and nobody who reads them.
pub(super) async fn store(args: &BenchArgs) -> Result<Report, String> {
    let servers = Servers::open(args).await?;
    let bus = servers.bus.clone();
    let config = serde_json::json!({
        "name": STORE, "subjects": ["bench.>"], "storage": "file", "retention": "limits",
        "num_replicas": 1,
    });
    request(&bus, "STREAM.CREATE", config.to_string()).await?;
    let keys = args.keys.unwrap_or(KEYS);
    round(&bus, Door::Publish, "warm", keys.min(2_000), args.in_flight).await?;
    let least = Duration::from_secs(u64::from(args.seconds));
    let (mut latencies, begun, mut number) = (Latencies::default(), monotonic(), 0_u32);
    while begun.elapsed() < least {
        number += 1;
        let prefix = format!("r{number}");
        latencies.merge(round(&bus, Door::Publish, &prefix, keys, args.in_flight).await?);
    }
    let took = begun.elapsed();
    let mut report = Report { workload: "store", door: "nats, one way", ..Report::default() };
    report.bus = format!("nats, sync {}", args.sync.as_str());
    report.disk_bytes = servers.disk_bytes();
    finish(&mut report, latencies.len(), took, Duration::ZERO);
    latencies.report(&mut report);
    request(&bus, "STREAM.DELETE", String::new()).await?;
    bus.close().await.map_err(|error| error.to_string())?;
    Ok(report)
}

/// One of JetStream's own requests about our stream.
async fn request(bus: &Bus, verb: &str, body: String) -> Result<(), String> {
    let subject = format!("$JS.API.{verb}.{STORE}");
    let subject = gearshift_bus::Subject::parse(&subject).map_err(|error| error.to_string())?;
    let message = gearshift_bus::Message::new(subject, body);
    let reply = bus.requests().request(message, Duration::from_secs(10)).await;
    let reply = reply.map_err(|error| format!("{verb}: {error}"))?;
    let text = String::from_utf8_lossy(&reply.payload).into_owned();
    if text.contains(r#""error""#) { Err(format!("{verb}: {text}")) } else { Ok(()) }
}

/// One round: `in_flight` senders share the keys; each takes a key through all three events.
async fn round(
    bus: &Bus,
    door: Door,
    prefix: &str,
    keys: u32,
    in_flight: u32,
) -> Result<Latencies, String> {
    let next = Arc::new(AtomicU32::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..in_flight.min(keys) {
        let (bus, next, prefix) = (bus.clone(), Arc::clone(&next), prefix.to_owned());
        senders.spawn(async move {
            let mut latencies = Latencies::default();
            let none = Headers::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= keys {
                    return Ok::<_, String>(latencies);
                }
                let id = format!("{prefix}-{number}");
                let submit = record(&id);
                let approve = format!(r#"{{"id":"{id}","action":"approve","amount":100}}"#);
                let archive = format!(r#"{{"id":"{id}","action":"archive","amount":100}}"#);
                for (event, body, state) in [
                    ("bench.submitted", &submit, "submitted"),
                    ("bench.approved", &approve, "approved"),
                    ("bench.archived", &archive, "archived"),
                ] {
                    let begun = monotonic();
                    match door {
                        Door::Ask => send(&bus, event, body, &none, state).await?,
                        Door::Publish => publish(&bus, event, body).await?,
                    }
                    latencies.add(begun.elapsed());
                }
            }
        });
    }
    let mut latencies = Latencies::default();
    while let Some(sender) = senders.join_next().await {
        latencies.merge(sender.map_err(|error| error.to_string())??);
    }
    Ok(latencies)
}

/// Waits until each sentinel is done.
async fn all_applied(client: &Client) -> Result<(), String> {
    for number in 0..SENTINELS {
        let id = format!("bench_approval/last-{number}");
        let mut tries = 0_u32;
        loop {
            match client.instance(&id).await {
                Ok(seen) if seen.summary.status == Status::Done => break,
                // It is not applied yet, or its first event is not.
                Ok(_) | Err(_) if tries < 60_000 => tries += 1,
                Ok(seen) => return Err(format!("{id} stays {}", seen.summary.status.as_str())),
                Err(error) => return Err(format!("{id}: {error}")),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    Ok(())
}

/// Every key came to its end.
async fn none_left_behind(client: &Client, keys: u64) -> Result<(), String> {
    let health = client.health().await.map_err(|error| error.to_string())?;
    let there: u64 = health.partitions.iter().map(|one| one.instances).sum();
    if there != keys {
        return Err(format!("{there} instances, expected {keys}"));
    }
    let filter = Some("status != 'done'".to_owned());
    let open = Instances { filter, limit: Some(1), ..Instances::default() };
    let client = client.clone().with_timeout(Duration::from_secs(300));
    let open = client.instances(&open).await.map_err(|error| error.to_string())?;
    match open.items.first() {
        None => Ok(()),
        Some(one) => Err(format!("{} is {}", one.id, one.status.as_str())),
    }
}
