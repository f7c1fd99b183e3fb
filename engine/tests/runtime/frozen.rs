//! Decision 0037: what had come before a clock ran out is decided before it, also where the engine
//! stood still meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use gearshift_machine::machine::{InstanceKey, Status};
use gearshift_machine::partition::Partition;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::longwork::{has_ended, ordered, pages, publish, taken, until};
use crate::support::{
    Answer, COUNTER, Press, Recorded, World, event, eventually, eventually_async, incoming,
    on_each_bus,
};

/// As [`COUNTER`] has it.
const DEADLINE: Duration = Duration::from_secs(5);

/// A plugin that answers the second call only when it is told to.
fn holding() -> Recorded {
    Recorded::new(|seen| match seen.input["n"] == 2 {
        true => Answer::Hold,
        false => Answer::Done,
    })
}

/// The plugin on threads of its own, which go on while the engine stands still.
fn elsewhere(plugin: &Recorded, open: impl AsyncFnOnce() -> Bus, world: &World) -> (Runtime, Bus) {
    let runtime = Runtime::new().unwrap();
    let partitions = world.config.partitions;
    let (bus, server) = runtime.block_on(async {
        let bus = open().await;
        let server = Recorded::listen(&bus).await;
        // The server has the subscription once it has answered something behind it.
        drop(bus.requests().discover().await);
        (bus, server)
    });
    drop(runtime.spawn(plugin.clone().run(server, bus.clone(), partitions)));
    (runtime, bus)
}

/// Its second call is under way.
fn under_way(world: &World, plugin: &Recorded) {
    world.send("counter.opened", "warm", 0);
    world.send("counter.worked", "warm", 1);
    world.until("warm", "the first call ends", |counter| counter.worked == 1);
    world.send("counter.worked", "warm", 2);
    world.run(eventually("it is under way", || (plugin.held() == 1).then_some(())));
}

fn counted_once(world: &World, plugin: &Recorded) {
    world.until("warm", "the answer counts", |counter| counter.worked == 2);
    let attempts = plugin.seen().into_iter().map(|one| one.attempt).collect::<Vec<_>>();
    assert_eq!(attempts, [1, 1], "nobody was asked again");
}

#[test]
fn decision_37_an_answer_that_came_while_the_engine_stood_still_counts() {
    let servers = Runtime::new().unwrap();
    let server = servers.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    // On one thread: it stands still whenever nobody runs it.
    let world = World::nats(server.url()).on_one_thread().started();
    let plugin = holding();
    let options = NatsOptions::new(server.url());
    let open = async || Bus::connect(&options).await.unwrap();
    let (others, bus) = elsewhere(&plugin, open, &world);
    under_way(&world, &plugin);
    others.block_on(async {
        plugin.release().await;
        // It is with the server, and nobody of the engine has read it.
        bus.requests().heard().await.unwrap();
    });
    world.advance(DEADLINE * 2);
    counted_once(&world, &plugin);
    others.shutdown_background();
}

#[test]
fn decision_37_an_answer_in_a_full_queue_counts_before_its_deadline() {
    let bus = Bus::in_memory();
    let world = World::on(bus.clone()).with(|config| config.batch_limit = 1);
    let mut world = world.on_one_thread();
    world.start();
    world.deploy(COUNTER);
    let plugin = holding();
    let (others, _) = elsewhere(&plugin, async || bus.clone(), &world);
    under_way(&world, &plugin);
    let handle = world.handle();
    others.block_on(async {
        // These stand before the answer, and a frame takes one of them.
        let events = (10..30).map(|n| handle.event(incoming("counter.added", "warm", n)));
        let asked = tokio::time::timeout(Duration::from_millis(300), join_all(events)).await;
        assert!(asked.is_err(), "the engine stands still");
        plugin.release().await;
    });
    world.advance(DEADLINE * 2);
    counted_once(&world, &plugin);
    others.shutdown_background();
}

