//! Further steps for an instance that runs (decision 0026).

use std::sync::Arc;

use super::steps::{command, job, reply, steps};
use super::{Family, at, holds, note, refused};
use crate::definition::model::Definition;
use crate::definition::{Format, Further, extend};
use crate::machine::{Clocks, Command, Pin};
use crate::partition::tests::world::principal;
use crate::partition::{Done, PartitionInput};

/// What `job/j` runs, with further steps; deployed.
fn derived(family: &mut Family, text: &str) -> (Pin, Arc<Definition>) {
    let pin = family.instance("job/j").pin;
    let base = Arc::clone(family.world.definitions.pinned("job", pin).unwrap());
    let further = Further { text, origin: "more.yaml", format: Format::Yaml };
    let made = Arc::new(extend(&base, 0, further, 0).unwrap().definition);
    family.world.definitions.insert(Arc::clone(&made)).unwrap();
    (pin, made)
}

fn order(family: &mut Family, from: Pin, version: u32) -> Done {
    family.tell(PartitionInput::Command {
        key: at("job/j"),
        command: Command::Extend { from, version },
        by: principal("ops"),
        reason: "INC-7".into(),
    })
}

/// Gives `job/j` further steps.
fn add(family: &mut Family, text: &str) -> Done {
    let (pin, made) = derived(family, text);
    order(family, pin, made.version)
}

const REPORT: &str = "steps: { report: { needs: [load], call: p.report, undo: p.unreport } }";

#[test]
fn further_steps_join_those_that_run_and_the_history_goes_on() {
    let mut family = job(&["p.load"]);
    let before = family.world.partition.trace(&at("job/j")).len();
    let done = add(&mut family, REPORT);
    let trace = done.trace.as_ref().unwrap();
    assert_eq!((&*trace.input, trace.by.as_deref()), ("command steps add", Some("ops")));
    assert_eq!(*trace.effects, ["call p.report".into()]);
    holds(&note(&done), &["job@1 → job@", "INC-7; step `report` is new"]);
    assert_eq!(family.world.partition.trace(&at("job/j")).len(), before + 1);
    family.crash();
    assert_eq!(family.world.partition.trace(&at("job/j")).len(), before + 1, "after a replay, too");
    let expected = "load completed, clean running, check pending, save pending, report running";
    assert_eq!(steps(&family), expected);
    reply(&mut family, "p.report", "1");
    // And again, on what it runs now.
    add(&mut family, "steps: { mail: { needs: [report, save], call: p.mail } }");
    for operation in ["p.clean", "p.check", "p.save", "p.mail"] {
        reply(&mut family, operation, "1");
    }
    assert_eq!(family.stands("job/j"), "end (done)");
}

#[test]
fn nothing_is_started_of_a_derived_version_and_nothing_migrates_to_it() {
    let mut family = job(&["p.load"]);
    let (_, made) = derived(&mut family, REPORT);
    family.start("job/other", "null");
    assert_eq!(family.instance("job/other").pin.version, 1);
    let version = made.version;
    let done = family.tell(PartitionInput::Command {
        key: at("job/other"),
        command: Command::Migrate { version, states: Vec::new() },
        by: principal("ops"),
        reason: "".into(),
    });
    refused(&done, "is derived: instances get there by `gearshift steps add` only");
}

#[test]
fn two_who_add_at_once_do_not_lose_each_others_steps() {
    let mut family = job(&["p.load"]);
    let (pin, one) = derived(&mut family, REPORT);
    let (_, other) = derived(&mut family, "steps: { mail: { needs: [save], call: p.mail } }");
    note(&order(&mut family, pin, one.version));
    refused(&order(&mut family, pin, other.version), "went on to another version meanwhile");
    holds(&steps(&family), &["report running"]);
}

#[test]
fn steps_that_have_ended_get_no_further_ones() {
    let mut family = job(&["p.load", "p.clean", "p.check"]);
    let (pin, made) = derived(&mut family, REPORT);
    reply(&mut family, "p.save", "1");
    refused(&order(&mut family, pin, made.version), "the instance has ended");
    let text = "
workflow: job
version: 1
initial: work
states:
  work: { steps: { one: { call: p.one } }, on: { stop: end }, done: rest }
  rest: {}
  end: { final: true }
";
    let mut family = Family::new(&[text]);
    family.start("job/j", "null");
    let (pin, made) = derived(&mut family, "steps: { two: { call: p.two } }");
    reply(&mut family, "p.one", "1");
    assert_eq!(family.stands("job/j"), "rest");
    refused(&order(&mut family, pin, made.version), "the steps of `work` have ended");
}

#[test]
fn a_paused_instance_may_be_given_steps_one_that_is_stuck_or_taken_back_may_not() {
    let mut family = job(&["p.load"]);
    command(&mut family, Command::Pause { clocks: Clocks::Freeze });
    let done = add(&mut family, REPORT);
    assert!(done.trace.unwrap().effects.is_empty());
    command(&mut family, Command::Resume);
    holds(&steps(&family), &["report running"]);
    command(&mut family, Command::RollBack { from: None });
    let mail = "steps: { mail: { needs: [load], call: p.mail } }";
    refused(&add(&mut family, mail), "what was done is being taken back");
    for operation in ["p.report", "p.unreport", "p.unload"] {
        reply(&mut family, operation, "1");
    }
    refused(&add(&mut family, mail), "the instance is stuck");
}
