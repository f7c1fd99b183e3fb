//! What people order of schedules, and what is remembered of it.

use super::schedules::{Clockwork, FIRST, HOUR, clockwork, input};
use super::world::principal;
use crate::definition::model::{Recurrence, Schedule};
use crate::machine::{Codec, Out, Outcome, Reader};
use crate::partition::{ScheduleOrder, ScheduleState};

fn pause(reason: &str) -> ScheduleOrder {
    ScheduleOrder::Pause { by: principal("ann"), reason: reason.into() }
}

fn resume() -> ScheduleOrder {
    ScheduleOrder::Resume { by: principal("bob"), reason: "".into() }
}

fn state(it: &Clockwork) -> ScheduleState {
    let key = Schedule::key("report", "hourly").unwrap();
    it.partition().schedule(&key).unwrap().clone()
}

#[test]
fn e6_a_paused_schedule_starts_nothing_by_the_calendar_until_it_is_resumed() {
    let mut it = clockwork("skip", "one");
    assert_eq!(it.family.tell(input(pause("no paper"))).outcome, Outcome::Done);
    let again = it.family.tell(input(pause(""))).outcome;
    let told = "the schedule is paused already, by ann since 2026-01-01T00:30:00.000Z";
    assert_eq!(again, Outcome::Rejected { reason: told.into(), accepted: Vec::new() });
    it.family.crash();
    it.pass(HOUR);
    assert_eq!(it.stands(), "0 1 0 0", "what was paused before a crash is paused behind it");
    assert!(it.told[0].contains(r#""reason":"the schedule is paused""#), "{:?}", it.told);
    let left_out = state(&it).left_out.unwrap();
    assert_eq!(&*left_out.reason, "the schedule is paused");
    assert_eq!(it.family.tell(input(resume())).outcome, Outcome::Done);
    let again = it.family.tell(input(resume())).outcome;
    let told = "the schedule is not paused";
    assert_eq!(again, Outcome::Rejected { reason: told.into(), accepted: Vec::new() });
    it.pass(HOUR);
    assert_eq!(it.stands(), "1 1 1 0 | 02:00:00Z working");
    let now = state(&it);
    assert_eq!((now.paused, now.left_out), (None, None), "it has started something since");
}

#[test]
fn e6_a_person_starts_out_of_turn_what_is_paused_and_is_remembered_with_the_reason() {
    let mut it = clockwork("queue", "one");
    it.pass(HOUR);
    it.pass(HOUR);
    assert_eq!(it.stands(), "1 0 1 1 | 01:00:00Z working");
    it.family.tell(input(pause("no paper")));
    let trigger =
        |why: &str| input(ScheduleOrder::Trigger { by: principal("eve"), reason: why.into() });
    assert_eq!(it.family.tell(trigger("the numbers were corrected")).outcome, Outcome::Deferred);
    // Of what waits, the calendar's is left out, and the person's starts.
    it.end(FIRST);
    assert_eq!(it.stands(), "2 1 1 0 | 01:00:00Z e (done) | 02:30:00Z working");
    let started = state(&it).last_key.unwrap();
    let history = it.partition().trace(&started);
    assert_eq!(history[0].note.as_deref(), Some("the numbers were corrected"));
    assert_eq!(history[0].by.as_deref(), Some("eve"));
    it.family.crash();
    let orders = state(&it).orders;
    let told: Vec<_> =
        orders.iter().map(|it| (&*it.what, &*it.by, &*it.reason, &*it.came)).collect();
    let waits = "waits for the end of an earlier start";
    let corrected = "the numbers were corrected";
    assert_eq!(told, [("pause", "ann", "no paper", ""), ("trigger", "eve", corrected, waits)]);
}

#[test]
fn e6_of_many_orders_the_last_ten_are_remembered_in_bounded_words() {
    let mut it = clockwork("skip", "one");
    let long = "\u{e9}".repeat(10_000);
    for _ in 0..6 {
        it.family.tell(input(pause(&long)));
        it.family.tell(input(resume()));
    }
    let orders = state(&it).orders;
    assert_eq!(orders.len(), 10);
    assert_eq!((orders[0].reason.len(), &*orders[9].what), (400, "resume"));
}

#[test]
fn e6_what_nobody_ordered_anything_of_has_the_bytes_of_earlier_versions() {
    let recurrence = Recurrence::Every { period_ms: 60_000 };
    let mut known = ScheduleState::new(recurrence);
    (known.started, known.skipped) = (3, 1);
    let bytes = |state: &ScheduleState| {
        let mut out = Out::default();
        state.write(&mut out);
        out.bytes
    };
    let earlier = [1, 0xe0, 0xd4, 3, 0, 0, 0, 0, 0, 3, 1, 0];
    assert_eq!(bytes(&known), earlier);
    known.hold(true, (&"ann".into(), &"no paper".into()), crate::machine::Timestamp(5)).unwrap();
    for state in [known.clone(), {
        known.paused = None;
        known
    }] {
        let bytes = bytes(&state);
        let mut from = Reader::new(&bytes);
        assert_eq!(ScheduleState::read(&mut from).unwrap(), state);
    }
}
