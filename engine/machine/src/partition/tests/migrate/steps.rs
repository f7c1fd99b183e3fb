//! Steps on their way to another version (decision 0026).

use super::{Family, at, holds, moved, note, refused};
use crate::definition::model::SeqStep;
use crate::machine::{CallOutcome, Command, Role};
use crate::partition::PartitionInput;
use crate::partition::tests::world::principal;
use crate::value::Value;

const JOB: &str = "
workflow: job
version: 1
initial: work
states:
  work:
    steps:
      load: { call: p.load, undo: p.unload }
      clean: { needs: [load], call: p.clean }
      check: { needs: [clean], call: p.check }
      save: { needs: [check], call: p.save, undo: p.unsave }
    done: end
  end: { final: true }
";

/// The second version of `JOB`, of which `old` is `new`.
fn second(old: &str, new: &str) -> String {
    assert!(JOB.contains(old), "`{old}` is not in the workflow");
    JOB.replace("version: 1", "version: 2").replace(old, new)
}

/// `JOB`, of which these steps were answered.
pub(super) fn job(answered: &[&str]) -> Family {
    let mut family = Family::new(&[JOB]);
    family.start("job/j", "null");
    for operation in answered {
        reply(&mut family, operation, "{\"of\": 1}");
    }
    family
}

/// Answers the call under way of an operation.
#[track_caller]
pub(super) fn reply(family: &mut Family, operation: &str, output: &str) {
    let instance = family.instance("job/j");
    let definition = family.world.definitions.pinned("job", instance.pin).unwrap();
    let asked = |running: &&crate::machine::RunningSequence| {
        let program = &definition.sequences[usize::from(running.sequence)];
        let Some(SeqStep::Call { spec, .. }) = program.steps.get(usize::from(running.position))
        else {
            return false;
        };
        let undo = spec.undo.as_ref().map_or("", |undo| &*undo.operation);
        let asked = if matches!(running.role, Role::Undo { .. }) { undo } else { &*spec.operation };
        asked == operation && running.call.is_some()
    };
    let running = instance.sequences.iter().find(asked);
    let running = running.unwrap_or_else(|| panic!("`{operation}` is not under way"));
    let call = running.call.as_ref().unwrap();
    family.tell(PartitionInput::CallReply {
        key: at("job/j"),
        call: call.id,
        attempt: call.attempt,
        outcome: CallOutcome::Success(Value::from_json(output.as_bytes()).unwrap()),
    });
}

pub(super) fn command(family: &mut Family, command: Command) {
    let (by, reason) = (principal("ops"), "".into());
    family.tell(PartitionInput::Command { key: at("job/j"), command, by, reason });
}

/// `load completed, clean running, …`, in the order of the version that it runs.
pub(super) fn steps(family: &Family) -> String {
    let instance = family.instance("job/j");
    let definition = family.world.definitions.pinned("job", instance.pin).unwrap();
    let progress = instance.progress.as_deref().unwrap();
    let of = |run: &crate::machine::RunningGraph| {
        let graph = &definition.graphs[usize::from(run.graph)];
        assert_eq!(graph.steps.len(), run.steps.len());
        let steps = graph.steps.iter().zip(run.steps.iter());
        let words = steps.map(|(spec, state)| format!("{} {}", spec.id, state.status.as_str()));
        words.collect::<Vec<_>>().join(", ")
    };
    progress.graphs.iter().map(of).collect::<Vec<_>>().join(" | ")
}

