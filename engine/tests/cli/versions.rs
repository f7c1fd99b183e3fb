//! Several versions of one workflow: what stays behind, what goes on, what can be taken away.

use crate::support::{Dev, Place};

const FIRST: &str = "\
workflow: order
version: 1
correlate: data.id
events: { order.placed: { start: true }, order.paid: {}, order.closed: {} }
vars: { paid: 0, note: none }
states:
  placed: { on: { order.paid: { do: { set: { paid: data.amount } } }, order.closed: closed } }
  closed: { final: true }
";

/// `placed` is called `waiting`, and `note` is gone.
fn second() -> String {
    FIRST
        .replace("version: 1", "version: 2")
        .replace("  placed:", "  waiting:")
        .replace(", note: none", ", tries: 3")
}

fn with_one_instance() -> (Place, Dev) {
    let place = Place::new();
    place.write("first.workflow.yaml", FIRST);
    place.write("second/order.workflow.yaml", &second());
    std::fs::create_dir_all(place.path("nothing")).unwrap();
    let engine = place.dev(&["nothing"]);
    place.gearshift(&["deploy", "first.workflow.yaml"]).ends(0);
    place.gearshift(&["send", "order.placed", "-d", "id=o-1"]).ends(0);
    place.gearshift(&["send", "order.paid", "-d", "id=o-1", "-d", "amount=4"]).ends(0);
    (place, engine)
}

#[test]
fn deploy_tells_which_instances_the_new_version_leaves_behind() {
    let (place, _engine) = with_one_instance();
    let done = place.gearshift(&["deploy", "second"]).ends(0);
    for text in ["1 stay on older versions", "o-1  order@1  placed", "gearshift migrate"] {
        assert!(done.out.contains(text), "`{text}` is not in: {}", done.out);
    }
    let data = place.gearshift(&["deploy", "second", "-o", "json"]).ends(0).json();
    let one = &data["definitions"][0];
    assert_eq!(one["older_instances"], 1, "{data}");
    let behind = &one["left_behind"];
    assert_eq!((&behind[0]["key"], &behind[0]["version"]), (&"o-1".into(), &1.into()), "{data}");
    assert_eq!(behind.as_array().map(Vec::len), Some(1), "{data}");
}

#[test]
fn a_child_that_is_neither_in_the_files_nor_deployed_is_a_warning() {
    let parent = |name: &str, child: &str| {
        format!(
            "workflow: {name}\nstates:\n  a: {{ run: {child}, done: b }}\n  b: {{ final: true }}\n"
        )
    };
    let (place, _engine) = with_one_instance();
    place.write("all/x.workflow.yaml", &parent("x", "order"));
    place.write("all/y.workflow.yaml", &parent("y", "x@1"));
    place.write("bad/z.workflow.yaml", &parent("z", "order@2"));
    let fine = place.gearshift(&["deploy", "all"]).ends(0);
    assert!(!fine.err.contains("GS0212"), "deployed or in the files: {}", fine.err);
    let looked = place.gearshift(&["check", "all/x.workflow.yaml", "bad"]).ends(0);
    assert!(!looked.out.contains("`order`"), "what is deployed is known: {}", looked.out);
    assert!(looked.out.contains("no workflow `order@2` is known"), "{}", looked.out);
    assert!(!looked.out.contains("not looked up"), "{}", looked.out);
    let data = place.gearshift(&["deploy", "all/x.workflow.yaml", "-o", "json"]).ends(0).json();
    assert!(data.get("diagnostics").is_none(), "{data}");
    let told = place.gearshift(&["deploy", "bad"]).ends(0);
    for text in ["warning[GS0212]", "z.workflow.yaml:3:13", "no workflow `order@2` is known"] {
        assert!(told.err.contains(text), "`{text}` is not in: {}", told.err);
    }
    assert!(told.out.contains("z@1  deployed"), "it is deployed all the same: {}", told.out);
    let data = place.gearshift(&["deploy", "bad", "-o", "json"]).ends(0);
    assert_eq!(data.json()["diagnostics"][0]["code"], "GS0212", "{}", data.out);
    place.gearshift(&["deploy", "second"]).ends(0);
    let known = place.gearshift(&["deploy", "bad"]).ends(0);
    assert!(!known.err.contains("GS0212"), "{}", known.err);
}

