//! Workflows of steps: every step's effect is there once, and what failed was taken back in
//! reverse order.

use std::collections::{BTreeMap, BTreeSet};

use gearshift_protocol::Status;
use gearshift_protocol::view::{InstanceDetail, StepStatus, StepView};
use serde_json::Value;

use super::check::{Case, Report};
use super::record::Called;

/// The workflow of steps under load.
pub const JOBS: &str = "crash_steps";

/// What a job had to do, as its key says: `j-7-40-fails`.
struct Plan {
    items: usize,
    fails: bool,
}

/// The calls of one job, in the order in which the plugin saw them.
#[derive(Default)]
struct Calls<'a> {
    /// The ids of the calls of each act, by what it is about.
    acts: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// What was taken back, by the id of the act's call; repeats of one behind each other are one.
    taken_back: Vec<&'a str>,
    /// The ids of the calls that took something back.
    undos: BTreeSet<&'a str>,
    /// The engine processes that took something back.
    lives: BTreeSet<u32>,
}

/// Steps and items whose effects stay, or are taken back where the job fails; the later it begins,
/// the higher its number.
fn effects(plan: &Plan) -> BTreeMap<String, u8> {
    let steps = [("first", 0), ("left", 1), ("right", 1)];
    let steps = steps.into_iter().map(|(step, rank)| (step.to_owned(), rank));
    steps.chain((0..plan.items).map(|item| (format!("each[{item}]"), 2))).collect()
}

/// Guarantees 10 and 11 for step graphs, and rows H4 and H5.
pub(super) fn jobs(case: &mut Case<'_>, report: &mut Report) {
    let mut calls = BTreeMap::<&str, Calls<'_>>::new();
    for call in &case.run.calls {
        let Called { life, call_id, operation, instance, about, .. } = call;
        let seen = calls.entry(instance).or_default();
        match operation.as_str() {
            "recorder.act" => drop(seen.acts.entry(about).or_default().insert(call_id)),
            "recorder.take_back" => {
                seen.lives.insert(*life);
                // A plugin that was paused hears again, much later, what another one has done
                // meanwhile: it is known by its call id.
                let is_late = case.run.settings.separate_plugins && !seen.undos.insert(call_id);
                if !is_late && seen.taken_back.last() != Some(&about.as_str()) {
                    seen.taken_back.push(about);
                }
            }
            _ => {}
        }
    }
    for instance in &case.run.instances {
        if instance.summary.workflow != JOBS {
            continue;
        }
        let id = instance.summary.id.as_str();
        let Some(plan) = plan(&instance.summary.key) else {
            case.find("job", id, "its key is none that a client made");
            continue;
        };
        report.jobs += 1;
        let none = Calls::default();
        let calls = calls.get(id).unwrap_or(&none);
        report.taken_back += calls.taken_back.len();
        report.rollbacks_cut += usize::from(calls.lives.len() > 1);
        ended(case, instance, &plan);
        acts(case, id, &plan, calls);
        taken_back(case, instance, &plan, calls);
        results(case, instance, &plan, calls);
    }
}

fn plan(key: &str) -> Option<Plan> {
    let mut words = key.strip_prefix("j-")?.splitn(3, '-').skip(1);
    let items = words.next()?.parse().ok()?;
    let fails = match words.next()? {
        "fails" => true,
        "ends" => false,
        _ => return None,
    };
    Some(Plan { items, fails })
}

/// It came to the end that it had to come to.
fn ended(case: &mut Case<'_>, instance: &InstanceDetail, plan: &Plan) {
    let one = &instance.summary;
    let wanted = if plan.fails { Status::Failed } else { Status::Done };
    if one.status != wanted {
        let seen = format!("is {} in {:?}", one.status.as_str(), one.active);
        case.find("job_end", &one.id, seen);
    }
    let released = instance.vars.get("applied").and_then(Value::as_array).map(Vec::len);
    if released != Some(2) {
        case.find("job_events", &one.id, format!("took {released:?} events, not 2"));
    }
}

/// Every act was asked for, each under one id, and nothing else was.
fn acts(case: &mut Case<'_>, id: &str, plan: &Plan, calls: &Calls<'_>) {
    let mut wanted: BTreeSet<String> = effects(plan).into_keys().collect();
    wanted.extend(["maybe".to_owned(), "last".to_owned()]);
    for about in wanted.iter().filter(|about| !calls.acts.contains_key(about.as_str())) {
        case.find("step_missing", id, format!("`{about}` was never called"));
    }
    for (about, ids) in &calls.acts {
        if !wanted.contains(*about) {
            case.find("step_invented", id, format!("`{about}` was called"));
        }
        if ids.len() > 1 {
            case.find("step_doubled", id, format!("`{about}` was called as {ids:?}"));
        }
    }
}

