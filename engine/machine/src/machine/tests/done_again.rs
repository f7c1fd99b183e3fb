//! Items of `foreach` that a rollback took back, and those it did not reach (decision 0064).

use super::check::{World, definition};
use crate::machine::{
    Command, Input, InstanceKey, ItemState, Principal, StepState, StepStatus, fork_of,
};

/// `mid` may end between two items.
const FAN: &str = "
workflow: t
steps:
  fan:
    foreach: { in: '[1, 2, 3, 4, 5]', as: it, max_parallel: 1 }
    call: p.do
    with: { n: \"${ it }\" }
    undo: p.undo
  mid: { call: p.mid, undo: p.unmid }
  w: { needs: [fan, mid], wait: go.on }
";

fn fan(world: &World) -> StepState {
    let progress = world.instance.as_ref().unwrap().progress.as_deref().unwrap();
    progress.graphs[0].steps.get(0).unwrap().clone()
}

/// The items for which `p.do` was asked.
fn asked(world: &World) -> String {
    let asked = world.calls.iter().filter(|call| &*call.operation == "p.do");
    let asked: Vec<_> = asked.map(|call| call.input.get("n").unwrap().to_json()).collect();
    asked.join(" ")
}

/// `before` items are done, then `mid` is, then more, until so many are; then all since `mid` is
/// taken back. Where not all were done, the call under way is, and is taken back too.
fn rolled_back(before: usize, done: usize) -> World {
    let mut world = World::new(definition(FAN));
    world.run("start");
    let answers = |world: &mut World, count: usize| {
        (0..count).for_each(|_| world.run("reply p.do {ok: 1}"));
    };
    answers(&mut world, before);
    world.run("reply p.mid");
    world.run("command checkpoint early");
    answers(&mut world, done - before);
    world.run("command checkpoint good");
    world.run("command rollback mid");
    let under_way = usize::from(done < 5);
    answers(&mut world, under_way);
    (before..done + under_way).for_each(|_| world.run("reply p.undo"));
    world.run("reply p.unmid");
    let said = "stuck (rolled back by hand)\n";
    assert!(world.out.ends_with(said), "{before} {done}: {}", world.out);
    world
}

/// All that is asked for is done, and the instance with it.
fn finish(world: &mut World, items: usize) {
    (0..items).for_each(|_| world.run("reply p.do {ok: 2}"));
    world.run("reply p.mid");
    world.run("event go.on");
    assert!(world.out.ends_with("| done done\n"), "{}", world.out);
    assert_eq!(fan(world).status, StepStatus::Completed);
    assert_eq!(fan(world).output.as_list().map(|list| list.len()), Some(5));
    let items = fan(world).fan.unwrap().items;
    assert!(items.iter().all(|item| matches!(item, ItemState::Done(_))), "{items:?}");
}

#[test]
fn h5_items_that_a_rollback_took_back_are_done_again_and_no_others() {
    for (before, done) in [(0, 5), (1, 5), (2, 5), (4, 5), (5, 5), (0, 2), (2, 3), (3, 4)] {
        let mut world = rolled_back(before, done);
        let state = fan(&world);
        let items = state.fan.as_deref().unwrap().items.iter();
        let undone = items.filter(|item| matches!(item, ItemState::Undone)).count();
        assert_eq!(undone, done.max(before) + usize::from(done < 5) - before, "{}", world.out);
        let status = match (before, done) {
            // None of it is left.
            (0, _) => StepStatus::Undone,
            (_, 4..) => StepStatus::Completed,
            (_, _) => StepStatus::Pending,
        };
        assert_eq!(state.status, status, "{before} {done}");
        let first = asked(&world);
        world.run("command retry");
        finish(&mut world, 5 - before);
        let again: Vec<_> = (before + 1..=5).map(|item| item.to_string()).collect();
        let all = format!("{first} {}", again.join(" "));
        assert_eq!(asked(&world), all.trim_end(), "{before} {done}");
    }
}

#[test]
fn k7_a_fork_from_a_checkpoint_does_again_the_items_that_were_taken_back_and_no_others() {
    for (point, before) in [("good", 2), ("early", 2), ("good", 4), ("good", 0)] {
        let from = rolled_back(before, 5);
        let definition = from.definition.clone();
        let fork = fork_of(from.instance.as_ref().unwrap(), &definition, point).unwrap();
        let mut world = World::new(definition);
        world.key = InstanceKey::new("t", "k2").unwrap();
        world.now = from.now;
        let by = Principal { user: "ann".into(), roles: Vec::new() };
        let command = Command::Fork(Box::new(fork));
        world.tell(&Input::Command { command, by, reason: "".into() });
        finish(&mut world, 5 - before);
        let again: Vec<_> = (before + 1..=5).map(|item| item.to_string()).collect();
        assert_eq!(asked(&world), again.join(" "), "{point} {before}");
    }
}

#[test]
fn h5_the_rest_of_a_part_is_taken_back_by_cancel_and_all_of_it_is_undone_then() {
    let mut world = rolled_back(2, 5);
    world.run("command cancel");
    world.run("reply p.undo");
    assert_eq!(fan(&world).status, StepStatus::Completed, "{}", world.out);
    world.run("reply p.undo");
    assert!(world.out.ends_with("steps cancelled\n"), "{}", world.out);
    assert_eq!(fan(&world).status, StepStatus::Undone);
}

#[test]
fn h6_an_undo_that_is_skipped_where_nothing_else_is_taken_back_repeats_nothing() {
    let mut world = World::new(definition(FAN));
    let lines = ["start", "reply p.do", "reply p.do", "reply p.do", "reply p.do", "reply p.mid"];
    lines.iter().for_each(|line| world.run(line));
    ["reply p.do", "command rollback mid", "fail p.undo permanent no", "command skip"]
        .iter()
        .for_each(|line| world.run(line));
    world.run("reply p.unmid");
    world.run("command retry");
    world.run("reply p.mid");
    assert_eq!(asked(&world), "1 2 3 4 5", "{}", world.out);
    assert_eq!(fan(&world).stays, [4]);
}
