//! Checkpoints and forks (rows I2, K7).

use super::check::{World, definition};
use crate::machine::{
    Ask, CHECKPOINTS_MAX, Command, Instance, InstanceKey, NoFork, NoticeKind, StepStatus,
    TRANSACTION, Word, fork_of,
};

const STEPS: &str = "
workflow: t
vars: { n: 0 }
steps:
  one: { call: p.one, undo: p.un_one, set: { n: 1 } }
  two: { needs: [one], call: p.two, with: { of: \"${ steps.one.id }\" }, set: { n: 2 } }
  three: { needs: [two], call: p.three }
  beside: { call: p.beside }
";

const CHART: &str = "
workflow: t
initial: a
vars: { n: 0 }
states:
  a:
    entry: { call: p.one, timeout: 1h, with: { n: 5 }, set: { n: output.n } }
    after: { 10m: c }
    done: b
  b: {}
  c: {}
";

fn world(text: &str, lines: &[&str]) -> World {
    let mut world = World::new(definition(text));
    lines.iter().for_each(|line| world.run(line));
    world
}

fn instance(world: &World) -> &Instance {
    world.instance.as_ref().unwrap_or_else(|| panic!("no instance"))
}

/// Another world, in which a fork of this one's instance begins.
fn forked(from: &World, point: &str) -> World {
    let definition = from.definition.clone();
    let fork = fork_of(instance(from), &definition, point).unwrap_or_else(|why| panic!("{why}"));
    let mut world = World::new(definition);
    world.key = InstanceKey::new("t", "k2").unwrap_or_else(|why| panic!("{why}"));
    world.now = from.now;
    let by = crate::machine::Principal { user: "ann".into(), roles: Vec::new() };
    let command = Command::Fork(Box::new(fork));
    world.tell(&crate::machine::Input::Command { command, by, reason: "again".into() });
    world
}

#[test]
fn a_fork_from_a_checkpoint_does_again_what_was_taken_back_since() {
    let lines = ["start", "reply p.one {id: 7}", "command checkpoint good", "command rollback"];
    let mut from = world(STEPS, &lines);
    // While it is taken back there is nothing to stand on.
    let busy = |it: &World, point: &str| fork_of(instance(it), &it.definition, point);
    assert!(matches!(busy(&from, "good"), Err(NoFork::TakenBack(_))), "{}", from.out);
    assert!(matches!(busy(&from, "two"), Err(NoFork::TakenBack(_))));
    from.run("reply p.un_one");
    let fork = forked(&from, "good");
    assert!(fork.out.contains("call p.one"), "{}", fork.out);
    assert_eq!(statuses(&fork)[..2], [StepStatus::Running, StepStatus::Pending]);
    // What stands is kept.
    let stands = world(STEPS, &lines[..3]);
    assert_eq!(statuses(&forked(&stands, "good"))[0], StepStatus::Completed);
}

fn statuses(world: &World) -> Vec<StepStatus> {
    let progress = instance(world).progress.as_deref();
    let run = progress.and_then(|progress| progress.graphs.first());
    run.into_iter().flat_map(|run| run.steps.iter()).map(|step| step.status).collect()
}

#[test]
fn k7_a_fork_from_a_step_runs_it_and_all_that_needs_it_and_undoes_nothing() {
    let lines =
        ["start {x: 1}", "reply p.one {id: 7}", "reply p.beside", "reply p.two", "reply p.three"];
    let old = world(STEPS, &lines);
    assert!(instance(&old).status.is_ended());
    let mut new = forked(&old, "two");
    assert_eq!(new.out, "1 fork -> call p.two | steps\n");
    assert_eq!(new.calls.last().map(|call| call.input.to_json()), Some(r#"{"of":7}"#.to_owned()));
    assert_eq!(instance(&new).input, instance(&old).input);
    assert!(instance(&new).progress.as_deref().is_some_and(|progress| progress.undo.is_empty()));
    let expected =
        [StepStatus::Completed, StepStatus::Running, StepStatus::Pending, StepStatus::Completed];
    assert_eq!(statuses(&new), expected);
    ["reply p.two", "reply p.three"].iter().for_each(|line| new.run(line));
    assert!(new.out.ends_with("3 reply p.three -> - | done done\n"), "{}", new.out);
    let trace = forked(&old, "two").last.and_then(|last| last.trace);
    let note = trace.and_then(|trace| trace.note);
    assert_eq!(note.as_deref(), Some("of t/k1 from two; again"));
}

#[test]
fn k7_a_fork_of_a_failed_life_runs_what_was_cut_off_too() {
    let text = format!("on_error: fail\n{STEPS}");
    let old = world(&text, &["start", "reply p.one {id: 7}", "fail p.two permanent no"]);
    assert!(instance(&old).status.is_ended());
    let new = forked(&old, "two");
    assert_eq!(new.out, "1 fork -> call p.two, call p.beside | steps\n");
}

#[test]
fn i2_a_fork_from_a_checkpoint_goes_on_with_what_was_known_there() {
    let mut old = world(STEPS, &["start", "reply p.one {id: 7}", "command checkpoint half"]);
    assert!(old.notices.iter().any(|(kind, _)| *kind == NoticeKind::CheckpointSaved));
    ["reply p.two", "reply p.beside", "reply p.three"].iter().for_each(|line| old.run(line));
    let mut new = forked(&old, "half");
    assert_eq!(new.out, "1 fork -> call p.two, call p.beside | steps\n");
    new.run("vars");
    assert!(new.out.ends_with("{\"n\":1}\n"));
    ["reply p.two", "reply p.beside", "reply p.three"].iter().for_each(|line| new.run(line));
    assert!(new.out.ends_with("| done done\n"), "{}", new.out);
}

#[test]
fn i2_calls_and_timers_of_states_begin_again_in_a_fork() {
    let mut old = world(CHART, &["start", "command checkpoint before", "advance 9m"]);
    old.run("reply p.one {n: 1}");
    let mut new = forked(&old, "before");
    assert_eq!(new.out, "1 fork -> call p.one | a\n");
    assert_eq!(new.calls.last().map(|call| call.input.to_json()), Some(r#"{"n":5}"#.to_owned()));
    new.run("advance 9m");
    assert_eq!(new.out.lines().count(), 1, "its time begins anew");
    new.run("reply p.one {n: 2}");
    assert!(new.out.ends_with("2 reply p.one -> - | b\n"), "{}", new.out);
}

#[test]
fn k7_an_unknown_point_is_refused_with_those_there_are() {
    let mut old = world(STEPS, &["start"]);
    let refused = |old: &World, point: &str| {
        let refused = fork_of(instance(old), &old.definition, point).err();
        refused.map(|why| why.to_string()).unwrap_or_default()
    };
    assert_eq!(
        refused(&old, "nope"),
        "no checkpoint and no step is called `nope`; checkpoints: there is none"
    );
    ["command checkpoint a", "command checkpoint b"].iter().for_each(|line| old.run(line));
    assert_eq!(
        refused(&old, "nope"),
        "no checkpoint and no step is called `nope`; checkpoints: `a`, `b`"
    );
    assert_eq!(
        refused(&old, "three"),
        "step `three` did not begin yet: there is nothing before it to keep"
    );
}

#[test]
fn k7_a_step_that_a_rollback_cut_off_is_no_point_and_the_reason_says_so() {
    let lines = ["start", "reply p.one {id: 7}", "command rollback one", "reply p.un_one"];
    let old = world(STEPS, &lines);
    let why = |from: &str| match fork_of(instance(&old), &old.definition, from) {
        Err(NoFork::NotBegun(reason)) => reason,
        other => panic!("{from}: {other:?}"),
    };
    assert_eq!(
        why("two"),
        "step `two` was cut off when something was taken back, and waits to begin again: there is \
         nothing before it to keep; fork from `one`, which was taken back: that begins both again"
    );
    let yet = "step `three` did not begin yet: there is nothing before it to keep";
    assert_eq!(why("three"), yet);
    assert!(forked(&old, "one").out.contains("call p.one"));
}

#[test]
fn i2_checkpoints_are_bounded_and_one_of_the_same_name_is_replaced() {
    let mut old = world(STEPS, &["start"]);
    for number in 0..CHECKPOINTS_MAX {
        old.run(&format!("command checkpoint c{number}"));
    }
    old.run("command checkpoint more");
    assert!(old.out.contains("!rejected the instance has 16 checkpoints, which is the limit"));
    old.run("command checkpoint c3");
    let names: Vec<_> = instance(&old).checkpoints().iter().map(|known| &*known.name).collect();
    assert_eq!((names.len(), names.last()), (CHECKPOINTS_MAX, Some(&"c3")));
    let long = "x".repeat(250_000);
    old.run(&format!("command set {{n: {long}}}"));
    for name in ["c0", "c1", "c2", "c4", "c5"] {
        old.run(&format!("command checkpoint {name}"));
    }
    assert!(old.out.contains("bytes exceed the limit of 1048576 bytes"), "all together");
    old.run("command checkpoint a/b");
    assert!(old.out.ends_with("of the characters `A-Z a-z 0-9 _ - .`\n"));
}

const SAGA: &str = "
workflow: t
mode: sequential
steps:
  before: { call: p.before }
  begin: { call: transaction.begin, with: { name: \"${ key }\" } }
  book: { call: p.book, undo: p.unbook }
  saved: { checkpoint: booked }
  commit: { call: transaction.commit, with: { name: \"${ key }\" } }
  after: { call: p.after }
  last: { checkpoint: behind }
  rest: { call: p.rest }
";

/// The transaction answers what its member asked last.
fn answered(world: &mut World, with: impl Fn(crate::machine::Generation, Ask) -> Word) {
    let running = instance(world).sequences.first().and_then(|it| it.call.clone());
    let call = running.unwrap_or_else(|| panic!("nothing is asked: {}", world.out));
    let from = InstanceKey::new(TRANSACTION, "k1").unwrap_or_else(|why| panic!("{why}"));
    let word = with(instance(world).generation, Ask::new(call.id, call.attempt));
    world.tell(&crate::machine::Input::Transaction { from, word });
}

#[test]
fn k7_a_fork_from_within_a_transaction_is_refused_and_one_from_before_or_behind_it_is_not() {
    let mut world = world(SAGA, &["start", "reply p.before"]);
    answered(&mut world, |life, ask| Word::Joined { life, ask: Some(ask) });
    world.run("reply p.book");
    let refused =
        |world: &World, point: &str| match fork_of(instance(world), &world.definition, point) {
            Ok(_) => None,
            Err(NoFork::InTransaction(reason)) => Some(reason),
            Err(NoFork::NoPoint(reason) | NoFork::NotBegun(reason) | NoFork::TakenBack(reason)) => {
                panic!("{reason}")
            }
        };
    for within in ["book", "commit", "booked"] {
        let reason = refused(&world, within).unwrap_or_else(|| panic!("{within} is forked"));
        assert!(reason.contains("a fork belongs to none"), "{reason}");
    }
    // From before it, the fork begins a transaction of its own.
    assert_eq!(refused(&world, "before"), None);
    let fork = forked(&world, "begin");
    assert!(fork.out.contains("fork -> begin transaction/k2"), "{}", fork.out);
    answered(&mut world, |life, ask| Word::Answered { life, ask });
    world.run("reply p.after");
    for within in ["book", "commit", "booked"] {
        assert!(refused(&world, within).is_some(), "{within}: the transaction is over");
    }
    assert_eq!(refused(&world, "after"), None);
    assert_eq!(refused(&world, "behind"), None);
}
