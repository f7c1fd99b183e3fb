//! Partitions that change hands while somebody asks: in order, after a crash, under a zombie.

use std::thread;
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_engine::runtime::AskError;
use gearshift_engine::{Error, Handle};
use gearshift_machine::machine::Outcome;
use tokio::time::Instant;

use crate::cluster::{LEASE, PARTITIONS, ask_owner, joined, member, served, spread};
use crate::support::{
    Answer, COUNTER, Counter, Recorded, World, eventually, eventually_async, incoming, key,
    outcome_of,
};

/// One counter per partition, opened.
fn counters(world: &World) -> Vec<String> {
    let names = (0..PARTITIONS).map(|partition| world.name_in(partition)).collect::<Vec<_>>();
    for name in &names {
        ask_owner(&[world], "counter.opened", name, 0);
    }
    names
}

/// Two engines that have two partitions each, and a counter in every partition.
fn two(bus: &Bus) -> (World, World, Vec<String>) {
    let first = joined(bus, "a");
    first.deploy(COUNTER);
    let names = counters(&first);
    let second = joined(bus, "b");
    spread(&[&first, &second], &[2, 2]);
    (first, second, names)
}

/// How soon an asker asks again.
const PACE: Duration = Duration::from_millis(5);

/// Tells a counter through whichever engine, one number after the other, until `enough` says so;
/// gives the last number and the longest that one answer took.
async fn keep_asking(handle: Handle, name: &str, enough: impl Fn() -> bool) -> (u64, Duration) {
    let (mut n, mut longest) = (0, Duration::ZERO);
    while !enough() {
        n += 1;
        let asked = Instant::now();
        let outcome = outcome_of(handle.event(incoming("counter.added", name, n)).await);
        assert!(matches!(outcome, Ok(Outcome::Transitioned { .. })), "{name} {n}: {outcome:?}");
        longest = longest.max(asked.elapsed());
        // The counter remembers at most 1,000 of them.
        tokio::time::sleep(PACE).await;
    }
    (n, longest)
}

