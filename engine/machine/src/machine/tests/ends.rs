//! What is kept of an end that is no final state, and of what a person left out on the way.

use super::check::{World, definition};
use crate::machine::NoticeKind;

fn world(text: &str, lines: &[&str]) -> World {
    let mut world = World::new(definition(text));
    lines.iter().for_each(|line| world.run(line));
    world
}

/// How it ended, in words; every decision of a [`World`] was put back from its bytes too.
fn ended(text: &str, lines: &[&str]) -> String {
    let world = world(text, lines);
    let instance = world.instance.as_ref().unwrap();
    assert!(instance.status.is_ended(), "{}", world.out);
    instance.end().map(|end| end.words()).unwrap_or_default()
}

const STEPS: &str = "
workflow: t
on_error: fail
steps:
  load: { call: p.load }
";

const UPDATE: &str = "
workflow: t
mode: sequential
on_failure: rollback
finally: [{ call: p.clean }]
steps:
  one: { call: p.one, undo: p.un_one }
  two: { call: p.two, undo: p.un_two }
  three: { call: p.three }
";

#[test]
fn rule_38_the_end_says_which_step_failed_and_how() {
    let end = ended(STEPS, &["start", "fail p.load permanent no such file"]);
    assert_eq!(end, "failed: step `load`: permanent: no such file");
    let text = STEPS.replace("call: p.load }", "call: p.load, timeout: 2s }");
    let world = world(&text, &["start", "advance 10s"]);
    let instance = world.instance.as_ref().unwrap();
    let error = instance.end().and_then(|end| end.error.clone()).unwrap();
    assert_eq!((&*error.step, &*error.kind), ("load", "timeout"));
    let (_, told) = world.notices.iter().find(|(kind, _)| *kind == NoticeKind::Failed).unwrap();
    let told = |field: &str| told.get(field).and_then(|value| value.as_str());
    assert_eq!((told("step"), told("kind")), (Some("load"), Some("timeout")));
}

#[test]
fn rule_38_the_end_names_the_error_where_no_step_failed() {
    let text = "
workflow: t
on_error: fail
initial: a
states:
  a: { entry: { call: p.pay }, on: { go: { do: { set: { n: 1 / 0 } } } } }
vars: { n: 0 }
";
    let end = ended(text, &["start", "fail p.pay permanent no money"]);
    assert_eq!(end, "failed: error.platform.invoke.a.0: permanent: no money");
    let end = ended(text, &["start", "event go"]);
    assert!(end.starts_with("failed: error.execution"), "{end}");
    assert!(!end.contains(": execution:"), "{end}");
    let late = STEPS.replace("on_error: fail", "on_error: fail\ntimeout: 5s");
    let end = ended(&late, &["start", "advance 5s"]);
    assert!(!end.contains("step `timeout`"), "{end}");
    assert!(end.contains("timeout deadline: the steps together took longer than 5s"), "{end}");
}

#[test]
fn rule_38_the_end_says_which_step_failed_behind_finally_too() {
    let text = STEPS.replace("steps:", "finally: [{ call: p.clean }]\nsteps:");
    let lines = ["start", "fail p.load permanent no such file", "reply p.clean"];
    assert_eq!(ended(&text, &lines), "failed: step `load`: permanent: no such file");
}

#[test]
fn rule_20_the_end_says_who_ended_it_and_why() {
    let start = "start";
    let kill = "command kill [by=ann reason=too-late]";
    assert_eq!(ended(STEPS, &[start, kill]), "killed by ann: too-late");
    let cancel = "command cancel [by=bob reason=INC-1]";
    assert_eq!(ended(STEPS, &[start, cancel]), "cancelled by bob: INC-1");
    assert_eq!(ended(STEPS, &[start, "command cancel [by=bob]"]), "cancelled by bob");
    let text = UPDATE.replace("finally: [{ call: p.clean }]\n", "");
    let lines = [start, "reply p.one", "fail p.two permanent no", kill];
    assert_eq!(ended(&text, &lines), "killed by ann: too-late", "in the middle of a rollback");
    let lines = [start, "reply p.one", "reply p.two", cancel, "reply p.un_two", "reply p.un_one"];
    assert_eq!(ended(&text, &lines), "cancelled by bob: INC-1");
}

#[test]
fn rule_19_a_final_state_needs_no_reason() {
    assert_eq!(ended(STEPS, &["start", "reply p.load"]), "");
}

#[test]
fn h6_a_finally_that_a_person_skipped_is_told_at_the_end() {
    let failed = [
        "start",
        "reply p.one",
        "fail p.two permanent no",
        "reply p.un_one",
        "fail p.clean permanent dirty",
        "command skip",
    ];
    let end = ended(UPDATE, &failed);
    assert_eq!(end, "failed: step `two`: permanent: no; `finally`: `p.clean` was skipped");
    let text = UPDATE.replace("[{ call: p.clean }]", "[{ call: p.clean }, { set: { n: 1 / 0 } }]");
    let text = format!("{text}vars: {{ n: 0 }}\n");
    let mut lines = failed.to_vec();
    lines.insert(4, "reply p.clean");
    lines.remove(5);
    let end = ended(&text, &lines);
    assert!(end.ends_with("; `finally`: an action was skipped"), "{end}");
}

#[test]
fn h6_a_finally_that_a_person_skipped_before_it_is_done_is_kept_too() {
    let lines = [
        "start",
        "reply p.one",
        "reply p.two",
        "reply p.three",
        "fail p.clean permanent dirty",
        "command skip",
    ];
    let world = world(UPDATE, &lines);
    let instance = world.instance.as_ref().unwrap();
    assert!(world.out.ends_with("command skip -> - | done done\n"), "{}", world.out);
    assert_eq!(instance.left_out(), [std::sync::Arc::from("`finally`: `p.clean` was skipped")]);
}

#[test]
fn h6_an_undo_skipped_before_a_cancel_behind_a_rollback_by_hand_is_told_at_the_end() {
    let text = UPDATE.replace("finally: [{ call: p.clean }]\n", "");
    let lines = [
        "start",
        "reply p.one",
        "reply p.two",
        "command rollback two",
        "fail p.un_two permanent no",
        "command skip",
        "command cancel [by=bob reason=INC-1]",
        "reply p.un_one",
    ];
    let left = "step `two` was not taken back: `p.un_two` was skipped";
    assert_eq!(ended(&text, &lines), format!("cancelled by bob: INC-1; {left}"));
    // Where nothing is left that the cancel itself takes back, too.
    let lines = [
        "start",
        "reply p.one",
        "reply p.two",
        "command rollback",
        "reply p.un_two",
        "fail p.un_one permanent no",
        "command skip",
        "command cancel [by=bob]",
    ];
    let end = ended(&text, &lines);
    assert_eq!(end, "cancelled by bob: step `one` was not taken back: `p.un_one` was skipped");
}
