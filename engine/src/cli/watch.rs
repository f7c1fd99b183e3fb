//! `watch`: changes as they happen, one line each.

use std::time::Duration;

use clap::Args;
use gearshift_client::protocol::query::Definitions;
use gearshift_client::protocol::view::InstanceSummary;
use gearshift_client::protocol::{Notice, NoticeKind, Status};
use gearshift_client::{Client, Watch, WatchFilter};
use tokio::time::{Instant, timeout};

use super::args::Global;
use super::connect;
use super::failure::{ENDED_BADLY, Failure, Outcome, TIMED_OUT, UNREACHABLE};
use super::output::{Output, clean, one_line, tell};
use super::words::{self, event, states};

const EXAMPLES: &str = "\
Examples:
  gearshift watch                                 everything, until Ctrl-C
  gearshift watch doc-44                          one instance, until it ends
  gearshift watch --workflow order -o jsonl | jq -r '[.at, .key, .kind] | @tsv'

Watching has no end but that of the instance: --timeout is for the engine's first answer. Where
engines or servers go away, it goes on once they are back, and gives up after a minute without an
answer, or after --timeout if that is longer. What happens meanwhile is in `gearshift history`.";

/// Without a notice for so long, it is seen whether an engine is still there.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long engines may be silent before watching ends.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long what was told before the end may be under way.
const LAST_NOTICES: Duration = Duration::from_millis(250);

/// `gearshift watch`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WatchArgs {
    /// One instance: full id, key, or unique end of one
    id: Option<String>,
    /// Only those of this workflow
    #[arg(long, conflicts_with = "id")]
    workflow: Option<String>,
}

/// Prints changes until the instance has ended, or for ever.
pub(super) async fn watch(global: &Global, args: WatchArgs) -> Outcome {
    let client = connect::client(global).await?;
    let mut filter = WatchFilter { workflow: args.workflow, key: None };
    if let Some(id) = &args.id {
        let summary = client.instance(id).await?.summary;
        filter.workflow = Some(summary.workflow);
        filter.key = Some(summary.key);
    }
    if let (Some(workflow), None) = (&filter.workflow, &filter.key) {
        tell_unknown(&client, workflow).await?;
    }
    let watch = client.watch(filter.clone()).await?;
    let instance = match (&filter.workflow, &filter.key) {
        (Some(workflow), Some(key)) => Some(format!("{workflow}/{key}")),
        (_, _) => None,
    };
    let looks = client.clone().with_timeout(global.timeout.min(LOOK_AGAIN));
    let silence_max = global.timeout.max(SILENCE_MAX);
    let watching =
        Watching { client: looks, watch, instance, output: global.out(), silence_max, since: None };
    watching.run(&client).await
}

/// Says that nobody knows the workflow yet: it may be a slip, or deployed later.
async fn tell_unknown(client: &Client, workflow: &str) -> Result<(), Failure> {
    let known = client.definitions(&Definitions::default()).await?.items;
    if known.iter().any(|one| one.name == workflow) {
        return Ok(());
    }
    let near = words::nearest(workflow, known.iter().map(|one| one.name.as_str()));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let told = format!("note: no workflow `{workflow}` is deployed; it is waited for{near}");
    tell(&clean(&told));
    Ok(())
}

/// What is watched, and whether an engine was there at the last look.
struct Watching {
    client: Client,
    watch: Watch,
    /// The one instance, whose end is that of the command.
    instance: Option<String>,
    output: Output,
    silence_max: Duration,
    /// Since when nobody answers.
    since: Option<Instant>,
}

impl Watching {
    async fn run(mut self, patient: &Client) -> Outcome {
        // It may have ended between looking and watching, and without an engine there is nothing
        // to watch.
        let mut ended = self.look(patient).await?;
        loop {
            let patience = if ended.is_some() { LAST_NOTICES } else { LOOK_AGAIN };
            match (timeout(patience, self.watch.next()).await, ended.take()) {
                (Ok(Some(notice)), before) => {
                    let notice = notice?;
                    print(self.output, &notice)?;
                    if let Some(code) = self.instance.as_ref().and_then(|_| end(notice.kind)) {
                        return Ok(code);
                    }
                    ended = before;
                }
                (Ok(None), None) => {
                    let detail = "the engine ended the stream of notices";
                    return Err(Failure::new(UNREACHABLE, detail));
                }
                (Ok(None) | Err(_), Some(now)) => return self.has_ended(&now),
                (Err(_), None) => ended = self.look_again().await?,
            }
        }
    }

