//! An owner that stands still: who asks it hears from its successor.

use std::thread;
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_engine::Error;
use gearshift_engine::runtime::AskError;
use gearshift_machine::machine::{InstanceKey, Outcome};
use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{LEASE, joined, member, served};
use crate::remote::key_at;
use crate::support::{COUNTER, Counter, World, event, eventually, incoming, outcome_of};

/// Before the owner's answer counts as lost; much longer than a takeover takes.
const OWNER_REPLY: Duration = Duration::from_secs(20);

/// An engine, another one that stands still whenever nobody runs it, and an opened counter in a
/// partition of that one.
fn beside_a_sleeper() -> (World, World, InstanceKey) {
    let bus = Bus::in_memory();
    let mut first = member(&bus, "a").with(|config| config.owner_reply = OWNER_REPLY);
    first.start();
    first.deploy(COUNTER);
    let mut sleeper = member(&bus, "b").on_one_thread();
    sleeper.start();
    let far = thread::scope(|scope| {
        let has_two = || (served(&sleeper).len() == 2 && served(&first).len() == 2).then_some(());
        sleeper.run(eventually("it has two", has_two));
        let far = key_at(&sleeper, "counter");
        let opened = scope.spawn({
            let (first, far) = (&first, far.clone());
            move || outcome_of(first.ask(incoming("counter.opened", far.key(), 0))).unwrap()
        });
        sleeper.run(eventually("it has opened it", || opened.is_finished().then_some(())));
        let opened = opened.join().unwrap();
        assert!(matches!(opened, Outcome::Started { .. }), "{opened:?}");
        far
    });
    (first, sleeper, far)
}

/// The sleeper wakes up, with what it was asked meanwhile still before it.
fn wakes(sleeper: &World, first: &World) {
    let back = || (served(sleeper).len() == 2 && served(first).len() == 2).then_some(());
    sleeper.run(eventually("it is one of two again", back));
}

#[test]
fn an_event_with_an_id_is_decided_by_the_successor_and_once() {
    let (first, sleeper, far) = beside_a_sleeper();
    let began = Instant::now();
    for n in 1..=20 {
        let outcome = outcome_of(first.ask(incoming("counter.added", far.key(), n)));
        assert!(matches!(outcome, Ok(Outcome::Transitioned { .. })), "{n}: {outcome:?}");
    }
    let took = began.elapsed();
    assert!(took < LEASE * 2 + Duration::from_secs(3), "the takeover hid for {took:?}");
    wakes(&sleeper, &first);
    let partition = first.handle().partition_of(&far);
    let instance = first.replayed(partition).finish().instance(&far).unwrap();
    assert_eq!(Counter::of(instance).seen, (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_read_is_answered_by_the_successor() {
    let (first, _sleeper, far) = beside_a_sleeper();
    let began = Instant::now();
    let instance = first.run(first.handle().instance(&far)).unwrap();
    assert!(instance.is_some());
    let took = began.elapsed();
    assert!(took < LEASE * 2 + Duration::from_secs(3), "the takeover hid for {took:?}");
}

#[test]
fn an_event_without_an_id_leaves_its_outcome_unknown_as_soon_as_there_is_a_successor() {
    let (first, sleeper, far) = beside_a_sleeper();
    let began = Instant::now();
    let asked = first.ask(event("counter.added", &json!({ "key": far.key(), "n": 1 })));
    let took = began.elapsed();
    let unknown = matches!(asked, Err(AskError::Engine(Error::OutcomeUnknown { .. })));
    assert!(unknown, "{asked:?}");
    assert!(took < OWNER_REPLY / 2, "it took {took:?}");
    wakes(&sleeper, &first);
    let partition = first.handle().partition_of(&far);
    let instance = first.replayed(partition).finish().instance(&far).unwrap();
    assert_eq!(Counter::of(instance).seen, [0_u64; 0], "its frame was refused");
}

#[test]
fn what_is_asked_after_the_takeover_never_goes_to_the_engine_that_stands_still() {
    let (first, _sleeper, far) = beside_a_sleeper();
    first.run(eventually("it is taken over", || (served(&first).len() == 4).then_some(())));
    let third = joined(&first.bus(), "c");
    let began = Instant::now();
    for n in 1..=20 {
        let outcome = outcome_of(third.ask(incoming("counter.added", far.key(), n)));
        assert!(matches!(outcome, Ok(Outcome::Transitioned { .. })), "{n}: {outcome:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
}