#[test]
fn several_files_are_one_document_and_those_that_are_refused_stand_in_it() {
    let (place, _engine) = with_one_instance();
    place.write("all/a.workflow.yaml", &FIRST.replace("order", "a"));
    place.write("all/b.workflow.yaml", &FIRST.replace("order", "b"));
    let names = |data: &serde_json::Value| {
        let list = data["definitions"].as_array().unwrap().iter();
        list.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let data = place.gearshift(&["deploy", "all", "-o", "json"]).ends(0).json();
    assert_eq!((names(&data), data.get("failed")), (vec!["a".to_owned(), "b".into()], None));
    // The same version with other content is refused, and the other file is not.
    place.write("all/a.workflow.yaml", &FIRST.replace("order", "a").replace("note: none", "n: 1"));
    let data = place.gearshift(&["deploy", "all", "-o", "json"]).ends(8).json();
    assert_eq!(names(&data), ["b"], "{data}");
    let failed = &data["failed"][0];
    assert!(failed["file"].as_str().unwrap().ends_with("a.workflow.yaml"), "{data}");
    assert_eq!(failed["problem"]["status"], 409, "{data}");
    let lines = place.gearshift(&["deploy", "all", "-o", "jsonl"]).ends(8).out;
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn an_instance_goes_on_under_another_version_after_a_dry_run() {
    let (place, _engine) = with_one_instance();
    place.gearshift(&["deploy", "second"]).ends(0);
    let refused = place.gearshift(&["migrate", "o-1"]).ends(4);
    assert!(refused.err.contains("state `placed` has no counterpart"), "{}", refused.err);
    assert!(refused.err.contains("GS4016") && refused.err.contains("--map"), "{}", refused.err);
    let map = ["migrate", "o-1", "--to", "order@2", "--map", "placed=waiting"];
    let dry = place.gearshift(&[&map[..], &["--dry-run"]].concat()).ends(0);
    for text in ["order@1 → order@2", "placed → waiting", "variable `note` is dropped"] {
        assert!(dry.out.contains(text), "`{text}` is not in: {}", dry.out);
    }
    let shown = || place.gearshift(&["show", "o-1", "-o", "json"]).ends(0).json();
    let other = ["migrate", "o-1", "--to", "other@2", "--map", "placed=waiting"];
    let other = place.gearshift(&other).ends(4);
    assert!(other.err.contains("`order/o-1` is no instance of `other`"), "{}", other.err);
    assert_eq!(shown()["version"], 1, "a dry run does nothing");
    place.gearshift(&[&map[..], &["--reason", "INC-1"]].concat()).ends(0);
    let now = shown();
    assert_eq!((&now["version"], &now["active"][0]), (&2.into(), &"waiting".into()), "{now}");
    assert_eq!((&now["vars"]["paid"], &now["vars"]["tries"]), (&4.into(), &3.into()), "{now}");
    let told = place.gearshift(&["history", "o-1"]).ends(0).out;
    assert!(told.contains("order@1 → order@2") && told.contains("INC-1"), "{told}");
    place.gearshift(&["send", "order.closed", "-d", "id=o-1"]).ends(0);
    let kept = place.gearshift(&["def", "rm", "order@2"]).ends(4);
    assert!(kept.err.contains("1 that ended are kept"), "{}", kept.err);
    let ended = place.gearshift(&["migrate", "o-1", "--to", "1"]).ends(4);
    assert!(ended.err.contains("has ended"), "{}", ended.err);
}

#[test]
fn a_version_is_taken_away_only_when_nobody_runs_it() {
    let (place, _engine) = with_one_instance();
    place.gearshift(&["deploy", "second"]).ends(0);
    let refused = place.gearshift(&["def", "rm", "order@1"]).ends(4);
    assert!(refused.err.contains("1 of its instances live"), "{}", refused.err);
    place.gearshift(&["def", "rm", "order"]).ends(2);
    place.gearshift(&["def", "rm", "order@9"]).ends(3);
    place.gearshift(&["migrate", "o-1", "--map", "placed=waiting"]).ends(0);
    place.gearshift(&["def", "rm", "order@1"]).ends(0);
    let left = place.gearshift(&["def", "ls", "-o", "json"]).ends(0).json();
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    // What is there goes on, and the version may come again.
    place.gearshift(&["send", "order.paid", "-d", "id=o-1", "-d", "amount=5"]).ends(0);
    place.gearshift(&["deploy", "first.workflow.yaml"]).ends(0);
}
