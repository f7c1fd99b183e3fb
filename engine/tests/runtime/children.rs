//! Children and letters between partitions and engines: nothing lost, nothing twice, in order.

use std::ops::Range;

use gearshift_bus::{Bus, Faults};
use gearshift_machine::machine::{Generation, Instance, InstanceKey, Principal, Status};
use gearshift_machine::partition::Partition;
use gearshift_machine::value::Value;

use crate::cluster::{member, spread};
use crate::support::{World, eventually_async};

/// Waits for a clerk and hears what it says.
const DESK: &str = "
workflow: desk
vars: { heard: [], total: null }
states:
  open:
    invoke: { id: clerk, workflow: clerk, with: { n: 5 }, set: { total: output.total } }
    on:
      said: { do: { set: { heard: 'vars.heard + [data.n]' } } }
      done.invoke.clerk: closed
  closed: { final: true }
";

/// Says its numbers one after the other, each in a frame of its own, then ends.
const CLERK: &str = "
workflow: clerk
vars: { at: 0 }
states:
  talk:
    entry: { send: step }
    on:
      step:
        - when: vars.at < input.n
          do:
            - set: { at: vars.at + 1 }
            - send: { event: said, with: { n: \"${ vars.at }\" }, to: parent }
            - send: step
        - to: silent
  silent: { final: true, output: { total: \"${ vars.at }\" } }
";

/// Parents: enough that their children are in every partition.
const DESKS: usize = 16;

fn desk(number: usize) -> InstanceKey {
    InstanceKey::new("desk", &format!("d{number}")).unwrap()
}

fn open_desks(world: &World, desks: Range<usize>) {
    for number in desks {
        let by = Principal::default();
        world.run(world.handle().start(desk(number), None, Value::Null, by, None)).unwrap();
    }
}

/// The instance, wherever it is.
async fn find(world: &World, key: &InstanceKey) -> Option<Instance> {
    world.handle().instance(key).await.ok().flatten()
}

/// Waits until every desk is closed, and looks at what each heard.
fn all_heard(world: &World, desks: Range<usize>) {
    for number in desks {
        let key = desk(number);
        let closed =
            async || find(world, &key).await.filter(|instance| instance.status == Status::Done);
        let instance = world.run(eventually_async("the desk is closed", closed));
        let vars: Vec<_> = instance.vars.iter().map(Value::to_json).collect();
        assert_eq!(vars, ["[1,2,3,4,5]", "5"], "{key}");
    }
}

/// What the partitions of this engine have asked for that is not settled.
async fn pending(world: &World) -> Option<usize> {
    let counts = world.handle().look_everywhere(Partition::counts).await.ok()?;
    Some(counts.iter().map(|counts| counts.pending).sum())
}

fn settled(world: &World) {
    let none = async || pending(world).await.filter(|pending| *pending == 0);
    world.run(eventually_async("every letter is settled", none));
}

fn deployed(mut world: World) -> World {
    world.start();
    world.deploy(DESK);
    world.deploy(CLERK);
    world
}

#[test]
fn rule_37_children_in_other_partitions_are_heard_in_order_and_end_last() {
    let world = deployed(World::memory().with(|config| config.partitions = 4));
    open_desks(&world, 0..DESKS);
    all_heard(&world, 0..DESKS);
    settled(&world);
    // They really were in different partitions.
    let handle = world.handle();
    let apart = (0..DESKS).filter(|number| {
        let parent = desk(*number);
        let child = parent.child("clerk", "clerk", (1, Generation(1))).unwrap();
        handle.partition_of(&parent) != handle.partition_of(&child)
    });
    assert!(apart.count() > 0);
}

#[test]
fn rule_13_letters_survive_crashes_and_are_taken_once() {
    let mut world = deployed(World::embedded().with(|config| config.partitions = 4));
    open_desks(&world, 0..DESKS);
    for _ in 0..4 {
        world.restart();
    }
    all_heard(&world, 0..DESKS);
    settled(&world);
    let before = world.memory_text();
    world.restart();
    settled(&world);
    crate::support::assert_same(&before, &world.memory_text(), "nothing is told again");
}

#[test]
fn rule_13_letters_are_taken_once_on_a_bus_that_fails() {
    for seed in 1..=4 {
        let faults = Faults { append_unknown_permille: 100, ..Faults::none() };
        let mut world = deployed(World::simulated(seed, faults));
        open_desks(&world, 0..DESKS);
        world.restart();
        all_heard(&world, 0..DESKS);
        settled(&world);
    }
}

#[test]
fn rule_13_letters_reach_other_engines_and_follow_partitions_that_move() {
    let bus = Bus::in_memory();
    let mut first = member(&bus, "a");
    first.start();
    first.deploy(DESK);
    first.deploy(CLERK);
    let mut second = member(&bus, "b");
    second.start();
    spread(&[&first, &second], &[2, 2]);
    open_desks(&first, 0..DESKS);
    all_heard(&second, 0..DESKS);
    // One engine dies with what it has on the way.
    open_desks(&first, DESKS..2 * DESKS);
    first.crash();
    spread(&[&second], &[4]);
    all_heard(&second, 0..2 * DESKS);
    settled(&second);
}
