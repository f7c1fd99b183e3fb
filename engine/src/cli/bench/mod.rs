//! `gearshift bench`: the published workloads on the user's own machine (01 §11).
//!
//! Every answer is checked; an acknowledgement means fsynced. The load generator shares the
//! machine, and in process the process, with the engine: its cost is part of every number.

mod load;
mod measure;
mod nats;
mod pick;
mod w1;
mod w1_nats;
mod w2;
mod w3;
mod w4;
mod w5;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

pub(super) use w2::{PluginArgs, plugin};

use super::args::Global;
use super::failure::{Failure, Outcome};

/// Options of `gearshift bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    gearshift bench w1\n  \
    gearshift bench w1 --in-flight 1 --keys 300\n  \
    gearshift bench w1 --bus nats                   a NATS server of its own, syncing always\n  \
    gearshift bench w1 --bus nats --one-way --sync default --in-flight 1024\n  \
    gearshift bench store --bus nats                what the server stores alone\n  \
    gearshift bench w2 --bus nats://127.0.0.1:4222\n  \
    gearshift bench w3                              five steps, the plugin in process\n  \
    gearshift bench w3 --bus nats                   the plugin in another process\n  \
    gearshift bench fanout --items 10000\n  \
    gearshift bench pick --items 200                choosing among 200 instances of a plugin\n  \
    gearshift bench w4 --keys 100000 -o json\n  \
    gearshift bench w5")]
pub(super) struct BenchArgs {
    /// Which workload.
    #[arg(value_enum)]
    pub(super) workload: Workload,
    /// The bus: `embedded` (fsync), `memory` to see what the disk costs, `nats` for a server of its
    /// own, or the address of one. Over NATS the engine is a process of its own.
    #[arg(long, default_value = "embedded")]
    pub(super) bus: String,
    /// When the NATS server of its own syncs its disk.
    #[arg(long, value_enum, default_value_t)]
    pub(super) sync: Sync,
    /// w1 over NATS: publish on bare subjects, until all is applied; else every verdict is awaited.
    #[arg(long)]
    pub(super) one_way: bool,
    /// Partitions of the engine over NATS.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) partitions: u16,
    /// Worker threads of the engine over NATS, which shares the machine with the server, the plugin
    /// and the load.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: u16,
    /// Instances: per round in w1, w2 and w3, in all in w4 and w5 [default: 20000, 10000 in w3 and
    /// w5, 100000 in w4].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) keys: Option<u32>,
    /// Items of each fan-out [default: 10000]; in pick, instances [default: 200].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) items: Option<u32>,
    /// Events waiting for their verdict at once; in fanout, items under way.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) in_flight: u32,
    /// Seconds to run at least (w1, w2, w3, fanout, store).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(super) seconds: u32,
    /// Where the data goes; a fresh folder below the system's temporary one by default.
    #[arg(long)]
    pub(super) data: Option<PathBuf>,
}

/// The workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Workload {
    /// Event → guard → transition, every verdict awaited.
    W1,
    /// Event → transition → call of a plugin in another process → done; over NATS.
    W2,
    /// Event → five steps, each a call of a plugin → done.
    W3,
    /// Event → the same call for each item of a list → done.
    Fanout,
    /// Choosing the instance of a plugin that gets a call, each way to choose; no bus.
    Pick,
    /// What a NATS server stores alone of w1's messages.
    Store,
    /// Instances that wait for an approval: memory, disk, and ready again after kill -9.
    W4,
    /// Timers of 5 s: how late they fire, and that none is early.
    W5,
}

/// When a server syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Sync {
    /// Before it acknowledges.
    #[default]
    Always,
    /// As servers do by default: every two minutes.
    Default,
}

impl Sync {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Default => "default",
        }
    }
}

/// What a workload measured.
#[derive(Clone, Debug, Default, Serialize)]
struct Report {
    /// `w1`, `w2`, `w3`, `fanout`, `pick`, `store`, `w4`, `w5`.
    pub(super) workload: &'static str,
    /// `embedded`, `memory`, or what is told of NATS.
    pub(super) bus: String,
    /// How events came in: `in-process`, `http` or `nats`.
    pub(super) door: &'static str,
    /// Events answered, every answer checked.
    pub(super) events: u64,
    /// How long they took.
    pub(super) seconds: f64,
    /// Events per second.
    pub(super) per_second: f64,
    /// Median latency in milliseconds; in w5, how late.
    pub(super) p50_ms: f64,
    /// 90th percentile.
    pub(super) p90_ms: f64,
    /// 99th percentile.
    pub(super) p99_ms: f64,
    /// 99.9th percentile.
    pub(super) p999_ms: f64,
    /// CPU time of the engine's process per event, in microseconds; load generator included where
    /// the door is `in-process`.
    pub(super) engine_cpu_us_per_event: f64,
    /// CPU time of the NATS server of its own per event, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_cpu_us_per_event: Option<f64>,
    /// CPU time of the load generator per event, in microseconds, over NATS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) load_cpu_us_per_event: Option<f64>,
    /// CPU time of the plugin's process per event, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plugin_cpu_us_per_event: Option<f64>,
    /// Resident memory of the engine's process at the end.
    pub(super) rss_bytes: u64,
    /// Bytes on disk at the end.
    pub(super) disk_bytes: u64,
    /// w4: resident memory per instance, above the empty engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_per_instance: Option<f64>,
    /// w4: resident memory above the empty engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rss_above_empty_bytes: Option<u64>,
    /// w4: from kill -9 and start to the answer on a new key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ready_seconds: Option<f64>,
    /// w5: timers that fired before their time; anything but 0 is a bug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) early: Option<u64>,
    /// pick: nanoseconds of one pick, by each way to choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pick_ns: Option<BTreeMap<&'static str, u64>>,
}