    /// The instance, if it is the one that is watched and has ended; fails where nobody answers.
    async fn look(&self, client: &Client) -> Result<Option<InstanceSummary>, Failure> {
        let Some(id) = &self.instance else {
            return Ok(client.ping().await.map(|()| None)?);
        };
        let now = client.instance(id).await?.summary;
        Ok(now.status.is_ended().then_some(now))
    }

    /// [`Watching::look`], which lets engines be away for a while.
    async fn look_again(&mut self) -> Result<Option<InstanceSummary>, Failure> {
        let failure = match self.look(&self.client).await {
            Ok(ended) => {
                if self.since.take().is_some() {
                    tell("an engine answers again; watching goes on");
                }
                return Ok(ended);
            }
            Err(failure) => failure,
        };
        if !matches!(failure.exit, UNREACHABLE | TIMED_OUT) {
            return Err(failure);
        }
        match self.since {
            None => {
                self.since = Some(Instant::now());
                tell(&format!("{}; watching goes on", failure.problem.detail));
                Ok(None)
            }
            Some(since) if since.elapsed() < self.silence_max => Ok(None),
            Some(_) => Err(failure),
        }
    }

    fn has_ended(&self, now: &InstanceSummary) -> Outcome {
        let status = now.status.as_str();
        let told = match &now.end {
            Some(end) if end.words.starts_with(status) => words::plain(&end.words),
            Some(end) => format!("{status}, {}", words::plain(&end.words)),
            None => status.to_owned(),
        };
        self.output.line(one_line(&format!("{}  is {told}", now.key)))?;
        self.output.json(now)?;
        Ok(if now.status == Status::Done { 0 } else { ENDED_BADLY })
    }
}

/// The exit code that a notice of the instance's end means.
const fn end(kind: NoticeKind) -> Option<u8> {
    match kind {
        NoticeKind::Completed => Some(0),
        NoticeKind::Failed | NoticeKind::Cancelled => Some(ENDED_BADLY),
        NoticeKind::Started
        | NoticeKind::Transitioned
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
        | NoticeKind::VarsSet
        | NoticeKind::ScheduleSkipped
        | NoticeKind::Other
        | _ => None,
    }
}

fn print(output: Output, notice: &Notice) -> Result<(), Failure> {
    output.json(notice)?;
    output.line(line(notice))
}

