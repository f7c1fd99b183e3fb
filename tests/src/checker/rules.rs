//! The rules of 06 §2 that can be decided from outside.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_protocol::Status;
use gearshift_protocol::view::{HistoryEntry, InstanceDetail};

use super::check::{Case, Report};
use super::jobs::JOBS;
use super::record::{Called, Kind};

/// The workflow whose instances only wait for a timer.
pub(super) const TIMERS: &str = "crash_timer";

/// Guarantees 1 and 2: applied once, dead-lettered with a reason, or not at all.
pub(super) fn events(case: &mut Case<'_>, report: &mut Report) {
    let letters = dead_letters(case);
    for operation in std::mem::take(&mut case.operations).values() {
        let id = operation.id.as_str();
        let times = case.applied.get(id).copied().unwrap_or(0);
        let is_letter = letters.contains(id);
        report.operations += 1;
        report.acknowledged += usize::from(!operation.ok.is_empty());
        let is_unknown = operation.unknown > 0;
        report.unknown += usize::from(is_unknown);
        report.unknown_applied += usize::from(is_unknown && times == 1);
        let expected = times + usize::from(is_letter);
        if times > 1 || expected > 1 {
            case.find("doubled", id, format!("applied {times} times, dead letter: {is_letter}"));
        } else if !operation.ok.is_empty() && expected == 0 {
            case.find("lost", id, format!("acknowledged as {:?}, applied never", operation.ok));
        } else if operation.ok.is_empty() && !is_unknown {
            report.refused += 1;
            if times > 0 {
                case.find("refused_but_applied", id, "refused for certain, and applied");
            }
        }
    }
    case.operations = case.run.operations();
}

fn dead_letters(case: &mut Case<'_>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for letter in &case.run.dead_letters {
        if letter.reason.trim().is_empty() {
            case.find("no_reason", &letter.id, "a dead letter without a reason");
        }
        ids.extend(letter.data.get("op").and_then(|op| op.as_str()).map(str::to_owned));
    }
    ids
}

/// Nothing was applied that nobody asked for.
pub(super) fn invented(case: &mut Case<'_>) {
    let unasked = case.applied.keys().filter(|op| !case.operations.contains_key(**op));
    for op in unasked.copied().collect::<Vec<_>>() {
        case.find("invented", op, "applied, but no client asked for it");
    }
}

/// A run in which everything failed proves nothing.
pub(super) fn enough(case: &mut Case<'_>, report: &Report) {
    let (good, all) = (report.acknowledged, report.operations);
    if all == 0 || good * 100 < all * 60 {
        case.find("too_few", "run", format!("{good} of {all} operations were acknowledged"));
    }
    if case.run.instances.len() != case.run.histories.len() {
        let (a, b) = (case.run.instances.len(), case.run.histories.len());
        case.find("export", "run", format!("{a} instances, but {b} histories"));
    }
}

/// Guarantee 22, and that instances are where their decisions lead.
pub(super) fn states(case: &mut Case<'_>) {
    let known = case.run.instances.iter().map(|one| (one.summary.id.as_str(), one));
    let known = known.collect::<BTreeMap<_, _>>();
    let mut found = Vec::new();
    for instance in known.values() {
        let one = &instance.summary;
        // How a job ends is what its own rules say.
        if one.status != Status::Done && one.workflow != JOBS {
            found.push((one.id.clone(), format!("is {} in {:?}", one.status.as_str(), one.active)));
        }
        if one.generation != 1 {
            found.push((one.id.clone(), format!("lives its life number {}", one.generation)));
        }
    }
    for operation in case.operations.values() {
        let is_applied = case.applied.contains_key(operation.id.as_str());
        let id = &operation.asked.instance;
        let Some(instance) = known.get(id.as_str()) else {
            if !operation.ok.is_empty() {
                found.push((id.clone(), format!("does not exist, but took {}", operation.id)));
            }
            continue;
        };
        let Some(choice) = operation.asked.choice.as_deref().filter(|_| is_applied) else {
            continue;
        };
        let end = if choice == "approve" { "archived" } else { "rejected" };
        if instance.summary.active != [end] {
            let seen = format!("was decided by `{choice}`, is in {:?}", instance.summary.active);
            found.push((id.clone(), seen));
        }
        check_order(instance, &operation.id, &mut found);
    }
    for (id, seen) in found {
        case.find("state", &id, seen);
    }
}

/// A decision is the last thing that an approval took.
fn check_order(instance: &InstanceDetail, op: &str, found: &mut Vec<(String, String)>) {
    let applied = instance.vars.get("applied").and_then(|list| list.as_array());
    let last = applied.and_then(|list| list.last()).and_then(|last| last.as_str());
    if last != Some(op) {
        found.push((instance.summary.id.clone(), format!("took {last:?} after decision {op}")));
    }
}