/// Runs a workload and prints what it measured.
pub(super) async fn bench(global: &Global, args: &BenchArgs) -> Outcome {
    let report =
        run(args).await.map_err(|reason| Failure::new(super::failure::ENDED_BADLY, reason))?;
    let output = global.out();
    if output.is_text() {
        output.line(report.to_text())?
    } else {
        output.json(&report)?
    }
    Ok(0)
}

impl BenchArgs {
    /// Is it about NATS?
    pub(super) fn is_nats(&self) -> bool {
        self.bus == "nats" || super::login::is_nats(&self.bus)
    }
}

async fn run(args: &BenchArgs) -> Result<Report, String> {
    let is_nats = args.is_nats();
    if !is_nats && !matches!(args.bus.as_str(), "embedded" | "memory") {
        return Err(format!("bus `{}` is not `embedded`, `memory`, `nats` or nats://…", args.bus));
    }
    if args.items.is_some() && !matches!(args.workload, Workload::Fanout | Workload::Pick) {
        return Err("`--items` is for `fanout` and `pick`".to_owned());
    }
    if args.one_way && !(is_nats && args.workload == Workload::W1) {
        return Err("`--one-way` is for `w1 --bus nats`".to_owned());
    }
    match (args.workload, is_nats) {
        (Workload::W1, false) => w1::run(args).await,
        (Workload::W1, true) => w1_nats::run(args).await,
        (Workload::W2, true) => w2::run(args).await,
        (Workload::W3, _) => w3::run(args).await,
        (Workload::Fanout, false) => w3::fanout(args).await,
        (Workload::Pick, _) => pick::run(args),
        (Workload::Store, true) => w1_nats::store(args).await,
        (Workload::W4, false) => w4::run(args).await,
        (Workload::W5, false) => w5::run(args).await,
        (Workload::W2 | Workload::Store, false) => Err("add `--bus nats`".to_owned()),
        (Workload::Fanout | Workload::W4 | Workload::W5, true) => {
            Err("it is measured embedded".to_owned())
        }
    }
}

impl Report {
    /// The report as people read it.
    fn to_text(&self) -> String {
        if let Some(ways) = &self.pick_ns {
            let picks = format!("pick  {} picks in {:.1} s", self.events, self.seconds);
            let way = |(way, each): (&&str, &u64)| format!("{way:16} {each} ns");
            return [picks].into_iter().chain(ways.iter().map(way)).collect::<Vec<_>>().join("\n");
        }
        let mut lines = vec![
            format!("{}  bus {}  door {}", self.workload, self.bus, self.door),
            format!("{} events in {:.1} s: {:.0}/s", self.events, self.seconds, self.per_second),
            format!(
                "latency ms  p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}",
                self.p50_ms, self.p90_ms, self.p99_ms, self.p999_ms
            ),
            format!(
                "cpu {:.1} us/event  rss {:.1} MB  disk {:.1} MB",
                self.engine_cpu_us_per_event,
                megabytes(self.rss_bytes),
                megabytes(self.disk_bytes)
            ),
        ];
        if let (Some(each), Some(above)) = (self.bytes_per_instance, self.rss_above_empty_bytes) {
            let above = megabytes(above);
            lines.push(format!("memory {each:.0} bytes/instance, {above:.1} MB above empty"));
        }
        let others = [
            ("server", self.server_cpu_us_per_event),
            ("load", self.load_cpu_us_per_event),
            ("plugin", self.plugin_cpu_us_per_event),
        ];
        let told = |(who, cpu): (&str, Option<f64>)| Some(format!("{who} {:.1}", cpu?));
        let others = others.into_iter().filter_map(told).collect::<Vec<_>>();
        if !others.is_empty() {
            lines.push(format!("cpu of others  {} us/event", others.join("  ")));
        }
        if let Some(ready) = self.ready_seconds {
            lines.push(format!("ready {ready:.2} s after kill -9"));
        }
        if let Some(early) = self.early {
            lines.push(format!("timers early: {early}"));
        }
        lines.join("\n")
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
