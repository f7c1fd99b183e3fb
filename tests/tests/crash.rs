//! Engines are killed under load, and a checker judges what is left.
//!
//! `GEARSHIFT_LONG=1` kills more often, `GEARSHIFT_TEST_SEED=N` repeats a schedule.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};

use gearshift_tests::checker::{Report, Run, check};
use gearshift_tests::load::{self, Load, Plan};

#[test]
fn approvals_survive_kill_9_at_random_moments() {
    survive(Load::Approvals, false, (500, 30), (4_000, 200));
}

#[test]
fn approvals_survive_kill_9_at_random_moments_on_nats() {
    // Each life waits for the lease of the one before, so there are fewer.
    survive(Load::Approvals, true, (250, 8), (4_000, 200));
}

#[test]
fn steps_survive_kill_9_at_random_moments() {
    survive(Load::Jobs, false, (60, 30), (600, 200));
}

#[test]
fn steps_survive_kill_9_at_random_moments_on_nats() {
    survive(Load::Jobs, true, (60, 8), (600, 100));
}

/// Approvals or jobs and kills, of the short version and of the long one.
fn survive(load: Load, on_nats: bool, short: (u32, u32), long: (u32, u32)) {
    let is_long = std::env::var_os("GEARSHIFT_LONG").is_some();
    let seed = std::env::var("GEARSHIFT_TEST_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    let folder =
        tempfile::Builder::new().prefix("crash-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-recorded")),
        folder: folder.path().to_owned(),
        seed,
        load,
        count: if is_long { long.0 } else { short.0 },
        kills: if is_long { long.1 } else { short.1 },
        clients: 8,
        on_nats,
    };
    println!("seed {seed}: {} {load:?}, {} kills", plan.count, plan.kills);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(load::run(&plan));
    let report = outcome.and_then(|()| judge(folder.path(), &plan));
    let findings = report.as_ref().map(|report| report.findings.len());
    if !matches!(findings, Ok(0)) {
        let kept = folder.keep();
        panic!("seed {seed}, everything is in {}:\n{report:#?}", kept.display());
    }
    println!("{:#?}", report.unwrap());
}

fn judge(folder: &Path, plan: &Plan) -> Result<Report, std::io::Error> {
    let run = Run::read(folder)?;
    let report = check(&run);
    let count = usize::try_from(plan.count).unwrap();
    assert!(report.operations >= 2 * count, "too little was asked: {report:#?}");
    match plan.load {
        Load::Approvals | Load::Both => {
            assert!(report.timers >= count / 5, "too few timers: {report:#?}")
        }
        Load::Jobs => {
            assert!(report.jobs >= count, "too few jobs: {report:#?}");
            assert!(report.taken_back > 2 * count, "too little was taken back: {report:#?}");
            let cut = report.rollbacks_cut > 0 || plan.on_nats;
            assert!(cut, "no kill met a rollback: {report:#?}");
        }
    }
    // An engine answers so fast that few kills may meet no request; calls and rollbacks are under
    // way for longer.
    let again = if plan.on_nats { report.calls_again } else { report.rollbacks_cut };
    let met = report.unknown + again;
    assert!(met > 0, "no kill met anything under way: {report:#?}");
    Ok(report)
}
