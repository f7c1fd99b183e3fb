//! Schedules: what is kept of them is part of journals and snapshots.

use gearshift_machine::definition::model::{Recurrence, Schedule};
use gearshift_machine::partition::ScheduleOrder;

use super::*;

/// Two starts of a schedule may wait for each other; nobody ever orders anything of the other.
const REPORT: &str = "
workflow: report
version: 1
correlate: data.id
events: { ended: {} }
schedules:
  hourly: { every: 1h, overlap: queue, key: \"r-${ data.due }\" }
  nightly: { cron: 0 3 * * *, zone: Europe/Berlin }
states: { working: { on: { ended: e } }, e: { final: true } }
";

const HOUR: i64 = 3_600_000;

fn order(name: &str, order: ScheduleOrder) -> PartitionInput {
    let key = Schedule::key("report", name).unwrap_or_else(|error| panic!("{error}"));
    PartitionInput::Schedule { key, order }
}

/// The story of schedules: planned, due, waiting, left out, and all that people order of them.
fn schedules() -> (Vec<Vec<u8>>, Partition) {
    let mut definitions = Definitions::default();
    let loaded = load(REPORT, "golden.yaml", Format::Yaml);
    let loaded = loaded.unwrap_or_else(|all| panic!("{all:#?}"));
    assert!(definitions.insert(Arc::new(loaded.definition)).is_ok());
    let mut partition = Partition::new(2);
    let journal = vec![partition.epoch_frame(1, "first")];
    let at = 1_750_000_000_000;
    let (under_way, calls) = (Vec::new(), Vec::new());
    let mut post = Post { definitions, partition, journal, under_way, calls, at };
    let ann = || Principal { user: "ann".into(), roles: vec!["*".into()] };
    let every = Recurrence::Every { period_ms: 3_600_000 };
    let cron = Recurrence::Cron { pattern: "0 3 * * *".into(), zone: "Europe/Berlin".into() };
    let moment = |hour: i64| Timestamp(at + hour * HOUR);
    let plan = |recurrence, next| ScheduleOrder::Plan { recurrence, next: Some(next) };
    post.tell(order("hourly", plan(every, moment(0))));
    post.tell(order("nightly", plan(cron, moment(5))));
    for hour in 0..4 {
        let (from, moments, after) = (moment(hour), vec![moment(hour)], Some(moment(hour + 1)));
        post.tell(order("hourly", ScheduleOrder::Due { from, missed: 0, moments, after }));
        post.carry();
        if hour == 1 {
            let reason = "no paper".into();
            post.tell(order("hourly", ScheduleOrder::Pause { by: ann(), reason }));
        }
    }
    let reason = "figures corrected".into();
    post.tell(order("hourly", ScheduleOrder::Trigger { by: ann(), reason }));
    post.tell(order("hourly", ScheduleOrder::Resume { by: ann(), reason: "".into() }));
    post.carry();
    let key = |name| Schedule::key("report", name).unwrap_or_else(|error| panic!("{error}"));
    let hourly = post.partition.schedule(&key("hourly"));
    let kept = hourly.map(|it| (it.running.len(), it.waiting.len(), it.skipped, it.orders.len()));
    assert_eq!(kept, Some((1, 2, 2, 3)));
    assert!(post.partition.schedule(&key("nightly")).is_some_and(|it| it.orders.is_empty()));
    (post.journal, post.partition)
}

#[test]
fn the_journal_with_schedules_is_written_and_read_as_ever() {
    journal_is_as_ever("schedules-journal.bin", &schedules());
}

#[test]
fn the_snapshot_with_schedules_is_written_and_read_as_ever() {
    snapshot_is_as_ever("schedules-snapshot.bin", &schedules());
}
