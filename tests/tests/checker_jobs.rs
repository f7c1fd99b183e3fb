//! The checker must reject what is wrong with workflows of steps: forged runs, one fault each.

#![expect(clippy::unwrap_used, reason = "tests")]

use gearshift_protocol::view::InstanceDetail;
use gearshift_tests::checker::{Called, Invocation, Kind, Line, Phase, Run, Settings, check};
use serde_json::{Value, json};

const ENDS: &str = "crash_steps/j-1-2-ends";
const FAILS: &str = "crash_steps/j-2-2-fails";

/// A good run: a job that came to its end, and one that was taken back.
fn good() -> Run {
    let mut run = Run {
        settings: Settings { seed: 1, kills: 1, ..Settings::default() },
        lines: Vec::new(),
        calls: Vec::new(),
        instances: Vec::new(),
        histories: vec![Vec::new(), Vec::new()],
        dead_letters: Vec::new(),
        journals: Vec::new(),
        faults: Vec::new(),
        exits: Vec::new(),
    };
    let acts = ["first", "right", "left", "maybe", "each[1]", "each[0]", "last"];
    for (id, letter) in [(ENDS, "e"), (FAILS, "f")] {
        ask(&mut run, &format!("{letter}1"), Kind::Job, id);
        ask(&mut run, &format!("{letter}2"), Kind::Release, id);
        run.instances.push(instance(id, letter));
        for about in acts {
            call(&mut run, 1, "recorder.act", id, &format!("{letter}-{about}"), about);
        }
    }
    for about in ["each[1]", "each[0]", "left", "right", "first"] {
        take_back(&mut run, FAILS, &format!("f-{about}"));
    }
    run
}

fn ask(run: &mut Run, op: &str, kind: Kind, id: &str) {
    let asked = Invocation { kind, instance: id.to_owned(), choice: None };
    for phase in [Phase::Invoke(asked), Phase::Ok { verdict: "started".to_owned() }] {
        let op = op.to_owned();
        run.lines.push(Line { client: 0, op, attempt: 1, phase, at_us: 0, wall_ms: 0 });
    }
}

fn call(run: &mut Run, life: u32, operation: &str, id: &str, call_id: &str, about: &str) {
    run.calls.push(Called {
        life,
        call_id: call_id.to_owned(),
        attempt: 1,
        operation: operation.to_owned(),
        instance: id.to_owned(),
        about: about.to_owned(),
        ..Called::default()
    });
}

fn take_back(run: &mut Run, id: &str, receipt: &str) {
    call(run, 1, "recorder.take_back", id, &format!("undo-{receipt}"), receipt);
}

fn instance(id: &str, letter: &str) -> InstanceDetail {
    let fails = id == FAILS;
    let kept = if fails { "undone" } else { "completed" };
    let last = if fails { "failed" } else { "completed" };
    let receipt = |about: &str| json!({ "receipt": format!("{letter}-{about}") });
    let step = |name: &str, status: &str, at: u32, result: Value| {
        let ended = format!("2026-01-01T00:00:{at:02}.000Z");
        json!({ "id": name, "title": name, "status": status, "result": result,
            "retry_count": 0, "ended_at": ended })
    };
    let (workflow, key) = id.split_once('/').unwrap();
    let detail = json!({
        "id": id, "workflow": workflow, "version": 1, "key": key, "generation": 1,
        "status": if fails { "failed" } else { "done" }, "active": ["done"],
        "started_at": "", "updated_at": "", "age_s": 0, "step": 9, "input": null,
        "vars": { "applied": [format!("{letter}1"), format!("{letter}2")] },
        "current_step": [], "completed_steps": 8, "total_steps": 9,
        "steps": [
            step("begin", "completed", 0, Value::Null),
            step("first", kept, 1, receipt("first")),
            step("left", kept, 3, receipt("left")),
            step("right", kept, 2, receipt("right")),
            step("never", "skipped", 1, Value::Null),
            step("maybe", "failed", 2, Value::Null),
            step("each", kept, 4, json!([receipt("each[0]"), receipt("each[1]")])),
            step("released", "completed", 4, Value::Null),
            step("last", last, 5, if fails { Value::Null } else { receipt("last") }),
        ],
    });
    serde_json::from_value(detail).unwrap()
}

/// The rules that a forged run breaks.
fn broken(forge: impl FnOnce(&mut Run)) -> Vec<&'static str> {
    let mut run = good();
    forge(&mut run);
    let mut rules: Vec<_> = check(&run).findings.iter().map(|found| found.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn forget(run: &mut Run, call_id: &str) {
    run.calls.retain(|call| call.call_id != call_id);
}

fn step<'a>(run: &'a mut Run, id: &str, name: &str) -> &'a mut gearshift_protocol::view::StepView {
    let found = run.instances.iter_mut().find(|one| one.summary.id == id).unwrap();
    found.steps.steps.iter_mut().find(|step| step.id == name).unwrap()
}

