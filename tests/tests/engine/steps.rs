//! Step graphs on every backend: steps overlap in time, and whoever asks sees how far they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gearshift_client::WatchFilter;
use gearshift_client::protocol::Status;
use gearshift_client::protocol::view::{InstanceDetail, ItemsView, StepStatus, StepView};
use gearshift_plugins_sdk::{Failure, Plugin, Running, State};
use gearshift_tests::world::{Answer, Recorded, World, eventually};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Semaphore};

use crate::flows::each;

/// Longer than any notice takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two steps that need nothing, and one that needs both.
const MEETING: &str = "
workflow: meeting
version: 1
correlate: data.key
events: { meeting.called: { start: true } }
steps:
  left: { call: meeting.meet, timeout: 1h }
  right: { call: meeting.meet, timeout: 1h }
  after: { needs: [left, right], call: meeting.leave, with: { key: '${ key }' } }
";

/// Serves `meet`, which answers nobody before two have come.
async fn meeting(world: &World, barrier: Arc<Barrier>) -> Running {
    async fn meet(
        State(barrier): State<Arc<Barrier>>,
        _: gearshift_plugins_sdk::Context,
        _: Value,
    ) -> Result<Value, Failure> {
        barrier.wait().await;
        Ok(json!({ "met": true }))
    }
    async fn leave(input: Value) -> Result<Value, Failure> {
        Ok(input)
    }
    let plugin = Plugin::new("meeting", "1.0.0").operation("meet", meet).operation("leave", leave);
    plugin.state(barrier).serve(&world.bus()).await.unwrap()
}

fn call(world: &World) {
    world.send("meeting.called", None, &json!({ "key": "m" }));
}

fn step<'a>(detail: &'a InstanceDetail, id: &str) -> &'a StepView {
    detail.steps.steps.iter().find(|step| step.id == id).unwrap()
}

fn statuses(detail: &InstanceDetail) -> Vec<StepStatus> {
    detail.steps.steps.iter().map(|step| step.status).collect()
}

#[test]
fn steps_that_need_nothing_overlap_in_time() {
    each(MEETING, |world| {
        // Neither is answered before both have begun: in turn, they would wait for ever.
        let _running = world.run(meeting(world, Arc::new(Barrier::new(2))));
        call(world);
        let done = world.wait_for("meeting/m", "done");
        assert_eq!(done.summary.status, Status::Done);
        assert_eq!(statuses(&done), [StepStatus::Completed; 3]);
        assert_eq!(done.output, json!({ "key": "m" }));
    });
}

#[test]
fn whoever_asks_sees_how_far_the_steps_are_before_and_after_a_crash() {
    each(MEETING, |world| {
        // A third one has to come, who never does before the crash.
        let running = world.run(meeting(world, Arc::new(Barrier::new(3))));
        call(world);
        let held = |world: &World| {
            let seen = world.instance("meeting/m");
            // Without the plugin, behind the crash, the calls will be tried again.
            use StepStatus::{Pending, Retrying, Running};
            let begun = |id: &str| matches!(step(&seen, id).status, Running | Retrying);
            assert!(begun("left") && begun("right"), "{seen:?}");
            assert_eq!(step(&seen, "after").status, Pending);
            assert_eq!(seen.steps.current_step, ["left", "right"]);
            assert_eq!((seen.steps.completed_steps, seen.steps.total_steps), (0, 3));
            assert_eq!(seen.steps.progress, Some(0.0));
            assert_eq!(step(&seen, "after").waits_for, ["left", "right"]);
            let why = world.run(world.client().why("meeting/m")).unwrap();
            let waits = "step `after` needs left, right";
            assert!(why.lines.iter().any(|line| line == waits), "{why:?}");
        };
        held(world);
        world.crash();
        drop(running);
        world.start();
        held(world);
        let _running = world.run(meeting(world, Arc::new(Barrier::new(2))));
        // What was sent before the plugin was back is sent again after a while.
        let done = world.until("meeting/m", "the end", |seen| {
            world.advance(Duration::from_secs(1));
            seen.summary.status.is_ended().then(|| seen.clone())
        });
        assert_eq!(statuses(&done), [StepStatus::Completed; 3]);
        assert_eq!(done.steps.progress, Some(1.0));
    });
}

#[test]
fn notices_tell_of_each_step_so_that_nobody_has_to_poll() {
    each(MEETING, |world| {
        let _running = world.run(meeting(world, Arc::new(Barrier::new(2))));
        let (client, filter) = (world.client(), WatchFilter::default());
        let mut watch = world.run(client.watch(filter)).unwrap();
        call(world);
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "completed") {
            let next = async { tokio::time::timeout(PATIENCE, watch.next()).await };
            let notice = world.run(next).unwrap().unwrap().unwrap();
            let step = notice.data["step"].as_str().map(|step| format!(" {step}"));
            told.push(format!("{}{}", notice.kind.as_str(), step.unwrap_or_default()));
        }
        let at = |what: &str| told.iter().position(|one| one == what).unwrap();
        assert!(at("step_started left") < at("step_completed left"), "{told:?}");
        assert!(at("step_started right") < at("step_completed left"), "{told:?}");
        assert!(at("step_completed right") < at("step_started after"), "{told:?}");
        assert!(at("step_completed after") < at("completed"), "{told:?}");
    });
}

const ITEMS: &str = "
workflow: items
version: 1
correlate: data.key
events: { items.came: { start: true } }
steps:
  each:
    foreach: { in: input.list, as: item, max_parallel: 3, collect: partial }
    call: recorded.work
    with: { item: '${ item }' }
    timeout: 1h
  then: { needs: [each], call: recorded.work, with: { item: 100 } }
