//! What holds calls back, whose answers came late, and what is not blamed: as operators read it, on
//! every backend.

use std::sync::Arc;
use std::time::Duration;

use gearshift_client::protocol::command::{Hold, Start};
use gearshift_client::protocol::view::{InstanceDetail, Why};
use gearshift_machine::machine::{CallOutcome, EffectId, ErrorKind, InstanceKey};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::Value;
use gearshift_tests::world::{Answer, Recorded, Seen, World};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::flows::{each, hour};

/// Two calls, and room for one.
const LIMITED: &str = "
workflow: limited
version: 1
plugins: { recorded: { concurrency: 1 } }
mode: parallel
steps:
  one: { call: recorded.work, with: slow, timeout: 1h }
  two: { call: recorded.work, with: slow, timeout: 1h }
";

/// Its first attempt opens the breaker, which holds back the second.
const BROKEN: &str = "
workflow: broken
version: 1
plugins: { recorded: { breaker: { threshold: 1, reset: 100h } } }
initial: open
states:
  open: { entry: { call: recorded.work, with: busy, timeout: 5s, \
          retry: { attempts: 2, delay: 1h, jitter: false } } }
";

/// Nothing holds its calls back.
const CARELESS: &str = "
workflow: careless
version: 1
plugins: { recorded: { breaker: off } }
steps:
  each: { foreach: { in: 'lists.range(6)', as: n }, call: recorded.work, with: slow, timeout: 30h }
";

/// Two items, and what runs behind them.
const CLEAN: &str = "
workflow: clean
version: 1
finally: { call: recorded.work, with: swept, timeout: 1h }
steps:
  each: { foreach: { in: '[1, 2]', as: n }, call: recorded.work, with: '${ n }', timeout: 1h }
";

/// Is busy, never answers what cleans up, or answers once the gate is open.
fn plugin(gate: &Arc<Semaphore>) -> Recorded {
    let gate = Arc::clone(gate);
    Recorded::new(move |seen| match seen.input.as_str() {
        Some("busy") => Answer::Retryable("too much to do".to_owned(), None),
        Some("swept") => Answer::Never,
        _ => Answer::Behind(Arc::clone(&gate), json!(null)),
    })
}

fn start(world: &World, workflow: &str, key: &str) {
    let (workflow, key) = (workflow.to_owned(), Some(key.to_owned()));
    world.run(world.client().start(&Start { workflow, key, ..Start::default() })).unwrap();
}

fn why(world: &World, key: &str) -> Why {
    world.run(world.client().why(key)).unwrap()
}

/// What holds back a call of it.
fn held(world: &World, key: &str) -> String {
    let held = |seen: &InstanceDetail| seen.calls.iter().find_map(|call| call.held.clone());
    world.until(key, "a call is held back", held)
}

#[test]
fn show_names_what_holds_a_call_back() {
    each(LIMITED, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let _running = world.run(plugin(&gate).serve(&world.bus()));
        // Long before the machine hears of it.
        start(world, "limited", "a");
        let told = held(world, "a");
        assert!(told.starts_with("the limit of"), "{told}");
        let lines = why(world, "a").lines;
        let waits = format!("waits to be sent: {told}");
        assert!(lines.iter().any(|line| line.contains(&waits)), "{lines:?}");
        // A pause is told at once, and once.
        let (plugin, reason) = (Some("recorded".to_owned()), "the bank is down".to_owned());
        let hold = Hold { plugin, reason, ..Hold::default() };
        world.run(world.client().hold(&hold)).unwrap();
        world.deploy(&CARELESS.replace("range(6)", "range(1)"));
        start(world, "careless", "b");
        let told = held(world, "b");
        assert!(told.starts_with("plugin `recorded` is paused by ann since "), "{told}");
        assert!(told.ends_with(": the bank is down"), "{told}");
        let because = why(world, "b");
        let lines = because.lines.iter().filter(|line| line.contains("is paused by"));
        assert_eq!(lines.count(), 1, "{because:?}");
        let resume = "gearshift resume --plugin recorded";
        assert!(because.try_this.iter().any(|it| it == resume), "{because:?}");
        let history = world.history("b");
        let line = history.iter().find(|line| line.input.starts_with("held back ")).unwrap();
        assert_eq!(line.input, "held back recorded.work (each[0])");
        let note = line.note.as_deref().unwrap();
        let told = "step `each[0]`: attempt 1 is held back: plugin `recorded` is paused by";
        assert!(note.starts_with(told), "{note}");
        gate.close();
        world.run(world.client().release(&hold)).unwrap();
        world.until("b", "it is sent", |seen| seen.calls.is_empty().then_some(()));
        let sending = "sending recorded.work (each[0])";
        assert!(world.history("b").iter().any(|line| line.input == sending));
    });
}

