//! `schedules:`. Patterns and zones are looked at by whoever has a calendar.

use std::sync::Arc;

use super::context::Context;
use super::events::word;
use super::values::Env;
use crate::definition::codes;
use crate::definition::duration;
use crate::definition::load::Dated;
use crate::definition::model::{CatchUp, Overlap, Recurrence, Schedule};
use crate::definition::parse::{Key, Node};
use crate::definition::problem::{Span, quoted};

/// The most schedules of a definition.
const SCHEDULES_MAX: usize = 100;
/// The zone of a pattern that names none.
const ZONE: &str = "UTC";

/// The schedules of a definition, and where their patterns and zones are written.
pub(super) fn declared<'t>(context: &Context<'t>, node: &'t Node) -> (Vec<Schedule>, Vec<Dated>) {
    if node.is_null() {
        return (Vec::new(), Vec::new());
    }
    let Some(entries) = node.entries() else {
        context.wrong_type(node, "a mapping from names to schedules");
        return (Vec::new(), Vec::new());
    };
    if entries.len() > SCHEDULES_MAX {
        let found = entries.len();
        let message = format!("{found} schedules exceed the limit of {SCHEDULES_MAX}");
        context.report.add(codes::TOO_LARGE, node.span, message);
    }
    let (mut schedules, mut dated) = (Vec::new(), Vec::new());
    for (key, node) in entries {
        named(context, key);
        let Some((schedule, at)) = one(context, key, node) else { continue };
        schedules.push(schedule);
        dated.extend(at);
    }
    (schedules, dated)
}

/// A schedule's name is a part of keys: of its own, and of those that it starts.
fn named(context: &Context<'_>, key: &Key) {
    let workflow = &context.outline.workflow;
    if context.name(&key.text, key.span, "schedule")
        && let Err(message) = Schedule::key(workflow, &key.text)
    {
        let message = format!("{} of {}: {message}", quoted(&key.text), quoted(workflow));
        context.report.add(codes::NAME, key.span, message);
    }
}

fn one<'t>(
    context: &Context<'t>,
    name: &'t Key,
    node: &'t Node,
) -> Option<(Schedule, Option<Dated>)> {
    let (mut pattern, mut period, mut zone) = (None, None, None);
    let mut schedule = Schedule {
        name: Arc::clone(&name.text),
        recurrence: Recurrence::Every { period_ms: Recurrence::PERIOD_MS_MIN },
        overlap: Overlap::default(),
        catch_up: CatchUp::default(),
        key: None,
        input: None,
    };
    let mut seen = Vec::new();
    for (key, node) in context.fields(node, "schedule", "a schedule") {
        seen.push((&*key.text, key.span));
        match &*key.text {
            "cron" => pattern = text(context, node, "five fields such as `0 6 * * MON-FRI`"),
            "zone" => zone = text(context, node, "a time zone such as `Europe/Berlin`"),
            "every" => period = every(context, node),
            "overlap" => schedule.overlap = overlap(context, node).unwrap_or_default(),
            "catch_up" => schedule.catch_up = catch_up(context, node).unwrap_or_default(),
            "key" => schedule.key = context.data(Some(key), node, Env::CORRELATE),
            _ => schedule.input = context.data(Some(key), node, Env::CORRELATE),
        }
    }
    let at = |wanted: &str| seen.iter().find(|(key, _)| *key == wanted).map(|(_, span)| *span);
    let contradiction = match (at("cron"), at("every"), at("zone")) {
        (Some(_), Some(every), _) => Some((every, "cron", "every")),
        (None, Some(_), Some(zone)) => Some((zone, "every", "zone")),
        (None, None, _) => {
            let message = format!("schedule {} has neither `cron` nor `every`", quoted(&name.text));
            context.report.add(codes::MISSING_FIELD, name.span, message);
            None
        }
        (Some(_), None, _) | (None, Some(_), None) => None,
    };
    if let Some((span, first, second)) = contradiction {
        let message = format!("the schedule has `{first}` and also `{second}`");
        context.report.add(codes::CONTRADICTION, span, message);
    }
    if let Some(period_ms) = period {
        schedule.recurrence = Recurrence::Every { period_ms };
        return Some((schedule, None));
    }
    let (pattern, pattern_at) = pattern?;
    let (zone, zone_at) = match zone {
        Some((zone, at)) => (zone, Some(at)),
        None => (ZONE.into(), None),
    };
    schedule.recurrence = Recurrence::Cron { pattern, zone };
    let path = format!("schedules.{}", name.text);
    let dated =
        Dated { recurrence: schedule.recurrence.clone(), path, pattern: pattern_at, zone: zone_at };
    Some((schedule, Some(dated)))
}

fn text(context: &Context<'_>, node: &Node, due: &str) -> Option<(Arc<str>, Span)> {
    context.text(node, due).map(|text| (text.trim().into(), node.span))
}

fn every(context: &Context<'_>, node: &Node) -> Option<u64> {
    let period_ms = context.duration(node)?;
    let least = Recurrence::PERIOD_MS_MIN;
    if period_ms < least {
        let (found, least) = (duration::format(period_ms), duration::format(least));
        let message = format!("every {found} is more often than every {least}, the limit");
        context.report.add(codes::TOO_FREQUENT, node.span, message);
    }
    Some(period_ms)
}

fn overlap(context: &Context<'_>, node: &Node) -> Option<Overlap> {
    let all = [Overlap::Skip, Overlap::Allow, Overlap::Queue, Overlap::CancelPrevious];
    word(context, node, &all.map(|one| (one.as_str(), one)))
}

fn catch_up(context: &Context<'_>, node: &Node) -> Option<CatchUp> {
    let all = [CatchUp::None, CatchUp::One, CatchUp::All];
    word(context, node, &all.map(|one| (one.as_str(), one)))
}
