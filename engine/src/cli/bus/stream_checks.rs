//! Streams: are ours there, whole and set up so that nothing is lost; does somebody else's stand in
//! their way?

use serde::Serialize;

use super::super::finding::Finding;
use super::api::{Cluster, Stream};
use super::server_checks::bytes;

/// What the streams of logs begin with.
pub(super) const LOG: &str = "gearshift-log-";
/// What those of inboxes begin with.
const INBOX: &str = "gearshift-inbox-";
/// What those of buckets begin with.
const BUCKET: &str = "KV_gearshift-";
/// What those of blob stores begin with.
const BLOBS: &str = "OBJ_gearshift-";

/// One of our streams, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    name: String,
    messages: u64,
    bytes: u64,
    first: u64,
    last: u64,
    replicas: usize,
    consumers: u64,
}

/// The rows of our streams, in order of their names.
pub(super) fn rows(streams: &[Stream]) -> Vec<Row> {
    let ours = streams.iter().filter(|stream| is_ours(&stream.config.name));
    let mut rows: Vec<Row> = ours.map(row).collect();
    rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn row(stream: &Stream) -> Row {
    let state = &stream.state;
    Row {
        name: stream.config.name.clone(),
        messages: state.messages,
        bytes: state.bytes,
        first: state.first_seq,
        last: state.last_seq,
        replicas: stream.config.num_replicas,
        consumers: state.consumer_count,
    }
}

impl Row {
    /// Headings of the table.
    pub(super) const HEADINGS: &'static [&'static str] =
        &["STREAM", "MESSAGES", "SIZE", "FIRST", "LAST", "COPIES", "READERS"];

    /// Cells of the table.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.messages.to_string(),
            bytes(self.bytes),
            self.first.to_string(),
            self.last.to_string(),
            self.replicas.to_string(),
            self.consumers.to_string(),
        ]
    }
}

fn is_ours(name: &str) -> bool {
    [LOG, INBOX, BUCKET, BLOBS].iter().any(|start| name.starts_with(start))
}

/// Everything there is to say about the streams of this account.
pub(super) fn streams(streams: &[Stream], replicas: usize) -> Vec<Finding> {
    let mut list = vec![present(streams)];
    for stream in streams {
        if is_ours(&stream.config.name) {
            list.extend(set_up(stream, replicas));
            list.extend(kept(stream));
        } else {
            list.extend(in_the_way(stream));
        }
    }
    list.extend(inbox(streams));
    list
}

fn present(streams: &[Stream]) -> Finding {
    let count = |start| streams.iter().filter(|it| it.config.name.starts_with(start)).count();
    let (logs, inboxes, buckets) = (count(LOG), count(INBOX), count(BUCKET));
    if logs + inboxes + buckets == 0 {
        return Finding::ok("streams", "none of ours yet: the first engine makes them");
    }
    let others = streams.iter().filter(|it| !is_ours(&it.config.name)).count();
    Finding::ok(
        "streams",
        format!("{logs} journals, {inboxes} inbox, {buckets} buckets, {others} of others"),
    )
}

/// What differs from how an engine makes it (row C4).
fn set_up(stream: &Stream, replicas: usize) -> Vec<Finding> {
    let config = &stream.config;
    let is_log = config.name.starts_with(LOG);
    let mut wrong = Vec::new();
    let mut differs = |field: &str, is: String, wanted: &str| {
        if is != wanted {
            wrong.push(format!("{field} is {is}, not {wanted}"));
        }
    };
    differs("storage", config.storage.clone(), "file");
    differs("retention", config.retention.clone(), "limits");
    differs("sealed", config.sealed.to_string(), "false");
    differs("a mirror", config.mirror.is_some().to_string(), "false");
    differs("fed by others", has_some(config.sources.as_ref()).to_string(), "false");
    if config.persist_mode == "async" {
        differs("persist_mode", config.persist_mode.clone(), "default");
    }
    if is_log {
        differs("discard", config.discard.clone(), "new");
        differs("max_age", config.max_age.to_string(), "0");
        differs("max_msgs", config.max_msgs.to_string(), "-1");
        differs("max_bytes", config.max_bytes.to_string(), "-1");
    }
    let mut list = Vec::new();
    if !wrong.is_empty() {
        list.push(Finding::problem(
            "stream",
            format!("`{}`: {}", config.name, wrong.join(", ")),
            "engines refuse it; set it back, or delete it where its content may go",
        ));
    }
    if config.num_replicas < replicas && wrong.is_empty() {
        list.push(Finding::warning(
            "stream",
            format!("`{}` has {} copies, not {replicas}", config.name, config.num_replicas),
            format!("`nats stream edit {} --replicas {replicas}`", config.name),
        ));
    }
    if is_log && stream.state.num_deleted > 0 {
        list.push(Finding::problem(
            "stream",
            format!("`{}` has {} holes", config.name, stream.state.num_deleted),
            "somebody deleted entries of a journal, or its file is damaged: bring back a backup",
        ));
    }
    list
}

