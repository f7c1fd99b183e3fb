//! Files of earlier programs whose bytes today's would write in another way.

use gearshift_machine::machine::{Instance, Progress};

use super::*;

fn restored(journal: &str) -> Partition {
    let mut restore = Restore::begin(2, None);
    for (sequence, frame) in (1..).zip(read(journal)) {
        if let Err(error) = restore.apply(sequence, &frame) {
            panic!("{journal}, frame {sequence}: {error}");
        }
    }
    restore.finish()
}

fn opened(snapshot: &str) -> Partition {
    let stored = read(snapshot);
    let Some((manifest, slices)) = stored.split_first() else { panic!("an empty file") };
    let snapshot = Snapshot::open(manifest, slices).unwrap_or_else(|error| panic!("{error}"));
    Restore::begin(2, Some(snapshot)).finish()
}

/// All instances, without what earlier programs did not keep: how they ended.
fn kept(partition: &Partition) -> Vec<Instance> {
    let mut all = partition.instances_from(None, 100);
    for one in &mut all {
        one.progress = one.progress.take().and_then(|mut progress| {
            progress.end = None;
            (*progress != Progress::default()).then_some(progress)
        });
    }
    all
}

fn lines(partition: &Partition) -> Vec<usize> {
    let instances = partition.instances_from(None, 100);
    instances.iter().map(|one| partition.trace(&one.key).len()).collect()
}

/// `letters`: before the history of a failed attempt told the code; `letters-coded`: before it was
/// kept how an instance ended. All else is as ever.
#[test]
fn journals_and_snapshots_without_codes_or_ends_are_read() {
    let (_, today) = letters();
    assert_ne!(kept(&today), today.instances_from(None, 100), "an end is kept today");
    for name in ["letters", "letters-coded"] {
        let journal = restored(&format!("{name}-journal.bin"));
        let snapshot = opened(&format!("{name}-snapshot.bin"));
        for then in [journal, snapshot] {
            assert_eq!(then.counts(), today.counts(), "{name}");
            assert_eq!(then.instances_from(None, 100), kept(&today), "{name}");
            assert_eq!(lines(&then), lines(&today), "{name}");
        }
    }
}

/// `transactions`: written when each call was asked for with a letter of its own;
/// `transactions-run`: before members kept why they are taken back.
#[test]
fn journals_and_snapshots_of_a_rollback_call_by_call_or_without_its_reason_are_read() {
    for name in ["transactions", "transactions-run"] {
        let journal = restored(&format!("{name}-journal.bin"));
        let snapshot = opened(&format!("{name}-snapshot.bin"));
        assert!(snapshot.state_bytes() == journal.state_bytes(), "{name}");
        let reasons = journal.instances_from(None, 100).into_iter();
        let mut reasons = reasons.filter_map(|one| Some(one.membership()?.reason.clone()));
        assert!(reasons.all(|reason| reason.is_empty()), "{name}");
    }
}

/// `transactions-why`: before a commit was kept with the steps of its members.
#[test]
fn journals_and_snapshots_of_commits_that_steps_do_not_know_are_read() {
    let (_, today) = transactions();
    let journal = restored("transactions-why-journal.bin");
    let snapshot = opened("transactions-why-snapshot.bin");
    assert!(snapshot.state_bytes() == journal.state_bytes());
    assert_eq!(journal.counts(), today.counts());
    assert_eq!(lines(&journal), lines(&today));
    assert!(journal.state_bytes() != today.state_bytes(), "steps know it today");
}
