//! Were there as many faults as there should have been, and did everything move on after them?

use super::check::{Case, Report};

/// Guarantee 22: how long after the last fault everything has moved on, in milliseconds.
const SETTLED_MS_MAX: i64 = 60_000;

/// A run without faults proves nothing; a process that ends by itself is one fault too many.
pub(super) fn counted(case: &mut Case<'_>, report: &mut Report) {
    for made in &case.run.faults {
        *report.faults.entry(made.kind.clone()).or_default() += 1;
    }
    let each = case.run.settings.faults_each;
    let kinds = crate::chaos::FaultKind::ALL.iter().map(|kind| kind.as_str());
    for kind in kinds.filter(|_| each > 0) {
        let times = report.faults.get(kind).copied().unwrap_or(0);
        if times < each {
            case.find("too_few_faults", kind, format!("{times} times, {each} are wanted"));
        }
    }
    for exited in &case.run.exits {
        case.find("exited", &exited.name, format!("ended by itself: {}", exited.status));
    }
}

/// Did everything move on in time after the last fault?
pub(super) fn settled(case: &mut Case<'_>, report: &mut Report, last_ms: Option<i64>) {
    let Some((healed, last)) = case.run.settings.healed_ms.zip(last_ms) else { return };
    let after = last - healed;
    report.settled_ms = Some(after);
    if after > SETTLED_MS_MAX {
        case.find("late", "run", format!("the last decision fell {after} ms after the last fault"));
    }
}
