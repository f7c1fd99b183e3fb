//! Schedules: one start per due moment, whoever owns what when (row E6).

use std::collections::BTreeSet;
use std::time::Duration;

use gearshift_bus::{Bus, Faults};
use gearshift_engine::Error;
use gearshift_engine::runtime::{Held, Hold};
use gearshift_machine::definition::model::Schedule;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{InstanceKey, Outcome, Principal, Status};
use gearshift_machine::partition::{PartitionInput, ScheduleOrder, ScheduleState};

use crate::cluster::{member, served, spread};
use crate::support::{World, eventually, eventually_async, on_each_bus, seeds};

/// Each minute a life that ends at once.
const TICK: &str = "
workflow: tick
schedules:
  minutes: { cron: '* * * * *', overlap: allow, catch_up: all }
states: { e: { final: true } }
";

/// A life that lasts until it is told to end.
const LAST: &str = "
workflow: last
correlate: data.key
events: { last.ended: {} }
schedules:
  minutes: { cron: '* * * * *', overlap: OVERLAP }
states: { open: { on: { last.ended: e } }, e: { final: true } }
";

const MINUTE: Duration = Duration::from_secs(60);

fn schedule_of(workflow: &str) -> InstanceKey {
    Schedule::key(workflow, "minutes").unwrap()
}

async fn state_of(world: &World, workflow: &str) -> Option<ScheduleState> {
    world.handle().schedule(&schedule_of(workflow)).await.ok().flatten()
}

/// Waits until the schedule stands as `look` says.
fn until(
    world: &World,
    workflow: &str,
    what: &str,
    look: impl Fn(&ScheduleState) -> bool,
) -> ScheduleState {
    let looked = async || state_of(world, workflow).await.filter(|state| look(state));
    world.run(eventually_async(what, looked))
}

fn planned(world: &World, workflow: &str) {
    until(world, workflow, "the schedule is planned", |state| state.next.is_some());
}

/// Minutes pass one by one; each is dealt with before the next.
fn pass(world: &World, workflow: &str, minutes: u32) {
    for _ in 0..minutes {
        let before = until(world, workflow, "it is planned", |state| state.next.is_some());
        world.advance(MINUTE);
        until(world, workflow, "a minute is dealt with", |state| state.next > before.next);
    }
}

/// The minutes for which there is an instance.
fn minutes_started(world: &World) -> BTreeSet<String> {
    let keys = world.run(world.handle().keys_ending_with(":00Z", 10_000)).unwrap();
    let all = keys.len();
    let minutes: BTreeSet<_> = keys.iter().map(|key| key.key().to_owned()).collect();
    assert_eq!(minutes.len(), all);
    minutes
}

fn minutes(range: std::ops::RangeInclusive<u32>) -> BTreeSet<String> {
    range.map(|minute| format!("minutes-2026-01-01T00:{minute:02}:00Z")).collect()
}

/// Waits until every start has ended, and looks that each minute had one life.
fn each_once(world: &World, range: std::ops::RangeInclusive<u32>) {
    let count = u64::from(range.end() - range.start() + 1);
    let state = until(world, "tick", "all have ended", |state| {
        state.started == count && state.running.is_empty()
    });
    assert_eq!((state.skipped, state.waiting.len()), (0, 0));
    assert_eq!(minutes_started(world), minutes(range.clone()));
    for minute in minutes(range) {
        let key = InstanceKey::new("tick", &minute).unwrap();
        let instance = world.run(world.handle().instance(&key)).unwrap().unwrap();
        assert_eq!((instance.generation.0, instance.status), (1, Status::Done), "{key}");
    }
}

#[test]
fn e6_each_minute_starts_one_instance_also_over_restarts() {
    on_each_bus(|mut world| {
        world.start();
        world.deploy(TICK);
        pass(&world, "tick", 3);
        world.restart();
        pass(&world, "tick", 2);
        each_once(&world, 1..=5);
    });
}

#[test]
fn e6_minutes_without_an_engine_are_made_up_for_each_once() {
    let mut world = World::embedded();
    world.start();
    world.deploy(TICK);
    planned(&world, "tick");
    for minute in 1..=6 {
        world.crash();
        world.advance(MINUTE);
        world.start();
        // The first starts die right behind the moment, before or behind what it does.
        if minute > 3 {
            until(&world, "tick", "it is dealt with", |state| state.started == minute);
        }
    }
    world.crash();
    world.advance(20 * MINUTE);
    world.start();
    each_once(&world, 1..=26);
}

#[test]
fn e6_a_takeover_starts_no_minute_twice_and_leaves_none_out() {
    let bus = Bus::in_memory();
    let mut first = member(&bus, "a");
    first.start();
    first.deploy(TICK);
    let clock = first.config.clock.clone();
    let mut second = member(&bus, "b").with(|config| config.clock = clock);
    second.start();
    spread(&[&first, &second], &[2, 2]);
    pass(&first, "tick", 2);
    let partition = first.handle().partition_of(&schedule_of("tick"));
    for _ in 0..3 {
        // The owner dies just as a minute comes.
        let (owner, other) = match served(&first).contains(&partition) {
            true => (&mut first, &second),
            false => (&mut second, &first),
        };
        owner.advance(MINUTE);
        owner.crash();
        let before = u64::from(minutes_in(other));
        until(other, "tick", "the other makes up for it", |state| state.started >= before);
        owner.start();
        other.run(eventually("both serve", || (served(other).len() == 2).then_some(())));
    }
    each_once(&first, 1..=5);
}

