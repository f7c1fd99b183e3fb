//! W1: keys × 3 events in order per key, every verdict awaited and checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::load::{APPROVAL, World, record, send};
use super::measure::{Latencies, cpu_time, disk_bytes, finish, rss_bytes};
use super::{BenchArgs, Report};
use crate::runtime::{Handle, monotonic};

/// Keys per round where nobody says.
const KEYS: u32 = 20_000;

pub(super) async fn run(args: &BenchArgs) -> Result<Report, String> {
    let world = World::start(args, APPROVAL).await?;
    let keys = args.keys.unwrap_or(KEYS);
    let least = Duration::from_secs(u64::from(args.seconds));
    let pid = std::process::id();
    // Code, caches and files are warm before anything counts.
    round(&world.handle(), "warm", keys.min(2_000), args.in_flight).await?;
    let mut latencies = Latencies::default();
    let (begun, cpu) = (monotonic(), cpu_time(pid));
    let mut number = 0_u32;
    while begun.elapsed() < least {
        number += 1;
        let prefix = format!("r{number}");
        latencies.merge(round(&world.handle(), &prefix, keys, args.in_flight).await?);
    }
    let (took, cpu) = (begun.elapsed(), cpu_time(pid).saturating_sub(cpu));
    let mut report = Report {
        workload: "w1",
        bus: args.bus.clone(),
        door: "in-process",
        rss_bytes: rss_bytes(pid),
        disk_bytes: disk_bytes(world.dir()),
        ..Report::default()
    };
    finish(&mut report, latencies.len(), took, cpu);
    latencies.report(&mut report);
    world.stop().await?;
    Ok(report)
}

/// One round: `in_flight` senders share the keys; each takes a key through all three events.
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
                    send(&handle, event, body, state).await?;
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
