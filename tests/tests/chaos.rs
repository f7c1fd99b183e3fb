//! Everything fails: three engines, three plugins, three servers, every sort of fault under load.
//!
//! `GEARSHIFT_LONG=1` makes more and longer faults, `GEARSHIFT_TEST_SEED=N` repeats a schedule.

use std::path::PathBuf;
use std::time::Duration;

use gearshift_tests::chaos::{FaultKind, Plan, run, schedule};
use gearshift_tests::checker::{Run, check};
use gearshift_tests::nats::Nodes;

#[test]
fn everything_acknowledged_survives_every_sort_of_fault() {
    let is_long = std::env::var_os("GEARSHIFT_LONG").is_some();
    let seed = std::env::var("GEARSHIFT_TEST_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    let kinds = FaultKind::ALL.len();
    let steps = if is_long {
        schedule(seed, 12 * kinds, 20_000, 3_000)
    } else {
        schedule(seed, kinds, 3_000, 1_000)
    };
    println!("seed {seed}");
    steps.iter().for_each(|step| println!("{step:?}"));
    let folder =
        tempfile::Builder::new().prefix("chaos-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let plan = Plan {
        engine: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-recorded")),
        plugin: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-test-plugin")),
        folder: folder.path().to_owned(),
        seed,
        faults_each: if is_long { 5 } else { 1 },
        steps,
        engines: 3,
        nodes: Nodes::Three,
        clients: 12,
        pace: 20,
        answer_max: Duration::from_secs(5),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(run(&plan));
    let report = outcome.and_then(|()| Run::read(folder.path())).map(|run| check(&run));
    let findings = report.as_ref().map(|report| report.findings.len());
    if !matches!(findings, Ok(0)) {
        let kept = folder.keep();
        panic!("seed {seed}, everything is in {}:\n{report:#?}", kept.display());
    }
    let report = report.unwrap();
    assert!(report.jobs > 0 && report.taken_back > 0, "too few jobs: {report:#?}");
    println!("{report:#?}");
}

#[test]
fn a_schedule_is_the_same_for_a_seed_and_has_every_kind_often_enough() {
    let steps = schedule(7, 150, 20_000, 3_000);
    assert_eq!(steps, schedule(7, 150, 20_000, 3_000));
    assert_ne!(steps, schedule(8, 150, 20_000, 3_000));
    for kind in FaultKind::ALL {
        let times = steps.iter().filter(|step| step.kind == kind).count();
        assert_eq!(times, 10, "{kind:?}");
    }
}
