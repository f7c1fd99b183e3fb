//! Calls on a real server, where a call that is under way costs no task: all complete, or are
//! asked again.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{
    Answer, Counter, Recorded, World, eventually, eventually_async, incoming, on_nats,
};

/// As [`crate::support::COUNTER`] has it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Runs the plugin until the set is dropped or aborted.
async fn serve(world: &World, plugin: &Recorded) -> JoinSet<()> {
    let bus = world.bus();
    let server = Recorded::listen(&bus).await;
    // The server has the subscription once it has answered something behind it.
    drop(bus.requests().discover().await);
    let mut serving = JoinSet::new();
    serving.spawn(plugin.clone().run(server, bus, world.config.partitions));
    serving
}

async fn tell(world: &World, event: &str, name: &str, n: u64) {
    world.handle().event(incoming(event, name, n)).await.unwrap();
}

/// One call that the plugin answers, so that its operation is known from here on.
async fn warmed_up(world: &World, plugin: &Recorded) {
    tell(world, "counter.opened", "warm", 0).await;
    tell(world, "counter.worked", "warm", 1).await;
    counter(world, "warm", "the first call ends", |counter| counter.worked == 1).await;
    assert_eq!(plugin.seen().len(), 1);
}

async fn counter(world: &World, name: &str, what: &str, look: impl Fn(&Counter) -> bool) {
    let seen = async || world.counter(name).await.filter(|counter| look(counter));
    eventually_async(what, seen).await;
}

fn by_attempt(held: u32) -> Recorded {
    Recorded::new(move |seen| match seen.input["n"] == 2 && seen.attempt <= held {
        true => Answer::Hold,
        false => Answer::Done,
    })
}

#[test]
fn a_plugin_that_has_gone_is_told_at_once_and_asked_again_when_it_is_back() {
    on_nats(|world| {
        let world = world.started();
        world.run(async {
            let plugin = Recorded::new(|_| Answer::Done);
            let serving = serve(&world, &plugin).await;
            warmed_up(&world, &plugin).await;
            drop(serving);
            let gone = async || {
                let ping = gearshift_bus::Subject::parse("gearshift.plugin.recorded.v1.work");
                let ping = gearshift_bus::Message::new(ping.unwrap(), "");
                let asked = world.bus().requests().request(ping, DEADLINE).await;
                matches!(asked.err()?.kind(), gearshift_bus::ErrorKind::NoResponders { .. })
                    .then_some(())
            };
            eventually_async("the subscription is gone", gone).await;
            let began = Instant::now();
            tell(&world, "counter.worked", "warm", 3).await;
            // The attempt has failed long before its deadline: the next one waits for its turn.
            let waits = |counter: &Counter| {
                let mut running = counter.instance.sequences.iter();
                running.any(|one| one.call.as_ref().is_some_and(|call| !call.sent))
            };
            counter(&world, "warm", "the attempt has failed", waits).await;
            assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
            let _serving = serve(&world, &plugin).await;
            eventually_async("it is asked again", async || {
                // Between attempts only: one that is under way has all of its time.
                if world.counter("warm").await.is_some_and(|one| waits(&one)) {
                    world.advance(Duration::from_millis(100));
                }
                (plugin.seen().len() == 2).then_some(())
            })
            .await;
            counter(&world, "warm", "it ends", |one| one.worked == 2).await;
        });
    });
}

#[test]
fn a_plugin_slower_than_the_deadline_is_asked_again_and_its_late_reply_is_nobodys() {
    on_nats(|world| {
        let world = world.started();
        world.run(async {
            let plugin = by_attempt(1);
            let _serving = serve(&world, &plugin).await;
            warmed_up(&world, &plugin).await;
            tell(&world, "counter.worked", "warm", 2).await;
            eventually("it is under way", || (plugin.held() == 1).then_some(())).await;
            world.advance(DEADLINE);
            // The machine's own timer ends the attempt; the next one comes after the pause.
            eventually_async("it is asked again", async || {
                world.advance(Duration::from_millis(100));
                (plugin.seen().len() == 3).then_some(())
            })
            .await;
            counter(&world, "warm", "the second attempt ends", |one| one.worked == 2).await;
            plugin.release().await;
            tell(&world, "counter.added", "warm", 4).await;
            counter(&world, "warm", "it goes on", |one| one.seen == [1, 2, 4]).await;
            let calls = plugin.seen().into_iter().skip(1).map(|one| (one.call, one.attempt));
            let calls = calls.collect::<Vec<_>>();
            assert_eq!(calls[0].0, calls[1].0, "the same call");
            assert_eq!((calls[0].1, calls[1].1), (1, 2));
            counter(&world, "warm", "it counts once", |one| one.worked == 2 && one.quiet).await;
        });
    });
}

