//! The raw journals: the chain of frames, and the same guarantees once more from the bytes alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::{Case, Report};
use super::rules::TIMERS;
use super::{faults, record};
use crate::journal::{Life, Replayed, replay};

/// Guarantees 1, 6, 8, 12 and 13 as the brokers' own bytes tell them.
pub(super) fn journals(case: &mut Case<'_>, report: &mut Report) {
    if case.run.journals.is_empty() {
        if case.run.settings.raw {
            case.find("no_journals", "run", "no raw journal was recorded");
        }
        return;
    }
    let mut all = Vec::new();
    for (partition, messages) in (0_u16..).zip(&case.run.journals) {
        let replayed = replay(partition, messages);
        for fault in &replayed.faults {
            let about = format!("journal {partition}, sequence {}", fault.sequence);
            case.find(fault.rule, &about, fault.seen.clone());
        }
        report.frames += replayed.frames;
        report.decisions += replayed.decisions;
        report.epochs += replayed.epoch;
        report.stale += replayed.stale;
        report.foreign += replayed.foreign;
        all.push(replayed);
    }
    once(case, &all);
    same(case, &all);
    timers(case, &all);
    let last = all.iter().flat_map(|one| one.lives.values()).map(|life| life.stored_at).max();
    faults::settled(case, report, last);
}

/// The operations in the first variable, which is `applied` in every definition under load.
fn applied(life: &Life) -> Vec<&str> {
    let list = life.vars.first().and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Acknowledged operations are applied once, or are dead letters; nothing is applied twice.
fn once(case: &mut Case<'_>, all: &[Replayed]) {
    let mut times = BTreeMap::<&str, usize>::new();
    for life in all.iter().flat_map(|one| one.lives.values()) {
        for op in applied(life) {
            *times.entry(op).or_default() += 1;
        }
    }
    for (op, _) in times.iter().filter(|(_, times)| **times > 1) {
        case.find("raw_doubled", op, format!("applied {} times", times[op]));
    }
    let letters = all.iter().flat_map(|one| &one.letters);
    let letters = letters.filter_map(|letter| letter.data.get("op")?.as_str());
    let letters = letters.collect::<BTreeSet<_>>();
    let acknowledged = |one: &&record::Operation| !one.ok.is_empty();
    let lost: Vec<_> = case
        .operations
        .values()
        .filter(acknowledged)
        .map(|one| one.id.clone())
        .filter(|id| !times.contains_key(id.as_str()) && !letters.contains(id.as_str()))
        .collect();
    for id in lost {
        case.find("raw_lost", &id, "acknowledged, but nowhere in the journals");
    }
}

/// What the engines say is what their journals say, and each instance is in one journal.
fn same(case: &mut Case<'_>, all: &[Replayed]) {
    let mut lives = BTreeMap::new();
    for (id, life) in all.iter().flat_map(|one| &one.lives) {
        if lives.insert(id.as_str(), life).is_some() {
            case.find("raw_forked", id, "it lives in two journals");
        }
    }
    for instance in &case.run.instances {
        let id = instance.summary.id.as_str();
        let told = instance.vars.get("applied").and_then(Value::as_array);
        let told: Vec<_> = told.into_iter().flatten().filter_map(Value::as_str).collect();
        match lives.get(id).map(|life| applied(life)) {
            Some(raw) if raw == told => {}
            raw => case.find("raw_differs", id, format!("journal: {raw:?}, engine: {told:?}")),
        }
    }
    let shown = case.run.instances.iter().map(|one| one.summary.id.as_str());
    let shown = shown.collect::<BTreeSet<_>>();
    for id in lives.keys().filter(|id| !shown.contains(**id)).copied().collect::<Vec<_>>() {
        case.find("raw_hidden", id, "it is in a journal, but no engine shows it");
    }
}

/// By the brokers' clocks: never before it was due, and not too late.
fn timers(case: &mut Case<'_>, all: &[Replayed]) {
    let lives = all.iter().flat_map(|one| &one.lives);
    for (id, life) in lives.filter(|(id, _)| id.split('/').next() == Some(TIMERS)) {
        let late = life.stored_at - life.began_at - case.run.settings.timer_delay_ms;
        let is_ended = life.step > 1;
        if is_ended && late < 0 {
            case.find("raw_timer_early", id, format!("stored {} ms before it was due", -late));
        }
        if is_ended && case.run.settings.timer_late_ms_max.is_some_and(|most| late > most) {
            case.find("raw_timer_late", id, format!("stored {late} ms after it was due"));
        }
    }
}
