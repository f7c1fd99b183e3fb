//! Several engines on a real server: leases that expire there, takeover, hand-over.

use std::thread;
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use gearshift_engine::runtime::ClusterConfig;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::cluster::{ask_owner, served, spread};
use crate::support::{COUNTER, World};

/// As an engine has it by itself.
const LEASE: Duration = Duration::from_secs(2);

/// A server of the test's own, and the runtime that its connections live in.
struct Ground {
    runtime: Runtime,
    server: PrivateServer,
}

impl Ground {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
        Self { runtime, server }
    }

    /// An engine with a connection of its own.
    fn joined(&self, node: &str) -> World {
        let options = NatsOptions::new(self.server.url());
        let bus = self.runtime.block_on(Bus::connect(&options)).unwrap();
        let mut world = World::on(bus).with(|config| {
            config.name = node.to_owned();
            config.partitions = 4;
            config.cluster = Some(ClusterConfig { node: node.to_owned(), lease: LEASE });
        });
        world.start();
        world
    }
}

#[test]
fn on_nats_partitions_are_shared_taken_over_and_handed_over() {
    let ground = Ground::new();
    let mut first = ground.joined("a");
    first.deploy(COUNTER);
    let names = (0..4).map(|partition| first.name_in(partition)).collect::<Vec<_>>();
    for name in &names {
        ask_owner(&[&first], "counter.opened", name, 0);
        ask_owner(&[&first], "counter.added", name, 1);
    }
    let mut second = ground.joined("b");
    spread(&[&first, &second], &[2, 2]);
    for name in &names {
        ask_owner(&[&first, &second], "counter.added", name, 2);
    }
    first.crash();
    let began = Instant::now();
    for name in &names {
        ask_owner(&[&second], "counter.added", name, 3);
    }
    assert!(began.elapsed() < LEASE * 2, "the takeover took {:?}", began.elapsed());
    let third = ground.joined("c");
    spread(&[&second, &third], &[2, 2]);
    let began = Instant::now();
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            for name in &names {
                ask_owner(&[&third], "counter.added", name, 4);
            }
        });
        assert!(second.shutdown());
        asked.join().unwrap();
    });
    assert!(began.elapsed() < LEASE, "the hand-over took {:?}", began.elapsed());
    assert_eq!(served(&third).len(), 4);
    for name in &names {
        assert_eq!(third.run(third.counter(name)).unwrap().seen, [1, 2, 3, 4], "{name}");
    }
}