#[test]
fn a_call_that_nobody_answers_is_asked_again_all_the_same() {
    on_each_bus(|world| {
        let mut world = world;
        world.start();
        world.deploy(COUNTER);
        let plugin = holding();
        let bus = world.bus();
        let partitions = world.config.partitions;
        let server = world.run(async {
            let server = Recorded::listen(&bus).await;
            drop(bus.requests().discover().await);
            server
        });
        world.spawn(plugin.clone().run(server, bus, partitions));
        under_way(&world, &plugin);
        world.advance(DEADLINE);
        world.run(eventually("it is asked again", || {
            world.advance(Duration::from_millis(100));
            (plugin.seen().len() == 3).then_some(())
        }));
    });
}

fn a_result_comes_in_time_and_is_read_after_the_deadline(world: World) {
    let press = Press::default();
    let mut world = taken(world, &press);
    let order = ordered(&world, &press, 1).remove(0);
    world.crash();
    world.between(async |bus| publish(bus, order.result(7)).await);
    // Its deadline passes while no engine runs.
    world.advance(Duration::from_secs(2 * 3_600));
    world.start();
    press.serve(&world);
    let ended = until(&world, "a", "the result is taken", has_ended);
    assert_eq!(pages(&ended), "7 1 \"\"");
    assert_eq!(press.orders().len(), 1, "it is not asked again");
}

#[test]
fn decision_37_a_result_that_was_stored_before_the_deadline_counts_after_it() {
    on_each_bus(a_result_comes_in_time_and_is_read_after_the_deadline);
    a_result_comes_in_time_and_is_read_after_the_deadline(World::embedded());
}

/// A call that can be taken back, once, in five seconds.
const UNDONE: &str = r#"
workflow: undone
version: 1
correlate: data.key
events: { undone.begun: { start: true } }
mode: sequential
on_failure: rollback
steps:
  first:
    call: recorded.work
    with: { n: 1 }
    undo: { call: recorded.work, with: { n: 2 }, timeout: 5s }
  second: { call: recorded.work, with: { n: 3 } }
"#;

#[test]
fn h6_an_undo_whose_answer_may_be_lost_with_the_connection_is_made_again() {
    let servers = Runtime::new().unwrap();
    let server = servers.block_on(PrivateServer::start(ServerOptions::default()));
    let mut server = server.unwrap();
    let mut world = World::nats(server.url());
    world.start();
    world.deploy(UNDONE);
    let plugin = Recorded::new(|seen| match (seen.input["n"].as_u64(), seen.attempt) {
        (Some(2), 1) => Answer::Hold,
        (Some(3), _) => Answer::Permanent,
        _ => Answer::Done,
    });
    let options = NatsOptions::new(server.url());
    let open = async || Bus::connect(&options).await.unwrap();
    let (others, _bus) = elsewhere(&plugin, open, &world);
    world.ask(event("undone.begun", &json!({ "key": "a" }))).unwrap();
    world.run(eventually("it is taken back", || (plugin.held() == 1).then_some(())));
    server.kill();
    servers.block_on(server.restart()).unwrap();
    // What the plugin says of the call before is said to nobody.
    plugin.forget();
    let key = InstanceKey::new("undone", "a").unwrap();
    let status = async || {
        let wanted = key.clone();
        let look = move |partition: &Partition| partition.instance(&wanted).map(|one| one.status);
        world.handle().look(&key, look).await.ok().flatten()
    };
    world.run(eventually_async("the engine answers again", status));
    world.advance(DEADLINE);
    let ended = async || {
        // Another attempt may wait for its turn.
        world.advance(Duration::from_millis(20));
        let status = status().await?;
        (status.is_ended() || status == Status::Stuck).then_some(status)
    };
    assert_eq!(world.run(eventually_async("it ends", ended)), Status::Failed);
    let asked = plugin.seen().into_iter().filter(|one| one.input["n"] == 2);
    let asked = asked.map(|one| (one.call, one.attempt)).collect::<Vec<_>>();
    assert_eq!(asked.iter().map(|one| one.1).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(asked[0].0, asked[1].0, "the same call");
    others.shutdown_background();
}