fn has_some(list: Option<&serde_json::Value>) -> bool {
    list.and_then(serde_json::Value::as_array).is_some_and(|list| !list.is_empty())
}

/// Copies that are away or behind.
fn kept(stream: &Stream) -> Option<Finding> {
    let name = &stream.config.name;
    let Cluster { leader, replicas } = stream.cluster.as_ref()?;
    if stream.config.num_replicas > 1 && leader.is_none() {
        return Some(Finding::problem(
            "stream",
            format!("`{name}` has no leader: most of its servers are away"),
            "bring them back",
        ));
    }
    let away = |offline: bool| {
        let those = replicas.iter().filter(|it| !it.current && it.offline == offline);
        those.map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (gone, behind) = (away(true), away(false));
    if !gone.is_empty() {
        let message = format!("`{name}`: the copy on {gone} is away");
        return Some(Finding::warning("stream", message, "one more, and nothing is decided"));
    }
    if !behind.is_empty() {
        let message = format!("`{name}`: the copy on {behind} is behind");
        return Some(Finding::warning("stream", message, "it should catch up by itself"));
    }
    None
}

/// A stream that takes what is ours would store and answer what engines should.
fn in_the_way(stream: &Stream) -> Option<Finding> {
    let takes = |subject: &&String| {
        let first = subject.split('.').next().unwrap_or_default();
        matches!(first, "gearshift" | "*" | ">")
    };
    let subject = stream.config.subjects.iter().find(takes)?;
    Some(Finding::problem(
        "foreign",
        format!("stream `{}` captures `{subject}`, which is ours", stream.config.name),
        "narrow its subjects: no stream of others may capture `gearshift.>`",
    ))
}

/// What the inbox captures.
fn inbox(streams: &[Stream]) -> Option<Finding> {
    let inbox = streams.iter().find(|it| it.config.name.starts_with(INBOX))?;
    let is_event = |subject: &&String| !subject.starts_with("gearshift.inbox.");
    let subjects: Vec<&str> =
        inbox.config.subjects.iter().filter(is_event).map(String::as_str).collect();
    let days = inbox.config.max_age / 86_400_000_000_000;
    let kept = if days > 0 { format!("kept {days} days") } else { "kept for ever".to_owned() };
    Some(match subjects.as_slice() {
        [] => Finding::ok("inbox", "captures nothing: no definition names events yet"),
        subjects => Finding::ok(
            "inbox",
            format!("captures {}; {kept}, {} stored", listed(subjects), inbox.state.messages),
        ),
    })
}

fn listed(subjects: &[&str]) -> String {
    const SHOWN_MAX: usize = 6;
    let shown = subjects.iter().take(SHOWN_MAX).map(|it| format!("`{it}`"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if subjects.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", subjects.len() - SHOWN_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Level;
    use super::*;

    fn stream(name: &str, more: &str) -> Stream {
        let config = format!(
            r#""name": "{name}", "storage": "file", "retention": "limits", "discard": "new",
               "max_age": 0, "max_msgs": -1, "max_bytes": -1, "num_replicas": 1 {more}"#
        );
        serde_json::from_str(&format!(r#"{{"config": {{{config}}}, "state": {{}}}}"#)).unwrap()
    }

    fn worst(stream: Stream, replicas: usize) -> (Level, String) {
        let found = streams(&[stream], replicas);
        let worst = found.into_iter().max_by_key(|one| one.level).unwrap();
        (worst.level, worst.message)
    }

    #[test]
    fn a_journal_as_an_engine_makes_it_is_well() {
        assert_eq!(worst(stream("gearshift-log-journal-0", ""), 1).0, Level::Ok);
        assert_eq!(worst(stream("gearshift-log-journal-0", ""), 3).0, Level::Warning);
    }

    #[test]
    fn c4_what_is_set_up_otherwise_is_told_field_by_field() {
        let other = r#", "mirror": {"name": "x"}, "persist_mode": "async""#;
        let (level, message) = worst(stream("gearshift-log-journal-0", other), 1);
        assert_eq!(level, Level::Problem);
        assert!(message.contains("a mirror is true, not false"), "{message}");
        assert!(message.contains("persist_mode is async"), "{message}");
    }

    #[test]
    fn a_foreign_stream_on_our_subjects_is_a_problem() {
        for taken in ["gearshift.>", ">", "*.command.>"] {
            let more = format!(r#", "subjects": ["{taken}"]"#);
            assert_eq!(worst(stream("theirs", &more), 1).0, Level::Problem, "{taken}");
        }
        let more = r#", "subjects": ["data.>"]"#;
        assert_eq!(worst(stream("theirs", more), 1).0, Level::Ok);
    }

    #[test]
    fn copies_that_are_away_are_told() {
        let mut one = stream("gearshift-log-journal-0", "");
        let cluster = r#"{"leader": "a", "replicas": [{"name": "b", "offline": true}]}"#;
        one.cluster = serde_json::from_str(cluster).unwrap();
        assert!(worst(one, 1).1.contains("the copy on b is away"));
    }
}
