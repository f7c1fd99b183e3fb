//! A stop in order: what was accepted is decided, nothing waits for what hangs.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use gearshift_engine::Error;
use gearshift_engine::runtime::AskError;
use gearshift_machine::machine::Outcome;
use tokio::time::Instant;

use crate::fencing::append_as_stranger;
use crate::support::{Answer, Recorded, World, assert_same, eventually, incoming, outcome_of};

#[test]
fn everything_accepted_before_the_stop_is_decided() {
    // More than fit one frame, so that the stop meets a queue and what the last frame left over.
    const ASKED: u64 = 1_000;
    let world = World::embedded().on_one_thread().with(|config| config.partitions = 1);
    let mut world = world.started();
    world.send("counter.opened", "a", 0);
    let handle = world.handle();
    let asked = join_all((1..=ASKED).map(|n| {
        let name = if n % 100 == 0 { "a".to_owned() } else { format!("new-{n}") };
        let event = if n % 100 == 0 { "counter.added" } else { "counter.opened" };
        let handle = handle.clone();
        async move { outcome_of(handle.event(incoming(event, &name, n)).await) }
    }));
    let (outcomes, ended) = world.shutdown_beside(asked);
    assert!(ended);
    for outcome in outcomes {
        let outcome = outcome.unwrap();
        let decided = matches!(outcome, Outcome::Started { .. } | Outcome::Transitioned { .. });
        assert!(decided, "{outcome:?}");
    }
    let late = world_is_closed(&handle);
    assert!(matches!(late, Err(AskError::Engine(Error::Unavailable(_)))), "{late:?}");
    drop(handle);
    world.start();
    let seen = world.run(world.counter("a")).unwrap().seen;
    assert_eq!(seen, (1..=10).map(|hundred| hundred * 100).collect::<Vec<_>>());
    let counts =
        world.run(world.handle().read(0, |partition| partition.instances_from(None, 5_000)));
    assert_eq!(counts.unwrap().len(), 991);
}

/// An engine that has stopped answers, and says that it does not decide.
fn world_is_closed(handle: &gearshift_engine::Handle) -> Result<Outcome, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { outcome_of(handle.event(incoming("counter.added", "a", 1)).await) })
}

#[test]
fn calls_under_way_do_not_keep_a_stop_and_go_on_after_it() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut world = World::embedded().serving(&plugin).started();
    for name in ["a", "b", "c", "d"] {
        world.send("counter.opened", name, 0);
        world.send("counter.worked", name, 1);
    }
    let four = || (plugin.seen().len() == 4).then_some(());
    world.run(eventually("all are called", four));
    let before = world.memory_text();
    let began = Instant::now();
    assert!(world.shutdown(), "a plugin that hangs keeps the engine");
    assert!(began.elapsed() < world.config.shutdown_limit);
    world.start();
    assert_same(&before, &world.memory_text(), "after the stop");
    let eight = || (plugin.seen().len() == 8).then_some(());
    world.run(eventually("all are called again", eight));
    world.run(plugin.release());
    for name in ["a", "b", "c", "d"] {
        world.until(name, "the call ends", |counter| counter.worked == 1);
    }
    let ids = plugin.seen().into_iter().map(|one| (one.call, one.attempt));
    assert_eq!(
        ids.collect::<BTreeSet<_>>().len(),
        4,
        "the next engine goes on with the same calls"
    );
}

#[test]
fn a_call_that_ends_during_the_stop_is_recorded() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let mut world = World::embedded().serving(&plugin).started();
    world.send("counter.opened", "a", 0);
    world.send("counter.worked", "a", 1);
    world.run(eventually("it is called", || (plugin.seen().len() == 1).then_some(())));
    let handle = world.handle();
    let released = async {
        handle.stopping().await;
        plugin.release().await;
    };
    let ((), ended) = world.shutdown_beside(released);
    assert!(ended);
    drop(handle);
    world.start();
    assert_eq!(world.run(world.counter("a")).unwrap().worked, 1, "asked again after the stop");
    assert_eq!(plugin.seen().len(), 1);
}

#[test]
fn a_full_queue_of_answers_does_not_keep_a_stop() {
    let plugin = Recorded::new(|_| Answer::Hold);
    let world = World::embedded().with(|config| {
        config.partitions = 1;
        config.queue_limit = 1;
    });
    let mut world = world.serving(&plugin).started();
    for number in 0..40 {
        let name = format!("n{number}");
        world.send("counter.opened", &name, 0);
        world.send("counter.worked", &name, 1);
    }
    let all = || (plugin.seen().len() == 40).then_some(());
    world.run(eventually("all are called", all));
    let began = Instant::now();
    let released = async { plugin.release().await };
    let ((), ended) = world.shutdown_beside(released);
    assert!(ended);
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "answers waited in the queue of a stopped one"
    );
    world.start();
    for number in 0..40 {
        assert_eq!(world.run(world.counter(&format!("n{number}"))).unwrap().seen, [1]);
    }
}

#[test]
fn what_waits_behind_a_lost_frame_when_the_engine_stops_was_not_done_and_says_so() {
    let world = World::memory().on_one_thread().with(|config| {
        config.partitions = 1;
        config.batch_limit = 1;
    });
    let mut world = world.started();
    world.send("counter.opened", "a", 0);
    // Another owner's epoch: the next frame is fenced, and the partition rests for a moment.
    let mut taken = world.replayed(0).finish();
    let epoch = taken.epoch() + 1;
    world.run(append_as_stranger(&world.bus(), 0, taken.epoch_frame(epoch, "another")));
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let handle = world.handle();
    // All wait in the partition's queue before it has a turn.
    world.spawn(async move {
        let asked = (1..=10).map(|n| {
            let (handle, tell) = (&handle, &tell);
            async move {
                let asked = outcome_of(handle.event(incoming("counter.added", "a", n)).await);
                tell.send((n, asked)).unwrap();
            }
        });
        join_all(asked).await;
    });
    let lost = world.run(told.recv());
    let is_unknown = matches!(
        lost,
        Some((1, Err(AskError::Engine(Error::OutcomeUnknown { partition: 0, .. }))))
    );
    assert!(is_unknown, "{lost:?}");
    let asked = async {
        let mut answers = Vec::new();
        while let Some(answer) = told.recv().await {
            answers.push(answer);
        }
        answers
    };
    let (answers, ended) = world.shutdown_beside(asked);
    assert!(ended);
    assert_eq!(answers.len(), 9);
    for (n, answer) in answers {
        let said = matches!(answer, Err(AskError::Engine(Error::Unavailable(_))));
        assert!(said, "{n} was never in a frame: {answer:?}");
    }
}
