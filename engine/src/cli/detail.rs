//! What `show` prints of one instance, for people: of much the first, unless all is asked for.

use gearshift_client::protocol::Status;
use gearshift_client::protocol::view::{CallView, ChildView, InstanceDetail, Task, TimerView};
use serde_json::Value;

use super::output::{Look, one_line};
use super::steps;
use super::words::{FEW, age, cut, names, plain, span, states};

/// Letters of a value that are shown: a few lines of a terminal.
const VALUE_SHOWN: usize = 200;

/// A value as text, where it is long its beginning.
fn value(value: &Value, all: bool) -> String {
    let text = value.to_string();
    let shown = cut(&text, VALUE_SHOWN);
    match shown.len() < text.len() && !all {
        true => format!("{shown} ({} bytes; `--all` shows all)", text.len()),
        false => text,
    }
}

/// `validator.check  attempt 1 of 3  step check  answers later  40 %  page 4 of 10`.
fn under_way(call: &CallView, status: Status) -> String {
    let of = call.attempts.map_or_else(String::new, |all| format!(" of {all}"));
    let step = call.step.as_ref().map_or_else(String::new, |step| format!("  step {step}"));
    let stands = matches!(status, Status::Paused | Status::Stuck);
    if let Some(answered) = &call.answered {
        let until = if status == Status::Paused { "it is resumed" } else { "it goes on" };
        let said = format!("answered: {answered}; kept until {until}");
        return format!("{}  attempt {}{of}{step}  {said}", call.operation, call.attempt);
    }
    let progress = call.progress.as_ref().map(steps::progress).unwrap_or_default();
    let said = if call.pending { format!("  answers later{progress}") } else { progress };
    let unsure = match (call.unsure, &call.held) {
        (false, _) => "",
        (true, Some(_)) => ", may have been sent before",
        (true, None) => ", may be done all the same",
    };
    let failed = call.failed.as_ref().map_or_else(String::new, |failed| format!(" ({failed})"));
    let next = match (&call.held, &call.next_attempt) {
        (Some(held), _) => format!(" waits to be sent{unsure}: {held}"),
        (None, Some(_)) if stands => format!(" failed{failed}{unsure}, the next waits as well"),
        (None, Some(next)) => format!(" failed{failed}{unsure}, next at {next}"),
        (None, None) if call.deadline.is_none() => format!(" waits to be sent{unsure}"),
        (None, None) => String::new(),
    };
    format!("{}  attempt {}{of}{next}{step}{said}", call.operation, call.attempt)
}

/// `send reminder  due …`, or how long it has left once its clock goes on.
fn armed(timer: &TimerView) -> String {
    match (timer.left_ms, timer.stands_still) {
        (Some(left), _) => format!("{}  stands still with {} left", timer.name, span(left)),
        (None, true) => format!("{}  stands still, due {}", timer.name, timer.due),
        (None, false) => format!("{}  due {}", timer.name, timer.due),
    }
}

/// The same line once, and how often it is there.
fn folded(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut known: Vec<(String, u32)> = Vec::new();
    for line in lines {
        match known.last_mut().filter(|(last, _)| *last == line) {
            Some((_, times)) => *times += 1,
            None => known.push((line, 1)),
        }
    }
    let told = known.into_iter().map(|(line, times)| match times {
        1 => line,
        times => format!("{line}  ×{times}"),
    });
    told.collect()
}