/// How many minutes are over.
fn minutes_in(world: &World) -> u32 {
    let now = world.config.clock.now().to_string();
    now.get(14..16).and_then(|minutes| minutes.parse().ok()).unwrap()
}

#[test]
fn e6_faults_of_the_bus_neither_double_nor_lose_a_minute() {
    for seed in seeds(8) {
        let mut world = World::simulated(seed, Faults::rough());
        world.start();
        world.deploy(TICK);
        planned(&world, "tick");
        for minute in 0..6 {
            world.advance(MINUTE);
            if minute % 2 == 1 {
                world.restart();
            }
        }
        each_once(&world, 1..=6);
    }
}

#[test]
fn e6_the_newest_version_replaces_the_schedule_of_the_one_before_on_every_engine() {
    let bus = Bus::in_memory();
    let mut first = member(&bus, "a");
    first.start();
    first.deploy(TICK);
    planned(&first, "tick");
    let clock = first.config.clock.clone();
    let mut second = member(&bus, "b").with(|config| config.clock = clock);
    second.start();
    spread(&[&first, &second], &[2, 2]);
    let hourly = TICK.replace("workflow: tick", "workflow: tick\nversion: 2");
    second.deploy(&hourly.replace("* * * * *", "0 * * * *"));
    let hour = |state: &ScheduleState| state.next.is_some_and(|next| next.0 % 3_600_000 == 0);
    until(&first, "tick", "the new one counts", hour);
    first.advance(2 * MINUTE);
    second.deploy("workflow: tick\nversion: 3\nstates: { e: { final: true } }\n");
    let gone = async || state_of(&first, "tick").await.is_none().then_some(());
    first.run(eventually_async("it is retired", gone));
    assert_eq!(minutes_started(&first), BTreeSet::new());
}

#[test]
fn e6_a_paused_definition_starts_nothing() {
    on_each_bus(|mut world| {
        world.start();
        world.deploy(TICK);
        planned(&world, "tick");
        let held = Held::Definition("tick".to_owned(), None);
        let since = world.config.clock.now();
        let hold = Hold { by: "ann".to_owned(), reason: "holiday".to_owned(), since };
        assert!(world.run(world.handle().hold(&held, hold)).unwrap());
        pass(&world, "tick", 2);
        assert!(world.run(world.handle().release(&held)).unwrap());
        pass(&world, "tick", 1);
        let state = until(&world, "tick", "one was started and has ended", |state| {
            state.started == 1 && state.running.is_empty()
        });
        assert_eq!(state.skipped, 2);
        assert_eq!(minutes_started(&world), minutes(3..=3));
    });
}

#[test]
fn e6_skip_queue_and_a_start_by_hand_over_restarts() {
    let mut world = World::embedded();
    world.start();
    world.deploy(&LAST.replace("OVERLAP", "queue"));
    pass(&world, "last", 3);
    let state = until(&world, "last", "two wait", |state| state.waiting.len() == 2);
    assert_eq!((state.started, state.running.len()), (1, 1));
    world.restart();
    for (ended, started) in [(1, 2), (2, 3)] {
        let name = format!("minutes-2026-01-01T00:0{ended}:00Z");
        world.send("last.ended", &name, 0);
        until(&world, "last", "the next one starts", |state| state.started == started);
        world.restart();
    }
    world.deploy(&LAST.replace("OVERLAP", "skip").replace("last\n", "last\nversion: 2\n"));
    let trigger = || {
        let by = Principal { user: "ann".into(), roles: Vec::new() };
        let key = schedule_of("last");
        let partition = world.handle().partition_of(&key);
        let order = ScheduleOrder::Trigger { by, reason: "".into() };
        world.run(world.handle().input(partition, PartitionInput::Schedule { key, order })).unwrap()
    };
    assert!(matches!(trigger().outcome, Outcome::Rejected { .. }), "the third still runs");
    world.send("last.ended", "minutes-2026-01-01T00:03:00Z", 0);
    until(&world, "last", "nothing runs", |state| state.running.is_empty());
    assert!(matches!(trigger().outcome, Outcome::Started { .. }));
}

#[test]
fn d21_a_schedule_that_cannot_be_kept_is_not_deployed() {
    let mut world = World::memory();
    world.start();
    for (wrong, name) in [("0 0 30 2 *", "never_fires"), ("* * * * * *", "too_frequent")] {
        let text = TICK.replace("* * * * *", wrong);
        let loaded = load(&text, "tick", Format::Yaml).unwrap();
        let refused = world.run(world.handle().deploy(loaded.definition)).unwrap_err();
        let Error::Definition(problems) = refused else { panic!("{refused}") };
        assert_eq!(problems.iter().map(|problem| problem.name).collect::<Vec<_>>(), [name]);
    }
    assert!(world.run(state_of(&world, "tick")).is_none());
}
