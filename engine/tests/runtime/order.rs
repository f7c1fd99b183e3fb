//! Write before act: whatever is seen of a decision, its frame is in the log by then.

use std::sync::{Arc, Mutex};

use futures_util::future::join;
use gearshift_bus::{Faults, SubjectPattern};
use gearshift_machine::machine::Outcome;

use crate::support::{Answer, Recorded, World, eventually_async, incoming, outcome_of, tails};

/// What was seen, and where the journal ended then.
type Sightings = Arc<Mutex<Vec<(&'static str, u64)>>>;

/// An append takes hundreds of turns of other tasks before it is stored, and again before it says
/// so: whoever acts too early is seen.
const SLOW: Faults = Faults {
    append_unknown_permille: 0,
    inbox_unknown_permille: 0,
    notice_lost_permille: 0,
    no_responders_permille: 0,
    request_timeout_permille: 0,
    request_twice_permille: 0,
    yields_max: 2_000,
};

fn watch(world: &World) -> Sightings {
    let sightings = Sightings::default();
    let (bus, seen) = (world.bus(), Arc::clone(&sightings));
    let pattern = SubjectPattern::parse("note.taken").unwrap();
    let mut notes = world.run(bus.subscribe(&pattern)).unwrap();
    world.spawn(async move {
        while notes.next().await.is_some() {
            let at = tails(&bus, 1).await[0];
            seen.lock().unwrap().push(("publish", at));
        }
    });
    let (bus, seen) = (world.bus(), Arc::clone(&sightings));
    let mut notices = world.handle().notices();
    world.spawn(async move {
        while notices.recv().await.is_ok() {
            let at = tails(&bus, 1).await[0];
            seen.lock().unwrap().push(("notice", at));
        }
    });
    sightings
}

/// Waits until nothing is under way; where the journal ends then.
async fn rest(world: &World) -> u64 {
    eventually_async("everything rests", async || {
        let before = tails(&world.bus(), 1).await[0];
        let quiet = world.counter("a").await.is_none_or(|counter| counter.quiet);
        let counts = world.handle().read(0, |partition| partition.counts()).await.unwrap();
        let after = tails(&world.bus(), 1).await[0];
        (quiet && counts.pending == 0 && before == after).then_some(after)
    })
    .await
}

#[test]
fn no_call_publish_reply_or_notice_is_seen_before_its_frame() {
    let plugin = Recorded::new(|_| Answer::Done);
    let world = World::simulated(1, SLOW).with(|config| config.partitions = 1);
    let world = world.serving(&plugin).started();
    let sightings = watch(&world);
    let mut kinds = std::collections::BTreeSet::new();
    for n in 0..24 {
        let event = match n {
            0 => "counter.opened",
            _ => ["counter.added", "counter.noted", "counter.worked"]
                [usize::try_from(n % 3).unwrap()],
        };
        let before = world.run(rest(&world));
        sightings.lock().unwrap().clear();
        let calls = plugin.seen().len();
        let asked = async { outcome_of(world.handle().event(incoming(event, "a", n)).await) };
        let replied = async {
            let outcome = asked.await.unwrap();
            let at = tails(&world.bus(), 1).await[0];
            assert!(at > before, "{event} is answered {outcome:?} before its frame is there");
        };
        let called = async {
            if event == "counter.worked" {
                let seen = async || plugin.seen().get(calls).cloned();
                let call = eventually_async("the plugin is called", seen).await;
                assert!(call.tails[0] > before, "the plugin is called before the frame is there");
            }
        };
        world.run(join(replied, called));
        world.run(rest(&world));
        for (what, at) in sightings.lock().unwrap().iter() {
            assert!(*at > before, "{event}: a {what} is seen before its frame is there");
            kinds.insert(*what);
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["notice", "publish"]);
    assert_eq!(plugin.seen().len(), 8);
}

#[test]
fn a_read_never_shows_what_may_still_be_lost() {
    let world = World::simulated(2, SLOW).with(|config| config.partitions = 1).started();
    world.send("counter.opened", "a", 0);
    for n in 1..=10 {
        let before = world.run(rest(&world));
        let asked =
            async { outcome_of(world.handle().event(incoming("counter.added", "a", n)).await) };
        let looked = async {
            loop {
                let counter = world.counter("a").await.unwrap();
                if counter.seen.contains(&n) {
                    return tails(&world.bus(), 1).await[0];
                }
            }
        };
        let (outcome, shown) = world.run(join(asked, looked));
        assert!(matches!(outcome.unwrap(), Outcome::Transitioned { .. }));
        assert!(shown > before, "event {n} is shown before its frame is there");
    }
}
