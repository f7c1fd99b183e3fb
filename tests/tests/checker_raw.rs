//! The checker must reject what is wrong in raw journals and in the making of faults.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use gearshift_machine::definition::model::Early;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{Event, InstanceKey, Timestamp};
use gearshift_machine::partition::{Definitions, Partition, PartitionInput, Stamped};
use gearshift_machine::value::Value;
use gearshift_protocol::view::{HistoryEntry, InstanceDetail};
use gearshift_tests::chaos::{DEFINITIONS, FaultKind};
use gearshift_tests::checker::{
    Exited, Invocation, Kind, Line, Made, Phase, Report, Run, Settings, check,
};
use gearshift_tests::journal::Message;
use serde_json::json;

/// When the story begins.
const BEGAN: i64 = 1_750_000_000_000;

fn definitions() -> Definitions {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITIONS).join("crash_timer.workflow.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let loaded = load(&text, "crash_timer.workflow.yaml", Format::Yaml).unwrap();
    let mut definitions = Definitions::default();
    definitions.insert(Arc::new(loaded.definition)).unwrap();
    definitions
}

/// A journal of timers `t1` and `t2`, set by operations `o1` and `o2`; what the server stored last
/// is that both fired.
fn journal(stored_after_ms: i64) -> Vec<Message> {
    let definitions = definitions();
    let mut partition = Partition::new(0);
    let mut journal = Vec::new();
    let mut push = |frame: Vec<u8>, time_ms: i64| {
        let sequence = u64::try_from(journal.len()).unwrap() + 1;
        journal.push(Message { sequence, time_ms, frame });
    };
    push(partition.epoch_frame(1, "first"), BEGAN);
    for number in [1, 2] {
        let data = json!({ "key": format!("t{number}"), "op": format!("o{number}") });
        let input = PartitionInput::Deliver {
            key: InstanceKey::new("crash_timer", &format!("t{number}")).unwrap(),
            event: Event {
                name: "clock.set".into(),
                data: Value::from_json(data.to_string().as_bytes()).ok(),
                id: Some(format!("o{number}").into()),
                ..Event::default()
            },
            early: Early::Start,
            source: None,
        };
        let stamped = Stamped { input, at: Timestamp(BEGAN) };
        push(partition.decide(&definitions, vec![stamped]).frame.unwrap(), BEGAN + 1);
    }
    let at = Timestamp(BEGAN + 700);
    let inputs = partition.due(at, 8).into_iter().map(|input| Stamped { input, at });
    let frame = partition.decide(&definitions, inputs.collect()).frame;
    push(frame.unwrap(), BEGAN + stored_after_ms);
    journal
}

/// What clients and engines say of that journal.
fn good() -> Run {
    let asked = |number: u32| Invocation {
        kind: Kind::Timer,
        instance: format!("crash_timer/t{number}"),
        choice: None,
    };
    let line = |number: u32, phase: Phase| Line {
        client: 0,
        op: format!("o{number}"),
        attempt: 1,
        phase,
        at_us: 0,
        wall_ms: 0,
    };
    let ok = || Phase::Ok { verdict: "started".to_owned() };
    let made = |kind: &FaultKind| Made {
        kind: kind.as_str().to_owned(),
        what: "engine-0".to_owned(),
        began_ms: BEGAN,
        ended_ms: BEGAN + 10,
    };
    Run {
        settings: Settings {
            timer_late_ms_max: Some(30_000),
            raw: true,
            faults_each: 1,
            healed_ms: Some(BEGAN + 100),
            ..Settings::default()
        },
        lines: [1, 2]
            .into_iter()
            .flat_map(|one| [line(one, Phase::Invoke(asked(one))), line(one, ok())])
            .collect(),
        calls: Vec::new(),
        instances: [1, 2].map(instance).to_vec(),
        histories: [1, 2].map(|_| history()).to_vec(),
        dead_letters: Vec::new(),
        journals: vec![journal(705)],
        faults: FaultKind::ALL.iter().map(made).collect(),
        exits: Vec::new(),
    }
}

fn instance(number: u32) -> InstanceDetail {
    let detail = json!({
        "id": format!("crash_timer/t{number}"), "workflow": "crash_timer", "version": 1,
        "key": format!("t{number}"), "generation": 1, "status": "done", "active": ["fired"],
        "started_at": "", "updated_at": "", "age_s": 0, "step": 2,
        "vars": { "applied": [format!("o{number}")] }, "input": null,
    });
    serde_json::from_value(detail).unwrap()
}

