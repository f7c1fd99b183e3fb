//! Variables, deferred events, and what history states remember (rules 14, 17, 42).

use super::{Family, holds, moved, note, refused};

const ONE: &str = "
workflow: job
version: 1
vars: { count: 0, gone: 1 }
initial: work
states:
  work:
    initial: first
    on: { pause: paused, odd: elsewhere }
    states:
      first: { on: { next: second } }
      second: { initial: inner, states: { inner: { on: { deep: innermost } }, innermost: {} } }
      back: { history: shallow, default: first }
      deeply: { history: deep, default: first }
  paused: { defer: later, on: { resume: back, return: deeply } }
  elsewhere: { on: { later: { do: { set: { count: vars.count + 1 } } } } }
";

/// It was left in `innermost`.
fn paused() -> Family {
    let mut family = Family::new(&[ONE]);
    family.start("job/j", r#"{"n": 5}"#);
    for event in ["next", "deep", "pause"] {
        family.event("job/j", event, "null");
    }
    assert_eq!(family.instance("job/j").history.len(), 2);
    family
}

fn second() -> String {
    ONE.replace("version: 1", "version: 2")
}

#[test]
fn rule_14_new_variables_begin_and_vanished_ones_are_dropped_with_a_note() {
    let mut family = paused();
    let newer = second().replace(
        "{ count: 0, gone: 1 }",
        "{ twice: \"${ input.n * 2 }\", count: 7, thrice: \"${ vars.twice + input.n }\", bad: \"${ \
         input.none }\" }",
    );
    let told = note(&moved(&mut family, "job/j", &newer, &[]));
    holds(&told, &["variable `gone` is dropped", "variable `twice` begins with its first value"]);
    holds(&told, &["variable `bad` is null: "]);
    let vars: Vec<_> = (0..4).map(|at| family.var("job/j", at)).collect();
    assert_eq!(vars, ["10", "0", "15", "null"], "each sees the earlier ones");
}

#[test]
fn variables_that_are_too_large_there_refuse() {
    let mut family = paused();
    let newer = second().replace("workflow: job", "workflow: job\nlimits: { vars: 8 }");
    let done = moved(&mut family, "job/j", &newer, &[]);
    refused(&done, " bytes exceed the limit of 8 bytes of `job@2`");
}

#[test]
fn rule_17_what_history_remembers_goes_on_under_the_new_names() {
    for (resume, stands) in [("resume", "inner"), ("return", "last")] {
        let mut family = paused();
        let newer = second()
            .replace("second", "middle")
            .replace("innermost", "last")
            .replace("back", "rest")
            .replace("deeply", "depth");
        let map =
            [("second", "middle"), ("innermost", "last"), ("back", "rest"), ("deeply", "depth")];
        let told = note(&moved(&mut family, "job/j", &newer, &map));
        assert_eq!(told, "job@1 → job@2");
        family.event("job/j", resume, "null");
        assert_eq!(family.stands("job/j"), stands);
    }
}

#[test]
fn rule_17_what_leads_nowhere_any_more_is_dropped_with_a_note() {
    let mut family = paused();
    let newer = second().replace(
        "      second: { initial: inner, states: { inner: { on: { deep: innermost } }, \
             innermost: {} } }\n",
        "      second: {}\n",
    );
    let told = note(&moved(&mut family, "job/j", &newer, &[]));
    holds(
        &told,
        &[
            "what `deeply` remembers (innermost) is dropped: ",
            "`innermost` has no counterpart in `job@2`",
        ],
    );
    assert!(!told.contains("`back`"), "{told}");
    family.event("job/j", "return", "null");
    assert_eq!(family.stands("job/j"), "first", "its default");
}

#[test]
fn rule_17_what_would_not_fit_together_is_dropped() {
    let mut family = paused();
    // `second` stands elsewhere, `innermost` in a region of a parallel state.
    let newer = second()
        .replace(
            "      second: { initial: inner, states: { inner: { on: { deep: innermost } }, \
             innermost: {} } }\n",
            "      both: { parallel: { one: { states: { innermost: {} } }, two: {} } }\n",
        )
        .replace("next: second", "next: both")
        .replace("  paused:", "  second: {}\n  paused:")
        .replace("pause: paused,", "pause: paused, away: second,");
    let told = note(&moved(&mut family, "job/j", &newer, &[]));
    holds(&told, &["what `back` remembers (second) is dropped: `back` cannot lead to `second`"]);
    holds(
        &told,
        &["what `deeply` remembers (innermost) is dropped: nothing inside the region `two`"],
    );
    for event in ["resume", "pause", "return"] {
        family.event("job/j", event, "null");
    }
    assert_eq!(family.stands("job/j"), "first");
}

#[test]
fn rule_42_deferred_events_are_kept_and_offered_after_the_next_change() {
    let mut family = paused();
    family.event("job/j", "later", "null");
    assert_eq!(family.instance("job/j").deferred.len(), 1);
    let newer =
        second().replace("return: deeply }", "return: deeply, off: elsewhere, later: work }");
    let told = note(&moved(&mut family, "job/j", &newer, &[]));
    holds(&told, &["deferred `later`, which `paused` takes there, waits for the next change"]);
    assert_eq!(family.instance("job/j").deferred.len(), 1, "nothing is run");
    family.event("job/j", "off", "null");
    assert_eq!(family.var("job/j", 0), "1");
    assert_eq!(family.instance("job/j").deferred.len(), 0);
}
