//! Bare events on a real server: from any client, from streams of others, over damage.

use async_nats::jetstream::{self, stream};
use gearshift_bus::{PrivateServer, ServerOptions};
use gearshift_engine::runtime::{ClusterConfig, IntakeHealth};
use gearshift_machine::definition::{Format, load};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::cluster::{LEASE, PARTITIONS, spread};
use crate::intake_engines::{counter_of, dead_letters, taken};
use crate::support::{COUNTER, World, eventually_async};

/// A server, and a client that knows nothing of Gearshift.
pub(crate) struct Nats {
    pub(crate) client: async_nats::Client,
    pub(crate) server: PrivateServer,
    pub(crate) runtime: Runtime,
}

impl Nats {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
        let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
        Self { client, server, runtime }
    }

    pub(crate) fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client.clone())
    }

    /// Publishes as anybody does: without an id, without waiting for anything.
    pub(crate) fn publish(&self, subject: &str, body: &Value) {
        let sent = self.client.publish(subject.to_owned(), body.to_string().into());
        self.runtime.block_on(sent).unwrap();
    }

    pub(crate) fn flush(&self) {
        self.runtime.block_on(self.client.flush()).unwrap();
    }

    /// Somebody else's stream.
    fn stream(&self, name: &str, subjects: &[&str]) -> stream::Stream {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(ToString::to_string).collect(),
            ..stream::Config::default()
        };
        self.runtime.block_on(async { self.jetstream().create_stream(config).await }).unwrap()
    }

    /// An engine of a cluster on this server.
    pub(crate) fn joined(&self, node: &str) -> World {
        let mut world = World::nats(self.server.url()).with(|config| {
            config.name = node.to_owned();
            config.partitions = PARTITIONS;
            config.cluster = Some(ClusterConfig { node: node.to_owned(), lease: LEASE * 2 });
        });
        world.start();
        world
    }
}

pub(crate) fn health_of(
    world: &World,
    source: u16,
    look: impl Fn(&IntakeHealth) -> bool,
) -> IntakeHealth {
    let find = async || {
        let mut all = world.handle().intake().into_iter();
        all.find(|health| health.source == source && look(health))
    };
    world.run(eventually_async(&format!("source {source} is well"), find))
}

#[test]
fn events_of_a_plain_client_are_applied_once_by_two_engines_over_a_crash() {
    let nats = Nats::start();
    let first = nats.joined("a");
    let mut second = nats.joined("b");
    spread(&[&first, &second], &[2, 2]);
    first.deploy(COUNTER);
    let names = (0..PARTITIONS).map(|partition| first.name_in(partition)).collect::<Vec<_>>();
    // Right after the deployment: both engines have to know it.
    for name in &names {
        nats.publish("counter.opened", &json!({ "key": name, "n": 0 }));
    }
    for n in 1..=300 {
        for name in &names {
            nats.publish("counter.added", &json!({ "key": name, "n": n }));
        }
        if n == 150 {
            nats.flush();
            taken(&first, &names[0], 50);
            second.crash();
        }
    }
    nats.flush();
    for name in &names {
        assert_eq!(taken(&first, name, 300), (1..=300).collect::<Vec<_>>(), "{name}");
        let counter = first.run(counter_of(&first, name)).unwrap();
        assert_eq!(counter.instance.step, 301, "one step for each event, none for repeats");
    }
    assert_eq!(dead_letters(&first), []);
}

#[test]
fn a_subject_of_somebody_elses_stream_is_read_from_there_once() {
    let nats = Nats::start();
    let theirs = nats.stream("COUNTS", &["counter.added"]);
    // From before the deployment: none of our business.
    for n in 1..=5 {
        nats.publish("counter.added", &json!({ "key": "a", "n": n }));
    }
    nats.flush();
    let mut world = nats.joined("a");
    world.deploy(COUNTER);
    nats.publish("counter.opened", &json!({ "key": "a", "n": 0 }));
    nats.flush();
    world.until("a", "it is started", |_| true);
    for n in 6..=40 {
        nats.publish("counter.added", &json!({ "key": "a", "n": n }));
    }
    nats.flush();
    assert_eq!(taken(&world, "a", 35), (6..=40).collect::<Vec<_>>());
    let health = health_of(&world, 2, |health| health.position == 40);
    assert_eq!((health.stream.as_str(), health.reason), ("COUNTS", None));
    world.crash();
    for n in 41..=60 {
        nats.publish("counter.added", &json!({ "key": "a", "n": n }));
    }
    nats.flush();
    world.start();
    assert_eq!(taken(&world, "a", 55), (6..=60).collect::<Vec<_>>());
    assert_eq!(dead_letters(&world), []);
    let info = nats.runtime.block_on(theirs.get_info()).unwrap();
    assert_eq!(info.state.messages, 60, "nothing of theirs is trimmed");
}

