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
    let load = "step `load`: `p.load` was under way: if it is done, it stays";
    assert_eq!(ended(STEPS, &[start, kill]), format!("killed by ann: too-late; {load}"));
    let cancel = "command cancel [by=bob reason=INC-1]";
    assert_eq!(ended(STEPS, &[start, cancel]), "cancelled by bob: INC-1");
    assert_eq!(ended(STEPS, &[start, "command cancel [by=bob]"]), "cancelled by bob");
    let text = UPDATE.replace("finally: [{ call: p.clean }]\n", "");
    let lines = [start, "reply p.one", "fail p.two permanent no", kill];
    let left = "step `one` may not be taken back: `p.un_one` was under way";
    assert_eq!(ended(&text, &lines), format!("killed by ann: too-late; {left}"));
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
    assert_eq!(end, "failed: step `two`: permanent: no; `finally`: `p.clean` was skipped by ops");
    let text = UPDATE.replace("[{ call: p.clean }]", "[{ call: p.clean }, { set: { n: 1 / 0 } }]");
    let text = format!("{text}vars: {{ n: 0 }}\n");
    let mut lines = failed.to_vec();
    lines.insert(4, "reply p.clean");
    lines.remove(5);
    let end = ended(&text, &lines);
    assert!(end.ends_with("; `finally`: an action was skipped by ops"), "{end}");
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
    assert_eq!(instance.left_out(), ["`finally`: `p.clean` was skipped by ops".into()]);
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
    let left = "step `two` was not taken back: `p.un_two` was skipped by ops";
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
    let left = "step `one` was not taken back: `p.un_one` was skipped by ops";
    assert_eq!(end, format!("cancelled by bob: {left}"));
}

#[test]
fn h6_who_skipped_an_undo_and_why_stands_beside_it() {
    let text = UPDATE.replace("finally: [{ call: p.clean }]\n", "");
    let skip = |order: &str| {
        let lines = [
            "start",
            "reply p.one",
            "command cancel [by=bob]",
            "fail p.two permanent no",
            "fail p.un_one permanent no",
        ];
        let world = world(&text, &[&lines[..], &[order]].concat());
        let instance = world.instance.as_ref().unwrap();
        let end = instance.end().map(|end| end.words()).unwrap_or_default();
        assert!(end.starts_with("cancelled by bob: step"), "its word is told once: {end}");
        assert!(end.ends_with(&*instance.left_out()[0]), "{end}");
        instance.left_out()[0].to_string()
    };
    let what = "step `one` was not taken back: `p.un_one` was skipped";
    let phoned = skip("command skip [by=ann reason=done-by-phone]");
    assert_eq!(phoned, format!("{what} by ann: done-by-phone"));
    assert_eq!(skip("command skip [by=ann]"), format!("{what} by ann"));
    let long = skip(&format!("command skip [by=ann reason={}]", "é".repeat(2_000)));
    assert!(long.starts_with(&format!("{what} by ann: éé")) && long.ends_with("é…"), "{long}");
    assert!(long.len() < 400, "of long words only the beginning: {long}");
}

#[test]
fn rule_20_a_kill_during_a_rollback_says_what_is_not_taken_back() {
    let begun = ["start", "reply p.one", "reply p.two", "fail p.three permanent no"];
    let kill = "command kill [by=ann reason=late]";
    let left = |lines: &[&str]| {
        let world = world(UPDATE, &[&begun[..], lines, &[kill]].concat());
        let instance = world.instance.as_ref().unwrap();
        let end = instance.end().map(|end| end.words()).unwrap_or_default();
        let left: Vec<_> = instance.left_out().iter().map(ToString::to_string).collect();
        assert_eq!(end, format!("killed by ann: late; {}", left.join("; ")));
        let entry = world.last.as_ref().and_then(|last| last.trace.as_ref()).unwrap();
        assert_eq!(entry.note.as_deref(), Some(&*format!("late; {}", left.join("; "))));
        left
    };
    let clean = "`finally` was not run".to_owned();
    let one = "step `one` was not taken back".to_owned();
    let two = "step `two` may not be taken back: `p.un_two` was under way".to_owned();
    assert_eq!(left(&[]), [two, one.clone(), clean.clone()]);
    let two = "step `two` was not taken back: `p.un_two` failed".to_owned();
    assert_eq!(left(&["fail p.un_two permanent no"]), [two, one, clean]);
    let finally = "`finally` was broken off".to_owned();
    assert_eq!(left(&["reply p.un_two", "reply p.un_one"]), [finally]);
    // Where nothing was being taken back nothing was broken off but what was under way.
    let two = "step `two`: `p.two` was under way: if it is done, it stays";
    let told = ended(UPDATE, &["start", "reply p.one", kill]);
    assert_eq!(told, format!("killed by ann: late; {two}"));
}

