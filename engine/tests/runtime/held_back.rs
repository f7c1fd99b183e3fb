//! Decision 0047: what waits for its breaker does so without frames.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_machine::machine::{InstanceKey, TraceEntry};
use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{member, served, spread};
use crate::plugins::{Shop, ends, jobs, want};
use crate::support::{Answer, Recorded, World, event, eventually_async, on_each_bus};

/// How many lines the history of an instance has, and how many of them say that it is held back.
async fn lines(world: &World, name: &str) -> Option<(usize, usize)> {
    let key = InstanceKey::new("job", name).unwrap();
    let trace = world.handle().trace(&key).await.ok()?;
    let held = |entry: &&TraceEntry| {
        entry.note.as_ref().is_some_and(|note| note.contains("is held back: "))
    };
    Some((trace.len(), trace.iter().filter(held).count()))
}

async fn held(world: &World, name: &str) -> (usize, usize) {
    let seen = async || lines(world, name).await.filter(|(_, held)| *held > 0);
    eventually_async(&format!("{name} is held back"), seen).await
}

/// Of what waits the journal hears that it does and that it goes on, and nothing between.
#[test]
fn decision_47_what_waits_for_a_breaker_costs_two_frames_however_long_it_is() {
    on_each_bus(|mut world| {
        world.start();
        let shop = Shop::default();
        shop.fails.store(true, Ordering::Relaxed);
        world.deploy(&jobs("p.work", "{ breaker: { threshold: 1, reset: 100h } }"));
        let bus = world.bus();
        world.run(async {
            let _worker = shop.worker(&bus, "1.0.0", false).await;
            want(&world, "a").await;
            let opened = async || world.handle().breakers().pop();
            eventually_async("it opens", opened).await;
            // Its next attempt may be armed only now.
            let again = async || {
                world.advance(Duration::from_millis(200));
                lines(&world, "a").await.filter(|(_, held)| *held > 0)
            };
            let (before, _) = eventually_async("a is held back", again).await;
            for number in 0..5 {
                // Its time would have been over many times.
                world.advance(Duration::from_secs(3_600));
                want(&world, &format!("b{number}")).await;
                assert_eq!(held(&world, &format!("b{number}")).await, (2, 1));
            }
            assert_eq!(lines(&world, "a").await, Some((before, 1)));
        });
        drop(bus);
        world.restart();
        let bus = world.bus();
        world.run(async {
            let _worker = shop.worker(&bus, "1.0.0", false).await;
            shop.fails.store(false, Ordering::Relaxed);
            want(&world, "c").await;
            held(&world, "c").await;
            assert_eq!(lines(&world, "b0").await, Some((2, 1)), "it is held on");
            world.handle().reset_breakers("p", None, "ann").await.unwrap();
            for name in ["a", "b0", "b1", "b2", "b3", "b4", "c"] {
                ends(&world, name).await;
            }
            assert_eq!(lines(&world, "b0").await, Some((4, 1)), "held, sent, answered");
        });
    });
}

/// The call by which a breaker is tried is asked for again by the engine that is there then, and
/// nobody waits longer for what the one before would have heard.
#[test]
fn decision_49_what_is_tried_when_its_engine_goes_is_tried_by_the_next_at_once() {
    let times = AtomicU32::new(0);
    let plugin = Recorded::new(move |_| match times.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Retryable,
        1 => Answer::Hold,
        _ => Answer::Done,
    });
    let mut world = World::embedded().serving(&plugin);
    world.start();
    world.deploy(
        "
workflow: job
version: 1
correlate: data.key
events: { job.wanted: { start: true } }
plugins: { recorded: { breaker: { threshold: 1, reset: 1h } } }
steps: { one: { call: recorded.work, timeout: 12h, retry: { attempts: 3, delay: 1s } } }
",
    );
    world.run(async {
        want(&world, "a").await;
        let opened = async || world.handle().breakers().pop();
        eventually_async("it opens", opened).await;
        world.advance(Duration::from_secs(3_600));
        let tried = async || {
            world.advance(Duration::from_millis(200));
            (plugin.held() == 1).then_some(())
        };
        eventually_async("one call is tried", tried).await;
        assert!(world.handle().breakers().pop().unwrap().1.half_open);
    });
    plugin.forget();
    world.restart();
    // The clock stands still meanwhile.
    world.run(async {
        ends(&world, "a").await;
        let closed = async || world.handle().breakers().is_empty().then_some(());
        eventually_async("it is closed", closed).await;
    });
    assert_eq!(plugin.seen().len(), 3);
}

/// Fails once, is silent once, and answers then.
fn ailing() -> Recorded {
    let times = AtomicU32::new(0);
    Recorded::new(move |_| match times.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Retryable,
        1 => Answer::Hold,
        _ => Answer::Done,
    })
}