#[test]
fn steps_that_ended_keep_what_they_gave_and_those_under_way_go_on() {
    let mut family = job(&["p.load"]);
    // In another order, in a state of another name, with a step between.
    let newer = "
workflow: job
version: 2
initial: begin
states:
  begin: {}
  busy:
    steps:
      note: { needs: [clean], publish: job.cleaned }
      save: { needs: [note, load], call: p.save, with: { n: \"${ steps.load.of }\" } }
      clean: { call: p.clean, retry: { attempts: 9 } }
      load: { call: p.load, undo: p.unload }
    done: end
  end: { final: true }
";
    let told = note(&moved(&mut family, "job/j", newer, &[("work", "busy")]));
    holds(&told, &["step `check`, which waited, is gone", "step `note` is new"]);
    assert_eq!(steps(&family), "note pending, save pending, clean running, load completed");
    family.crash();
    reply(&mut family, "p.clean", "2");
    assert_eq!(steps(&family), "note completed, save running, clean completed, load completed");
    let input = family.instance("job/j").sequences[0].call.as_ref().unwrap().input.to_json();
    assert_eq!(input, r#"{"n":1}"#, "what a step gave goes on");
    reply(&mut family, "p.save", "3");
    assert_eq!(family.stands("job/j"), "end (done)");
}

#[test]
fn a_new_step_whose_needs_are_over_starts_in_the_same_decision() {
    let mut family = job(&["p.load"]);
    let more =
        "load: { call: p.load, undo: p.unload }\n      count: { needs: [load], call: p.count }";
    let newer = second("load: { call: p.load, undo: p.unload }", more);
    let done = moved(&mut family, "job/j", &newer, &[]);
    holds(&note(&done), &["job@1 → job@2", "step `count` is new"]);
    assert_eq!(*done.trace.as_ref().unwrap().effects, ["call p.count".into()]);
    let expected = "load completed, count running, clean running, check pending, save pending";
    assert_eq!(steps(&family), expected);
    family.crash();
    assert_eq!(steps(&family), expected);
    for operation in ["p.count", "p.clean", "p.check", "p.save"] {
        reply(&mut family, operation, "null");
    }
    assert_eq!(family.stands("job/j"), "end (done)");
}

#[test]
fn a_paused_instance_stays_paused_and_its_new_steps_start_at_the_resume() {
    let mut family = job(&["p.load"]);
    command(&mut family, Command::Pause { clocks: crate::machine::Clocks::Freeze });
    reply(&mut family, "p.clean", "5");
    let more =
        "load: { call: p.load, undo: p.unload }\n      count: { needs: [load], call: p.count }";
    let newer = second("load: { call: p.load, undo: p.unload }", more);
    let done = moved(&mut family, "job/j", &newer, &[]);
    note(&done);
    assert!(done.trace.unwrap().effects.is_empty());
    assert_eq!(family.stands("job/j"), "work (paused)");
    family.crash();
    command(&mut family, Command::Resume);
    let expected = "load completed, count running, clean completed, check running, save pending";
    assert_eq!(steps(&family), expected, "the reply that came meanwhile counts");
}

#[test]
fn a_step_under_way_that_is_gone_or_does_something_else_refuses() {
    let gone = second("clean: { needs: [load], call: p.clean }", "wash: { call: p.wash }")
        .replace("[clean]", "[wash]");
    let done = moved(&mut job(&["p.load"]), "job/j", &gone, &[]);
    refused(&done, "call `p.clean` of step `clean` is under way, and `job@2` has no place for it");
    let other = second("call: p.clean", "call: p.wash");
    let done = moved(&mut job(&["p.load"]), "job/j", &other, &[]);
    refused(&done, "call `p.clean` of step `clean` is under way, and `job@2` does something else");
    let each = second("call: p.clean", "call: p.clean, foreach: { in: \"[1, 2]\", as: one }");
    let done = moved(&mut job(&["p.load"]), "job/j", &each, &[]);
    refused(&done, "step `clean` is under way, and `job@2` runs it for each item of a list");
    let none = "
workflow: job
version: 2
initial: work
states:
  work: { on: { stop: end } }
  end: { final: true }
";
    refused(&moved(&mut job(&[]), "job/j", none, &[]), "`p.load` of step `load` is under way");
}

#[test]
fn what_can_be_taken_back_needs_its_undo_there_and_is_taken_back_by_it() {
    let lost = second("call: p.load, undo: p.unload", "call: p.load");
    let done = moved(&mut job(&["p.load"]), "job/j", &lost, &[]);
    let reason = "step `load` did what `p.unload` takes back, and `job@2` does not have it";
    refused(&done, reason);
    let gone = second("load: { call: p.load, undo: p.unload }", "other: { call: p.other }")
        .replace("[load]", "[other]");
    refused(&moved(&mut job(&["p.load"]), "job/j", &gone, &[]), reason);
    // Elsewhere in the list, with a step before it.
    let newer = second("steps:\n", "steps:\n      first: { publish: job.first }\n");
    let mut family = job(&["p.load"]);
    note(&moved(&mut family, "job/j", &newer, &[]));
    command(&mut family, Command::RollBack { from: None });
    let undo = &family.instance("job/j").sequences;
    assert!(undo.iter().any(|it| matches!(it.role, Role::Undo { .. })), "{undo:?}");
    refused(&again(&mut family), "what was done is being taken back: wait for its end");
    reply(&mut family, "p.unload", "null");
    holds(&steps(&family), &["first completed", "load undone", "clean pending"]);
    command(&mut family, Command::Retry);
    holds(&steps(&family), &["load running", "clean pending"]);
}

/// To the third version, which is the first.
fn again(family: &mut Family) -> crate::partition::Done {
    moved(family, "job/j", &JOB.replace("version: 1", "version: 3"), &[])
}

#[test]
fn a_step_that_completed_and_is_gone_is_told_and_calls_of_states_keep_their_undo() {
    let text = "
workflow: job
version: 1
initial: open
states:
  open: { entry: [ { call: p.open, undo: p.close } ], done: work }
  work: { steps: { one: { call: p.one }, two: { needs: [one], call: p.two } }, done: end }
  end: { final: true }
";
    let started = || {
        let mut family = Family::new(&[text]);
        family.start("job/j", "null");
        reply(&mut family, "p.open", "1");
        reply(&mut family, "p.one", "1");
        family
    };
    let newer = text.replace("version: 1", "version: 2");
    let less = newer.replace("one: { call: p.one }, ", "").replace("needs: [one], ", "");
    let mut family = started();
    holds(
        &note(&moved(&mut family, "job/j", &less, &[])),
        &["step `one` is gone, and what it gave"],
    );
    command(&mut family, Command::RollBack { from: None });
    reply(&mut family, "p.close", "null");
    let lost = newer.replace(", undo: p.close", "");
    refused(
        &moved(&mut started(), "job/j", &lost, &[]),
        "call `p.open` of `open` did what `p.close` takes back",
    );
}

#[test]
fn clocks_of_steps_keep_their_due_times_and_new_ones_count_from_now() {
    let text = JOB
        .replace("    steps:", "    timeout: 2h\n    steps:")
        .replace("call: p.clean", "call: p.clean, deadline: 1h");
    let started = || {
        let mut family = Family::new(&[&text]);
        family.start("job/j", "null");
        reply(&mut family, "p.load", "1");
        family
    };
    let due = |family: &Family| -> Vec<i64> {
        let timers = family.instance("job/j").timers;
        let of_steps = timers
            .iter()
            .filter(|timer| matches!(timer.kind, crate::machine::TimerKind::Steps { .. }));
        of_steps.map(|timer| timer.due.0 - family.world.now).collect()
    };
    let newer = text.replace("version: 1", "version: 2");
    let mut family = started();
    assert_eq!(due(&family), [2 * 3_600_000, 3_600_000]);
    family.world.now += 20_000;
    let first = "steps:\n      first: { publish: job.first }\n";
    note(&moved(&mut family, "job/j", &newer.replace("steps:\n", first), &[]));
    assert_eq!(due(&family), [2 * 3_600_000 - 20_000, 3_600_000 - 20_000]);
    let mut family = started();
    family.world.now += 20_000;
    let told = note(&moved(
        &mut family,
        "job/j",
        &newer.replace("    timeout: 2h\n", "").replace("deadline: 1h", "deadline: 3h"),
        &[],
    ));
    holds(&told, &["the deadline of the steps of `work`, due ", "is dropped"]);
    assert_eq!(due(&family), [3_600_000 - 20_000], "one that runs stays as it was armed");
    let mut family = job(&["p.load"]);
    let told = note(&moved(&mut family, "job/j", &newer, &[]));
    holds(&told, &["the steps of `work` may take 2h from now on", "step `clean` may take 1h"]);
    assert_eq!(due(&family), [2 * 3_600_000, 3_600_000]);
}

#[test]
fn a_fan_out_under_way_goes_on_with_its_items() {
    let text = "
workflow: job
version: 1
initial: work
states:
  work:
    steps:
      each: { call: p.each, foreach: { in: \"[1, 2, 3]\", as: one, max_parallel: 1 } }
      sum: { needs: [each], call: p.sum, with: { all: \"${ steps.each }\" } }
    done: end
  end: { final: true }
";
    let mut family = Family::new(&[text]);
    family.start("job/j", "null");
    reply(&mut family, "p.each", "10");
    let newer = text
        .replace("version: 1", "version: 2")
        .replace("steps:\n", "steps:\n      first: { publish: job.first }\n");
    note(&moved(&mut family, "job/j", &newer, &[]));
    family.crash();
    reply(&mut family, "p.each", "20");
    reply(&mut family, "p.each", "30");
    let input = family.instance("job/j").sequences[0].call.as_ref().unwrap().input.to_json();
    assert_eq!(input, r#"{"all":[10,20,30]}"#);
}
