//! The checker must reject what is wrong: forged histories, each with one fault.

#![expect(clippy::unwrap_used, reason = "tests")]

use gearshift_protocol::view::{DeadLetter, HistoryEntry, InstanceDetail};
use gearshift_tests::checker::{
    Called, Invocation, Kind, Line, Phase, Run, Settings, append, check, read_lines,
};
use serde_json::{Value, json};

/// A good run: one approval that was approved, one that was rejected, one timer.
fn good() -> Run {
    let mut run = Run {
        settings: Settings { seed: 1, kills: 1, ..Settings::default() },
        lines: Vec::new(),
        calls: Vec::new(),
        instances: Vec::new(),
        histories: Vec::new(),
        dead_letters: Vec::new(),
        journals: Vec::new(),
        faults: Vec::new(),
        exits: Vec::new(),
    };
    ask(&mut run, "o1", Kind::Submit, "crash_approval/a", None, &[ok()]);
    ask(&mut run, "o2", Kind::Note, "crash_approval/a", None, &[unknown(), ok()]);
    ask(&mut run, "o3", Kind::Nonsense, "crash_approval/a", None, &[fail()]);
    ask(&mut run, "o4", Kind::Decide, "crash_approval/a", Some("approve"), &[unknown()]);
    ask(&mut run, "o5", Kind::Submit, "crash_approval/b", None, &[ok()]);
    ask(&mut run, "o6", Kind::Event, "crash_approval/b", Some("reject"), &[ok()]);
    ask(&mut run, "o7", Kind::Timer, "crash_timer/t", None, &[ok()]);
    instance(&mut run, "crash_approval/a", &["o1", "o2", "o4"], "archived");
    instance(&mut run, "crash_approval/b", &["o5", "o6"], "rejected");
    instance(&mut run, "crash_timer/t", &["o7"], "fired");
    run.histories[2] = vec![
        entry(1, "2026-01-01T00:00:00.000Z", "armed"),
        entry(2, "2026-01-01T00:00:00.703Z", "fired"),
    ];
    call(&mut run, 1, "k1", 1, "recorder.validate", "crash_approval/a");
    call(&mut run, 2, "k1", 1, "recorder.validate", "crash_approval/a");
    call(&mut run, 2, "k2", 1, "recorder.archive", "crash_approval/a");
    call(&mut run, 2, "k3", 1, "recorder.validate", "crash_approval/b");
    call(&mut run, 2, "k3", 2, "recorder.validate", "crash_approval/b");
    run
}

fn ok() -> Phase {
    Phase::Ok { verdict: "transitioned".to_owned() }
}

fn fail() -> Phase {
    Phase::Fail { reason: "rejected".to_owned() }
}

fn unknown() -> Phase {
    Phase::Unknown { reason: "connection lost".to_owned() }
}

fn ask(run: &mut Run, op: &str, kind: Kind, id: &str, choice: Option<&str>, ends: &[Phase]) {
    let choice = choice.map(str::to_owned);
    let asked = Invocation { kind, instance: id.to_owned(), choice };
    for (attempt, end) in (1..).zip(ends) {
        for phase in [Phase::Invoke(asked.clone()), end.clone()] {
            run.lines.push(Line {
                client: 0,
                op: op.to_owned(),
                attempt,
                phase,
                at_us: 0,
                wall_ms: 0,
            });
        }
    }
}

fn instance(run: &mut Run, id: &str, applied: &[&str], state: &str) {
    let (workflow, key) = id.split_once('/').unwrap();
    let detail = json!({
        "id": id, "workflow": workflow, "version": 1, "key": key, "generation": 1,
        "status": "done", "active": [state], "started_at": "", "updated_at": "", "age_s": 0,
        "step": 9, "vars": { "applied": applied }, "input": null,
    });
    run.instances.push(serde_json::from_value::<InstanceDetail>(detail).unwrap());
    run.histories.push(vec![
        entry(1, "2026-01-01T00:00:00.000Z", ""),
        entry(2, "2026-01-01T00:00:01.000Z", state),
    ]);
}

fn entry(step: u64, at: &str, to: &str) -> HistoryEntry {
    let transitions = match to {
        "" => json!([]),
        to => json!([{ "name": "x", "from": "y", "to": [to] }]),
    };
    let entry = json!({ "step": step, "at": at, "input": "x", "transitions": transitions });
    serde_json::from_value(entry).unwrap()
}

fn call(run: &mut Run, life: u32, id: &str, attempt: u32, operation: &str, instance: &str) {
    run.calls.push(Called {
        life,
        call_id: id.to_owned(),
        attempt,
        operation: operation.to_owned(),
        instance: instance.to_owned(),
        ..Called::default()
    });
}