#[test]
fn a_clean_stop_hands_over_without_a_gap() {
    let bus = Bus::in_memory();
    let (mut first, second, names) = two(&bus);
    let moves = std::sync::atomic::AtomicBool::new(true);
    let told = thread::scope(|scope| {
        let askers = names.iter().map(|name| {
            let (second, moves) = (&second, &moves);
            let enough = || !moves.load(std::sync::atomic::Ordering::Acquire);
            scope.spawn(move || second.run(keep_asking(second.handle(), name, enough)))
        });
        let askers = askers.collect::<Vec<_>>();
        let began = Instant::now();
        assert!(first.stop());
        assert!(began.elapsed() < Duration::from_secs(2), "the stop took {:?}", began.elapsed());
        spread(&[&second], &[4]);
        moves.store(false, std::sync::atomic::Ordering::Release);
        askers.into_iter().map(|asker| asker.join().unwrap()).collect::<Vec<_>>()
    });
    for (name, (n, longest)) in names.iter().zip(told) {
        assert!(longest < Duration::from_millis(700), "{name} had no owner for {longest:?}");
        let seen = second.run(second.counter(name)).unwrap().seen;
        assert_eq!(seen, (1..=n).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_call_under_way_does_not_keep_a_partition_and_is_made_again_by_its_next_owner() {
    let bus = Bus::in_memory();
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut first = member(&bus, "a").serving(&plugin);
    first.start();
    first.deploy(COUNTER);
    let names = counters(&first);
    for name in &names {
        ask_owner(&[&first], "counter.worked", name, 1);
    }
    first.run(eventually("all are called", || (plugin.seen().len() == 4).then_some(())));
    let mut second = member(&bus, "b").serving(&plugin);
    second.start();
    spread(&[&first, &second], &[2, 2]);
    second.run(eventually("two are called again", || (plugin.seen().len() >= 6).then_some(())));
    second.run(plugin.release());
    let worlds = [&first, &second];
    for name in &names {
        let partition = first.handle().partition_of(&key(name));
        let owner = worlds[usize::from(served(&second).contains(&partition))];
        owner.until(name, "the call ends", |counter| counter.worked == 1);
    }
    let mut ids =
        plugin.seen().into_iter().map(|seen| (seen.call, seen.attempt)).collect::<Vec<_>>();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "the next owner goes on with the same calls: {ids:?}");
}

#[test]
fn a_crash_is_taken_over_within_two_leases() {
    let bus = Bus::in_memory();
    let (mut first, second, names) = two(&bus);
    first.crash();
    let began = Instant::now();
    for name in &names {
        ask_owner(&[&second], "counter.added", name, 1);
    }
    assert!(began.elapsed() < LEASE * 2, "it took {:?} with leases of {LEASE:?}", began.elapsed());
    assert_eq!(served(&second).len(), 4);
}

#[test]
fn an_engine_that_was_paused_answers_nothing_from_its_old_memory() {
    let bus = Bus::in_memory();
    // On one thread it stands still whenever nobody runs it.
    let mut zombie = member(&bus, "a").on_one_thread();
    zombie.start();
    zombie.deploy(COUNTER);
    let names = counters(&zombie);
    let mut second = member(&bus, "b");
    // It starts while the first one stands still, so nothing is handed over.
    second.start();
    spread(&[&second], &[4]);
    for name in &names {
        ask_owner(&[&second], "counter.added", name, 1);
    }
    assert!(served(&zombie).is_empty(), "by its own clock its leases have run out");
    for name in &names {
        let handle = zombie.handle();
        let wanted = key(name);
        let seen = zombie.run(handle.look(&key(name), move |old| old.instance(&wanted)));
        match seen {
            Err(Error::Unavailable(_)) => {}
            // By now it may be the owner again, and then it knows.
            Ok(now) => assert_eq!(Counter::of(now.unwrap()).seen, [1], "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
        // Nor does it say `rejected` or `duplicate`, which need no frame.
        let repeated = zombie.run(handle.event(incoming("counter.opened", name, 0)));
        match outcome_of(repeated) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Duplicate { at: 1 }, "{name}"),
            Err(AskError::Engine(Error::OutcomeUnknown { .. } | Error::Unavailable(_))) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    // It comes back as one of two.
    thread::scope(|scope| {
        let zombie = &zombie;
        let back = || (served(zombie).len() == 2).then_some(());
        scope.spawn(move || zombie.run(eventually("it is one of two", back)));
    });
    spread(&[&second, &zombie], &[2, 2]);
}

#[test]
fn a_partition_is_not_doubled_by_leases_that_come_and_go() {
    // Leases so short that they run out under load again and again: they decide nothing.
    let bus = Bus::in_memory();
    let hasty = |node| {
        let mut world = member(&bus, node).with(|config| {
            config.cluster.as_mut().unwrap().lease = Duration::from_millis(6);
        });
        world.start();
        world
    };
    let first = hasty("a");
    first.deploy(COUNTER);
    let worlds = [first, hasty("b"), hasty("c")];
    let names = ["x", "y", "z"];
    thread::scope(|scope| {
        for (place, name) in names.iter().enumerate() {
            let worlds = &worlds;
            scope.spawn(move || {
                let handles = worlds.each_ref().map(World::handle);
                worlds[place].run(async {
                    for n in 0..=60 {
                        let event = if n == 0 { "counter.opened" } else { "counter.added" };
                        let mut turn = place;
                        eventually_async("an answer", async || {
                            turn += 1;
                            let asked = handles[turn % 3].event(incoming(event, name, n)).await;
                            let outcome = outcome_of(asked).ok()?;
                            let taken = !matches!(outcome, Outcome::Busy { .. });
                            taken.then_some(())
                        })
                        .await;
                    }
                });
            });
        }
    });
    for name in names {
        let partition = worlds[0].handle().partition_of(&key(name));
        let restored = worlds[0].replayed(partition);
        let seen = Counter::of(restored.finish().instance(&key(name)).unwrap()).seen;
        assert_eq!(seen, (1..=60).collect::<Vec<_>>(), "{name}");
    }
}