#[test]
fn a_good_run_passes_and_is_counted() {
    let report = check(&good());
    assert_eq!(report.findings, []);
    assert_eq!((report.jobs, report.taken_back, report.rollbacks_cut), (2, 5, 0));
    let again = |run: &mut Run| {
        // The same call, by the process after a kill.
        let last = run.calls.last().unwrap().clone();
        run.calls.push(Called { life: 2, ..last });
    };
    assert_eq!(broken(again), Vec::<&str>::new());
}

#[test]
fn an_effect_that_is_missing_or_doubled_is_found() {
    assert_eq!(broken(|run| forget(run, "e-first")), ["step_missing", "step_result"]);
    assert_eq!(broken(|run| forget(run, "e-maybe")), ["step_missing"]);
    let twice = |run: &mut Run| call(run, 1, "recorder.act", ENDS, "x", "each[0]");
    assert_eq!(broken(twice), ["call_doubled", "step_doubled"]);
    let never = |run: &mut Run| call(run, 1, "recorder.act", ENDS, "x", "never");
    assert_eq!(broken(never), ["step_invented"]);
    let item = |run: &mut Run| call(run, 1, "recorder.act", ENDS, "x", "each[2]");
    assert_eq!(broken(item), ["step_invented"]);
}

#[test]
fn a_rollback_that_is_not_whole_or_not_in_order_is_found() {
    assert_eq!(broken(|run| forget(run, "undo-f-right")), ["undo_missing"]);
    assert_eq!(broken(|run| forget(run, "undo-f-each[0]")), ["undo_missing"]);
    assert_eq!(broken(|run| take_back(run, FAILS, "f-maybe")), ["undo_invented"]);
    assert_eq!(broken(|run| take_back(run, ENDS, "e-first")), ["undo_invented"]);
    let after_others = |run: &mut Run| {
        let again = run.calls.iter().find(|call| call.call_id == "undo-f-left").unwrap().clone();
        run.calls.push(Called { life: 2, ..again });
    };
    assert_eq!(broken(after_others), ["undo_doubled"]);
    // A plugin that was paused does what another one has done since.
    let late = |run: &mut Run| {
        run.settings.separate_plugins = true;
        after_others(run);
    };
    assert_eq!(broken(late), Vec::<&str>::new());
    let by_two_ids = |run: &mut Run| {
        call(run, 1, "recorder.take_back", FAILS, "another", "f-first");
    };
    assert_eq!(broken(by_two_ids), ["call_doubled"]);
    let early = |run: &mut Run| {
        let at = run.calls.iter().position(|call| call.call_id == "undo-f-left").unwrap();
        let left = run.calls.remove(at);
        run.calls.insert(at - 1, left);
    };
    assert_eq!(broken(early), ["undo_order"]);
    let beside = |run: &mut Run| step(run, FAILS, "right").ended_at = None;
    assert_eq!(broken(beside), Vec::<&str>::new());
    let beside = |run: &mut Run| {
        step(run, FAILS, "right").ended_at = Some("2026-01-01T00:00:09.000Z".to_owned());
    };
    assert_eq!(broken(beside), ["undo_order"]);
}

#[test]
fn a_job_that_ends_otherwise_is_found() {
    let ended = |run: &mut Run| run.instances[1].summary.status = run.instances[0].summary.status;
    assert_eq!(broken(ended), ["job_end"]);
    let lost = |run: &mut Run| run.instances[0].vars = json!({ "applied": ["e1"] });
    assert_eq!(broken(lost), ["job_events", "lost"]);
    let status = |run: &mut Run| {
        step(run, ENDS, "left").status = gearshift_protocol::view::StepStatus::Running;
    };
    assert_eq!(broken(status), ["step_status"]);
    let result = |run: &mut Run| step(run, ENDS, "left").result = json!({ "receipt": "x" });
    assert_eq!(broken(result), ["step_result"]);
    let fewer =
        |run: &mut Run| step(run, ENDS, "each").result = json!([{ "receipt": "e-each[0]" }]);
    assert_eq!(broken(fewer), ["step_result"]);
    let swapped = |run: &mut Run| {
        step(run, ENDS, "each").result =
            json!([{ "receipt": "e-each[1]" }, { "receipt": "e-each[0]" }]);
    };
    assert_eq!(broken(swapped), ["step_result"]);
}
