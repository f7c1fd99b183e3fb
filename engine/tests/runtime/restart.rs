//! An engine that dies in the middle of something: the next one goes on from there.

use std::time::Duration;

use gearshift_bus::{Faults, SubjectPattern};
use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::{Outcome, Principal};
use gearshift_machine::partition::{Partition, PartitionInput};

use crate::support::{Answer, Counter, Recorded, Seen, World, eventually, eventually_async, key};

/// Calls as pairs of id and attempt.
fn calls(seen: &[Seen]) -> Vec<(&str, u32)> {
    seen.iter().map(|one| (&*one.call, one.attempt)).collect()
}

/// Waits until the plugin was called `count` times in all.
fn called(world: &World, plugin: &Recorded, count: usize) -> Vec<Seen> {
    let seen = || Some(plugin.seen()).filter(|seen| seen.len() >= count);
    world.run(eventually("the plugin is called", seen))
}

#[test]
fn a_call_under_way_is_made_again_under_the_same_id() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut world = World::embedded().serving(&plugin).started();
    world.send("counter.opened", "a", 0);
    world.send("counter.worked", "a", 1);
    called(&world, &plugin, 1);
    world.restart();
    let seen = called(&world, &plugin, 2);
    assert_eq!(calls(&seen), [(&*seen[0].call, 1), (&*seen[0].call, 1)]);
    assert_eq!(seen[0].input, seen[1].input);
    world.run(plugin.release());
    let counter = world.until("a", "the call ends", |counter| counter.worked == 1);
    assert!(counter.quiet);
    assert_eq!(counter.seen, [1], "what came before the call is not done again");
    world.restart();
    assert_eq!(plugin.seen().len(), 2, "what was answered is not asked again");
}

#[test]
fn p2_a_call_whose_time_was_over_before_the_restart_is_not_sent_behind_it() {
    let plugin = Recorded::new(|seen| match seen.attempt {
        1 => Answer::Hold,
        _ => Answer::Done,
    });
    let mut world = World::embedded().serving(&plugin).started();
    world.send("counter.opened", "a", 0);
    world.send("counter.worked", "a", 1);
    called(&world, &plugin, 1);
    world.crash();
    plugin.forget();
    world.advance(Duration::from_secs(6));
    world.start();
    world.until("a", "the attempt has failed", |counter| {
        let call = counter.instance.sequences.first().and_then(|one| one.call.as_ref());
        call.is_some_and(|call| !call.sent)
    });
    world.advance(Duration::from_secs(10));
    world.until("a", "the call succeeds", |counter| counter.worked == 1);
    let seen = plugin.seen();
    assert_eq!(calls(&seen), [(&*seen[0].call, 1), (&*seen[0].call, 2)]);
}

#[test]
fn a_retry_that_was_waited_for_happens_once_with_its_number() {
    let plugin = Recorded::new(|seen| match seen.attempt {
        1 => Answer::Retryable,
        _ => Answer::Done,
    });
    let mut world = World::embedded().serving(&plugin).started();
    world.send("counter.opened", "a", 0);
    world.send("counter.worked", "a", 1);
    world.until("a", "the first attempt failed", |counter| {
        let call = counter.instance.sequences.first().and_then(|one| one.call.as_ref());
        call.is_some_and(|call| !call.sent)
    });
    for _ in 0..2 {
        world.restart();
        assert_eq!(plugin.seen().len(), 1, "the wait is not over");
    }
    world.advance(Duration::from_secs(10));
    let counter = world.until("a", "the call succeeds", |counter| counter.worked == 1);
    assert!(counter.quiet);
    let seen = plugin.seen();
    assert_eq!(calls(&seen), [(&*seen[0].call, 1), (&*seen[0].call, 2)]);
}

#[test]
fn an_armed_timer_fires_once_and_an_overdue_one_at_once() {
    let mut world = World::embedded().started();
    for name in ["early", "late"] {
        world.send("counter.opened", name, 0);
        world.send("counter.armed", name, 1);
    }
    world.advance(Duration::from_millis(29_999));
    world.restart();
    assert_eq!(world.run(world.counter("early")).unwrap().fired, 0, "never early");
    world.crash();
    // It becomes due, and long overdue, while nobody is there.
    world.advance(Duration::from_secs(3_600));
    world.start();
    for name in ["early", "late"] {
        let counter = world.until(name, "the timer fires", |counter| counter.fired > 0);
        assert_eq!((counter.fired, counter.instance.timers.len()), (1, 0));
    }
    world.advance(Duration::from_secs(3_600));
    world.restart();
    world.send("counter.added", "late", 2);
    let counter = world.run(world.counter("late")).unwrap();
    assert_eq!((counter.fired, counter.seen), (1, vec![2]));
}

