//! Decision 0032: a plugin may promise a result and publish it later, whoever runs by then.

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Message, SubjectPattern};
use gearshift_machine::machine::{Instance, InstanceKey, TraceEntry};
use gearshift_machine::partition::Partition;

use crate::support::{
    Order, PRESS, Press, World, begun, eventually, eventually_async, on_each_bus,
};

pub(crate) fn key(name: &str) -> InstanceKey {
    InstanceKey::new("press", name).unwrap()
}

pub(crate) async fn instance(world: &World, name: &str) -> Option<Instance> {
    let wanted = key(name);
    let look = move |partition: &Partition| partition.instance(&wanted);
    world.handle().look(&key(name), look).await.ok()?
}

/// Waits until `look` is true of the instance.
pub(crate) fn until(
    world: &World,
    name: &str,
    what: &str,
    look: impl Fn(&Instance) -> bool,
) -> Instance {
    let seen = async || instance(world, name).await.filter(|one| look(one));
    world.run(eventually_async(what, seen))
}

pub(crate) fn is_pending(instance: &Instance) -> bool {
    let mut calls = instance.sequences.iter().filter_map(|one| one.call.as_ref());
    calls.any(|call| call.heartbeat_ms == Some(10_000) && call.sent)
}

pub(crate) fn pages(instance: &Instance) -> String {
    instance.vars.iter().map(|value| value.to_json()).collect::<Vec<_>>().join(" ")
}

/// A world in which the call of the instance `a` is pending.
pub(crate) fn taken(mut world: World, press: &Press) -> World {
    world.start();
    world.deploy(PRESS);
    press.serve(&world);
    world.ask(begun("a")).unwrap();
    until(&world, "a", "the plugin has taken it", is_pending);
    world
}

pub(crate) fn ordered(world: &World, press: &Press, count: usize) -> Vec<Order> {
    let seen = || Some(press.orders()).filter(|seen| seen.len() >= count);
    world.run(eventually("the plugin is called", seen))
}

pub(crate) async fn publish(bus: &Bus, message: Message) {
    bus.publish(message).await.unwrap();
}

pub(crate) fn has_ended(instance: &Instance) -> bool {
    instance.sequences.is_empty()
}

/// The words and notes of its history.
pub(crate) fn history(world: &World, name: &str) -> Vec<String> {
    let wanted = key(name);
    let look = move |partition: &Partition| partition.trace(&wanted);
    let trace = world.run(world.handle().look(&key(name), look)).unwrap();
    let line = |one: &TraceEntry| {
        format!("{} {}", one.input, one.note.as_deref().unwrap_or_default()).trim().to_owned()
    };
    trace.iter().map(line).collect()
}

#[test]
fn decision_32_a_promised_result_ends_the_call() {
    on_each_bus(|world| {
        let press = Press::default();
        let world = taken(world, &press);
        let order = ordered(&world, &press, 1).remove(0);
        assert_eq!(order.result_to, format!("gearshift.result.{}", order.call));
        world.run(publish(&world.bus(), order.result(7)));
        let ended = until(&world, "a", "the result is taken", has_ended);
        assert_eq!(pages(&ended), "7 1 \"\"");
        let told = history(&world, "a");
        assert!(told.ends_with(&["pending press.render".into(), "reply press.render".into()]));
    });
}

fn the_engine_is_down_when_the_result_comes(world: World) {
    let press = Press::default();
    let mut world = taken(world, &press);
    let order = ordered(&world, &press, 1).remove(0);
    world.crash();
    world.between(async |bus| publish(bus, order.result(7)).await);
    world.start();
    press.serve(&world);
    let ended = until(&world, "a", "the result is taken", has_ended);
    assert_eq!(pages(&ended), "7 1 \"\"");
    assert_eq!(press.orders().len(), 1, "it is not asked again");
    world.restart();
    until(&world, "a", "it is as it was", |one| *one == ended);
}

#[test]
fn decision_32_a_result_that_came_while_no_engine_ran_is_taken_once() {
    on_each_bus(the_engine_is_down_when_the_result_comes);
    the_engine_is_down_when_the_result_comes(World::embedded());
}

