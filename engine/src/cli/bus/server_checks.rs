//! The server: version, login, syncing, limits, clock.

use gearshift_bus::{Durability, MESSAGE_BYTES_MAX, ServerReport};
use jiff::Timestamp;

use super::super::durability::{Known, weakness};
use super::super::finding::Finding;
use super::api::{Account, Asked, Stream};

/// The version we are made for.
const TARGET: [u32; 3] = [2, 15, 1];
/// Further apart, timers and time-outs are not what people think (01 §6).
const SKEW_MAX_MS: i64 = 500;

/// Version, name and what it lacks.
pub(super) fn server(report: &ServerReport) -> Vec<Finding> {
    let place = match &report.cluster {
        Some(cluster) => format!("in cluster `{cluster}`"),
        None => "alone".to_owned(),
    };
    let about = format!("nats-server {}, `{}`, {place}", report.version, report.name);
    let mut list = vec![match is_older(&report.version) {
        false => Finding::ok("server", about),
        true => Finding::warning(
            "server",
            about,
            format!(
                "2.15.1 is the version to run; {} starts, with the costs below",
                report.version
            ),
        ),
    }];
    list.extend(report.missing.iter().map(|missing| {
        Finding::warning("feature", missing.clone(), "upgrade the server to 2.15.1 or later")
    }));
    list
}

fn is_older(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers = core.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    numbers.lt(TARGET)
}

/// Does an acknowledgement mean that the disk has it?
pub(super) fn sync(report: &ServerReport, known: &Known) -> Finding {
    let Some(weakness) = weakness(known, report.replicas) else {
        let message = "every write is on the disk before it is acknowledged";
        return Finding::ok("sync", message);
    };
    let (message, help) = weakness.split_once("; ").unwrap_or((&weakness, "see above"));
    match (known.durability, report.replicas) {
        (Durability::Interval { .. }, 0..=1) => Finding::problem("sync", message, help),
        (Durability::Always | Durability::Unknown | Durability::Interval { .. }, _) => {
            Finding::warning("sync", message, help)
        }
    }
}

/// Copies that new streams get.
pub(super) fn replicas(report: &ServerReport) -> Finding {
    match (&report.cluster, report.replicas) {
        (Some(_), copies @ 3..) => Finding::ok("replicas", format!("{copies} of everything")),
        (Some(_), copies) => Finding::warning(
            "replicas",
            format!("the servers form a cluster, but new streams get {copies} only"),
            "three servers with JetStream keep three copies",
        ),
        (None, _) => {
            Finding::ok("replicas", "1 of everything: this server's disk has all there is")
        }
    }
}

/// Room for the largest messages.
pub(super) fn payload(report: &ServerReport) -> Finding {
    let size = report.max_payload;
    if size >= MESSAGE_BYTES_MAX {
        return Finding::ok("payload", format!("messages of up to {size} bytes"));
    }
    Finding::problem(
        "payload",
        format!("messages of {size} bytes at most; journals need {MESSAGE_BYTES_MAX}"),
        "set `max_payload: 1MB` in the server's configuration",
    )
}

/// What the account may use, and how much is left.
pub(super) fn limits(account: &Asked<Account>) -> Finding {
    let account = match account {
        Asked::Is(account) => account,
        Asked::Refused(reason) => {
            return Finding::problem(
                "jetstream",
                format!("refused: {reason}"),
                "enable JetStream in the server's configuration and for this account",
            );
        }
        Asked::Nobody => {
            return Finding::problem(
                "jetstream",
                "the server has no JetStream",
                "add `jetstream { store_dir: …, sync_interval: always }` to its configuration",
            );
        }
        Asked::Silence => {
            return Finding::ok("jetstream", "not ours to look at: this user may not ask about it");
        }
    };
    let limits = &account.limits;
    let used = account.storage.max(0);
    if limits.max_storage > 0 && used >= limits.max_storage / 10 * 8 {
        let message = format!("{} of {} bytes of storage are used", used, limits.max_storage);
        let help = "raise the account's `max_storage`: without room the engines stop deciding";
        return match used >= limits.max_storage / 100 * 95 {
            true => Finding::problem("jetstream", message, help),
            false => Finding::warning("jetstream", message, help),
        };
    }
    if limits.max_streams > 0 && limits.max_streams - account.streams < 8 && account.streams == 0 {
        return Finding::warning(
            "jetstream",
            format!("at most {} streams", limits.max_streams),
            "an engine needs one per partition and about eight more",
        );
    }
    let limit = |limit: i64| match limit {
        ..=0 => "no limit".to_owned(),
        limit => format!("limit {limit}"),
    };
    Finding::ok(
        "jetstream",
        format!(
            "{} in {} streams, storage {}, consumers {}",
            bytes(u64::try_from(used).unwrap_or_default()),
            account.streams,
            limit(limits.max_storage),
            limit(limits.max_consumers)
        ),
    )
}

