//! Tests of [`super::Longwork`].

use gearshift_machine::machine::{EffectId, InstanceKey, Timestamp};
use gearshift_protocol::Heartbeat;

use super::{Heard, Longwork, Promised, Watched};

fn key(name: &str) -> InstanceKey {
    InstanceKey::new("w", name).unwrap()
}

fn watched(name: &str, call: u8, heartbeat_ms: Option<u64>) -> Watched {
    Watched {
        partition: 0,
        session: 1,
        key: key(name),
        call: EffectId([call; 16]),
        attempt: 1,
        operation: "press.render".into(),
        step: "a".into(),
        deadline: Timestamp(0),
        gives: None,
        promised: heartbeat_ms.map(|it| Promised::taken_over(it, None)),
        heard: Timestamp(0),
        percent: None,
        note: String::new(),
        told: None,
    }
}

fn beat(percent: u8) -> Heartbeat {
    Heartbeat::new(1, Some(percent), "on it")
}

#[test]
fn silence_longer_than_the_interval_is_noticed_once_and_a_sign_of_life_defers_it() {
    let work = Longwork::default();
    assert!(work.is_idle() && work.next_due().is_none());
    work.watch(watched("a", 1, Some(1_000)));
    work.watch(watched("a", 2, Some(5_000)));
    assert_eq!(work.next_due(), Some(Timestamp(1_000)));
    assert!(work.silent(Timestamp(1_000)).is_empty(), "not longer than the interval");
    let heard = work.hear(EffectId([1; 16]), &Heartbeat::new(1, None, ""), Timestamp(900));
    assert_eq!(heard, Heard::Yes);
    assert!(work.silent(Timestamp(1_900)).is_empty());
    let silent = work.silent(Timestamp(1_901));
    assert_eq!(silent.iter().map(|one| one.call).collect::<Vec<_>>(), [EffectId([1; 16])]);
    assert!(work.silent(Timestamp(1_901)).is_empty());
    work.all_live(Timestamp(4_000));
    assert_eq!(work.next_due(), Some(Timestamp(9_000)));
}

#[test]
fn p6_signs_of_life_of_another_attempt_or_call_count_for_nothing() {
    let work = Longwork::default();
    work.watch(watched("a", 1, Some(1_000)));
    let other = Heartbeat::new(2, Some(1), "");
    assert_eq!(work.hear(EffectId([1; 16]), &other, Timestamp(9)), Heard::Unknown);
    assert_eq!(work.hear(EffectId([2; 16]), &beat(1), Timestamp(9)), Heard::Unknown);
    assert_eq!(work.next_due(), Some(Timestamp(1_000)));
}

#[test]
fn progress_is_kept_and_told_at_most_once_a_second() {
    let work = Longwork::default();
    work.watch(watched("a", 1, Some(10_000)));
    let tells = |at: i64, percent| {
        matches!(work.hear(EffectId([1; 16]), &beat(percent), Timestamp(at)), Heard::Tell(_))
    };
    assert!(tells(100, 1) && !tells(1_099, 2) && tells(1_100, 3) && !tells(1_101, 4));
    let progress = work.progress(&key("a"));
    assert_eq!((progress.len(), progress[0].percent), (1, Some(4)));
    assert_eq!(progress[0].note, "on it");
    assert!(work.progress(&key("b")).is_empty());
}

#[test]
fn what_is_over_and_what_another_owner_has_is_dropped() {
    let work = Longwork::default();
    work.watch(watched("a", 1, Some(10)));
    work.watch(watched("a", 2, None));
    work.watch(watched("b", 3, Some(10)));
    work.watch(watched("a", 4, None));
    let over = work.settle(&key("a"), |call, attempt| call == EffectId([2; 16]) && attempt == 1);
    let calls = over.iter().map(|one| one.call).collect::<Vec<_>>();
    assert_eq!(calls, [EffectId([1; 16])], "what promised nothing owes nothing");
    assert_eq!(work.progress(&key("a")).len(), 1);
    assert_eq!(work.next_due(), Some(Timestamp(10)), "of the other instance");
    work.leave(0, 2);
    assert!(!work.is_idle());
    work.leave(0, 1);
    assert!(work.is_idle() && work.progress(&key("a")).is_empty());
}

#[test]
fn what_a_plugin_owes_is_redeemed_once_and_by_the_attempt_that_it_owes() {
    let work = Longwork::default();
    let call = EffectId([1; 16]);
    assert_eq!(work.redeem(call, 1), None);
    work.watch(watched("a", 1, Some(10)));
    assert_eq!(work.redeem(call, 2), None);
    assert_eq!(work.redeem(call, 1).unwrap().1, Promised::taken_over(10, None));
    assert_eq!(work.redeem(call, 1), None);
    assert_eq!(work.next_due(), None, "nobody waits for its signs of life");
    assert!(work.settle(&key("a"), |_, _| false).is_empty());
}
