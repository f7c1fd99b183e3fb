//! `steps add`: what it tells, what it refuses, and how the steps run.

use crate::support::Place;

const IMPORT: &str = "\
workflow: import
version: 3
correlate: data.id
events: { import.asked: { start: true }, import.fetched: {}, import.checked: {} }
steps:
  fetch: { wait: import.fetched }
  save: { needs: [fetch], publish: import.saved }
";

const MORE: &str = "\
steps:
  check:
    needs: [fetch]
    wait: import.checked
  report: { needs: [check, save], publish: import.reported }
";

#[test]
fn steps_are_added_to_an_instance_that_runs_after_a_look_at_what_that_means() {
    let place = Place::new();
    place.write("flows/import.workflow.yaml", IMPORT);
    place.write("more.yaml", MORE);
    place.write("wrong.yaml", &MORE.replace("[fetch]", "[fetched]"));
    let _dev = place.dev(&["flows"]);
    place.gearshift(&["send", "import.asked", "-d", "id=i-1"]).ends(0);
    let wrong = place.gearshift(&["steps", "add", "i-1", "--file", "wrong.yaml"]).ends(1);
    assert!(
        wrong.err.contains("wrong.yaml:3:13: error[GS0132]: no step `fetched`"),
        "{}",
        wrong.err
    );
    assert!(wrong.err.contains("help: did you mean `fetch`?"), "{}", wrong.err);
    let add = ["steps", "add", "i-1", "--file", "more.yaml", "--reason", "INC-7", "--as", "ann"];
    let dry = place.gearshift(&[&add[..], &["--dry-run"]].concat()).ends(0).out;
    assert!(dry.starts_with("import/i-1  import@3 → import@"), "{dry}");
    assert!(
        dry.contains(
            "  + check, report  would go on\n  step `check` is new: it waits for its needs\n"
        ),
        "{dry}"
    );
    let list = || place.gearshift(&["def", "ls"]).ends(0).out;
    assert!(!list().contains("derived"), "only told: {}", list());
    place.gearshift(&add).ends(0);
    assert!(list().contains("derived from 3") && list().contains("newest"), "{}", list());
    let history = place.gearshift(&["history", "i-1"]).ends(0).out;
    assert!(history.contains("start by") && history.contains("steps add"), "{history}");
    assert!(history.contains("ann") && history.contains("INC-7"), "{history}");
    place.gearshift(&["send", "import.fetched", "-d", "id=i-1"]).ends(0);
    place.gearshift(&["send", "import.checked", "-d", "id=i-1"]).ends(0);
    let shown = place.gearshift(&["show", "i-1"]).ends(0).out;
    assert!(shown.contains("4 of 4 completed"), "{shown}");
    let late = place.gearshift(&add).ends(4);
    assert!(late.err.contains("[GS4018]") && late.err.contains("has ended"), "{}", late.err);
    place.gearshift(&["send", "import.asked", "-d", "id=i-2"]).ends(0);
    let piped = ["steps", "add", "i-2", "--file", "-"];
    let wrong = place.gearshift_with_input(&piped, "steps: { a: { neds: [fetch] } }").ends(1);
    assert!(wrong.err.contains("stdin:1:"), "{}", wrong.err);
    let added = place.gearshift_with_input(&piped, MORE).ends(0).out;
    assert!(added.contains("  + check, report"), "{added}");
    place.gearshift(&["steps", "add", "nobody", "--file", "more.yaml"]).ends(3);
    place.gearshift(&["steps", "add", "i-1", "--file", "nothing.yaml"]).ends(3);
}
