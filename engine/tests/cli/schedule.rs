//! Schedules at the command line: `check`, `schedule ls|show|trigger|pause|resume`, `def show`.

use std::time::Duration;

use crate::support::{Dev, Place, until};

const REPORT: &str = "\
workflow: report
version: 1
schedules:
  often: { every: 5s, overlap: skip }
  yearly: { cron: 0 6 1 1 *, zone: Europe/Berlin, overlap: allow }
states: { open: { on: { report.ended: e } }, e: { final: true } }
";

fn reports() -> (Place, Dev) {
    let place = Place::new();
    place.write("flows/report.workflow.yaml", REPORT);
    let dev = place.dev(&["flows"]);
    (place, dev)
}

/// A schedule as `ls` has it.
fn listed(place: &Place, name: &str) -> serde_json::Value {
    let list = place.gearshift(&["schedule", "ls", "-o", "json"]).ends(0).json();
    let found = list.as_array().and_then(|list| list.iter().find(|one| one["name"] == name));
    found.cloned().unwrap_or_else(|| panic!("{list}"))
}

#[test]
fn e6_schedules_are_listed_shown_and_triggered() {
    let (place, _dev) = reports();
    let started = || Some(listed(&place, "often")).filter(|one| one["started"] == 1);
    let often = until(Duration::from_secs(30), started);
    let instance = often["last_instance"].as_str().unwrap();
    assert!(instance.starts_with("report/often-") && instance.ends_with('Z'), "{often}");
    let shown = place.gearshift(&["show", instance]).ends(0).out;
    assert!(shown.contains("@schedule/report/often"), "{shown}");
    let busy = place.gearshift(&["schedule", "trigger", "report/often"]).ends(4);
    assert!(busy.err.starts_with("error[GS4033]"), "{}", busy.err);
    assert!(busy.err.contains("still runs"), "{}", busy.err);

    let first = place.gearshift(&["schedule", "trigger", "report/yearly"]).ends(0).out;
    assert!(first.starts_with("report/yearly  started report/yearly-"), "{first}");
    let yearly = place.gearshift(&["schedule", "show", "report/yearly"]).ends(0).out;
    let next: Vec<_> = yearly.lines().filter(|line| line.starts_with("next ")).collect();
    assert_eq!(next.len(), 1, "{yearly}");
    assert_eq!(next[0].matches("-01-01T05:00:00Z").count(), 5, "{yearly}");
    assert!(yearly.contains("due         cron 0 6 1 1 * Europe/Berlin"), "{yearly}");
    assert!(yearly.contains("started     1"), "{yearly}");
    for unknown in ["report/never", "nothing/often"] {
        for verb in ["trigger", "show", "pause", "resume"] {
            let told = place.gearshift(&["schedule", verb, unknown]).ends(3).err;
            let code = if unknown.starts_with("report") { "GS4032" } else { "GS40" };
            assert!(told.contains(code), "{verb} {unknown}: {told}");
        }
    }
    place.gearshift(&["schedule", "trigger", "report"]).ends(2);

    let definition = place.gearshift(&["def", "show", "report"]).ends(0).out;
    assert!(definition.contains("schedule    often  every 5s  next "), "{definition}");
    place.gearshift(&["pause", "--definition", "report", "--yes"]).ends(0);
    assert_eq!(listed(&place, "yearly")["paused"], true);
    let table = place.gearshift(&["schedule", "ls", "report"]).ends(0).out;
    assert!(table.contains("report/yearly") && table.contains("paused"), "{table}");
}

#[test]
fn d21_what_cannot_be_kept_is_told_with_its_place_by_check_and_deploy() {
    let (place, _dev) = reports();
    let broken = "\
workflow: broken
schedules:
  never: { cron: 0 0 30 2 * }
  often: { cron: '* * * * * *' }
  where: { cron: 0 6 * * *, zone: Europe/Berlim }
states: { e: { final: true } }
";
    place.write("broken.workflow.yaml", broken);
    for command in [&["check", "broken.workflow.yaml"], &["deploy", "broken.workflow.yaml"]] {
        let done = place.gearshift(command).ends(1);
        let shown = format!("{}{}", done.out, done.err);
        for told in [
            "error[GS0161]",
            "broken.workflow.yaml:3:18",
            "error[GS0162]",
            "broken.workflow.yaml:4:18",
            "error[GS0163]",
            "broken.workflow.yaml:5:35",
            "did you mean `Europe/Berlin`",
        ] {
            assert!(shown.contains(told), "{command:?}: {told}\n{shown}");
        }
    }
    let explained = place.gearshift(&["explain", "GS0161"]).ends(0).out;
    assert!(explained.contains("30th of February"), "{explained}");
}

