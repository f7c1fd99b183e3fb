//! Schedules at the command line: `check`, `schedule ls|show|trigger`, `def show`.

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
    assert_eq!(next[0].matches("-01-01T05:00:00.000Z").count(), 5, "{yearly}");
    assert!(yearly.contains("due         cron 0 6 1 1 * Europe/Berlin"), "{yearly}");
    assert!(yearly.contains("started     1"), "{yearly}");
    for unknown in ["report/never", "nothing/often"] {
        place.gearshift(&["schedule", "trigger", unknown]).ends(3);
        place.gearshift(&["schedule", "show", unknown]).ends(3);
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
