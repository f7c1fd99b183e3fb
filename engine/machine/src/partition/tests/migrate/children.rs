//! Parents and children: each goes on while the other one runs, and they still hear each other.

use super::{Family, holds, moved, note, refused};

/// Waits for a child that has no name of its own.
const PARENT: &str = "
workflow: parent
version: 1
vars: { got: null, heard: 0 }
initial: idle
states:
  idle: { on: { go: work } }
  work:
    run: { workflow: child, with: { n: 21 }, set: { got: output.total } }
    done: happy
    on:
      progress: { do: { set: { heard: vars.heard + 1 } } }
      stop: idle
  happy: {}
";

const CHILD: &str = "
workflow: child
version: 1
vars: { n: \"${ input.n }\" }
initial: busy
states:
  busy:
    on:
      finish: ended
      poked: { do: { send: { event: progress, to: parent } } }
  ended: { final: true, output: { total: \"${ vars.n * 2 }\" } }
";

const KID: &str = "child/parent.p.work.0.1";

fn family() -> Family {
    let mut family = Family::new(&[PARENT, CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", "null");
    family
}

/// `work` is called `job`, so that its child is called otherwise too.
fn newer_parent() -> String {
    PARENT
        .replace("version: 1", "version: 2")
        .replace("go: work", "go: job")
        .replace("  work:", "  job:")
        .replace("{ n: 21 }", "{ n: 1 }")
}

#[test]
fn a_parent_goes_on_and_hears_what_its_child_says_and_how_it_ends() {
    let mut family = family();
    note(&moved(&mut family, "parent/p", &newer_parent(), &[("work", "job")]));
    assert_eq!(family.stands("parent/p"), "job");
    family.event(KID, "poked", "null");
    assert_eq!(family.var("parent/p", 1), "1");
    family.event(KID, "finish", "null");
    assert_eq!(family.stands("parent/p"), "happy");
    assert_eq!(family.var("parent/p", 0), "42");
    assert_eq!(family.keys(), [KID, "parent/p"], "no other child was started");
}

#[test]
fn a_parent_that_goes_on_still_ends_the_child_it_leaves() {
    let mut family = family();
    note(&moved(&mut family, "parent/p", &newer_parent(), &[("work", "job")]));
    family.event("parent/p", "stop", "null");
    assert_eq!(family.stands(KID), "busy (cancelled)");
}

#[test]
fn a_parent_that_would_run_another_child_or_none_is_refused() {
    let mut family = family();
    let other = newer_parent().replace("workflow: child", "workflow: other");
    refused(
        &moved(&mut family, "parent/p", &other, &[("work", "job")]),
        "child `child/parent.p.work.0.1` of `work` is under way, and `parent@2` runs `other` in \
         `job`: wait for its end, or say which state asks the same (`--map work=STATE`)",
    );
    let mut family = self::family();
    let none =
        PARENT.replace("version: 1", "version: 2").replace("    run:", "    entry: []\n    #");
    let none = none.replace("    done: happy\n", "");
    refused(
        &moved(&mut family, "parent/p", &none, &[]),
        "and `parent@2` asks nothing in `work`: wait for its end",
    );
}

#[test]
fn a_child_goes_on_under_another_version_while_its_parent_waits() {
    let mut family = family();
    let newer = CHILD
        .replace("version: 1", "version: 2")
        .replace("  busy:", "  working:")
        .replace("initial: busy", "initial: working")
        .replace("vars.n * 2", "vars.n * 100");
    note(&moved(&mut family, KID, &newer, &[("busy", "working")]));
    assert_eq!(family.instance(KID).pin.version, 2);
    family.event(KID, "poked", "null");
    assert_eq!(family.var("parent/p", 1), "1");
    family.event(KID, "finish", "null");
    assert_eq!(family.stands("parent/p"), "happy");
    assert_eq!(family.var("parent/p", 0), "2100", "as the new version says");
}

#[test]
fn both_go_on_and_a_crash_between_changes_nothing() {
    let mut family = family();
    note(&moved(&mut family, "parent/p", &newer_parent(), &[("work", "job")]));
    family.crash();
    let newer = CHILD.replace("version: 1", "version: 2");
    note(&moved(&mut family, KID, &newer, &[]));
    family.crash();
    family.settle();
    family.event(KID, "finish", "null");
    assert_eq!(family.stands("parent/p"), "happy");
}

#[test]
fn a_state_that_runs_a_child_only_in_the_new_version_runs_none_now() {
    let mut family = Family::new(&[&PARENT.replace("    run:", "    #"), CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", "null");
    let newer = PARENT.replace("version: 1", "version: 2");
    let told = note(&moved(&mut family, "parent/p", &newer, &[]));
    holds(&told, &["`work` runs `child` when it is entered: not done now"]);
    assert_eq!(family.keys(), ["parent/p"]);
}