fn job(reset: &str, timeout: &str) -> String {
    format!(
        "workflow: job\ncorrelate: data.key\nevents: {{ job.wanted: {{ start: true }} }}\n\
         plugins: {{ recorded: {{ breaker: {{ threshold: 1, reset: {reset} }} }} }}\nsteps: {{ \
         one: {{ call: recorded.work, timeout: {timeout}, retry: {{ attempts: 3, delay: 1s }} }} }}\n"
    )
}

/// Its first attempt fails, and the second one is held back.
async fn opens(world: &World, name: &str) {
    world.handle().event(event("job.wanted", &json!({ "key": name }))).await.unwrap();
    let opened = async || world.handle().breakers().pop();
    eventually_async("it opens", opened).await;
    let waits = async || {
        world.advance(Duration::from_millis(200));
        lines(world, name).await.filter(|(_, held)| *held > 0)
    };
    eventually_async("it is held back", waits).await;
}

/// What was held back has all of its time once it is sent, so that nobody else is tried meanwhile;
/// also where its deadline would have been over, or soon would be.
#[test]
fn decision_49_a_call_that_was_held_back_is_tried_for_half_a_minute() {
    for (reset, timeout, later) in [("1h", "5s", 3_600), ("10s", "12s", 10)] {
        let plugin = ailing();
        let mut world = World::memory().serving(&plugin);
        world.start();
        world.deploy(&job(reset, timeout));
        world.run(async {
            opens(&world, "a").await;
            world.advance(Duration::from_secs(later));
            let tried = async || (plugin.held() == 1).then_some(());
            eventually_async("it is tried", tried).await;
            let (_, tripped) = world.handle().breakers().pop().unwrap();
            assert!(tripped.half_open, "{tripped:?}");
            let left = tripped.until.since_ms(world.config.clock.now());
            assert_eq!(left, 30_000, "{timeout}: {tripped:?}");
        });
    }
}

/// The same call is tried on by the engine that takes its partition over.
#[test]
fn decision_49_what_is_tried_when_its_engine_goes_is_tried_by_another_one_at_once() {
    let (bus, plugin) = (Bus::in_memory(), ailing());
    let mut first = member(&bus, "a").serving(&plugin);
    first.start();
    first.deploy(&job("1h", "12h"));
    let clock = first.config.clock.clone();
    let mut second = member(&bus, "b").serving(&plugin).with(|config| config.clock = clock);
    second.start();
    spread(&[&first, &second], &[2, 2]);
    let here = served(&first);
    let mut names = (0..1_000).map(|number| format!("k{number}"));
    let is_here = |name: &String| {
        let key = InstanceKey::new("job", name).unwrap();
        here.contains(&first.handle().partition_of(&key))
    };
    let name = names.find(is_here).unwrap();
    first.run(async {
        opens(&first, &name).await;
        first.advance(Duration::from_secs(3_600));
        let tried = async || (plugin.held() == 1).then_some(());
        eventually_async("it is tried", tried).await;
    });
    first.crash();
    plugin.forget();
    // The clock stands still meanwhile.
    second.run(async {
        ends(&second, &name).await;
        let closed = async || second.handle().breakers().is_empty().then_some(());
        eventually_async("it is closed", closed).await;
    });
    assert_eq!(plugin.seen().len(), 3);
}

/// Who finds room soon costs nothing; else the history hears of it in time for most of its own.
#[test]
fn decision_47_room_is_waited_for_an_eighth_of_the_time_without_a_word() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut world = World::memory().in_no_time().serving(&plugin);
    world.start();
    world.deploy(
        "
workflow: job
correlate: data.key
events: { job.wanted: { start: true } }
plugins: { recorded: { concurrency: 1 } }
steps: { one: { call: recorded.work, timeout: 16s } }
",
    );
    let called = async |count: usize| {
        let called = async || (plugin.seen().len() == count).then_some(());
        eventually_async("it is called", called).await;
    };
    world.run(async {
        want(&world, "a").await;
        called(1).await;
        let began = Instant::now();
        want(&world, "b").await;
        let took = async || {
            held(&world, "b").await;
            began.elapsed().as_millis()
        };
        let took = took().await;
        assert!((2_000..2_100).contains(&took), "{took} ms");
        plugin.release().await;
        called(2).await;
        want(&world, "c").await;
        tokio::time::sleep(Duration::from_millis(1_900)).await;
        plugin.release().await;
        called(3).await;
        plugin.release().await;
        for name in ["a", "b", "c"] {
            ends(&world, name).await;
        }
        assert_eq!(lines(&world, "b").await, Some((4, 1)), "held, sent, answered");
        assert_eq!(lines(&world, "c").await, Some((2, 0)), "answered");
    });
}
