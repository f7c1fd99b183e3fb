//! Two engines, each of which believes for a while that it owns what the other has taken over.
//!
//! The owner is stopped with SIGSTOP at random moments under load, for longer than its lease, and
//! then goes on as if nothing had been: whatever it was about to append, send or answer comes too
//! late. The journals' bytes and the clients' histories decide whether anything was lost, doubled
//! or forked. `GEARSHIFT_LONG=1` does it hundreds of times, `GEARSHIFT_TEST_SEED=N` repeats.

use std::path::PathBuf;
use std::time::Duration;

use gearshift_tests::chaos::{FaultKind, Plan, Step, run};
use gearshift_tests::checker::{Run, check};
use gearshift_tests::nats::Nodes;

/// Longer than a lease, so that the other engine takes over.
const PAUSE_MS: std::ops::Range<u64> = 2_300..3_300;

#[test]
fn a_zombie_owner_loses_doubles_and_forks_nothing() {
    let is_long = std::env::var_os("GEARSHIFT_LONG").is_some();
    let seed = std::env::var("GEARSHIFT_TEST_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    let rounds = if is_long { 300 } else { 8 };
    println!("seed {seed}: {rounds} rounds");
    let mut rng = fastrand::Rng::with_seed(seed);
    let steps = (0..rounds).map(|_| Step {
        kind: FaultKind::PauseEngine,
        which: rng.usize(..2),
        other: 0,
        lasts: Duration::from_millis(rng.u64(PAUSE_MS)),
        rest: Duration::from_millis(rng.u64(..1_200)),
    });
    let folder =
        tempfile::Builder::new().prefix("fence-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let plan = Plan {
        engine: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-recorded")),
        plugin: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-test-plugin")),
        folder: folder.path().to_owned(),
        seed,
        steps: steps.collect(),
        engines: 2,
        nodes: Nodes::One,
        clients: 12,
        pace: 40,
        faults_each: 0,
        // Half of the requests wait for an engine that is stopped.
        answer_max: Duration::from_secs(1),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(run(&plan));
    let report = outcome.and_then(|()| Run::read(folder.path())).map(|run| check(&run));
    let is_good = report.as_ref().is_ok_and(|report| {
        // A run in which nobody took over proves nothing.
        report.findings.is_empty() && report.epochs >= rounds / 2 && report.unknown > 0
    });
    if !is_good {
        let kept = folder.keep();
        panic!("seed {seed}, everything is in {}:\n{report:#?}", kept.display());
    }
    println!("{:#?}", report.unwrap());
}