#[test]
fn a_breaker_is_blamed_only_where_it_is_heeded_and_a_failure_is_told() {
    each(BROKEN, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let _running = world.run(plugin(&gate).serve(&world.bus()));
        start(world, "broken", "a");
        let failed = world.until("a", "an attempt failed", |seen| {
            seen.calls.iter().find_map(|call| call.failed.clone())
        });
        assert!(failed.contains("too much to do"), "{failed}");
        world.advance(hour() + Duration::from_secs(60));
        let told = held(world, "a");
        assert!(told.starts_with("the breaker of `recorded.v1.work` is open"), "{told}");
        let lines = why(world, "a").lines;
        let blamed = lines.iter().filter(|line| line.contains("the breaker of"));
        assert_eq!(blamed.count(), 1, "{lines:?}");
        world.deploy(CARELESS);
        start(world, "careless", "b");
        world.until("b", "all ask", |seen| (seen.calls.len() == 6).then_some(()));
        let lines = why(world, "b").lines;
        assert!(!lines.iter().any(|line| line.contains("breaker")), "{lines:?}");
        assert!(lines.iter().any(|line| line == "1 more call is under way"), "{lines:?}");
        let steps: Vec<_> =
            world.instance("b").calls.into_iter().filter_map(|call| call.step).collect();
        assert_eq!(steps, (0..6).map(|at| format!("each[{at}]")).collect::<Vec<_>>());
    });
}

/// Tells the instance what came of a call that it does not wait for any more; its last line.
fn late(world: &World, seen: &Seen, outcome: CallOutcome) -> (String, String) {
    let key = InstanceKey::parse(&seen.instance).unwrap();
    let call = EffectId::parse(&seen.call_id).unwrap();
    let input = PartitionInput::CallReply { key: key.clone(), call, attempt: 1, outcome };
    let handle = world.handle();
    world.run(handle.input(handle.partition_of(&key), input)).unwrap();
    let line = world.history(&seen.instance).pop().unwrap();
    let note = line.note.unwrap().replace(&seen.call_id, "C");
    (line.input, note)
}

#[test]
fn late_answers_of_items_and_of_finally_are_named() {
    each(CLEAN, |world| {
        let gate = Arc::new(Semaphore::new(0));
        let plugin = plugin(&gate);
        let _running = world.run(plugin.serve(&world.bus()));
        let asked = |key: &str, input: serde_json::Value| {
            let its = |one: &Seen| one.instance == format!("clean/{key}") && one.input == input;
            world.until(key, "it is asked", |_| plugin.seen().into_iter().find(its))
        };
        start(world, "clean", "a");
        let (first, second) = (asked("a", json!(1)), asked("a", json!(2)));
        world.advance(Duration::from_secs(1));
        world.run(world.client().kill("a", "")).unwrap();
        let (input, note) = late(world, &second, CallOutcome::Success(Value::Null));
        assert_eq!(input, "reply recorded.work (each[1])");
        assert_eq!(note, "late_reply: attempt 1 of call C of step `each[1]`; it succeeded");
        let failed = CallOutcome::Failure {
            kind: ErrorKind::Permanent,
            code: "422".into(),
            message: "no".into(),
            retry_after_ms: None,
        };
        let (input, note) = late(world, &first, failed);
        assert_eq!(input, "reply recorded.work (each[0])");
        let told =
            "late_reply: attempt 1 of call C of step `each[0]`; it failed, permanent 422: no";
        assert_eq!(note, told);
        // Behind the steps.
        start(world, "clean", "b");
        let _asked = (asked("b", json!(1)), asked("b", json!(2)));
        world.advance(Duration::from_secs(1));
        gate.add_permits(2);
        let swept = asked("b", json!("swept"));
        world.advance(Duration::from_secs(1));
        world.run(world.client().kill("b", "")).unwrap();
        let (input, note) = late(world, &swept, CallOutcome::Success(Value::Null));
        assert_eq!(input, "reply recorded.work (finally)");
        assert_eq!(note, "late_reply: attempt 1 of call C of `finally`; it succeeded");
    });
}