#[test]
fn what_no_definition_asks_for_of_somebody_elses_stream_is_no_backlog() {
    let nats = Nats::start();
    nats.stream("COUNTS", &["counter.>"]);
    let world = nats.joined("a");
    world.deploy(COUNTER);
    nats.publish("counter.opened", &json!({ "key": "a", "n": 0 }));
    nats.publish("counter.added", &json!({ "key": "a", "n": 1 }));
    for n in 1..=20 {
        nats.publish("counter.unrelated", &json!({ "key": "a", "n": n }));
    }
    nats.flush();
    let health = health_of(&world, 2, |health| health.position == 22);
    assert_eq!((health.stream.as_str(), health.lag, health.reason), ("COUNTS", 0, None));
    // What comes behind it is read all the same.
    nats.publish("counter.added", &json!({ "key": "a", "n": 2 }));
    nats.flush();
    assert_eq!(taken(&world, "a", 2), [1, 2]);
    health_of(&world, 2, |health| health.position == 23 && health.lag == 0);
}

#[test]
fn a_subject_that_a_stream_holds_in_part_is_refused_and_nothing_is_deployed() {
    let nats = Nats::start();
    nats.stream("EUROPE", &["orders.eu.paid"]);
    let world = nats.joined("a");
    let text = "workflow: pay\nversion: 1\ncorrelate: data.key\n\
                events:\n  pay.done: { start: true, subject: \"orders.{region}.paid\" }\n\
                initial: open\nstates:\n  open: {}\n";
    let loaded = load(text, "pay.workflow.yaml", Format::Yaml);
    let definition = loaded.unwrap_or_else(|problems| panic!("{problems:#?}")).definition;
    let refused = world.run(world.handle().deploy(definition));
    let error = refused.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ("GS4023", "subject_held"), "{error}");
    let text = error.to_string();
    assert!(text.contains("EUROPE") && text.contains("orders.*.paid"), "{text}");
    assert!(world.handle().definitions().registry().latest("pay").is_none());
}

#[test]
fn e16_an_inbox_that_is_deleted_under_a_running_engine_is_refused_until_it_is_accepted() {
    let nats = Nats::start();
    let mut world = nats.joined("a");
    world.deploy(COUNTER);
    nats.publish("counter.opened", &json!({ "key": "a", "n": 0 }));
    for n in 1..=20 {
        nats.publish("counter.added", &json!({ "key": "a", "n": n }));
    }
    nats.flush();
    taken(&world, "a", 20);
    let delete = async { nats.jetstream().delete_stream("gearshift-inbox-events").await };
    nats.runtime.block_on(delete).unwrap();
    let refused = health_of(&world, 1, |health| {
        health.reason.as_ref().is_some_and(|reason| reason.starts_with("GS6003 inbox_changed"))
    });
    assert!(refused.reason.unwrap().contains("deleted and made again"));
    world.send("counter.added", "a", 21);
    world.crash();
    world.config.accept_new_inbox = true;
    world.start();
    health_of(&world, 2, |health| health.reason.is_none());
    // Captured again, read as another source: its low sequences are no repeats.
    nats.publish("counter.added", &json!({ "key": "a", "n": 22 }));
    nats.flush();
    assert_eq!(taken(&world, "a", 22), (1..=22).collect::<Vec<_>>());
}

#[test]
fn a_server_that_was_killed_and_comes_back_is_read_on() {
    let mut nats = Nats::start();
    let world = nats.joined("a");
    world.deploy(COUNTER);
    nats.publish("counter.opened", &json!({ "key": "a", "n": 0 }));
    for n in 1..=20 {
        nats.publish("counter.added", &json!({ "key": "a", "n": n }));
    }
    nats.flush();
    taken(&world, "a", 20);
    let Nats { runtime, server, .. } = &mut nats;
    runtime.block_on(server.restart()).unwrap();
    let stored = |n: u64| {
        let body = json!({ "key": "a", "n": n }).to_string();
        let again = async || {
            let sent = nats.jetstream().publish("counter.added", body.clone().into()).await;
            sent.ok()?.await.ok()
        };
        nats.runtime.block_on(eventually_async("it is stored", again));
    };
    for n in 21..=30 {
        stored(n);
    }
    let seen = taken(&world, "a", 30);
    assert_eq!(seen[..20], (1..=20).collect::<Vec<_>>());
    assert_eq!(seen.last(), Some(&30));
    assert_eq!(dead_letters(&world), []);
}

#[test]
fn another_correlate_does_not_apply_an_event_of_a_foreign_stream_again() {
    let nats = Nats::start();
    nats.stream("COUNTS", &["counter.added"]);
    let mut world = nats.joined("a");
    world.deploy(COUNTER);
    let (old, new) = (world.name_in(0), world.name_in(1));
    let publish = |event: &str, other: &str, n: u64| {
        nats.publish(event, &json!({ "key": old, "other": other, "n": n }));
        nats.flush();
    };
    publish("counter.opened", &new, 0);
    world.until(&old, "it is started", |_| true);
    for n in 1..=5 {
        publish("counter.added", &new, n);
    }
    taken(&world, &old, 5);
    world.deploy(&COUNTER.replace("version: 1", "version: 2").replace("data.key", "data.other"));
    // The other partitions have seen nothing of that stream, so all is read once more.
    world.crash();
    world.start();
    publish("counter.added", "nobody", 6);
    assert_eq!(taken(&world, &old, 6), [1, 2, 3, 4, 5, 6]);
    health_of(&world, 2, |health| health.position == 6);
    assert_eq!(world.run(counter_of(&world, &new)), None);
    assert_eq!(dead_letters(&world), []);
}