#[test]
fn rule_20_a_kill_that_leaves_very_much_names_some_and_counts_the_rest() {
    let steps = (0..60).map(|at| {
        format!("  a_step_with_quite_a_long_name_{at}: {{ call: p.do, undo: p.undo }}\n")
    });
    let text = format!("workflow: t\nmode: sequential\nsteps:\n{}", steps.collect::<String>());
    let mut lines = vec!["start"];
    lines.extend(std::iter::repeat_n("reply p.do", 59));
    lines.extend(["command cancel", "reply p.do", "command kill [by=ann]"]);
    let world = world(&text, &lines);
    let instance = world.instance.as_ref().unwrap();
    let words = instance.end().map(|end| end.words()).unwrap_or_default();
    assert!(words.ends_with("; 57 more like that"), "{words}");
    let left = instance.left_out();
    let size: usize = left.iter().map(|what| what.len()).sum();
    assert!(size < 2_200 && left.len() > 20, "{left:?}");
    let rest = left.last().unwrap().strip_suffix(" more like that").unwrap();
    assert_eq!(rest.parse::<usize>().unwrap() + left.len() - 1, 60);
}

#[test]
fn rule_20_a_call_that_a_rollback_waits_for_is_told_by_the_kill() {
    let text = "
workflow: t
mode: parallel
steps:
  one: { call: p.one, undo: p.un_one }
  two: { call: p.two, undo: p.un_two }
";
    let lines = ["start", "reply p.one", "command cancel", "command kill [by=ann]"];
    let two = "step `two`: `p.two` was under way: if it is done, it stays";
    let left = format!("{two}; step `one` was not taken back");
    assert_eq!(ended(text, &lines), format!("killed by ann: {left}"));
}

#[test]
fn rule_20_a_kill_at_work_says_which_calls_were_under_way_and_whose_they_are() {
    let left = |text: &str, lines: &[&str]| {
        let world = world(text, &[lines, &["command kill [by=ann]"]].concat());
        let instance = world.instance.as_ref().unwrap();
        let left: Vec<_> = instance.left_out().iter().map(ToString::to_string).collect();
        let end = instance.end().map(|end| end.words()).unwrap_or_default();
        match left.as_slice() {
            [] => assert_eq!(end, "killed by ann"),
            left => assert_eq!(end, format!("killed by ann: {}", left.join("; "))),
        }
        left
    };
    let stays = |what: &str| format!("{what} was under way: if it is done, it stays");
    let states = "
workflow: t
initial: open
states:
  open:
    parallel:
      left: { entry: { call: p.do, undo: p.undo } }
      right: { entry: { call: p.do }, on: { go: over } }
  over: {}
";
    let both = [stays("state `left`: `p.do`"), stays("state `right`: `p.do`")];
    assert_eq!(left(states, &["start"]), both);
    assert_eq!(left(states, &["start", "fail p.do permanent no"]), both[..1]);
    // What is answered is not under way, also where the answer is kept.
    assert_eq!(left(states, &["start", "command pause", "reply p.do"]), both[..1]);
    let way = "
workflow: t
initial: open
states:
  open: { on: { go: { to: over, do: { call: p.do } } } }
  over: {}
";
    assert_eq!(left(way, &["start", "event go"]), [stays("the way to `over`: `p.do`")]);
    let steps = "
workflow: t
mode: sequential
finally: { call: p.clean }
steps:
  each: { foreach: { in: '[1, 2]', as: n }, call: p.each }
";
    let items = ["step `each[0]`: `p.each`", "step `each[1]`: `p.each`"].map(stays);
    assert_eq!(left(steps, &["start"]), items);
    let one = steps.replace("foreach: { in: '[1, 2]', as: n }, ", "");
    assert_eq!(left(&one, &["start", "reply p.each"]), ["`finally` was broken off"]);
}

#[test]
fn rule_20_what_was_done_in_a_state_is_named_with_it() {
    let text = "
workflow: t
initial: one
states:
  one: { entry: { call: p.do, undo: p.undo }, on: { next: two } }
  two: { entry: { call: p.do, undo: p.undo } }
";
    let done = ["start", "reply p.do", "event next", "reply p.do", "command cancel"];
    let left = |lines: &[&str]| {
        let world = world(text, &[&done[..], lines].concat());
        let instance = world.instance.as_ref().unwrap();
        instance.left_out().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let two = "`p.do` of state `two` may not be taken back: `p.undo` was under way";
    let one = "`p.do` of state `one` was not taken back";
    assert_eq!(left(&["command kill"]), [two, one]);
    let skip = ["fail p.undo permanent no", "command skip [by=ann]"];
    let two = "`p.do` of state `two` was not taken back: `p.undo` was skipped by ann";
    assert_eq!(left(&skip), [two]);
}