/// What a failed job did was taken back once, the newest first, and nothing of another one.
fn taken_back(case: &mut Case<'_>, instance: &InstanceDetail, plan: &Plan, calls: &Calls<'_>) {
    let id = instance.summary.id.as_str();
    let ranks = effects(plan);
    let of_calls: BTreeMap<&str, (&str, u8)> = calls
        .acts
        .iter()
        .filter_map(|(about, ids)| Some((about, ids, *ranks.get(*about)?)))
        .flat_map(|(about, ids, rank)| ids.iter().map(move |call| (*call, (*about, rank))))
        .collect();
    let mut seen = BTreeSet::new();
    let mut before = u8::MAX;
    for call in &calls.taken_back {
        let Some((about, rank)) = of_calls.get(call) else {
            case.find("undo_invented", id, format!("`{call}` was taken back, which did nothing"));
            continue;
        };
        if !seen.insert(*about) {
            case.find("undo_doubled", id, format!("`{about}` was taken back again, after others"));
        } else if *rank > before {
            case.find("undo_order", id, format!("`{about}` was taken back after older ones"));
        }
        before = before.min(*rank);
    }
    if !plan.fails {
        if !seen.is_empty() {
            case.find("undo_invented", id, format!("it did not fail, and took back {seen:?}"));
        }
        return;
    }
    for about in ranks.keys().filter(|about| !seen.contains(about.as_str())) {
        case.find("undo_missing", id, format!("`{about}` was never taken back"));
    }
    // Of two steps beside each other the one that ended later goes first.
    let at = |name: &str| Some((step(instance, name)?.ended_at.clone()?, place(name, calls)?));
    if let (Some(left), Some(right)) = (at("left"), at("right"))
        && left.0 != right.0
        && (left.0 < right.0) != (left.1 > right.1)
    {
        case.find("undo_order", id, format!("left ended and went at {left:?}, right at {right:?}"));
    }
}

/// Which in the order of what was taken back the step `name` is.
fn place(name: &str, calls: &Calls<'_>) -> Option<usize> {
    let ids = calls.acts.get(name)?;
    calls.taken_back.iter().position(|call| ids.contains(call))
}

fn step<'a>(instance: &'a InstanceDetail, name: &str) -> Option<&'a StepView> {
    instance.steps.steps.iter().find(|step| step.id == name)
}

/// Where each step stands, and that its result is what its call gave.
fn results(case: &mut Case<'_>, instance: &InstanceDetail, plan: &Plan, calls: &Calls<'_>) {
    use StepStatus::{Completed, Failed, Skipped, Undone};
    let id = instance.summary.id.as_str();
    let kept = if plan.fails { Undone } else { Completed };
    let last = if plan.fails { Failed } else { Completed };
    let wanted = [
        ("begin", Completed),
        ("first", kept),
        ("left", kept),
        ("right", kept),
        ("never", Skipped),
        ("maybe", Failed),
        ("each", kept),
        ("released", Completed),
        ("last", last),
    ];
    for (name, wanted) in wanted {
        let Some(step) = step(instance, name) else {
            case.find("step_status", id, format!("has no step `{name}`"));
            continue;
        };
        if step.status != wanted {
            case.find("step_status", id, format!("`{name}` is {:?}", step.status));
        }
        let receipts: Vec<(String, &Value)> = match step.result.as_array() {
            Some(list) => {
                let items = list.iter().enumerate();
                items.map(|(at, one)| (format!("{name}[{at}]"), one)).collect()
            }
            None => vec![(name.to_owned(), &step.result)],
        };
        if name == "each" && receipts.len() != plan.items {
            case.find("step_result", id, format!("`each` has {} results", receipts.len()));
        }
        for (about, result) in receipts {
            let given = calls.acts.get(about.as_str());
            let receipt = result.get("receipt").and_then(Value::as_str);
            if receipt.is_some_and(|one| given.is_none_or(|given| !given.contains(one))) {
                let seen = format!("`{about}` has receipt {receipt:?}, of {given:?}");
                case.find("step_result", id, seen);
            } else if receipt.is_none() && given.is_some() && step.status == Completed {
                case.find("step_result", id, format!("`{about}` is completed without a receipt"));
            }
        }
    }
}
