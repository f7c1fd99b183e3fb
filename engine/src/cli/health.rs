//! `health`: are the engines well? For people, for scripts, for the probes of containers.

use clap::Args;
use gearshift_client::protocol::view::{EngineView, Health, HealthStatus, SourceHealth};

use super::args::Global;
use super::connect;
use super::failure::{ENDED_BADLY, Failure, Outcome};
use super::output::{Output, clean};
use super::words::count;

const EXAMPLES: &str = "\
Examples:
  gearshift health
  gearshift health -s nats://127.0.0.1:4222 --timeout 2s -o none && echo well
  gearshift health -o json | jq '.partitions[] | select(.serving | not)'

Exit 0: every partition is served and every stream of events is read; 1: not so, and the lines say
why; 6: no engine answers; 7: not in time. Warnings alone are no reason for 1.";

/// `gearshift health`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HealthArgs {}

/// Asks whichever engine answers.
pub(super) async fn health(global: &Global) -> Outcome {
    let client = connect::client(global).await?;
    let health = client.health().await?;
    let output = global.out();
    output.json(&health)?;
    tell(&health, output)?;
    Ok(if is_well(&health) { 0 } else { ENDED_BADLY })
}

/// Is everything served and read?
fn is_well(health: &Health) -> bool {
    health.status == HealthStatus::Ready
        && health.sources.iter().all(|source| source.reason.is_none())
}

/// The state in one word, as everybody shows it.
pub(super) const fn word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Ready => "ready",
        HealthStatus::Starting => "starting",
        HealthStatus::Draining => "draining",
        HealthStatus::Degraded | _ => "degraded",
    }
}

fn tell(health: &Health, output: Output) -> Result<(), Failure> {
    let style = match is_well(health) {
        true => output.look.green(),
        false => output.look.red(),
    };
    for (number, line) in lines(health).iter().enumerate() {
        let line = clean(line);
        match number {
            0 => output.line(format!("{style}{line}{style:#}"))?,
            _ => output.line(line)?,
        }
    }
    Ok(())
}

/// What people read: the state first, then engines, streams and what is wrong.
fn lines(health: &Health) -> Vec<String> {
    let (total, partitions) = (health.partitions.len(), &health.partitions);
    let served = partitions.iter().filter(|one| one.serving).count();
    let instances: u64 = partitions.iter().map(|one| one.instances).sum();
    let instances = count(usize::try_from(instances).unwrap_or(usize::MAX), "instance");
    let status = word(health.status);
    let version = &health.version;
    let mut lines = vec![format!(
        "{status:<9} gearshift {version}  {served} of {total} partitions served, {instances}"
    )];
    lines.extend(health.engines.iter().map(engine));
    lines.extend(health.sources.iter().map(source));
    lines.extend(health.warnings.iter().map(|warning| format!("{:<9} {warning}", "warning")));
    lines
}

fn engine(one: &EngineView) -> String {
    let leaving = if one.leaving { ", leaving" } else { "" };
    format!("{:<9} `{}`{leaving}: {}", "engine", one.node, held(&one.partitions))
}

/// `partitions 0, 3`, or that there are none.
pub(super) fn held(partitions: &[u16]) -> String {
    let list: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    match list.as_slice() {
        [] => "no partition".to_owned(),
        [one] => format!("partition {one}"),
        list => format!("partitions {}", list.join(", ")),
    }
}

fn source(one: &SourceHealth) -> String {
    let SourceHealth { stream, position, lag, reason, .. } = one;
    let about = match reason {
        None => format!("`{stream}` is read up to {position}, {lag} behind its end"),
        Some(reason) => format!("`{stream}` is not read beyond {position}: {reason}"),
    };
    format!("{:<9} {about}", "events")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(more: &str) -> Health {
        let text = format!(
            r#"{{"version": "0.1.0", "partitions": [
                {{"partition": 0, "serving": true, "instances": 2}},
                {{"partition": 1, "serving": false, "reason": "no leader"}}], {more}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_not_served_or_not_read_is_unwell_and_a_warning_is_not() {
        assert!(is_well(&of(r#""status": "ready", "warnings": ["weak durability: x"]"#)));
        for status in ["starting", "degraded", "draining"] {
            assert!(!is_well(&of(&format!(r#""status": "{status}""#))), "{status}");
        }
        let unread = r#""status": "ready", "sources": [
            {"source": 1, "stream": "events", "position": 3, "lag": 0, "reason": "recreated"}]"#;
        assert!(!is_well(&of(unread)));
    }

    #[test]
    fn people_read_the_state_first_and_the_reasons_below() {
        let health = of(r#""status": "degraded", "warnings": ["partition 1: no leader"],
            "engines": [{"node": "a-1", "name": "a", "partitions": [0]},
                        {"node": "b-2", "name": "b", "leaving": true, "partitions": []}]"#);
        assert_eq!(
            lines(&health),
            [
                "degraded  gearshift 0.1.0  1 of 2 partitions served, 2 instances",
                "engine    `a-1`: partition 0",
                "engine    `b-2`, leaving: no partition",
                "warning   partition 1: no leader",
            ]
        );
    }
}
