//! One poison input stops one instance (01 §1, guarantee 6).

use super::world::{World, definition, deliver, event, key, principal};
use crate::definition::model::Definition;
use crate::machine::{
    Command, Decision, End, Input, Instance, InstanceKey, Outcome, Status, StuckKind, Timestamp,
    decide,
};
use crate::partition::{Definitions, Machine, PartitionInput};

/// A machine that panics about events named `poison`.
fn fragile(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Decision {
    let poison = match input {
        Input::Event(event) => &*event.name == "poison",
        Input::Start { event, .. } => event.as_ref().is_some_and(|e| &*e.name == "poison"),
        Input::ChildEvent { event, .. } => &*event.name == "poison",
        Input::Held { .. }
        | Input::Within { .. }
        | Input::Transaction { .. }
        | Input::StartChild { .. }
        | Input::CallReply { .. }
        | Input::ChildReply { .. }
        | Input::CallStarted { .. }
        | Input::CallPending { .. }
        | Input::TimerDue { .. }
        | Input::Orphaned { .. }
        | Input::Command { .. } => false,
    };
    assert!(!poison, "poison");
    decide(old, key, definition, input, now)
}

fn fragile_world() -> World {
    let mut world = World::new();
    world.partition = world.partition.with_machine(Machine::new(fragile));
    world
}

fn command(command: Command) -> PartitionInput {
    PartitionInput::Command { key: key("a"), command, by: principal("ann"), reason: "".into() }
}

#[test]
fn a_panic_makes_one_instance_stuck_and_all_others_go_on() {
    let mut world = fragile_world();
    world.tell(deliver("a", event("opened", "{}")));
    world.tell(deliver("b", event("opened", "{}")));
    let batch = world.batch(vec![
        deliver("a", event("poison", "{}")),
        deliver("b", event("noted", "{}")),
        deliver("a", event("noted", "{}")),
    ]);
    let outcomes: Vec<_> = batch.results.iter().map(|done| &done.outcome).collect();
    assert!(matches!(outcomes[0], Outcome::Stuck { .. }), "{outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Transitioned { .. }), "{outcomes:?}");
    assert_eq!(*outcomes[2], Outcome::Deferred);
    let instance = world.partition.instance(&key("a")).unwrap();
    let stuck = instance.stuck.unwrap();
    assert_eq!(stuck.kind, StuckKind::Panic);
    assert!(stuck.reason.contains("poison"), "{}", stuck.reason);
    assert_eq!(&*stuck.event.unwrap().name, "poison");
    assert_eq!(instance.parked.len(), 1);
    assert_eq!(world.partition.counts().stuck, 1);
    assert_eq!(world.partition.counts().parked, 1);
}

#[test]
fn a_repaired_machine_goes_on_where_it_panicked() {
    let mut world = fragile_world();
    world.tell(deliver("a", event("opened", "{}")));
    world.tell(deliver("a", event("poison", "{}")));
    world.tell(deliver("a", event("noted", "{}")));
    world.partition = world.restored();
    world.tell(command(Command::Retry));
    world.settle();
    let instance = world.partition.instance(&key("a")).unwrap();
    assert_eq!((instance.status, instance.parked.len()), (Status::Running, 0));
    assert_eq!(instance.vars[0], crate::value::Value::Int(1));
}

#[test]
fn a_start_that_panics_leaves_no_instance_and_a_dead_letter() {
    let mut world = fragile_world();
    let done = world.tell(deliver("a", event("poison", "{}")));
    assert!(matches!(done.outcome, Outcome::DeadLettered { .. }), "{:?}", done.outcome);
    assert_eq!(world.partition.instance(&key("a")), None);
    assert_eq!(world.partition.counts().dead_letters, 1);
}

#[test]
fn without_its_definition_an_instance_is_stuck_until_it_is_deployed() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let deployed = std::mem::take(&mut world.definitions);
    let done = world.tell(deliver("a", event("noted", "{}")));
    assert!(matches!(done.outcome, Outcome::Stuck { .. }), "{:?}", done.outcome);
    world.tell(deliver("a", event("noted", "{}")));
    world.now += 7_200_000;
    assert!(world.settle().is_empty(), "its timers wait too");
    let refused = world.tell(command(Command::Retry));
    assert!(matches!(refused.outcome, Outcome::Rejected { .. }), "{:?}", refused.outcome);
    world.definitions = deployed;
    world.tell(command(Command::Retry));
    let instance = world.partition.instance(&key("a")).unwrap();
    assert_eq!(instance.status, Status::Running);
    assert_eq!(instance.vars[0], crate::value::Value::Int(2), "nothing was lost");
    world.settle();
    assert_eq!(world.partition.instance(&key("a")).unwrap().status, Status::Done);
}

#[test]
fn without_its_definition_an_instance_can_be_killed() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    world.definitions = Definitions::default();
    world.tell(deliver("a", event("noted", "{}")));
    world.tell(command(Command::Kill));
    let instance = world.partition.instance(&key("a")).unwrap();
    let end = instance.end().map(End::words);
    assert!(end.as_ref().is_some_and(|end| end.starts_with("killed")), "{end:?}");
    assert_eq!((instance.status, instance.stuck), (Status::Cancelled, None));
    assert_eq!(world.partition.counts().dead_letters, 1, "the event it was stuck with");
    world.now = world.partition.next_due().unwrap().0;
    world.settle();
    assert_eq!(world.partition.counts().instances, 0);
}

#[test]
fn another_content_under_the_same_version_is_not_the_definition() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let mut other = Definitions::default();
    let text = super::world::FLOW.replace("notes: 0", "notes: 5");
    other.insert(definition(&text)).unwrap();
    assert!(world.definitions.insert(definition(&text)).is_err());
    world.definitions = other;
    world.tell(deliver("a", event("noted", "{}")));
    let stuck = world.partition.instance(&key("a")).unwrap().stuck.unwrap();
    assert_eq!(stuck.kind, StuckKind::DefinitionMissing);
}

/// A machine that forgets the root when it is told of `poison`.
fn forgetful(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Decision {
    let mut decision = decide(old, key, definition, input, now);
    let poison = matches!(input, Input::Event(event) if &*event.name == "poison");
    if let Some(instance) = decision.instance.as_mut().filter(|_| poison) {
        instance.active.remove(0);
    }
    decision
}

#[test]
fn rule_02_an_illegal_configuration_is_never_journaled() {
    let mut world = World::new();
    world.partition = world.partition.with_machine(Machine::new(forgetful));
    world.tell(deliver("a", event("opened", "{}")));
    let before = world.partition.instance(&key("a")).unwrap().active;
    let done = world.tell(deliver("a", event("poison", "{}")));
    assert!(matches!(done.outcome, Outcome::Stuck { .. }), "{:?}", done.outcome);
    let instance = world.partition.instance(&key("a")).unwrap();
    assert_eq!(instance.active, before, "the configuration is the one before");
    let stuck = instance.stuck.unwrap();
    assert_eq!(stuck.kind, StuckKind::Panic);
    assert!(stuck.reason.contains("the root is not active"), "{}", stuck.reason);
    let restored = world.restored().instance(&key("a")).unwrap();
    assert_eq!(restored.active, before, "nor is it in the journal");
}