fn history() -> Vec<HistoryEntry> {
    let entry = |step: u64, at: &str, to: &str| {
        let transitions = json!([{ "name": "x", "from": "y", "to": [to] }]);
        let entry = json!({ "step": step, "at": at, "input": "x", "transitions": transitions });
        serde_json::from_value(entry).unwrap()
    };
    vec![
        entry(1, "2026-01-01T00:00:00.000Z", "armed"),
        entry(2, "2026-01-01T00:00:00.705Z", "fired"),
    ]
}

fn judged(forge: impl FnOnce(&mut Run)) -> Report {
    let mut run = good();
    forge(&mut run);
    check(&run)
}

/// The rules that a forged run breaks.
fn broken(forge: impl FnOnce(&mut Run)) -> Vec<&'static str> {
    let mut rules: Vec<_> = judged(forge).findings.iter().map(|found| found.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn a_good_run_passes_and_is_counted() {
    let report = judged(|_| {});
    assert_eq!(report.findings, []);
    assert_eq!((report.frames, report.decisions, report.epochs), (4, 4, 1));
    assert_eq!(report.faults.len(), FaultKind::ALL.len());
    assert_eq!(report.settled_ms, Some(605));
}

#[test]
fn a_run_that_should_have_journals_must_have_them() {
    assert_eq!(broken(|run| run.journals.clear()), ["no_journals"]);
}

#[test]
fn what_was_acknowledged_must_be_in_the_journals_bytes() {
    let cut = |run: &mut Run| run.journals[0].truncate(2);
    assert_eq!(broken(cut), ["raw_differs", "raw_lost"]);
    let hole = |run: &mut Run| drop(run.journals[0].remove(1));
    assert!(broken(hole).contains(&"hole"));
    let flipped = |run: &mut Run| run.journals[0][2].frame[60] ^= 1;
    assert!(broken(flipped).contains(&"damaged"));
}

#[test]
fn an_instance_in_two_journals_is_forked_and_its_events_doubled() {
    let twice = |run: &mut Run| {
        let definitions = definitions();
        let mut other = Partition::new(1);
        let data = json!({ "key": "t1", "op": "o1" });
        let input = PartitionInput::Deliver {
            key: InstanceKey::new("crash_timer", "t1").unwrap(),
            event: Event {
                name: "clock.set".into(),
                data: Value::from_json(data.to_string().as_bytes()).ok(),
                ..Event::default()
            },
            early: Early::Start,
            source: None,
        };
        let stamped = Stamped { input, at: Timestamp(BEGAN) };
        let frames = [
            other.epoch_frame(1, "other"),
            other.decide(&definitions, vec![stamped]).frame.unwrap(),
        ];
        let message = |(sequence, frame)| Message { sequence, time_ms: BEGAN, frame };
        run.journals.push((1..).zip(frames).map(message).collect());
    };
    assert_eq!(broken(twice), ["raw_doubled", "raw_forked"]);
}

#[test]
fn what_engines_say_must_be_what_their_journals_say() {
    let other = |run: &mut Run| run.instances[0].vars = json!({ "applied": ["o1", "o3"] });
    assert!(broken(other).contains(&"raw_differs"));
    let hidden = |run: &mut Run| {
        run.instances.remove(1);
        run.histories.remove(1);
    };
    assert!(broken(hidden).contains(&"raw_hidden"));
}

#[test]
fn a_timer_that_the_server_stored_early_or_much_too_late_is_found() {
    assert_eq!(broken(|run| run.journals = vec![journal(698)]), ["raw_timer_early"]);
    assert_eq!(broken(|run| run.journals = vec![journal(700)]), [""; 0]);
    let late = |run: &mut Run| run.journals = vec![journal(700 + 30_001)];
    assert_eq!(broken(late), ["raw_timer_late"]);
    let told = |run: &mut Run| {
        run.histories[0][1].at = "2026-01-01T00:00:31.000Z".to_owned();
    };
    assert_eq!(broken(told), ["timer_late"]);
}

#[test]
fn a_run_that_settles_too_late_is_found() {
    let late = |run: &mut Run| {
        run.settings.healed_ms = Some(BEGAN - 60_000);
    };
    assert_eq!(broken(late), ["late"]);
}

#[test]
fn a_run_without_its_faults_or_with_one_too_many_is_found() {
    assert_eq!(broken(|run| drop(run.faults.pop())), ["too_few_faults"]);
    assert_eq!(broken(|run| run.settings.faults_each = 2), ["too_few_faults"]);
    let exited = |run: &mut Run| {
        run.exits.push(Exited { name: "engine-1".to_owned(), status: "exit 1".to_owned() });
    };
    assert_eq!(broken(exited), ["exited"]);
}
