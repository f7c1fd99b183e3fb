//! Two engines that both believe they own the partitions.

use std::thread;

use bytes::Bytes;
use futures_util::future::join;
use gearshift_bus::{Appended, Bus, Faults};
use gearshift_engine::runtime::AskError;
use gearshift_engine::{Engine, Error};
use gearshift_machine::machine::Outcome;
use tokio::time::Instant;

use crate::support::{
    COUNTER, Counter, PATIENCE, World, assert_same, eventually, eventually_async, incoming, key,
    outcome_of, seeds,
};

/// Asks again and again under the same id, one engine after the other, until one decides.
async fn ask_either(worlds: &[&World], event: &str, name: &str, n: u64) {
    let mut turn = n;
    eventually_async("an answer of either engine", async || {
        turn += 1;
        let world = worlds.iter().cycle().nth(usize::try_from(turn).unwrap()).unwrap();
        let outcome = outcome_of(world.handle().event(incoming(event, name, n)).await).ok()?;
        let taken = matches!(outcome, Outcome::Transitioned { .. } | Outcome::Duplicate { .. });
        assert!(taken, "{event} {name} {n}: {outcome:?}");
        Some(())
    })
    .await;
}

/// What the journal says; an engine that does not know yet that it is fenced shows what was.
fn journal_of(world: &World, name: &str) -> Counter {
    let partition = world.handle().partition_of(&key(name));
    Counter::of(world.replayed(partition).finish().instance(&key(name)).unwrap())
}

/// Waits until the journal has `count` events of the counter, and gives them.
fn seen_in_journal(world: &World, name: &str, count: usize) -> Vec<u64> {
    let seen = || Some(journal_of(world, name).seen).filter(|seen| seen.len() >= count);
    let end = Instant::now() + PATIENCE;
    loop {
        match seen() {
            Some(seen) => return seen,
            None => assert!(Instant::now() < end, "{name}: {:?}", journal_of(world, name)),
        }
    }
}

fn epochs(world: &World) -> Vec<u64> {
    world.handle().health().iter().map(|health| health.epoch).collect()
}

#[test]
fn the_older_engine_is_fenced_at_its_next_append() {
    let bus = Bus::in_memory();
    let first = World::on(bus.clone()).started();
    first.send("counter.opened", "a", 0);
    first.send("counter.added", "a", 1);
    let mut second = World::on(bus);
    second.start();
    let refused = outcome_of(first.ask(incoming("counter.added", "a", 2)));
    let unknown = matches!(refused, Err(AskError::Engine(Error::OutcomeUnknown { .. })));
    assert!(unknown, "{refused:?}");
    let place = usize::from(first.handle().partition_of(&key("a")));
    let words = || {
        let health = &first.handle().health()[place];
        let fenced = "another engine took over in epoch 2";
        // It may be back already.
        (health.epoch > 2 || health.reason.as_deref()?.contains(fenced)).then_some(())
    };
    first.run(eventually("it says why", words));
    second.run(ask_either(&[&second], "counter.added", "a", 2));
    second.run(ask_either(&[&second], "counter.added", "a", 3));
    // It comes back by replaying what the other one wrote, and says so for a repeat.
    let repeated = async || {
        let asked = first.handle().event(incoming("counter.added", "a", 3)).await;
        outcome_of(asked).ok().filter(|outcome| matches!(outcome, Outcome::Duplicate { .. }))
    };
    first.run(eventually_async("the first is back", repeated));
    assert_eq!(journal_of(&first, "a").seen, [1, 2, 3]);
}

