//! Waiting for what can be observed, and the seeds of a run.

use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take before a test says that it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Looks until `look` sees something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    eventually_async(what, async || look()).await
}

/// [`eventually`] for looks that wait for answers themselves.
pub(crate) async fn eventually_async<T, F>(what: &str, mut look: F) -> T
where
    F: AsyncFnMut() -> Option<T>,
{
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The seeds to run: the one that `GEARSHIFT_TEST_SEED` names, else `count` known ones and one
/// that nobody has tried.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("GEARSHIFT_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=count).chain([u64::from(fastrand::u32(..))]).collect(),
    }
}