#[test]
fn a_plugin_that_goes_with_a_call_under_way_leaves_it_to_the_next_attempt() {
    on_nats(|world| {
        let world = world.started();
        world.run(async {
            let plugin = by_attempt(1);
            let serving = serve(&world, &plugin).await;
            warmed_up(&world, &plugin).await;
            tell(&world, "counter.worked", "warm", 2).await;
            eventually("it is under way", || (plugin.held() == 1).then_some(())).await;
            drop(serving);
            let _serving = serve(&world, &plugin).await;
            eventually_async("it is asked again", async || {
                world.advance(Duration::from_millis(100));
                (plugin.seen().len() == 3).then_some(())
            })
            .await;
            counter(&world, "warm", "the second attempt ends", |one| one.worked == 2).await;
        });
    });
}

#[test]
fn more_calls_than_may_be_under_way_take_their_turn_and_all_complete() {
    const CALLS: u64 = 40;
    const AT_ONCE: usize = 3;
    on_nats(|world| {
        let world = world.with(|config| {
            config.partitions = 1;
            config.calls_in_flight_limit = AT_ONCE;
        });
        let world = world.started();
        world.run(async {
            let plugin = Recorded::new(|seen| match seen.input["n"] == 1 {
                true => Answer::Done,
                false => Answer::Hold,
            });
            let _serving = serve(&world, &plugin).await;
            warmed_up(&world, &plugin).await;
            for number in 0..CALLS {
                tell(&world, "counter.opened", &format!("k{number}"), 0).await;
                tell(&world, "counter.worked", &format!("k{number}"), 2).await;
            }
            let mut most = 0;
            eventually_async("all were asked", async || {
                most = most.max(plugin.held());
                if plugin.held() == AT_ONCE {
                    plugin.release().await;
                }
                // The last ones are fewer than may be under way.
                (plugin.seen().len() as u64 == CALLS + 1).then_some(())
            })
            .await;
            assert_eq!(most, AT_ONCE, "never more, and as many");
            for number in 0..CALLS {
                let name = format!("k{number}");
                let ended = async || {
                    plugin.release().await;
                    world.counter(&name).await.filter(|one| one.worked == 1)
                };
                eventually_async("each ends", ended).await;
            }
        });
    });
}

#[test]
fn replies_that_meet_a_full_partition_wait_for_room() {
    const CALLS: u64 = 60;
    on_nats(|world| {
        let world = world.on_one_thread().with(|config| {
            config.partitions = 1;
            config.queue_limit = 1;
        });
        let world = world.started();
        world.run(async {
            let plugin = Recorded::new(|seen| match seen.input["n"] == 1 {
                true => Answer::Done,
                false => Answer::Hold,
            });
            let _serving = serve(&world, &plugin).await;
            warmed_up(&world, &plugin).await;
            for number in 0..CALLS {
                tell(&world, "counter.opened", &format!("k{number}"), 0).await;
                tell(&world, "counter.worked", &format!("k{number}"), 2).await;
            }
            let all = || (plugin.held() as u64 == CALLS).then_some(());
            eventually("all are under way", all).await;
            // They arrive together, and the queue has room for one.
            plugin.release().await;
            for number in 0..CALLS {
                let name = format!("k{number}");
                counter(&world, &name, "each ends", |one| one.worked == 1).await;
            }
            assert_eq!(plugin.seen().len() as u64, CALLS + 1, "each was asked once");
        });
    });
}

#[test]
fn a_stop_with_calls_under_way_ends_in_time_and_the_next_start_asks_again() {
    on_nats(|mut world| {
        let plugin = by_attempt(u32::MAX);
        world = world.serving(&plugin).started();
        world.run(async {
            warmed_up(&world, &plugin).await;
            for name in ["a", "b", "c", "d"] {
                tell(&world, "counter.opened", name, 0).await;
                tell(&world, "counter.worked", name, 2).await;
            }
            eventually("all are called", || (plugin.held() == 4).then_some(())).await;
        });
        let began = Instant::now();
        assert!(world.shutdown(), "a plugin that hangs keeps the engine");
        assert!(began.elapsed() < world.config.shutdown_limit);
        plugin.forget();
        world.start();
        world.run(async {
            let four = || (plugin.held() == 4).then_some(());
            eventually("all are called again", four).await;
            plugin.release().await;
            for name in ["a", "b", "c", "d"] {
                counter(&world, name, "the call ends", |one| one.worked == 1).await;
            }
        });
        let ids = plugin.seen().into_iter().skip(1).map(|one| (one.call, one.attempt));
        assert_eq!(ids.collect::<BTreeSet<_>>().len(), 4, "the same calls");
    });
}
