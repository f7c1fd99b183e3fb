//! Whether a NATS server syncs to its disk before it acknowledges: only its monitoring tells.

use std::time::Duration;

use gearshift_bus::{Durability, ServerReport};
use serde::Deserialize;

/// How long the monitoring may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Where servers offer their monitoring unless configured otherwise.
const MONITOR_PORT: u16 = 8_222;
/// The first version in which syncing can be set.
const SETTING_SINCE: [u32; 2] = [2, 10];
/// How often those before it sync.
const FIXED_MS: u64 = 120_000;

/// What is read of `/varz`.
#[derive(Deserialize)]
struct Varz {
    server_id: String,
    jetstream: Option<JetStream>,
}

#[derive(Deserialize)]
struct JetStream {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    /// In nanoseconds.
    sync_interval: Option<u64>,
    #[serde(default)]
    sync_always: bool,
}

/// What is known, and why not more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Whether and how often the server syncs.
    pub(super) durability: Durability,
    /// Why it is not known.
    pub(super) unknown: Option<String>,
    /// Can the server be set to do otherwise?
    pub(super) is_setting: bool,
}

/// Asks the monitoring at `monitor`, or else where the servers would have it by default; what
/// another server says does not count.
pub(super) async fn durability(server: &ServerReport, monitor: Option<&str>) -> Known {
    if is_fixed(&server.version) {
        // Its monitoring tells nothing of what cannot be set.
        let durability = Durability::Interval { millis: FIXED_MS };
        return Known { durability, unknown: None, is_setting: false };
    }
    let bases = match monitor {
        Some(given) => vec![given.trim_end_matches('/').to_owned()],
        None => server.host.split(',').map(by_default).collect(),
    };
    let mut why = Vec::new();
    for base in &bases {
        match ask(base).await {
            Ok(varz) if varz.server_id == server.id => return judge(varz),
            Ok(_) => why.push(format!("the monitoring at {base} is that of another server")),
            Err(reason) => why.push(reason),
        }
    }
    unknown(why.join(", "))
}

/// Where the server at `HOST:PORT` has its monitoring unless configured otherwise.
fn by_default(address: &str) -> String {
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        Some(_) | None => address,
    };
    let bracketed = host.starts_with('[') || !host.contains(':');
    match bracketed {
        true => format!("http://{host}:{MONITOR_PORT}"),
        false => format!("http://[{host}]:{MONITOR_PORT}"),
    }
}

fn judge(varz: Varz) -> Known {
    let Some(config) = varz.jetstream.and_then(|jetstream| jetstream.config) else {
        return unknown("its monitoring tells no JetStream settings".to_owned());
    };
    let durability = match (config.sync_always, config.sync_interval) {
        (true, _) => Durability::Always,
        (false, Some(nanos)) => Durability::Interval { millis: nanos / 1_000_000 },
        (false, None) => return unknown("its monitoring tells no sync_interval".to_owned()),
    };
    Known { durability, unknown: None, is_setting: true }
}

/// Is it a server that syncs every two minutes, whatever its configuration says?
fn is_fixed(version: &str) -> bool {
    let numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    numbers.take(2).lt(SETTING_SINCE)
}

const fn unknown(reason: String) -> Known {
    Known { durability: Durability::Unknown, unknown: Some(reason), is_setting: true }
}

async fn ask(base: &str) -> Result<Varz, String> {
    let fail = |error: reqwest::Error| {
        let kind = if error.is_timeout() {
            format!("does not answer within {} s", TIMEOUT.as_secs())
        } else if error.is_connect() {
            "cannot be reached".to_owned()
        } else {
            format!("is not understood: {error}")
        };
        format!("its monitoring at {base} {kind}")
    };
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(fail)?;
    let answer = client.get(format!("{base}/varz")).send().await.map_err(fail)?;
    answer.error_for_status().map_err(fail)?.json().await.map_err(fail)
}

