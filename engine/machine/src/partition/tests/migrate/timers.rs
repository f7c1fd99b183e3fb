//! Timers: what is armed keeps its due time, what is gone is dropped, what is new counts from now.

use super::{Family, at, holds, moved, moved_to, note, refused};
use crate::machine::TimerKind;

const ONE: &str = "
workflow: wait
version: 1
vars: { hours: 3 }
initial: open
states:
  open:
    on: { closed: shut }
    after:
      1h: { name: remind, do: [ { publish: bell.soft } ] }
      2h: { do: [ { publish: bell.loud } ] }
      3h: late
      4h: lost
  late: {}
  lost: {}
  shut: {}
";

const HOUR: i64 = 60 * 60 * 1_000;

fn open() -> (Family, i64) {
    let mut family = Family::new(&[ONE]);
    family.start("wait/w", "null");
    let begun = family.world.now;
    family.world.now += HOUR / 2;
    (family, begun)
}

/// When the timers are due, in hours since the state was entered, and how each was armed.
fn timers(family: &Family, begun: i64) -> Vec<(String, Option<String>)> {
    let hours = |due: i64| format!("{}h", (due - begun) as f64 / HOUR as f64);
    let all = family.instance("wait/w").timers;
    let shown = all.iter().map(|timer| {
        let TimerKind::After { armed, .. } = &timer.kind else { panic!("{:?}", timer.kind) };
        (hours(timer.due.0), armed.as_ref().map(ToString::to_string))
    });
    shown.collect()
}

#[test]
fn rule_30_timers_keep_their_due_times_and_say_how_they_were_armed() {
    let (mut family, begun) = open();
    let newer = ONE
        .replace("version: 1", "version: 2")
        .replace("1h: { name", "5h: { name")
        .replace("3h: late", "6h: late");
    let told = note(&moved(&mut family, "wait/w", &newer, &[]));
    holds(&told, &["timer `open after 5h` stays due ", ", armed as `open after 1h`"]);
    holds(&told, &["timer `open after 6h` stays due ", ", armed as `open after 3h`"]);
    assert!(!told.contains("begins") && !told.contains("dropped"), "{told}");
    let pair = |due: &str, armed: Option<&str>| (due.to_owned(), armed.map(ToOwned::to_owned));
    assert_eq!(
        timers(&family, begun),
        [
            pair("1h", Some("open after 1h of wait@1")),
            pair("2h", None),
            pair("3h", Some("open after 3h of wait@1")),
            pair("4h", None),
        ]
    );
    // A restart keeps it, and so does another version.
    family.crash();
    let third = newer.replace("version: 2", "version: 3");
    note(&moved(&mut family, "wait/w", &third, &[]));
    assert_eq!(timers(&family, begun)[0], pair("1h", Some("open after 1h of wait@1")));
    family.world.now = begun + 3 * HOUR;
    family.settle();
    assert_eq!(family.stands("wait/w"), "late", "at the due time of the former version");
}

#[test]
fn rule_30_a_timer_that_is_gone_is_dropped_and_a_new_one_counts_from_now() {
    let (mut family, begun) = open();
    let newer = ONE
        .replace("version: 1", "version: 2")
        .replace("      3h: late\n", "")
        .replace("4h: lost", "4h: lost\n      90m: shut");
    let told = note(&moved(&mut family, "wait/w", &newer, &[]));
    holds(&told, &["timer `open after 3h`, due ", "is dropped"]);
    holds(&told, &["timer `open after 1h 30m` begins now, due "]);
    let due: Vec<_> = timers(&family, begun).into_iter().map(|(due, _)| due).collect();
    assert_eq!(due, ["1h", "2h", "4h", "2h"], "half an hour has passed already");
    family.world.now = begun + 2 * HOUR;
    family.settle();
    assert_eq!(family.stands("wait/w"), "shut");
}

#[test]
fn rule_30_a_timer_with_another_delay_and_another_target_is_another_one() {
    let (mut family, begun) = open();
    let newer = ONE.replace("version: 1", "version: 2").replace("4h: lost", "10h: shut");
    let told = note(&moved(&mut family, "wait/w", &newer, &[]));
    holds(&told, &["timer `open after 4h`, due ", "timer `open after 10h` begins now"]);
    let due: Vec<_> = timers(&family, begun).into_iter().map(|(due, _)| due).collect();
    assert_eq!(due, ["1h", "2h", "3h", "10.5h"]);
}

#[test]
fn rule_30_a_timer_that_has_fired_is_not_armed_again_and_places_may_change() {
    let (mut family, begun) = open();
    family.world.now = begun + 90 * 60 * 1_000;
    family.settle();
    assert_eq!(timers(&family, begun).len(), 3, "the first one has fired");
    // The others stand in another order, and the one that fired comes last.
    let newer = ONE
        .replace("version: 1", "version: 2")
        .replace("      1h: { name: remind, do: [ { publish: bell.soft } ] }\n", "")
        .replace("      2h: { do: [ { publish: bell.loud } ] }\n      3h: late\n", "")
        .replace(
            "      4h: lost\n",
            "      4h: lost\n      3h: late\n      2h: { do: [ { publish: bell.loud } ] }\n      \
             1h: { name: remind, do: [ { publish: bell.soft } ] }\n",
        );
    assert_eq!(note(&moved(&mut family, "wait/w", &newer, &[])), "wait@1 → wait@2");
    let due: Vec<_> = timers(&family, begun).into_iter().map(|(due, _)| due).collect();
    assert_eq!(due, ["2h", "3h", "4h"]);
    family.world.now = begun + 3 * HOUR;
    family.settle();
    assert_eq!(family.stands("wait/w"), "late");
}

#[test]
fn rule_30_a_state_around_without_mapping_refuses_and_its_timers_go_where_it_is_mapped_to() {
    let around = "
workflow: wait
version: 1
states:
  outer: { after: { 1h: late }, states: { open: { on: { closed: late } } } }
  late: {}
";
    let mut family = Family::new(&[around]);
    family.start("wait/w", "null");
    let flat = "
workflow: wait
version: 2
states:
  open: { on: { closed: late }, after: { 2h: late } }
  late: {}
";
    refused(
        &moved(&mut family, "wait/w", flat, &[]),
        "state `outer` has no counterpart in `wait@2`: say which state takes its place (`--map \
         outer=STATE`)",
    );
    let mut order = |states: &[(&str, &str)]| moved_to(&mut family, "wait/w", 2, states);
    refused(&order(&[("outer", "late")]), "`late`, in place of `outer`, would not be active");
    refused(
        &order(&[("outer", "open"), ("outer", "late")]),
        "`outer` cannot be both `open` and `late`",
    );
    let told = note(&order(&[("outer", "open")]));
    holds(&told, &["timer `open after 2h` stays due ", "armed as `outer after 1h"]);
    assert_eq!(family.instance("wait/w").timers.len(), 1);
    let computed = flat
        .replace("version: 2", "version: 3")
        .replace("after: { 2h: late }", "after: { 2h: late, \"${ 1000 }\": open }");
    refused(
        &moved(&mut family, "wait/w", &computed, &[]),
        "timer `open after (computed)` is new in `wait@3`, and one that is computed cannot begin",
    );
    assert!(family.world.partition.instance(&at("wait/w")).unwrap().pin.version == 2);
}