/// Guarantee 6: versions of an instance go up.
pub(super) fn steps(case: &mut Case<'_>) {
    for (instance, history) in case.run.instances.iter().zip(&case.run.histories) {
        let id = &instance.summary.id;
        let rises = history.windows(2).all(|pair| pair[0].step <= pair[1].step);
        let last = history.last().map_or(0, |entry| entry.step);
        if !rises || last > instance.summary.step {
            let steps = history.iter().map(|entry| entry.step).collect::<Vec<_>>();
            let seen = format!("steps {steps:?}, instance at {}", instance.summary.step);
            case.find("steps", id, seen);
        }
        let mut times = history.iter().filter_map(|entry| millis(&entry.at));
        let mut before = i64::MIN;
        if !times.all(|at| std::mem::replace(&mut before, at) <= at) {
            case.find("time", id, "time goes back in its history");
        }
    }
}

/// Guarantees 12 and 14: never early, and once.
pub(super) fn timers(case: &mut Case<'_>, report: &mut Report) {
    for (instance, history) in case.run.instances.iter().zip(&case.run.histories) {
        if instance.summary.workflow != TIMERS {
            continue;
        }
        let id = &instance.summary.id;
        let armed = entered(history, "armed");
        let fired = entered(history, "fired");
        let ([armed], [fired]) = (armed.as_slice(), fired.as_slice()) else {
            let seen = format!("armed {} times, fired {} times", armed.len(), fired.len());
            case.find("timer", id, seen);
            continue;
        };
        let late = fired - armed - case.run.settings.timer_delay_ms;
        if late < 0 {
            case.find("timer_early", id, format!("fired {} ms too early", -late));
        }
        if case.run.settings.timer_late_ms_max.is_some_and(|most| late > most) {
            case.find("timer_late", id, format!("fired {late} ms too late"));
        }
        report.timers += 1;
        report.timer_late_ms_max = report.timer_late_ms_max.max(late);
    }
}

/// When a transition went to `state`, in milliseconds.
fn entered(history: &[HistoryEntry], state: &str) -> Vec<i64> {
    let taken = |entry: &&HistoryEntry| {
        entry.transitions.iter().any(|one| one.to.iter().any(|to| to == state))
    };
    history.iter().filter(taken).filter_map(|entry| millis(&entry.at)).collect()
}

fn millis(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Guarantee 10: at least once, under one id; again only as another attempt or in another life.
pub(super) fn calls(case: &mut Case<'_>, report: &mut Report) {
    let mut seen = BTreeSet::new();
    let mut ids = Ids::new();
    report.calls = case.run.calls.len();
    for call in &case.run.calls {
        let Called { life, call_id, attempt, operation, instance, about, .. } = call;
        // Another owner sends again what its predecessor may have sent, to plugins that live on.
        let is_new = seen.insert((*life, call_id, *attempt));
        if !is_new && !case.run.settings.separate_plugins {
            let what = format!("{operation} for {instance}, attempt {attempt}, twice in one life");
            case.find("call_again", call_id, what);
        }
        let attempts_max = case.run.settings.attempts_max;
        if *attempt == 0 || *attempt > attempts_max {
            case.find("attempts", call_id, format!("attempt {attempt} of {attempts_max}"));
        }
        ids.entry((instance, operation, about)).or_default().insert(call_id);
    }
    let distinct = ids.values().map(BTreeSet::len).sum::<usize>();
    report.calls_again = report.calls - distinct;
    for ((instance, operation, about), of_instance) in &ids {
        if of_instance.len() > 1 {
            let times = of_instance.len();
            let what = format!("{operation} {about} was decided {times} times: {of_instance:?}");
            case.find("call_doubled", instance, what);
        }
    }
    receipts(case, &ids);
    for operation in case.run.operations().values() {
        let is_applied = case.applied.contains_key(operation.id.as_str());
        let wanted = match (operation.asked.kind, operation.asked.choice.as_deref()) {
            (Kind::Submit, _) => "recorder.validate",
            (Kind::Event | Kind::Decide, Some("approve")) => "recorder.archive",
            (Kind::Event | Kind::Decide, _)
            | (Kind::Note | Kind::Published | Kind::Nonsense | Kind::Timer, _)
            | (Kind::Job | Kind::Release, _) => continue,
        };
        let instance = operation.asked.instance.as_str();
        if is_applied && !ids.contains_key(&(instance, wanted, "")) {
            case.find("call_missing", instance, format!("{wanted} was never called"));
        }
    }
}

/// Ids of calls, by instance, operation and what they are about.
type Ids<'a> = BTreeMap<(&'a str, &'a str, &'a str), BTreeSet<&'a str>>;

/// The effect of a call is in the state once: the receipt is the one that was given.
fn receipts(case: &mut Case<'_>, ids: &Ids<'_>) {
    for instance in &case.run.instances {
        let Some(receipt) = instance.vars.get("receipt").and_then(|one| one.as_str()) else {
            continue;
        };
        let id = instance.summary.id.as_str();
        let given = ids.get(&(id, "recorder.archive", ""));
        if given.is_none_or(|given| !given.contains(receipt)) {
            case.find("receipt", id, format!("has receipt `{receipt}`, of {given:?}"));
        }
    }
}
