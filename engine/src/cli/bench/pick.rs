//! `pick`: choosing the instance that gets a call, each way to choose by itself.

use super::{BenchArgs, Report};
use crate::runtime::{monotonic, picking};

/// Instances where nobody says.
const INSTANCES: u32 = 200;
/// Picks of each way.
const PICKS: u32 = 1_000_000;

pub(super) fn run(args: &BenchArgs) -> Result<Report, String> {
    let began = monotonic();
    let ways = picking(args.items.unwrap_or(INSTANCES), PICKS)?;
    let seconds = began.elapsed().as_secs_f64();
    let events = u64::from(PICKS) * ways.len() as u64;
    let nanoseconds = |(way, each): (&'static str, std::time::Duration)| {
        (way, u64::try_from(each.as_nanos()).unwrap_or(u64::MAX))
    };
    Ok(Report {
        workload: "pick",
        bus: "none".to_owned(),
        door: "in-process",
        events,
        seconds,
        per_second: events as f64 / seconds,
        pick_ns: Some(ways.into_iter().map(nanoseconds).collect()),
        ..Report::default()
    })
}