/// `12.3 MB`.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{}.{} kB", count / 1_000, count % 1_000 / 100),
        1_000_000..1_000_000_000 => {
            format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000)
        }
        _ => format!("{}.{} GB", count / 1_000_000_000, count % 1_000_000_000 / 100_000_000),
    }
}

/// The server's clock against ours, in milliseconds: what it wrote into its answer, between asking
/// and hearing.
pub(super) fn clock(streams: &[Stream], asked: i64, heard: i64) -> Option<Finding> {
    let told = streams.iter().rev().find_map(|stream| stream.ts.as_deref());
    let told: Timestamp = told?.parse().ok()?;
    let told = told.as_millisecond();
    let skew = if told < asked { told - asked } else { (told - heard).max(0) };
    let direction = if skew < 0 { "behind" } else { "ahead of" };
    Some(match skew.abs() {
        away @ SKEW_MAX_MS.. => Finding::problem(
            "clock",
            format!("the server's clock is {away} ms {direction} this machine's"),
            format!("synchronise both (NTP); up to {SKEW_MAX_MS} ms are fine"),
        ),
        _ => Finding::ok("clock", "the server's agrees with this machine's"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Level;
    use super::*;

    #[test]
    fn versions_before_the_target_are_told() {
        assert!(is_older("2.9.10") && is_older("2.15.0"));
        assert!(!is_older("2.15.1") && !is_older("2.16.0-beta") && !is_older("3.0.0"));
    }

    #[test]
    fn c7_a_clock_far_off_is_a_problem() {
        let at = |ms: i64| 1_700_000_000_000 + ms;
        let level = |told: i64| {
            let told = Timestamp::from_millisecond(at(told)).unwrap();
            let json = format!(r#"{{"config": {{}}, "state": {{}}, "ts": "{told}"}}"#);
            let stream: Stream = serde_json::from_str(&json).unwrap();
            clock(&[stream], at(0), at(20)).unwrap().level
        };
        assert_eq!((level(10), level(400), level(-400)), (Level::Ok, Level::Ok, Level::Ok));
        assert_eq!((level(3_600_000), level(-600)), (Level::Problem, Level::Problem));
        assert_eq!(clock(&[], 0, 1), None);
    }

    #[test]
    fn full_storage_is_told_before_it_is_full() {
        let of = |used: i64| {
            let limits =
                r#""limits": {"max_storage": 1000, "max_streams": -1, "max_consumers": -1}"#;
            let json = format!(r#"{{"storage": {used}, "streams": 3, {limits}}}"#);
            limits_level(&json)
        };
        assert_eq!((of(100), of(850), of(990)), (Level::Ok, Level::Warning, Level::Problem));
        assert_eq!(limits(&Asked::Nobody).level, Level::Problem);
    }

    fn limits_level(json: &str) -> Level {
        limits(&Asked::Is(serde_json::from_str(json).unwrap())).level
    }

    #[test]
    fn sizes_are_shown_in_powers_of_ten() {
        let shown = [5, 1_234, 2_500_000, 7_000_000_000].map(bytes);
        assert_eq!(shown, ["5 B", "1.2 kB", "2.5 MB", "7.0 GB"]);
    }
}