#[test]
fn schedules_are_compared() {
    let place = Place::new();
    place.write("before.workflow.yaml", REPORT);
    let after = REPORT.replace("often: { every: 5s", "seldom: { every: 1h");
    place.write("after.workflow.yaml", &after.replace("overlap: allow", "overlap: queue"));
    let files = ["diff", "before.workflow.yaml", "after.workflow.yaml"];
    let told = place.gearshift(&files).ends(1).out;
    for line in ["schedule `often`", "schedule `seldom`", "overlap of schedule `yearly`"] {
        assert!(told.contains(line), "{told}");
    }
}

#[test]
fn e6_one_schedule_is_paused_over_a_kill_and_resumed_and_tells_who_ordered_what() {
    let place = Place::new();
    let text = REPORT
        .replace("overlap: skip }", "overlap: queue }")
        .replace("states:", "  never: { every: 5s, key: \"${ data.nobody.knows }\" }\nstates:");
    place.write("flows/report.workflow.yaml", &text);
    let begin = || place.dev(&["flows", "--data", "data"]);
    let dev = begin();
    let waits = || Some(listed(&place, "often")).filter(|one| one["waiting"] != 0);
    let often = until(Duration::from_secs(30), waits);
    assert_eq!(often["running"].as_array().map(Vec::len), Some(1), "{often}");
    let table = place.gearshift(&["schedule", "ls", "report"]).ends(0).out;
    assert!(table.contains("RUNNING  WAITING"), "{table}");

    let paused = place.gearshift(&["schedule", "pause", "report/often", "--reason", "no paper"]);
    assert_eq!(paused.ends(0).out, "report/often  paused; what it started runs on (1)\n");
    let again = place.gearshift(&["schedule", "pause", "report/often"]).ends(4);
    assert!(again.err.starts_with("error[GS4018]"), "{}", again.err);
    dev.signal("-KILL");
    drop(dev);
    let _dev = begin();
    let before = listed(&place, "often");
    assert_eq!(before["pause"]["reason"], "no paper", "{before}");
    let left_out = || {
        let one = listed(&place, "often");
        (one["skipped"].as_u64() > before["skipped"].as_u64()).then_some(one)
    };
    let later = until(Duration::from_secs(30), left_out);
    assert_eq!((&later["waiting"], &later["started"]), (&before["waiting"], &before["started"]));
    assert_eq!(later["left_out"]["reason"], "the schedule is paused");
    let table = place.gearshift(&["schedule", "ls", "report"]).ends(0).out;
    assert!(table.contains("paused by tester"), "{table}");

    let trigger = ["schedule", "trigger", "report/yearly", "--reason", "figures corrected"];
    place.gearshift(&trigger).ends(0);
    let yearly = place.gearshift(&["schedule", "show", "report/yearly"]).ends(0).out;
    let told = "  trigger by tester: figures corrected  started report/yearly-";
    assert!(yearly.contains(told), "{yearly}");
    let resumed = place.gearshift(&["schedule", "resume", "report/often"]).ends(0).out;
    assert!(resumed.starts_with("report/often  resumed; due 20"), "{resumed}");
    place.gearshift(&["schedule", "resume", "report/often"]).ends(4);
    let shown = place.gearshift(&["schedule", "show", "report/often"]).ends(0).out;
    assert!(shown.contains("  pause by tester: no paper\n"), "{shown}");
    assert!(shown.contains("  resume by tester\n") && !shown.contains("paused  "), "{shown}");

    // One that can never start says why without being triggered.
    let why = "`key`: `data.nobody` is absent";
    let never = until(Duration::from_secs(30), || {
        let shown = place.gearshift(&["schedule", "show", "report/never"]).ends(0).out;
        shown.contains(why).then_some(shown)
    });
    assert!(never.contains("left out    20"), "{never}");
    let table = place.gearshift(&["schedule", "ls", "report"]).ends(0).out;
    assert!(table.contains(&format!("left out: {why}")), "{table}");
}
