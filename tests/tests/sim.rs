//! The first simulator, as a test: `GEARSHIFT_SIM_SEED` and `GEARSHIFT_SIM_STEPS` choose the run.

use gearshift_tests::sim::{Charts, EPISODE_STEPS, run};

/// The environment variable `name` as a number.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}: `{text}` is not a number")),
        Err(_) => default,
    }
}

#[test]
fn whatever_happens_between_partition_and_journal_nothing_is_lost_or_done_twice() {
    let seed = setting("GEARSHIFT_SIM_SEED", 1);
    let steps = setting("GEARSHIFT_SIM_STEPS", 1_000_000);
    println!("GEARSHIFT_SIM_SEED={seed} GEARSHIFT_SIM_STEPS={steps}");
    let report = run(seed, steps);
    let never = report.never_taken(&Charts::load());
    println!("{report}transitions never taken: {never:#?}");
    println!("GEARSHIFT_SIM_SEED={seed} GEARSHIFT_SIM_STEPS={steps}");
    if steps >= 200_000 {
        let must = [
            "takeovers",
            "crashes",
            "unknown appends found",
            "appends sent again",
            "zombies fenced",
            "zombie frames that slipped in",
            "stale frames met",
            "snapshots",
            "stuck",
            "duplicate",
            "letters",
            "letters taken before",
            "letters before their time",
            "calls pending at a takeover",
            "dead_lettered",
            "deferred",
            "denied",
            "rejected",
        ];
        for what in must {
            assert!(report.of(what) > 0, "`{what}` never happened: the run proves little");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let steps = 3 * EPISODE_STEPS;
    let (one, two) = (run(7, steps), run(7, steps));
    assert_eq!(one.to_string(), two.to_string());
    assert_eq!(one.taken, two.taken);
}
