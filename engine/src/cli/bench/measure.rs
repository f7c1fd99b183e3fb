//! Percentiles, CPU time, memory and disk of a process.

use std::path::Path;
use std::time::Duration;

use super::Report;

/// Latencies of one run.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<u64>);

impl Latencies {
    /// Adds one, kept in microseconds.
    pub(super) fn add(&mut self, latency: Duration) {
        self.0.push(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Writes the percentiles into `report`.
    pub(super) fn report(mut self, report: &mut Report) {
        self.0.sort_unstable();
        let at = |per_mille: usize| {
            let place = (self.0.len().saturating_sub(1)) * per_mille / 1_000;
            self.0.get(place).map_or(0.0, |micros| *micros as f64 / 1_000.0)
        };
        report.p50_ms = at(500);
        report.p90_ms = at(900);
        report.p99_ms = at(990);
        report.p999_ms = at(999);
    }
}

/// CPU time that process `pid` has used, user and system.
pub(super) fn cpu_time(pid: u32) -> Duration {
    // Field 14 and 15 behind the command's closing parenthesis, in ticks of 10 ms on Linux.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = |at: usize| {
        fields.split_whitespace().nth(at).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0)
    };
    TICK * (ticks(11) + ticks(12))
}

/// Resident memory of process `pid`, in bytes.
pub(super) fn rss_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

/// Bytes of all files below `dir`.
pub(super) fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            // Blocks, not lengths: preallocated files are not what they say.
            Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Fills in throughput and CPU per event.
pub(super) fn finish(report: &mut Report, events: u64, took: Duration, cpu: Duration) {
    report.events = events;
    report.seconds = took.as_secs_f64();
    report.per_second = events as f64 / took.as_secs_f64().max(f64::EPSILON);
    report.engine_cpu_us_per_event = cpu.as_secs_f64() * 1e6 / (events.max(1) as f64);
}
