//! What people read of two definitions.

use serde_json::Value;

use super::Report;
use super::live::Living;
use super::meaning::{Kind, Meaning};
use super::tree::Change;
use crate::cli::output::{Look, clean};
use crate::cli::words::count;

/// Letters of a value that are shown.
const VALUE_MAX: usize = 100;

/// The changes, what they mean, and whom they concern.
pub(super) fn render(report: &Report, look: Look) -> String {
    let (green, red, yellow) = (look.green(), look.red(), look.yellow());
    let mut text = format!("{} → {}", report.from, report.to);
    for Change { path, from, to } in &report.changes {
        let path = clean(path);
        let shown = |value: &Value| clean(&shortened(&value.to_string())).into_owned();
        text.push_str(&match (from, to) {
            (None, Some(to)) => format!("\n{green}+ {path}{green:#}: {}", shown(to)),
            (Some(from), None) => format!("\n{red}- {path}{red:#}: {}", shown(from)),
            (Some(from), Some(to)) => {
                format!("\n{yellow}~ {path}{yellow:#}: {} → {}", shown(from), shown(to))
            }
            (None, None) => String::new(),
        });
    }
    match (report.changes.is_empty(), report.same) {
        (true, true) => text.push_str("\nthe same"),
        (false, true) => text.push_str("\nthe same but for the version"),
        (true, false) => text.push_str("\nonly the order of keys differs"),
        (false, false) => {}
    }
    if report.equivalent && !report.same {
        text.push_str("\nonly written otherwise: nothing changes for instances");
    }
    for Meaning { kind, what, from, to, note, .. } in &report.meaning {
        let style = match kind {
            Kind::Lost => red,
            Kind::New => green,
            Kind::Changed => yellow,
        };
        text.push_str(&format!("\n{style}{:<7}{style:#}  {}", kind.word(), clean(what)));
        if let (Some(from), Some(to)) = (from, to) {
            text.push_str(&format!(": {} → {}", clean(from), clean(to)));
        }
        if let Some(note) = note {
            text.push_str(&format!(": {}", clean(note)));
        }
    }
    if let Some(living) = &report.living {
        text.push_str(&format!("\n{}", concerned(living, &report.from)));
    }
    text
}

/// The beginning of what is too long for a line.
fn shortened(text: &str) -> String {
    if text.chars().count() <= VALUE_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(VALUE_MAX - 1).collect();
    format!("{head}…")
}

/// `3 instances live on order@1: placed 2, waiting 1`.
fn concerned(living: &Living, version: &str) -> String {
    let Living { instances, states, more } = living;
    let verb = if *instances == 1 { "lives" } else { "live" };
    let more = if *more { "more than " } else { "" };
    let mut text = format!("{more}{} {verb} on {version}", count(*instances, "instance"));
    for (place, (state, number)) in states.iter().enumerate() {
        let sign = if place == 0 { ": " } else { ", " };
        text.push_str(&format!("{sign}{} {number}", clean(state)));
    }
    text
}