/// The first of many, and how many more there are.
fn few(
    lines: &mut Vec<(&'static str, String)>,
    all: bool,
    name: &'static str,
    values: impl ExactSizeIterator<Item = String>,
) {
    let (count, most) = (values.len(), if all { usize::MAX } else { FEW });
    lines.extend(values.take(most).map(|value| (name, value)));
    if let Some(more) = count.checked_sub(most).filter(|more| *more > 0) {
        lines.push((name, format!("… and {more} more; `--all` shows them")));
    }
}

/// An instance as `show` has it; with `all` nothing is folded.
pub(super) fn describe(detail: &InstanceDetail, look: Look, all: bool) -> String {
    let one = &detail.summary;
    let mut lines = vec![
        ("id", one.id.clone()),
        ("workflow", format!("{}@{}", one.workflow, one.version)),
        ("status", one.status.as_str().to_owned()),
        ("state", if one.active.is_empty() { "-".to_owned() } else { states(&one.active) }),
    ];
    if let Some(reason) = &one.stuck_reason {
        lines.push(("stuck", plain(reason)));
    }
    if let Some(end) = &one.end {
        lines.push(("end", plain(&end.words)));
    }
    let words = one.end.as_ref().map_or("", |end| &end.words);
    let left_out: Vec<_> =
        one.left_out.iter().filter(|what| !words.contains(what.as_str())).cloned().collect();
    few(&mut lines, all, "left out", left_out.into_iter());
    if let Some(parent) = &one.parent {
        lines.push(("parent", parent.clone()));
    }
    let age = age(one.age_s);
    lines.push(("started", format!("{} ({age} ago)", one.started_at)));
    lines.push(("updated", format!("{} (step {})", one.updated_at, one.step)));
    if one.generation > 1 {
        lines.push(("life", one.generation.to_string()));
    }
    lines.push(("vars", value(&detail.vars, all)));
    lines.push(("input", value(&detail.input, all)));
    if !detail.output.is_null() {
        lines.push(("output", value(&detail.output, all)));
    }
    few(&mut lines, all, "timer", folded(detail.timers.iter().map(armed)).into_iter());
    few(&mut lines, all, "call", detail.calls.iter().map(|call| under_way(call, one.status)));
    let child = |it: &ChildView| format!("{}  as {}", it.instance, it.id);
    few(&mut lines, all, "child", detail.children.iter().map(child));
    for (name, events) in [("deferred", &detail.deferred), ("parked", &detail.parked)] {
        if !events.is_empty() {
            lines.push((name, in_row(events, all)));
        }
    }
    lines.extend(stands(detail, all));
    let shown = lines.iter().map(|(name, value)| format!("{name:<9} {}", one_line(value)));
    let more = (!all).then_some("`--all` shows them");
    shown.chain(steps::table(&detail.steps, look, more)).collect::<Vec<_>>().join("\n")
}

/// Names of events in a row, of many the first.
fn in_row(events: &[String], all: bool) -> String {
    match events.len().checked_sub(FEW).filter(|more| *more > 0 && !all) {
        Some(more) => format!("{} and {more} more", names(events.get(..FEW).unwrap_or_default())),
        None => names(events),
    }
}

/// Who holds it, what it belongs to, what it can be forked from, whom it asks.
fn stands(detail: &InstanceDetail, all: bool) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(paused) = &detail.paused {
        let by = if paused.by.is_empty() { "somebody" } else { &paused.by };
        let (since, timers) = (&paused.since, paused.timers.as_str());
        let why = match &*paused.reason {
            "" => String::new(),
            reason => format!("  {reason}"),
        };
        lines.push(("paused", format!("by {by} at {since}  timers {timers}{why}")));
    }
    if let Some(member) = &detail.summary.transaction {
        let standing = member.standing.replace('_', " ");
        // Its own end tells it too, where it ended by it.
        let end = detail.summary.end.as_ref().map_or("", |end| &end.words);
        let why = member.reason.as_deref().filter(|why| !end.contains(why));
        let why = why.map_or_else(String::new, |why| format!(": {}", plain(why)));
        lines.push(("in", format!("transaction {}  {standing}{why}", member.name)));
    }
    for saved in &detail.checkpoints {
        lines.push(("saved", format!("checkpoint `{}` at {}", saved.name, saved.at)));
    }
    let task = |it: &Task| {
        let (who, choices) = (crate::api::asked(it), it.choices.join(" "));
        format!("{}  for {who}  choices {choices}", it.title)
    };
    few(&mut lines, all, "task", detail.approvals.iter().map(task));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(more: Value, all: bool) -> Vec<String> {
        let mut detail = json!({
            "id": "order/a", "workflow": "order", "version": 1, "key": "a", "generation": 1,
            "status": "stuck", "active": ["steps"], "age_s": 5, "vars": {}, "input": {},
            "started_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z",
        });
        for (name, value) in more.as_object().unwrap() {
            detail[name] = value.clone();
        }
        let detail: InstanceDetail = serde_json::from_value(detail).unwrap();
        let text = describe(&detail, Look { color: false }, all);
        text.lines().map(str::to_owned).collect()
    }

    fn of(lines: &[String], name: &str) -> Vec<String> {
        let starts = format!("{name:<9} ");
        let found = lines.iter().filter_map(|line| line.strip_prefix(&starts));
        found.map(str::to_owned).collect()
    }

    #[test]
    fn a_long_value_is_folded_unless_all_is_asked_for() {
        let items: Vec<_> = (0..40).map(|at| format!("item-{at}")).collect();
        let more = json!({ "input": { "items": items } });
        let input = of(&shown(more.clone(), false), "input").remove(0);
        assert!(input.ends_with("… (401 bytes; `--all` shows all)"), "{input}");
        assert!(input.chars().count() < 250, "{input}");
        let input = of(&shown(more, true), "input").remove(0);
        assert!(input.ends_with("\"item-39\"]}"), "{input}");
    }

    #[test]
    fn what_waits_with_the_instance_is_told_as_waiting() {
        let call = |answered: Option<&str>, next: Option<&str>| {
            json!({ "id": "c", "step": "pay", "operation": "p.pay", "attempt": 1, "attempts": 3,
                "answered": answered, "next_attempt": next })
        };
        let timer = |name: &str, left: Option<u64>| {
            json!({ "id": 1, "name": name, "due": "2026-01-01T00:00:00.000Z",
                "stands_still": true, "left_ms": left })
        };
        let lines = shown(
            json!({
                "calls": [call(Some("permanent: no"), None), call(None, Some("2026"))],
                "timers": [timer("send a", None), timer("send a", None), timer("b", Some(60_000))],
            }),
            false,
        );
        assert_eq!(
            of(&lines, "call"),
            [
                "p.pay  attempt 1 of 3  step pay  answered: permanent: no; kept until it goes on",
                "p.pay  attempt 1 of 3 failed, the next waits as well  step pay",
            ]
        );
        assert_eq!(
            of(&lines, "timer"),
            [
                "send a  stands still, due 2026-01-01T00:00:00.000Z  ×2",
                "b  stands still with 1m00s left",
            ]
        );
    }

    #[test]
    fn what_was_let_go_while_its_instance_stood_still_has_not_failed() {
        let held = "until its instance is resumed";
        let call = json!({ "id": "c", "step": "pay", "operation": "p.pay", "attempt": 1,
            "attempts": 1, "next_attempt": "2026", "held": held });
        let lines = shown(json!({ "calls": [call], "stuck_reason": "a\nb" }), false);
        let told = format!("p.pay  attempt 1 of 1 waits to be sent: {held}  step pay");
        assert_eq!(of(&lines, "call"), [told]);
        assert_eq!(of(&lines, "stuck"), ["a b"]);
    }

    #[test]
    fn a_member_says_why_its_transaction_is_rolled_back_and_much_left_out_is_folded() {
        let left_out: Vec<_> =
            (0..12).map(|at| format!("step `{at}` was not taken back")).collect();
        let member = json!({ "name": "t", "standing": "rolled_back", "reason": "by ann: late" });
        let end = json!({ "how": "killed", "words": "killed by ann: step `0` was not taken back" });
        let more = json!({ "transaction": member, "left_out": left_out, "end": end });
        let lines = shown(more.clone(), false);
        assert_eq!(of(&lines, "in"), ["transaction t  rolled back: by ann: late"]);
        let left = of(&lines, "left out");
        assert_eq!((left.len(), &*left[0]), (11, "step `1` was not taken back"));
        assert_eq!(left[10], "… and 1 more; `--all` shows them");
        assert_eq!(of(&shown(more, true), "left out").len(), 11);
    }
}
