//! Decision 0016: a call that may not be repeated is recorded, sent once, and then known or stuck.

use std::collections::BTreeMap;
use std::time::Duration;

use gearshift_bus::{Bus, EndpointInfo, Registration, Server, ServiceInfo};
use gearshift_machine::machine::{Command, Instance, Outcome, Principal, StuckKind};
use gearshift_machine::partition::Partition;

use crate::support::{Answer, Recorded, Seen, World, eventually, eventually_async, key};

/// The plugin `recorded`, which says that its operation is not idempotent.
async fn offer(bus: &Bus) -> (Registration, Server) {
    let told = [("gearshift.idempotent".to_owned(), "false".to_owned())];
    let info = ServiceInfo {
        name: "recorded".to_owned(),
        id: "1".to_owned(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::new(),
        endpoints: vec![EndpointInfo {
            name: "work".to_owned(),
            subject: "gearshift.plugin.recorded.v1.work".to_owned(),
            metadata: BTreeMap::from(told),
        }],
    };
    let (registration, mut servers) = bus.requests().offer(info, "q").await.unwrap();
    (registration, servers.remove(0))
}

/// Serves the plugin in this life of the world.
pub(crate) fn serve(world: &World, plugin: &Recorded) {
    let bus = world.bus();
    let (registration, server) = world.run(offer(&bus));
    let (plugin, partitions) = (plugin.clone(), world.config.partitions);
    world.spawn(async move {
        plugin.run(server, bus, partitions).await;
        drop(registration);
    });
}

fn called(world: &World, plugin: &Recorded, count: usize) -> Vec<Seen> {
    let seen = || Some(plugin.seen()).filter(|seen| seen.len() >= count);
    world.run(eventually("the plugin is called", seen))
}

async fn instance(world: &World) -> Option<Instance> {
    let wanted = key("a");
    let look = move |partition: &Partition| partition.instance(&wanted);
    world.handle().look(&key("a"), look).await.ok()?
}

/// Waits until the instance is stuck; the reason.
fn stuck(world: &World) -> String {
    let seen = async || instance(world).await?.stuck;
    let stuck = world.run(eventually_async("the instance is stuck", seen));
    assert_eq!(stuck.kind, StuckKind::OutcomeUnknown, "{}", stuck.reason);
    stuck.reason.to_string()
}

fn command(world: &World, command: Command) -> Outcome {
    let by = Principal { user: "ops".into(), roles: Vec::new() };
    world.run(world.handle().command(key("a"), command, by, "looked".into())).unwrap().outcome
}

fn begin(plugin: &Recorded) -> World {
    let world = World::embedded().started();
    serve(&world, plugin);
    world.send("counter.opened", "a", 0);
    world.send("counter.worked", "a", 1);
    world
}

#[test]
fn decision_16_it_is_recorded_before_it_is_sent() {
    let plugin = Recorded::new(|_| Answer::Done);
    let world = begin(&plugin);
    world.until("a", "the call ends", |counter| counter.worked == 1);
    let wanted = key("a");
    let history = move |partition: &Partition| partition.trace(&wanted);
    let trace = world.run(world.handle().look(&key("a"), history)).unwrap();
    let told = trace.iter().map(|entry| &*entry.input).collect::<Vec<_>>();
    let end = ["counter.worked", "sending recorded.work", "reply recorded.work"];
    assert!(told.ends_with(&end), "{told:?}");
    // Events make one frame each here, the mark makes another: it was there when the call came.
    let partition = usize::from(world.handle().partition_of(&key("a")));
    let (seen, tail) = (plugin.seen(), world.run(crate::support::tails(&world.bus(), 2)));
    assert_eq!(seen[0].tails[partition] + 1, tail[partition], "only the reply followed");
}

#[test]
fn decision_16_after_a_crash_it_is_not_sent_again() {
    let plugin = Recorded::new(|seen| match seen.attempt {
        1 => Answer::Hold,
        _ => Answer::Done,
    });
    let mut world = begin(&plugin);
    called(&world, &plugin, 1);
    world.restart();
    serve(&world, &plugin);
    let reason = stuck(&world);
    assert!(reason.contains("outcome of `recorded.work` is unknown"), "{reason}");
    world.restart();
    serve(&world, &plugin);
    stuck(&world);
    assert_eq!(plugin.seen().len(), 1, "asked once in three lives");
    assert_eq!(command(&world, Command::Retry), Outcome::Done);
    let seen = called(&world, &plugin, 2);
    assert_eq!((&seen[0].call, seen[1].attempt), (&seen[1].call, 2));
    world.until("a", "the call ends", |counter| counter.worked == 1);
}

#[test]
fn decision_16_without_an_answer_in_time_it_is_stuck() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let world = begin(&plugin);
    called(&world, &plugin, 1);
    world.advance(Duration::from_secs(5));
    stuck(&world);
    assert_eq!(command(&world, Command::Skip), Outcome::Done);
    let counter = world.until("a", "it went on", |counter| counter.quiet);
    assert_eq!((counter.worked, counter.failed), (0, 0));
    assert_eq!(plugin.seen().len(), 1);
}

#[test]
fn decision_16_the_flag_outlives_the_plugin() {
    let plugin = Recorded::new(|seen| match &*seen.instance {
        "counter/b" => Answer::Done,
        _ => Answer::Hold,
    });
    let mut world = World::embedded().started();
    serve(&world, &plugin);
    world.send("counter.opened", "b", 0);
    world.send("counter.worked", "b", 1);
    world.until("b", "the flag is known", |counter| counter.worked == 1);
    world.restart();
    // Nobody can be discovered any more, and the one who answers says nothing of himself.
    let (bus, partitions) = (world.bus(), world.config.partitions);
    let server = world.run(Recorded::listen(&bus));
    world.spawn(plugin.clone().run(server, bus, partitions));
    world.send("counter.opened", "a", 0);
    world.send("counter.worked", "a", 1);
    called(&world, &plugin, 2);
    world.restart();
    stuck(&world);
    assert_eq!(plugin.seen().len(), 2);
}

#[test]
fn p1_while_nobody_answers_it_was_not_sent_and_is_retried() {
    let plugin = Recorded::new(|_| Answer::Done);
    let mut world = begin(&plugin);
    world.until("a", "the call ends", |counter| counter.worked == 1);
    world.restart();
    world.send("counter.worked", "a", 2);
    let waits = |counter: &crate::support::Counter| {
        let call = counter.instance.sequences.first().and_then(|one| one.call.as_ref());
        call.is_some_and(|call| !call.sent)
    };
    world.until("a", "the attempt failed", waits);
    serve(&world, &plugin);
    world.advance(Duration::from_secs(10));
    let counter = world.until("a", "the call ends", |counter| counter.worked == 2);
    assert_eq!(counter.failed, 0);
    assert_eq!(plugin.seen()[1].attempt, 2);
}
