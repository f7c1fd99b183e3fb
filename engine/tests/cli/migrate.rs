//! `migrate`: one instance and whole fleets, what is told, what is refused, and how it ends.

use serde_json::json;

use crate::support::{Dev, Place};

const FIRST: &str = "\
workflow: order
version: 1
correlate: data.id
events: { order.placed: { start: true }, order.held: {}, order.billed: {} }
vars: { paid: 0 }
states:
  placed:
    approval: { choices: [approve, reject], need: 2 }
    on: { order.held: held, order.billed: billed, user.action: closed }
    after: { 1h: closed }
  held: {}
  billed: { entry: { call: bank.pay }, done: closed }
  closed: { final: true }
";

/// `placed` waits longer and asks for one choice only, `held` is gone, another operation bills.
fn second() -> String {
    FIRST
        .replace("version: 1", "version: 2")
        .replace("1h: closed", "3h: closed")
        .replace("[approve, reject]", "[approve]")
        .replace("order.held: held, ", "")
        .replace("  held: {}\n", "")
        .replace("order.held: {}, ", "")
        .replace("bank.pay", "bank.charge")
}

fn with_instances(ids: &[&str]) -> (Place, Dev) {
    let place = Place::new();
    place.write("first.workflow.yaml", FIRST);
    place.write("second/order.workflow.yaml", &second());
    std::fs::create_dir_all(place.path("nothing")).unwrap();
    let engine = place.dev(&["nothing"]);
    place.gearshift(&["deploy", "first.workflow.yaml"]).ends(0);
    for id in ids {
        place.gearshift(&["send", "order.placed", "-d", &format!("id={id}")]).ends(0);
    }
    place.gearshift(&["deploy", "second"]).ends(0);
    (place, engine)
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

fn version(place: &Place, id: &str) -> u64 {
    let seen = place.gearshift(&["show", id, "-o", "json"]).ends(0).json();
    seen["version"].as_u64().unwrap()
}

const FLEET: [&str; 5] = ["migrate", "--where", "workflow == 'order'", "--to", "order@2"];

#[test]
fn a_half_moved_fleet_is_moved_the_rest_of_the_way() {
    let (place, _engine) = with_instances(&["o-1", "o-2", "o-3"]);
    place.gearshift(&["migrate", "o-2"]).ends(0);
    let dry = place.gearshift(&[&FLEET[..], &["--dry-run"]].concat()).ends(0);
    holds(&dry.out, &["order/o-1  order@1 → order@2  placed\n", "order/o-2  order@2  unchanged\n"]);
    holds(&dry.out, &["would move 2, unchanged 1, refused 0"]);
    assert_eq!([version(&place, "o-1"), version(&place, "o-2")], [1, 2]);
    let data = place.gearshift(&[&FLEET[..], &["--dry-run", "-o", "json"]].concat()).ends(0).json();
    let unchanged: Vec<_> =
        data.as_array().unwrap().iter().map(|one| one["unchanged"] == true).collect();
    assert_eq!(unchanged, [false, true, false], "{data}");
    let yes = [&FLEET[..], &["--yes"]].concat();
    holds(&place.gearshift(&yes).ends(0).out, &["moved 2, unchanged 1, refused 0"]);
    holds(&place.gearshift(&yes).ends(0).out, &["moved 0, unchanged 3, refused 0"]);
    let lines = || place.gearshift(&["history", "o-2", "-o", "json"]).ends(0).json();
    let told = lines();
    assert_eq!(told.as_array().map(Vec::len), Some(2), "nothing was recorded again");
    // What came before is told in the words of its version, as long as that is there.
    assert_eq!([&told[0]["active"][0], &told[1]["input"]], ["placed", "command migrate"]);
    place.gearshift(&["def", "rm", "order@1"]).ends(0);
    assert_eq!([&lines()[0]["input"], &lines()[0]["active"]], [&told[0]["input"], &json!(null)]);
    // By its id it is the same, and an ended one is refused.
    let one = place.gearshift(&["migrate", "o-2", "--to", "2"]).ends(0);
    assert_eq!(one.out, "order/o-2  order@2  unchanged\n");
    place.gearshift(&["cancel", "o-2"]).ends(0);
    let ended = place.gearshift(&["migrate", "o-2", "--to", "2"]).ends(4);
    holds(&ended.err, &["the instance has ended"]);
}

#[test]
fn where_one_is_refused_none_is_migrated_unless_it_may_be_left() {
    let (place, _engine) = with_instances(&["o-1", "o-2"]);
    place.gearshift(&["start", "order@1", "--key", "o-3"]).ends(0);
    place.gearshift(&["send", "order.held", "-d", "id=o-3"]).ends(0);
    let reason = "state `held` has no counterpart in `order@2`: say which state takes its place \
                  (`--map held=STATE`)";
    let dry = place.gearshift(&[&FLEET[..], &["--dry-run"]].concat()).ends(4);
    holds(&dry.out, &[&format!("refused  order/o-3: {reason}"), "o-1  order@1 → order@2"]);
    holds(&dry.out, &["would move 2, unchanged 0, refused 1"]);
    let data = place.gearshift(&[&FLEET[..], &["--dry-run", "-o", "json"]].concat()).ends(4).json();
    assert_eq!(data[2]["instance"], "order/o-3", "{data}");
    assert!(data[2]["refused"].as_str().unwrap().contains(reason), "{data}");
    let yes = [&FLEET[..], &["--yes"]].concat();
    let none = place.gearshift(&yes).ends(4);
    holds(&none.err, &[reason, "1 of 3 instances cannot be migrated", "nothing was done"]);
    holds(&none.err, &["[GS4016]", "--skip-refused"]);
    assert_eq!(["o-1", "o-2", "o-3"].map(|id| version(&place, id)), [1, 1, 1]);
    let rest = place.gearshift(&[&yes[..], &["--skip-refused"]].concat()).ends(8);
    holds(&rest.out, &["moved 2, unchanged 0, refused 1"]);
    holds(&rest.err, &[reason]);
    assert_eq!(["o-1", "o-2", "o-3"].map(|id| version(&place, id)), [2, 2, 1]);
    let last = place.gearshift(&[&yes[..], &["--map", "held=placed"]].concat()).ends(0);
    holds(&last.out, &["moved 1, unchanged 2, refused 0", "held → placed"]);
}

#[test]
fn a_call_under_way_that_asks_something_else_there_is_refused() {
    let (place, _engine) = with_instances(&["o-1"]);
    place.gearshift(&["send", "order.billed", "-d", "id=o-1"]).ends(0);
    for more in [&["--dry-run"][..], &[]] {
        let refused = place.gearshift(&[&["migrate", "o-1"][..], more].concat()).ends(4);
        holds(
            &refused.err,
            &[
                "call `bank.pay` of `billed` is under way, and `order@2` asks `bank.charge`",
                "wait for the reply, or say which state asks the same (`--map billed=STATE`)",
                "GS4016",
            ],
        );
    }
    assert_eq!(version(&place, "o-1"), 1);
}

#[test]
fn what_goes_is_told_before_after_and_in_the_history() {
    let (place, _engine) = with_instances(&["o-1"]);
    place.gearshift(&["decide", "o-1", "reject", "--as", "eve"]).ends(0);
    let told = [
        "approval of `placed`: choices approve | reject → approve",
        "a vote in `placed` is void: decide again: eve (reject)",
        "timer `placed after 3h` stays due ",
        "armed as `placed after 1h`",
    ];
    holds(&place.gearshift(&["migrate", "o-1", "--dry-run"]).ends(0).out, &told);
    let done = place.gearshift(&["migrate", "o-1", "--reason", "INC-1"]).ends(0);
    holds(&done.out, &told);
    let history = place.gearshift(&["history", "o-1"]).ends(0).out;
    holds(&history, &told);
    holds(&history, &["order@1 → order@2; INC-1; "]);
    // What is due is due as it was armed, and so it is shown.
    for verb in ["show", "why"] {
        let seen = place.gearshift(&[verb, "o-1"]).ends(0).out;
        holds(&seen, &["placed, armed as placed after 1h of order@1"]);
        assert!(!seen.contains("after 3h"), "{seen}");
    }
    let seen = place.gearshift(&["show", "o-1", "-o", "json"]).ends(0).json();
    assert_eq!(seen["approvals"][0]["votes"].as_array().map(Vec::len), Some(0), "{seen}");
}

#[test]
fn help_and_explanations_say_what_is_checked() {
    let place = Place::new();
    let help = place.gearshift(&["migrate", "--help"]).ends(0).out;
    let told =
        ["same\n    operation", "--skip-refused", "Nothing is run", "Not looked at are guards"];
    holds(&help, &told);
    let refused = place.gearshift(&["explain", "GS4016"]).ends(0).out;
    holds(&refused.replace('\n', " "), &["same operation", "computed delay", "--skip-refused"]);
    let kept = place.gearshift(&["explain", "GS4017"]).ends(0).out;
    holds(&kept.replace('\n', " "), &["ended and are kept", "7 days"]);
}
