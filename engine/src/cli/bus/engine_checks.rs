//! The engines behind the servers: do they answer, and who has which partition?

use gearshift_client::protocol::view::{Health, SourceHealth};
use gearshift_client::{Client, ErrorKind};

use super::super::finding::Finding;
use super::super::health::{held, word};
use super::api::Stream;
use super::role_checks::May;
use super::stream_checks::LOG;

/// What the engines say of themselves.
pub(super) async fn engines(client: &Client, may: May, streams: Option<&[Stream]>) -> Vec<Finding> {
    if !may.queries {
        return vec![Finding::ok("engines", "not ours to look at: this user may not ask them")];
    }
    match client.health().await {
        Ok(health) => {
            let mut list = judge(&health);
            list.extend(streams.and_then(|streams| journals(&health, streams)));
            list
        }
        Err(error) => match error.kind() {
            ErrorKind::Unreachable { .. } => vec![Finding::warning(
                "engines",
                "none answers",
                "`gearshift serve --nats URL` starts one",
            )],
            ErrorKind::Timeout { .. } | ErrorKind::Problem(_) | ErrorKind::Protocol { .. } | _ => {
                vec![Finding::problem(
                    "engines",
                    format!("they do not answer as they should: {error}"),
                    "look into their logs",
                )]
            }
        },
    }
}

fn judge(health: &Health) -> Vec<Finding> {
    let total = health.partitions.len();
    let unserved: Vec<String> = health
        .partitions
        .iter()
        .filter(|one| !one.serving)
        .map(|one| one.partition.to_string())
        .collect();
    let about = format!("gearshift {} is {}", health.version, word(health.status));
    let mut list = vec![match unserved.as_slice() {
        [] => Finding::ok("engines", format!("{about}; all {total} partitions are served")),
        some => Finding::problem(
            "engines",
            format!("{about}; not served: partition {} of {total}", some.join(", ")),
            "the reasons are below; an engine that comes back takes them over",
        ),
    }];
    list.extend(health.engines.iter().map(|one| {
        let leaving = if one.leaving { ", leaving" } else { "" };
        Finding::ok("engine", format!("`{}`{leaving}: {}", one.node, held(&one.partitions)))
    }));
    list.extend(health.sources.iter().map(source));
    list.extend(health.warnings.iter().map(|warning| {
        let (message, help) =
            warning.split_once("; ").unwrap_or((warning, "the engines' logs say more"));
        Finding::warning("engines", message, help)
    }));
    list
}

/// Partitions whose journal is gone: engines see it only when they write there next.
fn journals(health: &Health, streams: &[Stream]) -> Option<Finding> {
    let has = |partition: u32| {
        let name = format!("{LOG}journal-{partition}");
        streams.iter().any(|stream| stream.config.name == name)
    };
    let gone = health.partitions.iter().map(|one| one.partition).filter(|one| !has(*one));
    let gone: Vec<String> = gone.map(|one| format!("`{LOG}journal-{one}`")).collect();
    if gone.is_empty() {
        return None;
    }
    Some(Finding::problem(
        "journals",
        format!("somebody deleted {}", gone.join(", ")),
        "bring it back from a copy; what is missing is given up by `gearshift serve \
         --accept-journal-loss PARTITION`",
    ))
}

/// How far a stream of bare events is read by the engine that answered.
fn source(one: &SourceHealth) -> Finding {
    let SourceHealth { stream, position, lag, reason, .. } = one;
    let about = format!("`{stream}` is read up to {position}, {lag} behind its end");
    match reason {
        None => Finding::ok("events", about),
        Some(reason) => Finding::problem(
            "events",
            format!("`{stream}` is not read beyond {position}: {reason}"),
            "restore the stream, or accept it with `gearshift serve --accept-new-inbox`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Level;
    use super::*;

    #[test]
    fn partitions_that_nobody_serves_are_a_problem() {
        let health = |serving: bool| -> Health {
            let text = format!(
                r#"{{"status": "ready", "version": "0.1.0", "warnings": ["weak durability: x"],
                    "partitions": [{{"partition": 3, "serving": {serving}}}]}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let found = judge(&health(true));
        assert_eq!((found[0].level, found[1].level), (Level::Ok, Level::Warning));
        let found = judge(&health(false));
        assert_eq!(found[0].level, Level::Problem);
        assert!(found[0].message.contains("partition 3 of 1"), "{}", found[0].message);
    }
}