#[test]
fn decision_32_a_pending_call_is_not_asked_again_by_the_next_owner_who_waits_anew() {
    let press = Press::default();
    let mut world = taken(World::embedded(), &press);
    world.advance(Duration::from_secs(9));
    world.restart();
    press.serve(&world);
    // Its silence begins with the new owner.
    world.advance(Duration::from_secs(9));
    let order = ordered(&world, &press, 1).remove(0);
    world.run(order.beat(&world.bus(), 50, "half"));
    let progress = async || {
        let list = world.handle().progress(&key("a")).await.ok()?;
        list.into_iter().find(|one| one.percent == Some(50))
    };
    world.run(eventually_async("it is heard", progress));
    world.advance(Duration::from_secs(9));
    assert!(is_pending(&world.run(instance(&world, "a")).unwrap()));
    assert_eq!(press.orders().len(), 1);
    world.advance(Duration::from_millis(1_001));
    let waits = |one: &Instance| {
        one.sequences.iter().any(|one| one.call.as_ref().is_some_and(|call| !call.sent))
    };
    until(&world, "a", "the attempt failed", waits);
    assert_eq!(press.orders().len(), 1);
    world.advance(Duration::from_secs(5));
    let again = ordered(&world, &press, 2).remove(1);
    assert_eq!((again.attempt, &again.call), (2, &order.call));
    world.run(eventually("the first attempt is cancelled", || {
        press.cancelled().contains(&order.call).then_some(())
    }));
    world.run(publish(&world.bus(), again.result(8)));
    let ended = until(&world, "a", "the result is taken", has_ended);
    assert_eq!(pages(&ended), "8 1 \"\"");
}

/// A body that does not fit into a reply: `pages`, and much else.
fn large(bytes: usize, pages: u64) -> Bytes {
    let filler = "x".repeat(bytes);
    Bytes::from(serde_json::json!({ "pages": pages, "filler": filler }).to_string())
}

#[test]
fn p4_a_result_above_the_inline_limit_comes_as_an_object_up_to_8_mib() {
    on_each_bus(|world| {
        let press = Press::default();
        let world = taken(world, &press);
        for name in ["b", "c", "d"] {
            world.ask(begun(name)).unwrap();
        }
        let orders = ordered(&world, &press, 4);
        let of = |name: &str| {
            let instance = format!("press/{name}");
            orders.iter().find(|order| order.instance == instance).unwrap().clone()
        };
        let object = |digest: &str| format!("{{\"$object\": \"gearshift-bodies/{digest}\"}}");
        let bus = world.bus();
        world.run(async {
            let blobs = bus.blobs("bodies").await.unwrap();
            let fits = blobs.put(large(7 * 1_024 * 1_024, 9)).await.unwrap();
            let exceeds = blobs.put(large(8 * 1_024 * 1_024, 9)).await.unwrap();
            for (name, body) in [
                ("a", object(fits.as_str())),
                ("b", object(exceeds.as_str())),
                ("c", object(&"0".repeat(64))),
                ("d", "{\"$object\": \"other/x\"}".to_owned()),
            ] {
                let message = Message { payload: body.into(), ..of(name).result(0) };
                publish(&bus, message).await;
            }
        });
        let ended = until(&world, "a", "the result is taken", has_ended);
        assert_eq!(pages(&ended), "9 1 \"\"");
        for (name, code) in
            [("b", "reply_too_large"), ("c", "object_missing"), ("d", "reply_invalid")]
        {
            let ended = until(&world, name, "the call failed", has_ended);
            assert_eq!(pages(&ended), format!("0 0 \"{code}\""), "{name}");
        }
    });
}

#[test]
fn p4_a_reply_at_once_may_be_an_object_as_well() {
    on_each_bus(|mut world| {
        world.start();
        world.deploy(PRESS);
        let bus = world.bus();
        let pattern = SubjectPattern::parse("gearshift.plugin.press.v1.*").unwrap();
        let mut server = world.run(bus.requests().serve(&pattern, "q")).unwrap();
        let digest = world.run(async {
            let blobs = bus.blobs("bodies").await.unwrap();
            blobs.put(large(1_024 * 1_024, 5)).await.unwrap()
        });
        world.spawn(async move {
            while let Some(request) = server.next().await {
                let body = format!("{{\"$object\":\"gearshift-bodies/{digest}\"}}");
                let reply = Message::new(request.message.subject.clone(), body);
                request.respond(reply).await.unwrap();
            }
        });
        // The first is looked for, the second goes the short way.
        for name in ["a", "b"] {
            world.ask(begun(name)).unwrap();
            let ended = until(&world, name, "the reply is taken", has_ended);
            assert_eq!(pages(&ended), "5 1 \"\"", "{name}");
        }
    });
}
