//! What is told of instances: every notice of their life, and what the runs of a definition come
//! to, so that nobody has to poll or to count.

use std::time::Duration;

use gearshift_client::WatchFilter;
use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::{Clocks, Start};
use gearshift_tests::world::{Answer, Recorded, World};
use serde_json::json;

use crate::flows::each;

/// Longer than any notice takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two runs of it end well, one is taken back.
const JOB: &str = "
workflow: job
version: 1
correlate: data.key
events: { job.released: {} }
mode: sequential
on_failure: rollback
steps:
  ask: { call: recorded.work, with: ask, undo: { call: recorded.work, with: undo } }
  never: { when: 'false', call: recorded.work, with: never }
  wait: { wait: job.released }
  end: { call: recorded.work, with: '${ key }' }
";

fn start(world: &World, key: &str) {
    let (workflow, key) = ("job".to_owned(), Some(key.to_owned()));
    let order = Start { workflow, key, input: json!({}), ..Start::default() };
    world.run(world.client().start(&order)).unwrap();
}

fn waits(world: &World, key: &str) {
    world.until(&format!("job/{key}"), "it waits", |seen| {
        (seen.steps.current_step == ["wait"]).then_some(())
    });
}

fn released(world: &World, key: &str, status: Status) {
    world.send("job.released", None, &json!({ "key": key }));
    world.until(&format!("job/{key}"), status.as_str(), |seen| {
        (seen.summary.status == status).then_some(())
    });
}

/// Fails what the key `bad` asks for.
fn plugin() -> Recorded {
    Recorded::new(|seen| match seen.input == json!("bad") {
        true => Answer::Permanent("no".to_owned()),
        false => Answer::Output(json!({})),
    })
}

#[test]
fn d12_notices_tell_of_the_whole_life_of_an_instance() {
    each(JOB, |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        let client = world.client();
        // Plugins have notices of their own.
        let filter = WatchFilter { workflow: Some("job".to_owned()), key: None };
        let mut watch = world.run(client.watch(filter)).unwrap();
        start(world, "bad");
        waits(world, "bad");
        world.run(client.checkpoint("job/bad", "here", "")).unwrap();
        world.run(client.pause("job/bad", Clocks::Freeze, "lunch")).unwrap();
        world.run(client.resume("job/bad", "")).unwrap();
        released(world, "bad", Status::Failed);
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "failed end") {
            let next = async { tokio::time::timeout(PATIENCE, watch.next()).await };
            let notice = world.run(next).unwrap().unwrap().unwrap();
            let step = notice.data["step"].as_str().map(|step| format!(" {step}"));
            told.push(format!("{}{}", notice.kind.as_str(), step.unwrap_or_default()));
        }
        let expected = [
            "started",
            "step_started ask",
            "step_completed ask",
            "step_skipped never",
            "step_started wait",
            "checkpoint_saved",
            "paused",
            "resumed",
            "step_completed wait",
            "step_started end",
            "call_failed",
            "step_failed end",
            "compensating",
            "step_undone ask",
            "rolled_back",
            "failed end",
        ];
        assert_eq!(told, expected);
        // The history has which step it was, the kind of the failure, and its code.
        let notes: Vec<_> = world.history("job/bad").into_iter().filter_map(|it| it.note).collect();
        let failed = "step `end`: attempt 1 permanent 422: no; ";
        assert!(notes.iter().any(|note| note.starts_with(failed)), "{notes:#?}");
    });
}

#[test]
fn what_the_runs_of_a_definition_come_to_is_counted() {
    each(JOB, |world| {
        let running = world.run(plugin().serve(&world.bus()));
        for key in ["one", "two", "bad", "open"] {
            start(world, key);
            waits(world, key);
        }
        world.advance(Duration::from_secs(60));
        released(world, "one", Status::Done);
        world.advance(Duration::from_secs(60));
        released(world, "two", Status::Done);
        released(world, "bad", Status::Failed);
        let look =
            |world: &World| world.run(world.client().definition("job", None)).unwrap().metrics;
        let metrics = look(world);
        assert_eq!((metrics.total, metrics.completed, metrics.failed), (4, 2, 1), "{metrics:?}");
        assert_eq!((metrics.running, metrics.stuck, metrics.cancelled), (1, 0, 0), "{metrics:?}");
        // `ask`, `wait` and `end` of two; of the failed one `wait`; of the open one `ask`.
        assert_eq!(metrics.steps_completed, 8, "{metrics:?}");
        assert_eq!((metrics.steps_failed, metrics.steps_skipped), (1, 4), "{metrics:?}");
        let durations = (metrics.min_ms, metrics.mean_ms, metrics.max_ms);
        assert_eq!(durations, (Some(60_000), Some(90_000), Some(120_000)));
        // It has the bus, whose folder only one process may use.
        drop(running);
        world.restart();
        assert_eq!(look(world), metrics, "a crash forgets none of them");
    });
}
