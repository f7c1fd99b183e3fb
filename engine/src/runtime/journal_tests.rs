//! How long the fate of a frame is looked for.

use std::time::Duration;

use gearshift_bus::{Bus, Faults};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Ending, Journal, Lost};
use crate::runtime::EngineConfig;
use crate::runtime::cluster::Tenure;

/// A journal on a bus that never says what became of an append, and stores about one in two.
async fn silent(seed: u64, stop: &CancellationToken) -> Journal {
    let faults = Faults { append_unknown_permille: 1_000, ..Faults::none() };
    let log = Bus::simulated(seed, faults).log("journal-0").await;
    let log = log.unwrap_or_else(|error| panic!("{error}"));
    let after = EngineConfig::default().frame_wait;
    let ending = Ending { after, stop: stop.clone(), tenure: Tenure::new(None, 0) };
    Journal::new(log, 0, 1, 0, ending)
}

/// More than eight resends take.
const LONG: Duration = Duration::from_millis(127);

/// A seed by which the frame is stored late.
async fn seed_of_a_late_one() -> Option<u64> {
    let stop = CancellationToken::new();
    for seed in 1..=2_000 {
        let began = Instant::now();
        let appended = silent(seed, &stop).await.append(b"frame".to_vec()).await;
        assert!(matches!(appended, Ok(1)), "seed {seed}: {appended:?}");
        if began.elapsed() > LONG * 4 {
            return Some(seed);
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_frame_is_sent_again_for_seconds_and_no_longer_than_the_engine_runs() {
    let late = seed_of_a_late_one().await;
    let Some(seed) = late else { panic!("no seed stores the frame late") };
    let stop = CancellationToken::new();
    let mut journal = silent(seed, &stop).await;
    let began = Instant::now();
    let stopping = async {
        tokio::time::sleep(LONG * 2).await;
        stop.cancel();
    };
    let (appended, ()) = tokio::join!(journal.append(b"frame".to_vec()), stopping);
    assert!(matches!(appended, Err(Lost::Failed(_))), "{appended:?}");
    assert_eq!(began.elapsed(), LONG * 2, "it waits on while the engine stops");
}
