//! Decision 0047: what waits for its breaker does so without frames.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gearshift_machine::machine::{InstanceKey, TraceEntry};

use crate::plugins::{Shop, ends, jobs, want};
use crate::support::{Answer, Recorded, World, eventually_async, on_each_bus};

/// How many lines the history of an instance has, and how many of them say that it is held back.
async fn lines(world: &World, name: &str) -> Option<(usize, usize)> {
    let key = InstanceKey::new("job", name).unwrap();
    let trace = world.handle().trace(&key).await.ok()?;
    let held = |entry: &&TraceEntry| {
        entry.note.as_ref().is_some_and(|note| note.contains("is held back: the breaker"))
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
