//! Schedules: each due moment starts exactly one instance, or says why it does not (row E6).

use super::family::{Family, at};
use super::world::{definition, principal};
use crate::definition::model::{Recurrence, Schedule};
use crate::machine::{Effect, NoticeData, NoticeKind, Outcome, Timestamp};
use crate::partition::{
    Done, HeldBy, HeldDefinitions, Partition, PartitionInput, Restore, ScheduleOrder, Snapshot,
};

/// Runs until it is told to end; takes back what it did.
const REPORT: &str = "
workflow: report
correlate: data.id
events: { ended: {}, called: {} }
schedules:
  hourly: { every: 1h, overlap: OVERLAP, catch_up: CATCH }
states:
  working:
    on:
      ended: e
      called:
        do: { call: printer.print, undo: { call: printer.burn, timeout: 9h } }
        to: printed
  printed: { on: { ended: e } }
  e: { final: true }
";

pub(super) const HOUR: i64 = 3_600_000;
/// 2026-01-01T00:30:00Z.
const BEGIN: i64 = 1_767_227_400_000;

pub(super) struct Clockwork {
    pub(super) family: Family,
    /// What was left out, as notices tell it.
    pub(super) told: Vec<String>,
}

pub(super) fn clockwork(overlap: &str, catch_up: &str) -> Clockwork {
    let text = REPORT.replace("OVERLAP", overlap).replace("CATCH", catch_up);
    let mut family = Family::new(&[&text]);
    family.world.now = BEGIN;
    let mut clockwork = Clockwork { family, told: Vec::new() };
    clockwork.plan(HOUR, BEGIN / HOUR * HOUR + HOUR);
    clockwork
}

pub(super) fn input(order: ScheduleOrder) -> PartitionInput {
    PartitionInput::Schedule { key: Schedule::key("report", "hourly").unwrap(), order }
}

impl Clockwork {
    fn plan(&mut self, period: i64, next: i64) -> Done {
        let recurrence = Recurrence::Every { period_ms: period.cast_unsigned() };
        let next = Some(Timestamp(next));
        self.family.one(input(ScheduleOrder::Plan { recurrence, next }))
    }

    pub(super) fn partition(&self) -> &Partition {
        &self.family.world.partition
    }

    /// The moments that are due, as a calendar would give them.
    fn due(&self) -> Option<ScheduleOrder> {
        let now = self.family.world.now;
        let due = self.partition().due(Timestamp(now), 256);
        let from = due.into_iter().find_map(|input| {
            let PartitionInput::Schedule { order, .. } = input else { return None };
            let ScheduleOrder::Due { from, .. } = order else { return None };
            Some(from)
        })?;
        let moments = (0..100).map(|n| Timestamp(from.0 + n * HOUR));
        let moments: Vec<_> = moments.take_while(|moment| moment.0 <= now).collect();
        let after = moments.last().map(|last| Timestamp(last.0 + HOUR));
        Some(ScheduleOrder::Due { from, missed: 0, moments, after })
    }

    /// Time passes, and everything happens that is due then.
    pub(super) fn pass(&mut self, ms: i64) {
        self.family.world.now += ms;
        while let Some(order) = self.due() {
            let done = self.family.one(input(order));
            self.hear(&done);
        }
        self.family.settle();
    }

    fn hear(&mut self, done: &Done) {
        for effect in &done.effects {
            if let Effect::Notice(notice) = effect
                && notice.kind == NoticeKind::ScheduleSkipped
                && let NoticeData::Fields(fields) = &notice.data
            {
                self.told.push(fields.to_json());
            }
        }
    }

    pub(super) fn end(&mut self, key: &str) {
        self.family.event(key, "ended", "null");
    }

    /// Started, left out, running and waiting, then the instances and how they stand.
    pub(super) fn stands(&self) -> String {
        let key = Schedule::key("report", "hourly").unwrap();
        let Some(state) = self.partition().schedule(&key) else { return "forgotten".to_owned() };
        let (running, waiting) = (state.running.len(), state.waiting.len());
        let mut line = format!("{} {} {running} {waiting}", state.started, state.skipped);
        for key in self.family.keys() {
            let moment = key.trim_start_matches("report/hourly-2026-01-01T");
            line.push_str(&format!(" | {moment} {}", self.family.stands(&key)));
        }
        line
    }
}

pub(super) const FIRST: &str = "report/hourly-2026-01-01T01:00:00Z";

