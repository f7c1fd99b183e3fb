//! Engines are killed under load, and a checker judges what is left.
//!
//! `GEARSHIFT_LONG=1` kills more often, `GEARSHIFT_TEST_SEED=N` repeats a schedule.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};

use gearshift_tests::checker::{Report, Run, check};
use gearshift_tests::load::{self, Plan};

#[test]
fn approvals_survive_kill_9_at_random_moments() {
    survive(false, (500, 30), (4_000, 200));
}

#[test]
fn approvals_survive_kill_9_at_random_moments_on_nats() {
    // Each life waits for the lease of the one before, so there are fewer.
    survive(true, (250, 8), (4_000, 200));
}

/// Approvals and kills, of the short version and of the long one.
fn survive(on_nats: bool, short: (u32, u32), long: (u32, u32)) {
    let is_long = std::env::var_os("GEARSHIFT_LONG").is_some();
    let seed = std::env::var("GEARSHIFT_TEST_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    let folder =
        tempfile::Builder::new().prefix("crash-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-recorded")),
        folder: folder.path().to_owned(),
        seed,
        approvals: if is_long { long.0 } else { short.0 },
        kills: if is_long { long.1 } else { short.1 },
        clients: 8,
        on_nats,
    };
    println!("seed {seed}: {} approvals, {} kills", plan.approvals, plan.kills);
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
    let approvals = usize::try_from(plan.approvals).unwrap();
    assert!(report.operations >= 2 * approvals, "too little was asked: {report:#?}");
    assert!(report.timers >= approvals / 5, "too few timers: {report:#?}");
    // On NATS an engine answers so fast that eight kills may meet no request; calls are under way
    // for longer.
    let met = report.unknown + if plan.on_nats { report.calls_again } else { 0 };
    assert!(met > 0, "no kill met anything under way: {report:#?}");
    Ok(report)
}
