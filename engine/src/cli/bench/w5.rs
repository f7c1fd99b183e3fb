//! W5: timers of 5 s armed as fast as possible; lateness = firing seen − (arming + 5 s).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gearshift_machine::machine::{NoticeKind, Timestamp};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::load::{TIMERS, World, send};
use super::measure::{Latencies, cpu_time, disk_bytes, finish, rss_bytes};
use super::{BenchArgs, Report};
use crate::runtime::{Handle, NoticeMessage, monotonic};

/// Timers where nobody says.
const KEYS: u32 = 10_000;
/// What each timer waits, in milliseconds.
const DELAY_MS: u64 = 5_000;
/// How long to wait for all of them.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) async fn run(args: &BenchArgs) -> Result<Report, String> {
    let world = World::start(args, TIMERS).await?;
    let keys = args.keys.unwrap_or(KEYS);
    let pid = std::process::id();
    let (begun, cpu) = (monotonic(), cpu_time(pid));
    let handle = world.handle();
    let mut watcher = JoinSet::new();
    // Subscribed before the first is armed: nothing is missed.
    watcher.spawn(watch(handle.notices(), keys));
    arm(&handle, keys, args.in_flight).await?;
    let seen = watcher.join_next().await.ok_or("nobody watched")?;
    let (latencies, early) = seen.map_err(|error| error.to_string())??;
    let (took, cpu) = (begun.elapsed(), cpu_time(pid).saturating_sub(cpu));
    let mut report = Report {
        workload: "w5",
        bus: args.bus.clone(),
        door: "in-process",
        rss_bytes: rss_bytes(pid),
        disk_bytes: disk_bytes(world.dir()),
        early: Some(early),
        ..Report::default()
    };
    finish(&mut report, latencies.len(), took, cpu);
    latencies.report(&mut report);
    world.stop().await?;
    Ok(report)
}

/// Starts one instance per timer.
async fn arm(handle: &Handle, keys: u32, in_flight: u32) -> Result<(), String> {
    let next = Arc::new(AtomicU32::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..in_flight.min(keys) {
        let (handle, next) = (handle.clone(), Arc::clone(&next));
        senders.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= keys {
                    return Ok::<_, String>(());
                }
                let body = format!(r#"{{"id":"t{number}"}}"#);
                send(&handle, "bench.armed", &body, "waiting").await?;
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// Waits for every firing. The machine stamps arming in whole milliseconds, rounded down, so that
/// lateness here is overstated by up to one.
async fn watch(
    mut notices: Receiver<Arc<NoticeMessage>>,
    keys: u32,
) -> Result<(Latencies, u64), String> {
    let mut armed = BTreeMap::new();
    let (mut latencies, mut early) = (Latencies::default(), 0);
    let all = async {
        while latencies.len() < u64::from(keys) {
            let notice = match notices.recv().await {
                Ok(notice) => notice,
                Err(RecvError::Lagged(missed)) => return Err(format!("{missed} notices lost")),
                Err(RecvError::Closed) => return Err("the engine stopped".to_owned()),
            };
            match notice.kind {
                NoticeKind::Started => {
                    armed.insert(notice.key.clone(), notice.at);
                }
                NoticeKind::Completed => {
                    let Some(at) = armed.remove(&notice.key) else { continue };
                    let due = at.plus_ms(DELAY_MS);
                    early += u64::from(notice.at < due);
                    latencies.add(since(due));
                }
                NoticeKind::Transitioned
                | NoticeKind::Failed
                | NoticeKind::Cancelled
                | NoticeKind::Stuck
                | NoticeKind::Resumed
                | NoticeKind::ApprovalRequested
                | NoticeKind::CallRetrying
                | NoticeKind::CallHeld
                | NoticeKind::CallFailed
                | NoticeKind::CallProgress
                | NoticeKind::StepStarted
                | NoticeKind::StepCompleted
                | NoticeKind::StepFailed
                | NoticeKind::StepSkipped
                | NoticeKind::StepUndone
                | NoticeKind::Compensating
                | NoticeKind::RolledBack
                | NoticeKind::Committed
                | NoticeKind::Paused
                | NoticeKind::CheckpointSaved
                | NoticeKind::ScheduleSkipped
                | NoticeKind::Registered
                | NoticeKind::Unregistered
                | NoticeKind::Available
                | NoticeKind::Overloaded
                | NoticeKind::BreakerOpened
                | NoticeKind::BreakerHalfOpen
                | NoticeKind::BreakerClosed
                | NoticeKind::VarsSet => {}
            }
        }
        Ok(())
    };
    tokio::time::timeout(LIMIT, all).await.map_err(|_| "timers did not all fire".to_owned())??;
    Ok((latencies, early))
}

/// Wall time since `due`, finer than the engine's own milliseconds.
#[expect(clippy::disallowed_methods, reason = "measures the engine's clock from outside")]
fn since(due: Timestamp) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(u64::try_from(due.0).unwrap_or(0)))
}