#[test]
fn e6_a_due_moment_starts_one_instance_named_after_it() {
    let mut it = clockwork("skip", "one");
    it.pass(HOUR / 2 - 1);
    assert_eq!(it.stands(), "0 0 0 0", "never early");
    it.pass(1);
    assert_eq!(it.stands(), "1 0 1 0 | 01:00:00Z working");
    let instance = it.family.instance(FIRST);
    assert_eq!(instance.input.to_json(), r#"{"due":"2026-01-01T01:00:00Z","schedule":"hourly"}"#);
    assert_eq!(instance.initiator.as_deref(), Some("schedule report/hourly"));
    it.end(FIRST);
    assert_eq!(it.stands(), "1 0 0 0 | 01:00:00Z e (done)");
    it.pass(HOUR);
    assert_eq!(it.stands(), "2 0 1 0 | 01:00:00Z e (done) | 02:00:00Z working");
}

#[test]
fn e6_a_crash_between_due_and_start_starts_exactly_one() {
    let mut it = clockwork("skip", "one");
    it.family.world.now += HOUR / 2;
    let order = it.due().unwrap();
    it.family.one(input(order.clone()));
    // The frame is durable, the letter was not told: the next owner tells it, perhaps twice.
    it.family.crash();
    let letter = it.family.next_letter().unwrap();
    it.family.tell(letter.clone());
    assert_eq!(it.family.one(letter).outcome, Outcome::Duplicate { at: 0 });
    let late = it.family.one(input(order)).outcome;
    assert_eq!(late, Outcome::Ignored { reason: "stale_schedule".into() });
    it.family.settle();
    assert_eq!(it.stands(), "1 0 1 0 | 01:00:00Z working");
    it.family.crash();
    it.family.settle();
    it.pass(0);
    assert_eq!(it.stands(), "1 0 1 0 | 01:00:00Z working");
}

#[test]
fn e6_skip_leaves_out_what_would_overlap_and_says_so() {
    let mut it = clockwork("skip", "one");
    it.pass(HOUR);
    it.pass(HOUR);
    assert_eq!(it.stands(), "1 1 1 0 | 01:00:00Z working");
    assert_eq!(it.told.len(), 1);
    for said in [
        r#""count":1,"due":"2026-01-01T02:00:00Z""#,
        r#""reason":"`report/hourly-2026-01-01T01:00:00Z` still runs""#,
        r#""schedule":"hourly""#,
    ] {
        assert!(it.told[0].contains(said), "{:?}", it.told);
    }
}

#[test]
fn e6_allow_starts_beside_up_to_a_hundred() {
    let mut it = clockwork("allow", "one");
    for _ in 0..101 {
        it.pass(HOUR);
    }
    let line = it.stands();
    assert!(line.starts_with("100 1 100 0 "), "{line}");
    assert!(it.told[0].contains("100 starts run already, the limit is 100"), "{:?}", it.told);
}

#[test]
fn e6_queue_starts_when_the_one_before_has_ended_in_order_and_bounded() {
    let mut it = clockwork("queue", "one");
    for _ in 0..3 {
        it.pass(HOUR);
    }
    assert_eq!(it.stands(), "1 0 1 2 | 01:00:00Z working");
    it.end(FIRST);
    assert_eq!(it.stands(), "2 0 1 1 | 01:00:00Z e (done) | 02:00:00Z working");
    for _ in 0..100 {
        it.pass(HOUR);
    }
    let line = it.stands();
    assert!(line.starts_with("2 1 1 100 "), "{line}");
    assert!(it.told[0].contains("100 starts wait already"), "{:?}", it.told);
}

#[test]
fn e6_cancel_previous_takes_back_first_and_starts_the_latest_then() {
    let mut it = clockwork("cancel_previous", "one");
    it.pass(HOUR);
    it.family.event(FIRST, "called", "null");
    let call = |it: &Clockwork| {
        let instance = it.family.instance(FIRST);
        let running = instance.sequences.iter().find_map(|one| one.call.clone());
        running.map(|call| (call.id, call.attempt))
    };
    let reply = |(call, attempt)| PartitionInput::CallReply {
        key: at(FIRST),
        call,
        attempt,
        outcome: crate::machine::CallOutcome::Success(crate::value::Value::Null),
    };
    let print = call(&it).unwrap();
    it.family.tell(reply(print));
    it.pass(HOUR);
    assert_eq!(it.stands(), "1 0 1 1 | 01:00:00Z printed (compensating)");
    // A later moment takes the place of the one that waits.
    it.pass(HOUR);
    assert_eq!(it.stands(), "1 1 1 1 | 01:00:00Z printed (compensating)");
    let burn = call(&it).unwrap();
    assert_ne!(burn.0, print.0);
    it.family.tell(reply(burn));
    assert_eq!(it.stands(), "2 1 1 0 | 01:00:00Z printed (cancelled) | 03:00:00Z working");
    let cancelled = it.family.told.iter().find(|line| line.contains("command cancel"));
    assert!(cancelled.is_some_and(|line| line.contains("the next start is due")), "{cancelled:?}");
}

#[test]
fn e6_after_an_absence_one_start_makes_up_for_all() {
    let mut it = clockwork("allow", "one");
    it.pass(5 * HOUR);
    assert_eq!(it.stands(), "1 4 1 0 | 05:00:00Z working");
    let reason = r#"{"count":4,"reason":"nobody was there when it was due","schedule":"hourly"}"#;
    assert_eq!(it.told, [reason]);
}

#[test]
fn e6_catch_up_none_starts_nothing_that_is_a_minute_late() {
    let mut it = clockwork("allow", "none");
    it.pass(HOUR / 2 + 60_000);
    assert_eq!(it.stands(), "1 0 1 0 | 01:00:00Z working");
    it.pass(HOUR + 1);
    assert_eq!(it.stands(), "1 1 1 0 | 01:00:00Z working");
}

#[test]
fn e6_catch_up_all_starts_each_oldest_first() {
    let mut it = clockwork("queue", "all");
    it.pass(8 * HOUR);
    assert_eq!(it.stands(), "1 0 1 7 | 01:00:00Z working");
    it.pass(HOUR);
    it.end(FIRST);
    assert_eq!(it.stands(), "2 0 1 7 | 01:00:00Z e (done) | 02:00:00Z working");
}

#[test]
fn e6_a_paused_definition_leaves_its_moments_out() {
    let mut it = clockwork("queue", "all");
    it.pass(HOUR);
    it.pass(HOUR);
    let running = it.family.world.definitions.clone();
    let paused = HeldDefinitions::from([(("report".into(), None), HeldBy::default())]);
    it.family.world.definitions = running.with_held(paused);
    it.pass(2 * HOUR);
    assert_eq!(it.stands(), "1 2 1 1 | 01:00:00Z working");
    it.end(FIRST);
    assert_eq!(it.stands(), "1 3 0 0 | 01:00:00Z e (done)", "what waited does not start either");
    it.family.world.definitions = running;
    it.pass(HOUR);
    assert_eq!(it.stands(), "2 3 1 0 | 01:00:00Z e (done) | 05:00:00Z working");
}

#[test]
fn e6_the_newest_version_counts_and_one_without_the_schedule_retires_it() {
    let mut it = clockwork("queue", "one");
    it.pass(HOUR);
    it.pass(HOUR);
    let newer = |version: u32, every: &str| {
        let text = REPORT.replace("every: 1h", every).replace("OVERLAP", "skip");
        definition(
            &text
                .replace("CATCH", "one")
                .replace("workflow: report", &format!("workflow: report\nversion: {version}")),
        )
    };
    it.family.world.definitions.insert(newer(2, "every: 2h")).unwrap();
    // Who has not heard of it yet plans what is not declared any more.
    let stale = it.plan(HOUR, BEGIN + 3 * HOUR).outcome;
    assert_eq!(stale, Outcome::Ignored { reason: "stale_plan".into() });
    it.plan(2 * HOUR, BEGIN / HOUR * HOUR + 4 * HOUR);
    it.end(FIRST);
    assert_eq!(it.family.instance("report/hourly-2026-01-01T02:00:00Z").pin.version, 2);
    let without = "workflow: report\nversion: 3\nstates: { s: {} }\n";
    it.family.world.definitions.insert(definition(without)).unwrap();
    it.family.one(input(ScheduleOrder::Retire));
    assert_eq!(it.partition().next_due().map(|due| due.0 > BEGIN + 24 * HOUR), Some(true));
    it.end("report/hourly-2026-01-01T02:00:00Z");
    assert_eq!(it.stands(), "forgotten");
}

#[test]
fn e6_a_trigger_starts_now_and_obeys_the_overlap() {
    let mut it = clockwork("skip", "one");
    let trigger = || input(ScheduleOrder::Trigger { by: principal("ann"), reason: "now".into() });
    assert_eq!(it.family.tell(trigger()).outcome, Outcome::Started { to: Vec::new() });
    let key = "report/hourly-2026-01-01T00:30:00Z";
    assert_eq!(it.family.instance(key).initiator.as_deref(), Some("ann"));
    let refused = it.family.tell(trigger()).outcome;
    let reason = format!("`{key}` still runs").into();
    assert_eq!(refused, Outcome::Rejected { reason, accepted: Vec::new() });
    let unknown = PartitionInput::Schedule {
        key: Schedule::key("report", "nightly").unwrap(),
        order: ScheduleOrder::Trigger { by: principal("ann"), reason: "now".into() },
    };
    assert_eq!(it.family.tell(unknown).outcome, Outcome::NotFound { what: "schedule".into() });
}

#[test]
fn e6_a_key_that_runs_already_is_left_out_and_the_next_in_line_starts() {
    let text = "
workflow: report
correlate: data.id
events: { ended: {} }
schedules:
  hourly: { every: 1h, overlap: queue, key: payroll, input: { at: \"${ data.due }\" } }
states: { working: { on: { ended: e } }, e: { final: true } }
";
    let mut family = Family::new(&[text]);
    family.world.now = BEGIN;
    family.start("report/payroll", r#"{"at": "by hand"}"#);
    let mut it = Clockwork { family, told: Vec::new() };
    it.plan(HOUR, BEGIN / HOUR * HOUR + HOUR);
    it.pass(HOUR);
    assert_eq!(it.stands(), "0 1 0 0 | report/payroll working");
    it.end("report/payroll");
    it.pass(HOUR);
    assert_eq!(it.stands(), "1 1 1 0 | report/payroll working");
    let instance = it.family.instance("report/payroll");
    assert_eq!(
        (instance.generation.0, &*instance.input.to_json()),
        (2, r#"{"at":"2026-01-01T02:00:00Z"}"#)
    );
}

#[test]
fn e6_a_moment_without_a_key_or_with_too_much_input_is_left_out() {
    for (field, why) in [
        ("key: \"${ data.nothing }\"", "`key`"),
        ("key: \"${ [1] }\"", "not text"),
        ("input: \"${ 'x'.replace('', data.due) + data.nothing }\"", "`input`"),
    ] {
        let text = REPORT.replace("overlap: OVERLAP, catch_up: CATCH", field);
        let mut family = Family::new(&[&text]);
        family.world.now = BEGIN;
        let mut it = Clockwork { family, told: Vec::new() };
        it.plan(HOUR, BEGIN / HOUR * HOUR + HOUR);
        it.pass(HOUR);
        assert_eq!(it.stands(), "0 1 0 0", "{field}");
        assert!(it.told[0].contains(why), "{field}: {:?}", it.told);
    }
}

#[test]
fn e6_a_snapshot_keeps_schedules() {
    let mut it = clockwork("queue", "one");
    it.pass(2 * HOUR);
    let partition = it.partition();
    let position = it.family.world.journal.len() as u64;
    let mut run = partition.snapshot_begin();
    let slices: Vec<_> = std::iter::from_fn(|| run.next_slice(partition, position)).collect();
    let names: Vec<_> = (0..slices.len()).map(|n| n.to_string()).collect();
    let snapshot = Snapshot::open(&run.manifest(&names), &slices).unwrap();
    let restored = Restore::begin(3, Some(snapshot)).finish();
    assert_eq!(restored.state_bytes(), partition.state_bytes());
    assert_eq!(restored.next_due(), partition.next_due());
    assert!(restored.schedules().eq(partition.schedules()));
}

#[test]
fn e6_a_retired_schedule_is_forgotten_when_all_that_it_started_has_ended() {
    let mut it = clockwork("allow", "one");
    it.pass(HOUR);
    it.pass(HOUR);
    let without = "workflow: report\nversion: 2\nstates: { s: {} }\n";
    it.family.world.definitions.insert(definition(without)).unwrap();
    // It is due before anybody has said so: that retires it as well.
    it.family.world.now += HOUR;
    let order = it.due().unwrap();
    it.family.one(input(order));
    assert!(it.stands().starts_with("2 0 2 0 "), "{}", it.stands());
    let again = it.family.one(input(ScheduleOrder::Retire)).outcome;
    assert_eq!(again, Outcome::Ignored { reason: "known".into() });
    it.end(FIRST);
    assert!(it.stands().starts_with("2 0 1 0 "), "{}", it.stands());
    it.end("report/hourly-2026-01-01T02:00:00Z");
    assert_eq!(it.stands(), "forgotten");
}
