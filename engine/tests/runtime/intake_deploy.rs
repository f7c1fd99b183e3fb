//! Definitions are known to every engine before a message needs them.

use bytes::Bytes;
use futures_util::future::join;
use gearshift_bus::{Bus, Message, Subject};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::InstanceKey;
use serde_json::json;

use crate::cluster::{PARTITIONS, joined, spread};
use crate::intake_engines::{dead_letters, dead_letters_now, publish_bare};
use crate::support::{World, eventually_async};

/// A workflow with an event of its own that starts it.
fn flow(name: &str) -> Definition {
    let text = format!(
        "workflow: {name}\nversion: 1\ncorrelate: data.key\n\
         events:\n  {name}.opened: {{ start: true }}\ninitial: open\nstates:\n  open: {{}}\n"
    );
    let loaded = load(&text, "flow.workflow.yaml", Format::Yaml);
    loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).definition
}

/// Keys of the workflow, one in each partition.
fn keys(world: &World, name: &str) -> Vec<InstanceKey> {
    let key = |number| InstanceKey::new(name, &format!("k{number}")).unwrap();
    let in_partition = |partition| {
        let mut all = (0..1_000).map(key);
        all.find(|key| world.handle().partition_of(key) == partition).unwrap()
    };
    (0..PARTITIONS).map(in_partition).collect()
}

/// Publishes one starting event for each key, and waits until all are there.
fn opens(world: &World, name: &str) {
    let keys = keys(world, name);
    for key in &keys {
        publish_bare(world, &format!("{name}.opened"), &json!({ "key": key.key() }));
    }
    for key in &keys {
        let started = async || world.handle().instance(key).await.ok().flatten();
        world.run(eventually_async(&format!("{key} is started"), started));
    }
}

#[test]
fn an_event_published_right_after_a_deployment_is_applied_by_every_engine() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    for round in 0..10 {
        let name = format!("flow{round}");
        first.run(first.handle().deploy(flow(&name))).unwrap();
        opens(&first, &name);
    }
    assert_eq!(dead_letters(&first), []);
}

#[test]
fn a_door_of_another_engine_knows_what_was_just_deployed() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    let second = joined(&bus, "b");
    for round in 0..10 {
        let name = format!("flow{round}");
        first.run(first.handle().deploy(flow(&name))).unwrap();
        assert!(second.handle().definitions().registry().latest(&name).is_some(), "{name}");
    }
}

#[test]
fn concurrent_deployments_lose_none_of_their_subjects() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    for round in 0..10 {
        let names = [format!("left{round}"), format!("right{round}")];
        let (left, right) = (first.handle(), second.handle());
        let both = join(left.deploy(flow(&names[0])), right.deploy(flow(&names[1])));
        let (left, right) = first.run(both);
        assert!(left.unwrap().fresh && right.unwrap().fresh);
        for name in &names {
            opens(&first, name);
        }
    }
    assert_eq!(dead_letters(&first), []);
}

#[test]
fn the_same_definition_deployed_twice_at_once_is_deployed_once() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    let second = joined(&bus, "b");
    let (left, right) = (first.handle(), second.handle());
    let both = join(left.deploy(flow("flow")), right.deploy(flow("flow")));
    let (left, right) = first.run(both);
    left.unwrap();
    right.unwrap();
    opens(&second, "flow");
    let listens = first
        .run(async { first.bus().bucket("listens").await.unwrap().get("flow.1").await.unwrap() });
    assert_eq!(listens.unwrap().value, r#"{"1":1}"#);
}

#[test]
fn a_deployment_whose_engine_died_is_completed_and_no_message_is_routed_before() {
    let bus = Bus::in_memory();
    let world = joined(&bus, "a");
    world.run(world.handle().deploy(flow("ready"))).unwrap();
    // As far as a deployer came: its subject is captured, its definition is written.
    let definition = flow("late");
    world.run(async {
        let inbox = bus.inbox("events").await.unwrap();
        let patterns = ["ready.opened", "late.opened"];
        let patterns = patterns.map(|text| gearshift_bus::SubjectPattern::parse(text).unwrap());
        inbox.capture(&patterns).await.unwrap();
        let text = Bytes::copy_from_slice(definition.canonical.as_bytes());
        let bucket = bus.bucket("definitions").await.unwrap();
        bucket.compare_and_set("late.1", 0, text).await.unwrap();
    });
    assert!(world.handle().definitions().registry().latest("late").is_none());
    publish_bare(&world, "ready.opened", &json!({ "key": "while" }));
    let key = InstanceKey::new("ready", "while").unwrap();
    let routed = async || world.handle().instance(&key).await.ok().flatten();
    world.run(eventually_async("the message is routed", routed));
    let bucket = world.run(bus.bucket("listens")).unwrap();
    let from = world.run(bucket.get("late.1")).unwrap();
    assert!(from.is_some(), "it was routed before it was known who listens");
    opens(&world, "late");
}