fn set_applied(run: &mut Run, index: usize, applied: &[&str]) {
    run.instances[index].vars = json!({ "applied": applied });
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

#[test]
fn a_good_run_passes_and_is_counted() {
    let report = check(&good());
    assert_eq!(report.findings, []);
    assert_eq!((report.operations, report.acknowledged, report.refused), (7, 5, 1));
    assert_eq!((report.unknown, report.unknown_applied), (2, 2));
    assert_eq!((report.calls, report.calls_again), (5, 2));
    assert_eq!((report.timers, report.timer_late_ms_max), (1, 3));
}

#[test]
fn an_acknowledged_event_that_is_nowhere_is_lost() {
    assert_eq!(broken(|run| set_applied(run, 0, &["o1", "o4"])), ["lost"]);
}

#[test]
fn an_acknowledged_event_may_be_a_dead_letter_with_a_reason() {
    let letter = |reason: &str| {
        let letter = json!({
            "id": "0-1", "event": "paper.noted", "reason": reason, "at": "",
            "data": { "op": "o2" },
        });
        serde_json::from_value::<DeadLetter>(letter).unwrap()
    };
    let with = |run: &mut Run, reason: &str| {
        set_applied(run, 0, &["o1", "o4"]);
        run.dead_letters.push(letter(reason));
    };
    assert_eq!(broken(|run| with(run, "ended")), [""; 0]);
    assert_eq!(broken(|run| with(run, " ")), ["no_reason"]);
    assert_eq!(broken(|run| run.dead_letters.push(letter("ended"))), ["doubled"]);
}

#[test]
fn an_event_applied_twice_is_doubled() {
    assert_eq!(broken(|run| set_applied(run, 0, &["o1", "o2", "o2", "o4"])), ["doubled"]);
    let elsewhere = |run: &mut Run| set_applied(run, 1, &["o5", "o2", "o6"]);
    assert_eq!(broken(elsewhere), ["doubled"]);
}

#[test]
fn what_was_refused_for_certain_must_not_be_applied() {
    let forged = broken(|run| set_applied(run, 0, &["o1", "o2", "o3", "o4"]));
    assert_eq!(forged, ["refused_but_applied"]);
}

#[test]
fn what_nobody_asked_for_is_invented() {
    assert_eq!(broken(|run| set_applied(run, 2, &["o7", "o8"])), ["invented"]);
}

#[test]
fn an_unknown_outcome_may_be_nothing_but_then_the_instance_has_not_moved() {
    let undecided = |run: &mut Run| {
        set_applied(run, 0, &["o1", "o2"]);
        run.instances[0].summary.active = vec!["review".to_owned()];
    };
    assert_eq!(broken(undecided), [""; 0]);
}

#[test]
fn an_instance_must_be_where_its_decision_leads() {
    let elsewhere = |run: &mut Run| {
        run.instances[0].summary.active = vec!["rejected".to_owned()];
    };
    assert_eq!(broken(elsewhere), ["state"]);
    let after = |run: &mut Run| set_applied(run, 0, &["o1", "o4", "o2"]);
    assert_eq!(broken(after), ["state"]);
    let running = |run: &mut Run| {
        run.instances[1].summary.status = gearshift_protocol::Status::Running;
    };
    assert_eq!(broken(running), ["state"]);
    let again = |run: &mut Run| run.instances[1].summary.generation = 2;
    assert_eq!(broken(again), ["state"]);
    let gone = |run: &mut Run| {
        run.instances.remove(1);
        run.histories.remove(1);
    };
    assert_eq!(broken(gone), ["lost", "state"]);
}

#[test]
fn a_timer_that_fires_early_twice_or_never_is_found() {
    let at = |run: &mut Run, at: &str| run.histories[2][1] = entry(2, at, "fired");
    assert_eq!(broken(|run| at(run, "2026-01-01T00:00:00.699Z")), ["timer_early"]);
    assert_eq!(broken(|run| at(run, "2026-01-01T00:00:00.700Z")), [""; 0]);
    let twice = |run: &mut Run| {
        let again = entry(3, "2026-01-01T00:00:02.000Z", "fired");
        run.histories[2].push(again);
    };
    assert_eq!(broken(twice), ["timer"]);
    assert_eq!(broken(|run| drop(run.histories[2].pop())), ["timer"]);
}

#[test]
fn calls_are_repeated_under_one_id_only_and_for_a_reason() {
    let same_life = |run: &mut Run| {
        call(run, 2, "k2", 1, "recorder.archive", "crash_approval/a");
    };
    assert_eq!(broken(same_life), ["call_again"]);
    let other_id = |run: &mut Run| {
        call(run, 3, "k9", 1, "recorder.archive", "crash_approval/a");
    };
    assert_eq!(broken(other_id), ["call_doubled"]);
    let never = |run: &mut Run| run.calls.retain(|call| call.call_id != "k2");
    assert_eq!(broken(never), ["call_missing"]);
    let forever = |run: &mut Run| {
        call(run, 3, "k3", 6, "recorder.validate", "crash_approval/b");
    };
    assert_eq!(broken(forever), ["attempts"]);
}

#[test]
fn steps_and_times_of_a_history_go_up() {
    let steps = |run: &mut Run| run.histories[0][0].step = 3;
    assert_eq!(broken(steps), ["steps"]);
    let times = |run: &mut Run| run.histories[0][0].at = "2026-01-01T00:00:02.000Z".to_owned();
    assert_eq!(broken(times), ["time"]);
}

#[test]
fn a_run_in_which_everything_failed_does_not_pass() {
    let failed = |run: &mut Run| {
        run.lines.clear();
        run.calls.clear();
        run.instances.clear();
        run.histories.clear();
        for op in ["f1", "f2", "f3"] {
            ask(run, op, Kind::Note, "crash_approval/x", None, &[fail()]);
        }
    };
    assert_eq!(broken(failed), ["too_few"]);
    assert_eq!(broken(|run| drop(run.histories.pop())), ["export"]);
}

#[test]
fn a_line_cut_short_by_a_kill_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    append(&mut file, &good().calls[0]).unwrap();
    std::io::Write::write_all(&mut file, b"{\"life\": 1, \"call").unwrap();
    assert_eq!(read_lines::<Called>(&path).unwrap(), &good().calls[..1]);
    std::io::Write::write_all(&mut file, b"\n").unwrap();
    assert!(read_lines::<Value>(&path).is_err());
}