#[test]
fn a_publish_that_was_not_confirmed_is_repeated_under_the_same_id() {
    // Most publishes answer `Unknown`, half of those are stored all the same.
    let faults = Faults { inbox_unknown_permille: 700, ..Faults::none() };
    let mut world = World::simulated(7, faults).started();
    let notes = world.run(async {
        let notes = world.bus().inbox("notes").await.unwrap();
        notes.capture(&[SubjectPattern::parse("note.taken").unwrap()]).await.unwrap();
        notes
    });
    world.send("counter.opened", "a", 0);
    for n in 1..=8 {
        world.send("counter.noted", "a", n);
    }
    let pending = |world: &World| {
        let counts = world.run(world.handle().look_everywhere(Partition::counts)).unwrap();
        counts.iter().map(|counts| counts.pending).sum::<usize>()
    };
    let before = pending(&world);
    assert!(before > 0, "the crash comes too late to interrupt anything");
    world.restart();
    assert_eq!(pending(&world), before, "what is pending is part of the partition");
    let none = async || {
        let counts = world.handle().look_everywhere(Partition::counts).await.unwrap();
        counts.iter().all(|counts| counts.pending == 0).then_some(())
    };
    world.run(eventually_async("everything is confirmed", none));
    let mut last = 0;
    let mut ids = std::collections::BTreeMap::new();
    for note in world.run(notes.read_from(1, 1_000)).unwrap() {
        let body = serde_json::from_slice::<serde_json::Value>(&note.message.payload).unwrap();
        let n = body["n"].as_u64().unwrap();
        let id = note.message.headers.get("Nats-Msg-Id").unwrap().to_owned();
        assert_eq!(ids.entry(n).or_insert_with(|| id.clone()), &id, "one effect, one id");
        assert!(n + 1 >= last, "{n} after {last}: order is kept but for repeats");
        last = last.max(n);
    }
    assert_eq!(ids.keys().copied().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[test]
fn early_and_deferred_events_are_offered_by_the_next_engine() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut world = World::embedded().serving(&plugin).started();
    for n in 1..=3 {
        assert_eq!(world.send("counter.hinted", "a", n), Outcome::Deferred);
    }
    world.restart();
    world.send("counter.opened", "a", 0);
    world.until("a", "early events are offered", |counter| counter.seen == [1, 2, 3]);
    world.send("counter.worked", "a", 4);
    called(&world, &plugin, 1);
    for n in 5..=7 {
        assert_eq!(world.send("counter.added", "a", n), Outcome::Deferred);
    }
    world.restart();
    assert_eq!(world.run(world.counter("a")).unwrap().instance.deferred.len(), 3);
    called(&world, &plugin, 2);
    world.run(plugin.release());
    let all = |counter: &Counter| counter.seen.len() == 7;
    let counter = world.until("a", "deferred events are offered", all);
    assert_eq!(counter.seen, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(counter.worked, 1);
}

#[test]
fn an_early_event_that_waited_too_long_while_nobody_was_there_is_a_dead_letter() {
    let mut world = World::embedded().started();
    assert_eq!(world.send("counter.hinted", "a", 1), Outcome::Deferred);
    world.crash();
    world.advance(Duration::from_secs(2 * 3_600));
    world.start();
    let letters = async || {
        let look = |partition: &Partition| {
            partition.dead_letters().map(|(_, letter)| letter.reason.to_string()).next()
        };
        let found = world.handle().look_everywhere(look).await.unwrap();
        found.into_iter().flatten().next()
    };
    let reason = world.run(eventually_async("it is given up", letters));
    assert_eq!(reason, "buffer_expired");
}

#[test]
fn dead_letters_outlive_the_engine_and_can_be_delivered_again() {
    let mut world = World::embedded().started();
    world.publish("counter.added", "a", 1);
    let partition = world.handle().partition_of(&key("a"));
    let letter = async |world: &World| {
        let first = |partition: &Partition| partition.dead_letters().next().map(|(id, _)| id);
        world.handle().read(partition, first).await.unwrap()
    };
    let id = world.run(eventually_async("a dead letter", async || letter(&world).await));
    world.restart();
    assert_eq!(world.run(letter(&world)), Some(id));
    world.send("counter.opened", "a", 0);
    let (early, by) = (Early::DeadLetter, Principal::default());
    let replay = PartitionInput::Replay { dead_letter: id, key: key("a"), early, by };
    let done = world.run(world.handle().input(partition, replay.clone())).unwrap();
    assert!(matches!(done.outcome, Outcome::Transitioned { .. }), "{:?}", done.outcome);
    world.restart();
    assert_eq!(world.run(letter(&world)), None);
    let again = world.run(world.handle().input(partition, replay)).unwrap();
    assert!(matches!(again.outcome, Outcome::NotFound { .. }), "{:?}", again.outcome);
    assert_eq!(world.run(world.counter("a")).unwrap().seen, [1]);
}
