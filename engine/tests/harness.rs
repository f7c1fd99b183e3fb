//! The engine for tests, as a plugin's author uses it: faults, time, and a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gearshift_client::protocol::Status;
use gearshift_engine::testing::{Fault, Harness};
use gearshift_plugins_sdk::{Context, Failure, JsonSchema, Plugin, State, schemars};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// An order is charged, waits a day for its shipment, and is refunded otherwise.
const ORDER: &str = r#"
workflow: order
version: 1
correlate: data.id
events:
  order.placed: { start: true }
  order.shipped: {}
vars: { receipt: 0, refunds: 0 }
initial: charging
states:
  charging:
    entry: charge
    done: paid
    failed: refused
  paid:
    on: { order.shipped: shipped }
    after: { 24h: { do: refund, to: refunded } }
  shipped: { final: true }
  refunded: { final: true }
  refused: { final: true }
actions:
  charge:
    call: payments.charge
    with: { cents: "${ data.cents }" }
    timeout: 10s
    retry: { attempts: 3, delay: 1s }
    set: { receipt: output.receipt }
  refund:
    call: payments.refund
    with: { cents: 1 }
    set: { refunds: vars.refunds + 1 }
"#;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Deserialize, JsonSchema)]
struct Amount {
    cents: u32,
}

#[derive(Serialize, JsonSchema)]
struct Receipt {
    receipt: u32,
}

/// What the plugin did, every repeat counted.
type Done = Arc<AtomicU32>;

async fn charge(State(done): State<Done>, _: Context, amount: Amount) -> Result<Receipt, Failure> {
    done.fetch_add(1, Ordering::SeqCst);
    if amount.cents == 0 {
        return Err(Failure::permanent("nothing to charge"));
    }
    Ok(Receipt { receipt: amount.cents })
}

fn harness() -> (Harness, Done) {
    let done = Done::default();
    let plugin = Plugin::new("payments", "1.2.0").state(Arc::clone(&done));
    let plugin = plugin.operation("charge", charge);
    let harness =
        Harness::embedded().plugin(plugin).mock("payments.refund", json!({})).deploy_text(ORDER);
    (harness, done)
}

fn place(harness: Harness) -> Harness {
    harness.send("order.placed", json!({"id": "o-1", "cents": 250}))
}

fn done(done: &Done) -> u32 {
    done.load(Ordering::SeqCst)
}

#[test]
fn p2_an_engine_with_plugins_and_a_clock_that_the_test_moves() {
    let (harness, work) = harness();
    let harness = place(harness)
        .assert_state("paid")
        .assert_called("payments.charge", 1)
        .advance(23 * HOUR)
        .assert_state("paid")
        .assert_called("payments.refund", 0)
        .advance(HOUR)
        .assert_state("refunded")
        .assert_called("payments.refund", 1)
        .assert_status(Status::Done);
    assert_eq!(harness.detail().vars["receipt"], 250);
    assert_eq!(done(&work), 1);
    let called = harness.called("payments.charge");
    assert_eq!(called[0].instance, "order/o-1");
    assert_eq!(called[0].input, json!({"cents": 250}));
}

#[test]
fn p3_a_lost_answer_is_asked_for_again_under_the_same_call_id() {
    for fault in [Fault::NoAnswer, Fault::Unheard] {
        let (harness, work) = harness();
        let heard = u32::from(fault == Fault::NoAnswer);
        let harness = place(harness.fault("payments.charge", 1, fault))
            .assert_state("charging")
            .advance(Duration::from_secs(9))
            .assert_called("payments.charge", 1)
            .advance(Duration::from_secs(2))
            .assert_state("paid")
            .assert_called("payments.charge", 2);
        let called = harness.called("payments.charge");
        assert_eq!(called[0].call_id, called[1].call_id);
        assert_eq!((called[0].attempt, called[1].attempt), (1, 2));
        assert_eq!(done(&work), 1 + heard);
    }
}

#[test]
fn p3_an_answer_that_is_late_counts_within_its_time_only() {
    let (within, _) = harness();
    place(within.fault("payments.charge", 1, Fault::Late(Duration::from_secs(8))))
        .assert_state("charging")
        .advance(Duration::from_secs(8))
        .assert_state("paid")
        .assert_called("payments.charge", 1);
    let (beyond, _) = harness();
    place(beyond.fault("payments.charge", 1, Fault::Late(Duration::from_secs(20))))
        .advance(Duration::from_secs(30))
        .assert_state("paid")
        .assert_called("payments.charge", 2);
}

#[test]
fn p3_a_call_that_arrives_twice_has_one_answer() {
    let (harness, work) = harness();
    place(harness.fault("payments.charge", 1, Fault::Twice))
        .assert_state("paid")
        .assert_called("payments.charge", 1);
    assert_eq!(done(&work), 2, "it is the plugin that has to recognize the call id");
}

#[test]
fn p4_p5_answers_that_no_schema_allows_end_in_failures_and_not_in_silence() {
    let (large, _) = harness();
    let large = place(large.fault("payments.charge", 1, Fault::TooLarge));
    large.advance(Duration::from_secs(60)).assert_state("refused");
    let (wrong, _) = harness();
    let wrong = place(wrong.fault("payments.charge", 1, Fault::WrongSchema));
    wrong.assert_state("refused").assert_called("payments.charge", 1);
}

#[test]
fn p3_failures_are_retried_or_not_as_they_say() {
    let (again, _) = harness();
    place(again.fault("payments.charge", 1, Fault::Fails(Failure::retryable("busy"))))
        .assert_state("charging")
        .advance(Duration::from_secs(2))
        .assert_state("paid");
    let (never, work) = harness();
    place(never.fault("payments.charge", 1, Fault::Fails(Failure::permanent("no such card"))))
        .assert_state("refused")
        .assert_called("payments.charge", 1);
    assert_eq!(done(&work), 0);
    let (own, _) = harness();
    own.send("order.placed", json!({"id": "o-2", "cents": 0})).assert_state("refused");
}

#[test]
fn p2_what_is_durable_is_there_after_a_crash() {
    let (harness, _) = harness();
    let harness = place(harness.fault("payments.charge", 1, Fault::NoAnswer)).crash();
    let harness = harness.assert_state("paid").assert_called("payments.charge", 2);
    let called = harness.called("payments.charge");
    assert_eq!(called[0].call_id, called[1].call_id);
    harness
        .crash()
        .on("order/o-1")
        .advance(24 * HOUR)
        .assert_state("refunded")
        .assert_called("payments.charge", 2);
}

#[test]
#[should_panic(expected = "`order/o-1` is not in `shipped`, but in [\"paid\"]")]
fn an_assertion_says_what_it_saw() {
    drop(place(harness().0).assert_state("shipped"));
}

#[test]
#[should_panic(expected = "`payments.charge` was called 1 times, not 2")]
fn an_assertion_about_calls_says_what_was_called() {
    drop(place(harness().0).assert_called("payments.charge", 2));
}