#[test]
fn a_subject_that_cannot_be_captured_is_refused_and_nothing_is_deployed() {
    let bus = Bus::in_memory();
    let world = joined(&bus, "a");
    let crossing = |name: &str, subject: &str| {
        let text = format!(
            "workflow: {name}\nversion: 1\ncorrelate: data.key\n\
             events:\n  {name}.opened: {{ start: true, subject: \"{subject}\" }}\n\
             initial: open\nstates:\n  open: {{}}\n"
        );
        let loaded = load(&text, "flow.workflow.yaml", Format::Yaml);
        loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).definition
    };
    world.run(world.handle().deploy(crossing("one", "orders.{id}.paid"))).unwrap();
    let refused = world.run(world.handle().deploy(crossing("two", "orders.eu.{id}")));
    let error = refused.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ("GS4023", "subject_held"), "{error}");
    assert!(error.to_string().contains("orders.eu.*"), "{error}");
    assert!(world.handle().definitions().registry().latest("two").is_none());
    let stored =
        world.run(async { bus.bucket("definitions").await.unwrap().get("two.1").await.unwrap() });
    assert_eq!(stored, None);
    // The first one listens as before.
    let message = Message::new(Subject::parse("orders.7.paid").unwrap(), r#"{"key":"a"}"#);
    world.run(bus.publish(message)).unwrap();
    let key = InstanceKey::new("one", "a").unwrap();
    let started = async || world.handle().instance(&key).await.ok().flatten();
    world.run(eventually_async("it is started", started));
}

/// A workflow whose event on one subject is called `name`.
fn renamed(version: u32, name: &str) -> Definition {
    let text = format!(
        "workflow: parcel\nversion: {version}\n\
         events:\n  parcel.opened: {{ start: true, subject: \"open.{{key}}\" }}\n  \
         {name}: {{ subject: \"scan.{{key}}\" }}\n\
         initial: open\nstates:\n  open: {{ on: {{ {name}: {{ to: scanned }} }} }}\n  scanned: {{}}\n"
    );
    let loaded = load(&text, "parcel.workflow.yaml", Format::Yaml);
    loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).definition
}

#[test]
fn an_event_that_a_version_calls_otherwise_reaches_instances_of_both_under_their_name() {
    let bus = Bus::in_memory();
    let world = joined(&bus, "a");
    let key = |name: &str| InstanceKey::new("parcel", name).unwrap();
    let instance = async |name: &str| world.handle().instance(&key(name)).await.ok().flatten();
    world.run(world.handle().deploy(renamed(1, "parcel.read"))).unwrap();
    publish_bare(&world, "open.old", &json!({}));
    world.run(eventually_async("the old one is there", async || instance("old").await));
    world.run(world.handle().deploy(renamed(2, "parcel.scanned"))).unwrap();
    publish_bare(&world, "open.new", &json!({}));
    publish_bare(&world, "scan.new", &json!({}));
    publish_bare(&world, "scan.old", &json!({}));
    publish_bare(&world, "scan.nobody", &json!({}));
    for (name, version) in [("old", 1), ("new", 2)] {
        let scanned = async || {
            let one = instance(name).await?;
            let registry = world.handle().definitions().registry();
            let definition = registry.get("parcel", one.pin.version)?;
            one.active.iter().any(|id| &*definition.state(*id).id == "scanned").then_some(one)
        };
        let one = world.run(eventually_async(&format!("{name} is scanned"), scanned));
        assert_eq!((one.pin.version, one.step), (version, 2), "{one:#?}");
    }
    let letters = async || dead_letters_now(&world).await.filter(|letters| !letters.is_empty());
    let letters = world.run(eventually_async("a dead letter", letters));
    let told = letters.iter().map(|one| (one.key.clone(), &*one.event.name)).collect::<Vec<_>>();
    assert_eq!(told, [(Some(key("nobody")), "parcel.scanned")]);
}
