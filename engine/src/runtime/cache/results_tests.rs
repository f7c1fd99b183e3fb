//! Results on their way: many of one call, and what is forgotten meanwhile.

use super::*;

const NOW: Timestamp = Timestamp(1_000);

fn under() -> ContentHash {
    result_hash("w", "look", "p.o", &Value::from("a"))
}

fn made_by(key: &str, output: &str) -> ToKeep {
    ToKeep {
        by: InstanceKey::new("w", key).unwrap(),
        under: under(),
        step: "look".into(),
        operation: "p.o".into(),
        output: Value::from(output),
        ttl_ms: 60_000,
    }
}

/// What an engine finds that knows nothing but the bucket.
async fn stored(bus: &Bus) -> Option<Value> {
    Results::default().find(bus, under(), NOW).await
}

#[tokio::test]
async fn the_same_call_of_several_instances_at_once_is_kept() {
    let (bus, results) = (Bus::in_memory(), Results::default());
    // None of them has its answer when the others ask.
    let all = ["1", "2", "3"].map(|key| results.begin(made_by(key, key), NOW).unwrap());
    for keeping in all {
        results.keep(&bus, keeping).await;
        assert!(results.find(&bus, under(), NOW).await.is_some());
    }
    assert_eq!(stored(&bus).await, Some(Value::from("3")));
    assert_eq!(results.under_way().count, 0);
}

#[tokio::test]
async fn what_is_forgotten_on_its_way_is_not_kept_whoever_else_keeps_it() {
    let (bus, results) = (Bus::in_memory(), Results::default());
    let first = results.begin(made_by("1", "old"), NOW).unwrap();
    let second = results.begin(made_by("2", "old"), NOW).unwrap();
    let forgotten = results.forget(&bus, &Wanted::default(), false).await.unwrap();
    assert_eq!(forgotten.iter().map(|one| one.count).sum::<u64>(), 1, "one name is one result");
    let third = results.begin(made_by("3", "new"), NOW).unwrap();
    results.keep(&bus, first).await;
    assert_eq!(stored(&bus).await, None);
    assert_eq!(results.find(&bus, under(), NOW).await, Some(Value::from("new")));
    results.keep(&bus, second).await;
    results.keep(&bus, third).await;
    assert_eq!(stored(&bus).await, Some(Value::from("new")));
}