#[test]
fn two_engines_in_turn_lose_and_double_nothing() {
    let bus = Bus::in_memory();
    let first = World::on(bus.clone()).started();
    let names = ["a", "b", "c", "d"];
    for name in names {
        first.send("counter.opened", name, 0);
        first.publish("counter.opened", &format!("{name}-in"), 0);
    }
    let mut second = World::on(bus);
    thread::scope(|scope| {
        let first = &first;
        // One is asked all the time while the other takes over from it.
        let alone = scope.spawn(move || {
            for n in 1..=300 {
                first.run(ask_either(&[first], "counter.added", "a", n));
            }
        });
        second.start();
        alone.join().unwrap();
    });
    let second = &second;
    thread::scope(|scope| {
        for name in &names[1..] {
            let worlds = [&first, second];
            scope.spawn(move || {
                for n in 1..=60 {
                    second.run(ask_either(&worlds, "counter.added", name, n));
                    second.publish("counter.added", &format!("{name}-in"), n);
                }
            });
        }
    });
    assert_eq!(journal_of(second, "a").seen, (1..=300).collect::<Vec<_>>());
    for name in &names[1..] {
        let wanted = (1..=60).collect::<Vec<_>>();
        assert_eq!(journal_of(second, name).seen, wanted, "{name} through the door");
        let inbox = format!("{name}-in");
        assert_eq!(seen_in_journal(second, &inbox, 60), wanted, "{name} from the inbox");
    }
    assert!(epochs(second).iter().any(|epoch| *epoch > 2), "they never took turns");
}

#[test]
fn engines_that_start_at_once_on_a_busy_journal_do_not_take_each_others_epoch() {
    // Every operation lets others run, so that the starts and the appends interleave.
    let faults = Faults { yields_max: 8, ..Faults::none() };
    for seed in seeds(5) {
        println!("GEARSHIFT_TEST_SEED={seed}");
        let world = World::simulated(seed, faults).started();
        world.send("counter.opened", "a", 0);
        let start = || Engine::start(world.bus(), world.config.clone());
        let old = world.handle();
        let busy = async {
            for n in 1..=20 {
                let asked = async || outcome_of(old.event(incoming("counter.added", "a", n)).await);
                if asked().await.is_err() {
                    return n;
                }
            }
            21
        };
        let (next, (left, right)) = world.run(join(busy, join(start(), start())));
        let handles = [left.unwrap().handle(), right.unwrap().handle(), old.clone()];
        let mut turn = 0;
        for n in next..=22 {
            let asked = async || {
                turn += 1;
                let event = incoming("counter.added", "a", n);
                outcome_of(handles[turn % 3].event(event).await).ok()
            };
            world.run(eventually_async("an answer", asked));
        }
        assert_eq!(journal_of(&world, "a").seen, (1..=22).collect::<Vec<_>>(), "seed {seed}");
    }
}

/// Appends `bytes` behind whatever the journal ends with.
pub(crate) async fn append_as_stranger(bus: &Bus, partition: u16, bytes: impl Into<Bytes>) {
    let bytes = bytes.into();
    let log = bus.log(&format!("journal-{partition}")).await.unwrap();
    loop {
        let last = log.tail().await.unwrap().last;
        if let Appended::Stored(_) = log.append(last, bytes.clone()).await.unwrap() {
            return;
        }
    }
}

#[test]
fn a_strangers_bytes_in_the_journal_are_adopted_and_skipped() {
    let mut world = World::memory().started();
    let name = world.name_in(0);
    world.send("counter.opened", &name, 0);
    for n in 1..=20 {
        world.run(append_as_stranger(&world.bus(), 0, "not one of ours"));
        assert!(matches!(world.send("counter.added", &name, n), Outcome::Transitioned { .. }));
    }
    assert_eq!(world.replayed(0).foreign(), 20);
    assert_eq!(epochs(&world)[0], 1, "a stranger's bytes are no reason to drop the partition");
    let before = world.memory_text();
    world.run(append_as_stranger(&world.bus(), 0, Bytes::new()));
    world.restart();
    assert_same(&before, &world.memory_text(), "after the restart");
    assert_eq!(world.send("counter.added", &name, 20), Outcome::Duplicate { at: 21 });
    world.deploy(COUNTER);
    assert!(matches!(world.send("counter.added", &name, 21), Outcome::Transitioned { .. }));
}