/// The sentence an operator should read, unless all is well: what may be lost, and the way out.
pub(super) fn weakness(known: &Known, replicas: usize) -> Option<String> {
    let mend = match known.is_setting {
        true => "set `sync_interval: always` in the server's `jetstream` block",
        false => {
            "this server cannot be set to do otherwise: upgrade it to 2.15.1, and set \
             `sync_interval: always` in its `jetstream` block"
        }
    };
    match (known.durability, replicas) {
        (Durability::Always, _) => None,
        (Durability::Interval { millis }, 0..=1) => Some(format!(
            "weak durability: the server syncs its disk every {} only, so a power cut takes what \
             was acknowledged since; {mend}",
            super::words::span(millis)
        )),
        (Durability::Interval { millis }, _) => Some(format!(
            "the servers sync their disks every {} only: {replicas} copies outlive the power cut \
             of one of them, not of all at once; {mend}",
            super::words::span(millis)
        )),
        (Durability::Unknown, _) => Some(format!(
            "durability unknown: {}; name it by `--monitor http://HOST:{MONITOR_PORT}`, or look \
             for `sync_interval: always` in the server's configuration",
            known.unknown.as_deref().unwrap_or("the server does not tell")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Durability {
        judge(serde_json::from_str(json).unwrap()).durability
    }

    #[test]
    fn c5_the_monitoring_tells_how_often_the_server_syncs() {
        let always = r#"{"server_id": "N", "jetstream": {"config":
            {"sync_interval": 120000000000, "sync_always": true}}}"#;
        assert_eq!(of(always), Durability::Always);
        let weak = r#"{"server_id": "N", "jetstream": {"config": {"sync_interval": 10000000000}}}"#;
        assert_eq!(of(weak), Durability::Interval { millis: 10_000 });
        for nothing in ["{}", r#"{"config": {"max_memory": 1}}"#] {
            let text = format!(r#"{{"server_id": "N", "jetstream": {nothing}}}"#);
            assert_eq!(of(&text), Durability::Unknown, "{nothing}");
        }
    }

    #[test]
    fn the_monitoring_is_beside_the_server() {
        let shown = ["127.0.0.1:4222", "nats.example", "::1:4222", "[::1]:4222"].map(by_default);
        assert_eq!(shown[0], "http://127.0.0.1:8222");
        assert_eq!(shown[1], "http://nats.example:8222");
        assert_eq!((&*shown[2], &*shown[3]), ("http://[::1]:8222", "http://[::1]:8222"));
    }

    #[test]
    fn c5_what_is_weak_is_said_with_the_way_out() {
        let durability = Durability::Interval { millis: 120_000 };
        let weak = Known { durability, unknown: None, is_setting: true };
        let said = weakness(&weak, 1).unwrap();
        assert!(said.starts_with("weak durability: ") && said.contains("every 2m"), "{said}");
        assert!(weakness(&weak, 3).unwrap().contains("3 copies"));
        let said = weakness(&unknown("why".to_owned()), 1).unwrap();
        assert!(said.contains("why") && said.contains("--monitor"), "{said}");
        let always = Known { durability: Durability::Always, unknown: None, is_setting: true };
        assert_eq!(weakness(&always, 1), None);
    }

    #[test]
    fn c5_servers_that_cannot_be_set_are_known_to_be_weak() {
        for fixed in ["2.9.10", "2.9.25", "2.8.0", "1.4.1"] {
            assert!(is_fixed(fixed), "{fixed}");
        }
        for set in ["2.10.0", "2.10.0-beta.3", "2.15.1", "3.0.0"] {
            assert!(!is_fixed(set), "{set}");
        }
        let durability = Durability::Interval { millis: FIXED_MS };
        let old = Known { durability, unknown: None, is_setting: false };
        let said = weakness(&old, 1).unwrap();
        assert!(said.starts_with("weak durability: ") && said.contains("every 2m"), "{said}");
        assert!(said.contains("upgrade it to 2.15.1"), "{said}");
        assert!(!said.contains("; set `sync_interval"), "{said}");
    }
}
