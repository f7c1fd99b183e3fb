//! Waiting for what can be observed: looked at again and again until a generous deadline.

use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take before a test says that it never comes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Looks until `look` sees something.
///
/// # Panics
/// After [`PATIENCE`], naming what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    eventually_async(what, async || look()).await
}

/// [`eventually`] for looks that wait for answers themselves.
///
/// # Panics
/// After [`PATIENCE`], naming what was waited for.
pub async fn eventually_async<T, F>(what: &str, mut look: F) -> T
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