";

#[test]
fn a_fan_out_has_so_many_items_under_way_and_tells_what_is_missing() {
    each(ITEMS, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let behind = Arc::clone(&gate);
        let plugin = Recorded::new(move |seen| match seen.input["item"].as_i64() {
            Some(4) => Answer::Permanent("not this one".to_owned()),
            Some(100) => Answer::Output(json!({ "last": true })),
            item => Answer::Behind(Arc::clone(&behind), json!({ "item": item })),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        let list: Vec<u32> = (0..8).collect();
        world.send("items.came", None, &json!({ "key": "i", "list": list }));
        world.run(eventually("three calls", || (plugin.seen().len() == 3).then_some(())));
        let seen = world.instance("items/i");
        assert_eq!(seen.calls.len(), 3);
        assert_eq!(seen.calls[0].step.as_deref(), Some("each[0]"));
        assert_eq!(step(&seen, "each").items, Some(ItemsView { total: 8, done: 0, failed: 0 }));
        gate.add_permits(100);
        let done = world.wait_for("items/i", "done");
        assert_eq!(step(&done, "each").items, Some(ItemsView { total: 8, done: 7, failed: 1 }));
        let result = &step(&done, "each").result;
        assert_eq!(
            (&result["complete"], &result["missing"][0]["item"]),
            (&json!(false), &json!(4))
        );
        let [missing] = step(&done, "each").missing_items.as_slice() else { panic!("{done:?}") };
        assert_eq!((missing.index, &missing.item), (4, &json!(4)));
        assert_eq!(missing.error.as_ref().unwrap().message, "not this one");
        let detail = world.run(world.client().definition("items", None)).unwrap();
        let metrics = detail.metrics;
        assert_eq!((metrics.total, metrics.completed, metrics.steps_completed), (1, 1, 2));
        assert!(metrics.mean_ms.is_some(), "{metrics:?}");
    });
}

const ALL_ITEMS: &str = "
workflow: shops
version: 1
correlate: data.key
events: { shops.came: { start: true } }
steps:
  each:
    foreach: { in: input.list, max_parallel: 2 }
    call: recorded.work
    timeout: 1h
";

#[test]
fn items_without_result_are_told_by_show_and_why() {
    each(ALL_ITEMS, |world| {
        let plugin = Recorded::new(|seen| match seen.input["shop"].as_str() {
            Some("b") => Answer::Permanent("no such shop".to_owned()),
            Some("c") => Answer::Never,
            _ => Answer::Output(json!({})),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        let large = "x".repeat(2_000);
        let list = json!([{ "shop": "c" }, { "shop": "a" }, { "shop": "b" }, { "shop": large }]);
        world.send("shops.came", None, &json!({ "key": "s", "list": list }));
        let is_stuck =
            |seen: &InstanceDetail| (seen.summary.status == Status::Stuck).then(|| seen.clone());
        let stuck = world.until("shops/s", "it is stuck", is_stuck);
        let each = step(&stuck, "each");
        assert_eq!(each.items, Some(ItemsView { total: 4, done: 1, failed: 1 }));
        let told = each.missing_items.iter().map(|one| (one.index, one.status));
        use StepStatus::{Cancelled, Failed, Pending};
        assert_eq!(told.collect::<Vec<_>>(), [(0, Cancelled), (2, Failed), (3, Pending)]);
        let [_, failed, heavy] = each.missing_items.as_slice() else { panic!("{each:?}") };
        assert_eq!(failed.item, json!({ "shop": "b" }));
        let error = failed.error.as_ref().unwrap();
        assert_eq!((&*error.kind, &*error.message), ("permanent", "no such shop"));
        assert!(heavy.item.is_null() && heavy.item_bytes > Some(2_000), "{heavy:?}");
        let why = world.run(world.client().why("s")).unwrap();
        let line = r#"item 2 of `each` failed: {"shop":"b"}: permanent: no such shop"#;
        assert!(why.lines.iter().any(|it| it == line), "{why:?}");
    });
}

const RETRIED: &str = "
workflow: retried
version: 1
correlate: data.key
events: { work.came: { start: true } }
mode: sequential
steps:
  first: { call: recorded.work, retry: { attempts: 3, backoff: 10s } }
  second: { call: recorded.work, optional: true }
  third: { call: recorded.work }
";

#[test]
fn the_status_of_steps_tells_retries_and_errors() {
    each(RETRIED, |world| {
        let calls = Arc::new(AtomicU32::new(0));
        let plugin = Recorded::new(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::Retryable("not yet".to_owned(), None),
            1 => Answer::Output(json!({ "n": 1 })),
            2 => Answer::Permanent("never".to_owned()),
            _ => Answer::Output(json!({ "n": 3 })),
        });
        let _running = world.run(plugin.serve(&world.bus()));
        world.send("work.came", None, &json!({ "key": "r" }));
        let waits = world.until("retried/r", "a retry", |seen| {
            (step(seen, "first").status == StepStatus::Retrying).then(|| seen.clone())
        });
        assert_eq!(step(&waits, "first").error.as_ref().unwrap().message, "not yet");
        world.advance(Duration::from_secs(20));
        let done = world.wait_for("retried/r", "done");
        use StepStatus::{Completed, Failed};
        assert_eq!(statuses(&done), [Completed, Failed, Completed]);
        assert_eq!(step(&done, "first").retry_count, 1);
        let error = step(&done, "second").error.clone().unwrap();
        assert_eq!((error.kind.as_str(), error.message.as_str()), ("permanent", "never"));
        assert_eq!(done.steps.progress, Some(1.0));
        assert!(step(&done, "third").duration_ms.is_some());
    });
}
