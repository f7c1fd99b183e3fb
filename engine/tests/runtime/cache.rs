//! Decision 0034: results answer the same call again, on each bus, over crashes, for their time.

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bucket, Bus, Error as BusError};
use gearshift_machine::machine::{Instance, InstanceKey, Principal, Status, StepStatus};
use gearshift_machine::partition::Partition;
use gearshift_machine::value::Value;

use crate::support::{Answer, Recorded, World, eventually_async, on_each_bus};

const LOOKER: &str = "
workflow: looker
version: 1
steps:
  look:
    call: recorded.work
    with: { id: \"${ input.id }\" }
    cache: { key: \"${ input.id }\", ttl: 1h }
";

/// The limit with which the engine opens the bucket: another one would be refused.
const BYTES_MAX: usize = 64 * 1_024 * 1_024;

fn key(name: &str) -> InstanceKey {
    InstanceKey::new("looker", name).unwrap()
}

async fn instance(world: &World, name: &str) -> Option<Instance> {
    let wanted = key(name);
    let look = move |partition: &Partition| partition.instance(&wanted);
    world.handle().look(&key(name), look).await.ok()?
}

/// Starts the instance `name` with `input` and waits for what becomes of it.
fn run(world: &World, name: &str, input: &str) -> Instance {
    let input = Value::from_json(input.as_bytes()).unwrap();
    world.run(world.handle().start(key(name), None, input, Principal::default(), None)).unwrap();
    let over = |one: &Instance| matches!(one.status, Status::Done | Status::Stuck);
    let seen = async || instance(world, name).await.filter(over);
    world.run(eventually_async("the instance ends", seen))
}

/// Does its step say that the result came from the cache?
fn is_cached(instance: &Instance) -> bool {
    let progress = instance.progress.as_deref().unwrap();
    let state = progress.graphs[0].steps.get(0).unwrap();
    assert_eq!((instance.status, state.status), (Status::Done, StepStatus::Completed));
    state.cached
}

fn begin(mut world: World, plugin: &Recorded) -> World {
    world = world.serving(plugin);
    world.start();
    world.deploy(LOOKER);
    world
}

async fn bucket(world: &World) -> Result<Bucket, BusError> {
    world.bus().bucket_within("results", BYTES_MAX).await
}

/// Waits until so many results are in the bucket.
fn stored(world: &World, count: usize) -> Vec<String> {
    world.run(eventually_async("the results are stored", async || {
        let keys = bucket(world).await.unwrap().keys("").await.unwrap();
        (keys.len() == count).then_some(keys)
    }))
}

#[test]
fn decision_34_another_instance_is_answered_without_a_call_until_the_time_is_over() {
    on_each_bus(|world| {
        let plugin = Recorded::new(|_| Answer::Done);
        let world = begin(world, &plugin);
        assert!(!is_cached(&run(&world, "1", r#"{"id":"a"}"#)));
        // At once: an engine finds its own results, stored or not.
        assert!(is_cached(&run(&world, "2", r#"{"id":"a"}"#)));
        assert_eq!(plugin.seen().len(), 1);
        // Another key is another call.
        assert!(!is_cached(&run(&world, "3", r#"{"id":"b"}"#)));
        assert!(!is_cached(&run(&world, "4", r#"{"id":["a"]}"#)));
        assert_eq!(plugin.seen().len(), 3);
        stored(&world, 3);
        assert!(is_cached(&run(&world, "5", r#"{"id":"b"}"#)));
        world.advance(Duration::from_secs(3_599));
        assert!(is_cached(&run(&world, "6", r#"{"id":"a"}"#)));
        world.advance(Duration::from_secs(1));
        assert!(!is_cached(&run(&world, "7", r#"{"id":"a"}"#)));
        assert!(is_cached(&run(&world, "8", r#"{"id":"a"}"#)));
        assert_eq!(plugin.seen().len(), 4);
        let instances: Vec<_> = plugin.seen().into_iter().map(|seen| seen.instance).collect();
        assert_eq!(instances, ["looker/1", "looker/3", "looker/4", "looker/7"]);
    });
}

fn outlives(world: World) {
    let plugin = Recorded::new(|_| Answer::Done);
    let mut world = begin(world, &plugin);
    assert!(!is_cached(&run(&world, "1", r#"{"id":"a"}"#)));
    stored(&world, 1);
    world.restart();
    assert!(is_cached(&run(&world, "2", r#"{"id":"a"}"#)));
    assert_eq!(plugin.seen().len(), 1);
    // What was journaled as an answer needs no cache to be put back.
    world.crash();
    world.start();
    let before = world.run(instance(&world, "2"));
    assert!(is_cached(&before.unwrap()));
    assert_eq!(plugin.seen().len(), 1);
}

#[test]
fn decision_34_results_outlive_a_crash_in_a_directory() {
    outlives(World::embedded());
}

#[test]
fn decision_34_results_outlive_a_crash_on_a_broker() {
    on_each_bus(outlives);
}

#[test]
fn decision_34_a_failure_is_not_kept() {
    on_each_bus(|world| {
        let plugin = Recorded::new(|seen| match seen.instance.as_str() {
            "looker/1" => Answer::Permanent,
            _ => Answer::Done,
        });
        let world = begin(world, &plugin);
        assert_eq!(run(&world, "1", r#"{"id":"a"}"#).status, Status::Stuck);
        assert!(!is_cached(&run(&world, "2", r#"{"id":"a"}"#)));
        assert!(is_cached(&run(&world, "3", r#"{"id":"a"}"#)));
        assert_eq!(plugin.seen().len(), 2);
    });
}

#[test]
fn decision_34_a_plugin_that_is_away_is_not_missed() {
    let (plugin, bus) = (Recorded::new(|_| Answer::Done), Bus::in_memory());
    let mut world = begin(World::on(bus.clone()), &plugin);
    run(&world, "1", r#"{"id":"a"}"#);
    stored(&world, 1);
    world.crash();
    let mut world = World::on(bus);
    world.start();
    assert!(is_cached(&run(&world, "2", r#"{"id":"a"}"#)));
    assert_eq!(plugin.seen().len(), 1);
}

#[test]
fn decision_34_a_damaged_result_is_a_miss() {
    on_each_bus(|world| {
        let plugin = Recorded::new(|_| Answer::Done);
        let mut world = begin(world, &plugin);
        run(&world, "1", r#"{"id":"a"}"#);
        let keys = stored(&world, 1);
        world.run(async {
            let bucket = bucket(&world).await.unwrap();
            bucket.put(&keys[0], Bytes::from_static(b"{\"by\":")).await.unwrap();
        });
        // An engine that did not keep it itself.
        world.restart();
        assert!(!is_cached(&run(&world, "2", r#"{"id":"a"}"#)));
        assert_eq!(plugin.seen().len(), 2);
    });
}

#[test]
fn decision_34_a_cache_that_cannot_be_opened_fails_no_call() {
    crate::support::on_nats(|world| {
        let plugin = Recorded::new(|_| Answer::Done);
        let world = begin(world, &plugin);
        // A bucket of this name with another configuration: the engine's is refused.
        world.run(async { world.bus().bucket("results").await.map(|_| ()) }).unwrap();
        for name in ["1", "2"] {
            assert!(!is_cached(&run(&world, name, r#"{"id":"a"}"#)));
        }
        assert_eq!(plugin.seen().len(), 2);
    });
}

#[test]
fn decision_34_items_of_a_list_that_are_the_same_are_asked_once() {
    on_each_bus(|world| {
        let plugin = Recorded::new(|_| Answer::Done);
        let mut world = world.serving(&plugin);
        world.start();
        world.deploy(
            "
workflow: looker
version: 1
steps:
  all:
    foreach: { in: input.list, as: it, max_parallel: 1 }
    call: recorded.work
    cache: 1h
",
        );
        run(&world, "1", r#"{"list":["a","b","a","b","c"]}"#);
        let inputs: Vec<_> = plugin.seen().into_iter().map(|seen| seen.input).collect();
        assert_eq!(inputs, ["a", "b", "c"]);
    });
}