/// What a notice of this kind says, as members in this order; the first stands without its name.
const fn said(kind: NoticeKind) -> (&'static str, &'static [&'static str]) {
    match kind {
        NoticeKind::Started => ("started", &["input"]),
        NoticeKind::Completed => ("done", &["state", "output"]),
        NoticeKind::Failed => ("failed", &["reason", "step", "kind", "code"]),
        NoticeKind::Cancelled => ("cancelled", &["reason", "by"]),
        NoticeKind::Stuck => ("stuck", &["state", "reason"]),
        NoticeKind::Resumed => ("goes on", &[]),
        NoticeKind::ApprovalRequested => ("waits for a decision", &["title", "assign", "choices"]),
        NoticeKind::CallRetrying => ("call will be repeated", &["operation", "message", "attempt"]),
        NoticeKind::CallHeld => ("call waits to be sent", &["operation", "message"]),
        NoticeKind::CallFailed => ("call failed", &["operation", "message"]),
        NoticeKind::CallProgress => ("call goes on", &["operation", "percent", "note"]),
        NoticeKind::StepStarted => ("step started", &["step"]),
        NoticeKind::StepCompleted => ("step completed", &["step"]),
        NoticeKind::StepFailed => ("step failed", &["step", "kind", "message"]),
        NoticeKind::StepSkipped => ("step skipped", &["step", "message"]),
        NoticeKind::StepUndone => ("step taken back", &["step"]),
        NoticeKind::Compensating => ("takes back what was done", &["reason"]),
        NoticeKind::RolledBack => ("rolled back", &["reason"]),
        NoticeKind::Committed => ("committed", &[]),
        NoticeKind::Paused => ("paused", &["reason"]),
        NoticeKind::CheckpointSaved => ("checkpoint saved", &["name"]),
        NoticeKind::VarsSet => ("variables set", &["vars", "by", "reason"]),
        NoticeKind::ScheduleSkipped => ("schedule left out", &["due", "count", "reason"]),
        NoticeKind::Transitioned | NoticeKind::Other | _ => ("", &[]),
    }
}

/// `stuck  charging  reason no`; a kind this reader does not know, with all it has.
fn happened(notice: &Notice) -> String {
    let (words, members) = said(notice.kind);
    if words.is_empty() {
        return format!("{}{}", notice.kind.as_str().replace('_', " "), fields(notice));
    }
    let is_killed = notice.data.get("killed").and_then(serde_json::Value::as_bool) == Some(true);
    let mut text = if is_killed { "killed".to_owned() } else { words.to_owned() };
    for (at, name) in members.iter().enumerate() {
        let value = notice.data.get(name).map(plain).filter(|value| !value.is_empty());
        let Some(value) = value.filter(|value| value != "null") else { continue };
        let value = match *name {
            "state" => states(&[value]),
            "reason" => words::plain(&value),
            _ => value,
        };
        match at {
            0 => text.push_str(&format!("  {value}")),
            _ => text.push_str(&format!("  {name} {value}")),
        }
    }
    text
}

/// `2026-11-21T12:00:01.000Z  doc-44  started → under_review  submit (document.submitted)`.
fn line(notice: &Notice) -> String {
    let details = match notice.kind == NoticeKind::Transitioned {
        true => moved(notice),
        false => happened(notice),
    };
    one_line(&format!("{}  {}  {details}", notice.at, notice.key)).into_owned()
}

fn moved(notice: &Notice) -> String {
    let list = |name: &str| {
        let value = notice.data.get(name).map(plain).unwrap_or_default();
        states(&value.split(", ").map(str::to_owned).collect::<Vec<_>>())
    };
    let word = |name: &str| notice.data.get(name).map(plain).filter(|word| !word.is_empty());
    let name = word("name").filter(|name| !name.starts_with('='));
    let trigger = word("event");
    let cause = match (name, trigger.as_deref().map(event)) {
        (Some(name), Some(event)) => format!("  {name} ({event})"),
        (Some(name), None) => format!("  {name}"),
        (None, Some(event)) => format!("  {event}"),
        (None, None) => String::new(),
    };
    format!("{} → {}{cause}", list("from"), list("to"))
}

/// Every member with a value: `  reason no  state charging`.
fn fields(notice: &Notice) -> String {
    let empty = serde_json::Map::new();
    let fields = notice.data.as_object().unwrap_or(&empty);
    let shown = fields.iter().map(|(name, value)| (name, plain(value)));
    shown
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("  {name} {value}"))
        .collect()
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_line() {
        let notice = Notice {
            workflow: "w".to_owned(),
            key: "doc-44".to_owned(),
            generation: 1,
            step: 2,
            at: "2026-11-21T12:00:01.000Z".to_owned(),
            kind: NoticeKind::Transitioned,
            data: serde_json::json!({"from": ["a"], "to": ["b~1", "c"], "name": "n", "event": "e"}),
        };
        let expected = "2026-11-21T12:00:01.000Z  doc-44  a → … b, c  n (e)";
        assert_eq!(line(&notice), expected);
        let data = serde_json::json!({"reason": "no", "state": "charging~1", "kind": "error"});
        let stuck = Notice { kind: NoticeKind::Stuck, data, ..notice.clone() };
        let expected = "2026-11-21T12:00:01.000Z  doc-44  stuck  … charging  reason no";
        assert_eq!(line(&stuck), expected);
        let data = serde_json::json!({"by": "ann", "reason": "too late", "killed": true});
        let killed = Notice { kind: NoticeKind::Cancelled, data, ..notice.clone() };
        assert_eq!(line(&killed), "2026-11-21T12:00:01.000Z  doc-44  killed  too late  by ann");
        let data = serde_json::json!({"by": null, "reason": "no", "step": "pay", "code": "422"});
        let ended = Notice { kind: NoticeKind::Failed, data, ..notice.clone() };
        let expected = "2026-11-21T12:00:01.000Z  doc-44  failed  no  step pay  code 422";
        assert_eq!(line(&ended), expected);
        let data = serde_json::json!({"from": ["a"], "to": ["b"], "name": "=done.state.a",
            "event": "done.invoke.a~1.0"});
        let moved = Notice { data, ..notice.clone() };
        assert_eq!(line(&moved), "2026-11-21T12:00:01.000Z  doc-44  a → b  done");
        let data = serde_json::json!({"message": "no", "operation": "x.y", "attempts": 3});
        let failed = Notice { kind: NoticeKind::CallFailed, data, ..notice };
        let expected = "2026-11-21T12:00:01.000Z  doc-44  call failed  x.y  message no";
        assert_eq!(line(&failed), expected);
    }
}
