//! Bare events with several engines: each keeps what is its own, and nothing is lost or doubled.

use gearshift_bus::{Bus, Message, Subject};
use gearshift_engine::runtime::DeadLetterFilter;
use gearshift_machine::partition::DeadLetter;
use serde_json::json;

use crate::cluster::{PARTITIONS, joined, spread};
use crate::support::{COUNTER, Counter, World, eventually_async, key};

/// The counter, whichever engine has it.
pub(crate) async fn counter_of(world: &World, name: &str) -> Option<Counter> {
    world.handle().instance(&key(name)).await.ok()?.map(Counter::of)
}

/// Waits until the counter has taken `count` events, and gives them.
pub(crate) fn taken(world: &World, name: &str, count: usize) -> Vec<u64> {
    let seen = async || counter_of(world, name).await.filter(|one| one.seen.len() >= count);
    world.run(eventually_async(&format!("{name} takes {count}"), seen)).seen
}

/// All dead letters, of all partitions.
pub(crate) fn dead_letters(world: &World) -> Vec<DeadLetter> {
    let all = async || {
        let mut all = Vec::new();
        for partition in 0..world.config.partitions {
            let wanted = DeadLetterFilter::default();
            let found = world.handle().dead_letters(partition, &wanted, None, 100).await.ok()?;
            all.extend(found.into_iter().map(|(_, letter)| letter));
        }
        Some(all)
    };
    world.run(eventually_async("dead letters are told", all))
}

/// Stores an event without an id: only its place tells a repeat.
pub(crate) fn publish_bare(world: &World, event: &str, body: &serde_json::Value) {
    let message = Message::new(Subject::parse(event).unwrap(), body.to_string());
    world.run(world.bus().publish(message)).unwrap();
}

#[test]
fn two_engines_apply_bare_events_once_over_a_crash_of_one() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    let mut second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let names = (0..PARTITIONS).map(|partition| first.name_in(partition)).collect::<Vec<_>>();
    for name in &names {
        publish_bare(&first, "counter.opened", &json!({ "key": name, "n": 0 }));
    }
    for n in 1..=150 {
        for name in &names {
            publish_bare(&first, "counter.added", &json!({ "key": name, "n": n }));
        }
        if n == 70 {
            taken(&first, &names[0], 60);
            second.crash();
        }
    }
    for name in &names {
        assert_eq!(taken(&first, name, 150), (1..=150).collect::<Vec<_>>(), "{name}");
    }
    let counter = first.run(counter_of(&first, &names[3])).unwrap();
    assert_eq!(counter.instance.step, 151, "one step for each event, none for repeats");
    assert_eq!(dead_letters(&first), []);
}

#[test]
fn a_partition_that_comes_back_is_read_on_from_where_the_other_engine_left_it() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    let names = (0..PARTITIONS).map(|partition| first.name_in(partition)).collect::<Vec<_>>();
    for name in &names {
        publish_bare(&first, "counter.opened", &json!({ "key": name, "n": 0 }));
    }
    let mut n = 0;
    for _ in 0..3 {
        let mut second = joined(&bus, "b");
        for _ in 0..40 {
            n += 1;
            for name in &names {
                publish_bare(&first, "counter.added", &json!({ "key": name, "n": n }));
            }
        }
        spread(&[&first, &second], &[2, 2]);
        for _ in 0..40 {
            n += 1;
            for name in &names {
                publish_bare(&first, "counter.added", &json!({ "key": name, "n": n }));
            }
        }
        assert!(second.stop());
    }
    for name in &names {
        let seen = taken(&first, name, usize::try_from(n).unwrap());
        assert_eq!(seen, (1..=n).collect::<Vec<_>>(), "{name}");
    }
    assert_eq!(dead_letters(&first), []);
}

/// Listens to the counter's event, and finds its instances by another field.
pub(crate) const OTHER: &str = "\
workflow: other
version: 1
correlate: data.other
events:
  other.opened: { start: true }
  counter.added: {}
vars: { seen: [] }
initial: open
states:
  open:
    on:
      counter.added: { do: { set: { seen: \"vars.seen + [data.n]\" } } }
";

#[test]
fn an_event_with_targets_on_two_engines_leaves_one_dead_letter_where_nobody_takes_it() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    first.deploy(OTHER);
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    // Keys of all pairs of partitions: targets on one engine, and on both.
    let names = (0..PARTITIONS).map(|partition| first.name_in(partition)).collect::<Vec<_>>();
    let mut nobody = 0;
    for name in &names {
        for other in &names {
            publish_bare(&first, "counter.added", &json!({ "key": name, "other": other, "n": 1 }));
            nobody += 1;
        }
    }
    let letters = async || {
        let letters = dead_letters_now(&first).await?;
        (letters.len() >= nobody).then_some(letters)
    };
    let letters = first.run(eventually_async("dead letters", letters));
    assert_eq!(letters.len(), nobody, "{letters:#?}");
    for name in &names {
        publish_bare(&first, "counter.opened", &json!({ "key": name, "n": 0 }));
    }
    for name in &names {
        taken(&first, name, 0);
    }
    // Now one of the two takes each.
    let mut count = 0;
    for _ in &names {
        for name in &names {
            count += 1;
            let body = json!({ "key": name, "other": format!("nobody-{count}"), "n": count });
            publish_bare(&first, "counter.added", &body);
        }
    }
    for name in &names {
        assert_eq!(taken(&first, name, names.len()).len(), names.len());
    }
    assert_eq!(dead_letters(&first).len(), nobody, "none is kept that somebody took");
}

/// [`dead_letters`], where all owners can be asked just now.
pub(crate) async fn dead_letters_now(world: &World) -> Option<Vec<DeadLetter>> {
    let mut all = Vec::new();
    for partition in 0..world.config.partitions {
        let wanted = DeadLetterFilter::default();
        let found = world.handle().dead_letters(partition, &wanted, None, 100).await.ok()?;
        all.extend(found.into_iter().map(|(_, letter)| letter));
    }
    Some(all)
}

#[test]
fn the_inbox_is_trimmed_to_what_all_engines_have_passed() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    let mut second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let busy = first.name_in(2);
    publish_bare(&first, "counter.opened", &json!({ "key": busy, "n": 0 }));
    let body = json!({ "key": busy, "pad": "" });
    for _ in 0..5_000 {
        publish_bare(&first, "counter.padded", &body);
    }
    let trimmed = async || {
        let tail = first.bus().inbox("events").await.unwrap().tail().await.unwrap();
        (tail.first > 1).then_some(tail)
    };
    let tail = first.run(eventually_async("the inbox is trimmed", trimmed));
    assert!(tail.first <= 5_002, "{tail:?}");
    // Whoever takes over finds nothing missing.
    second.crash();
    publish_bare(&first, "counter.added", &json!({ "key": busy, "n": 1 }));
    assert_eq!(taken(&first, &busy, 1), [1]);
    let step = first.run(counter_of(&first, &busy)).unwrap().instance.step;
    assert_eq!(step, 5_002, "each message is one step");
    assert_eq!(dead_letters(&first), []);
}
