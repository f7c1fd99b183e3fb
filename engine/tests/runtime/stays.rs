//! Calls that may not be repeated keep their partition from the next engine for a while: whoever
//! takes over could only ask a person what became of them.

use std::thread;
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_machine::machine::{InstanceKey, Status, StuckKind};
use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{joined, served, spread};
use crate::once::serve;
use crate::support::{Answer, Recorded, World, event, eventually, eventually_async};

const JOB: &str = "
workflow: job
correlate: data.key
events: { job.wanted: { start: true } }
steps: { one: { call: recorded.work, timeout: 12h } }
";

/// Longer than other calls keep a partition, or a stop.
const LONG: Duration = Duration::from_secs(6);

async fn status(world: &World, key: &InstanceKey) -> Option<Status> {
    Some(world.handle().instance(key).await.ok()??.status)
}

#[test]
fn calls_that_may_not_be_repeated_keep_a_stop_until_they_are_answered_for_18_s_at_most() {
    let bus = Bus::in_memory();
    let mut first = joined(&bus, "a");
    first.deploy(JOB);
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let plugin = Recorded::new(|_| Answer::Hold);
    serve(&second, &plugin);
    let keys: Vec<_> = served(&first)
        .into_iter()
        .map(|partition| {
            let mut keys = (0..1_000).map(|number| InstanceKey::new("job", &format!("k{number}")));
            let is_there = |key: &InstanceKey| first.handle().partition_of(key) == partition;
            keys.find_map(|key| key.ok().filter(&is_there)).unwrap()
        })
        .collect();
    let [answered, never] = &keys[..] else { panic!("{keys:?}") };
    for key in &keys {
        first.ask(event("job.wanted", &json!({ "key": key.key() }))).unwrap();
    }
    second.run(eventually("both are called", || (plugin.held() == 2).then_some(())));
    let began = Instant::now();
    thread::scope(|scope| {
        let stops = scope.spawn(|| first.stop());
        second.run(async {
            // So long the plugin takes.
            tokio::time::sleep(LONG).await;
            assert_eq!(served(&second).len(), 2, "both stay where they are answered");
            plugin.release_of(&answered.to_string()).await;
            let came = || (served(&second).len() == 3).then_some(());
            eventually("what is answered goes over", came).await;
            assert_eq!(status(&second, answered).await, Some(Status::Done));
        });
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        assert!(stops.join().unwrap(), "it ends in order");
    });
    let took = began.elapsed();
    assert!((17..20).contains(&took.as_secs()), "{took:?}");
    spread(&[&second], &[4]);
    second.run(async {
        let stuck = async || second.handle().instance(never).await.ok()??.stuck;
        let stuck = eventually_async("nobody knows of the other one", stuck).await;
        assert_eq!(stuck.kind, StuckKind::OutcomeUnknown, "{}", stuck.reason);
        assert_eq!(status(&second, answered).await, Some(Status::Done));
    });
    assert_eq!(plugin.seen().len(), 2, "neither was asked again");
}
