//! [`Bodies`]: when each large body was taken last, and how those that nobody needs go.
//!
//! Objects are named by their content, so equal answers share one: none goes because one call has
//! it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearshift_bus::{Digest, Error as BusError};
use gearshift_machine::machine::Timestamp;

use super::bodies::{BLOBS, READ_AGAIN};
use crate::runtime::shared::Shared;

/// So often it is looked which may go, while one stays.
const LOOKS: u32 = 24;

/// When this engine saw each object first, or took it last.
#[derive(Debug, Default)]
pub(crate) struct Bodies(Mutex<BTreeMap<Digest, Timestamp>>);

impl Bodies {
    /// It was taken now.
    pub(super) fn took(&self, digest: Digest, now: Timestamp) {
        self.known().insert(digest, now);
    }

    /// Those of `stored` that nobody took for so long; what is not stored is forgotten.
    fn idle(&self, stored: Vec<Digest>, now: Timestamp, kept: Duration) -> Vec<Digest> {
        let mut known = self.known();
        let mut seen = BTreeMap::new();
        for digest in stored {
            let last = known.get(&digest).copied().unwrap_or(now);
            seen.insert(digest, last);
        }
        *known = seen;
        let is_idle = |last| Duration::from_millis(now.since_ms(last)) >= kept;
        let idle = known.iter().filter(|(_, last)| is_idle(**last));
        idle.map(|(digest, _)| digest.clone()).collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Digest, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the store of bodies, so that plugins find it, and removes what nobody took for long.
pub(crate) async fn keep_bodies(shared: Arc<Shared>) {
    loop {
        let swept = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            swept = sweep(&shared) => swept,
        };
        let pause_ms = u64::try_from((shared.config.bodies_kept / LOOKS).as_millis());
        let next = shared.config.clock.now().plus_ms(pause_ms.unwrap_or(u64::MAX));
        let pause = async {
            match swept {
                Ok(()) => shared.config.clock.sleep_until(next).await,
                Err(error) => {
                    tracing::debug!(%error, "the store of large bodies does not answer");
                    tokio::time::sleep(READ_AGAIN).await;
                }
            }
        };
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = pause => {}
        }
    }
}

async fn sweep(shared: &Shared) -> Result<(), BusError> {
    let blobs = shared.bus.blobs(BLOBS).await?;
    let stored = blobs.list().await?;
    let now = shared.config.clock.now();
    let kept = shared.config.bodies_kept;
    for digest in shared.bodies.idle(stored, now, kept) {
        // Another engine, or a plugin, may have put it since: the server knows.
        if blobs.delete_idle(&digest, kept).await? {
            tracing::debug!(%digest, "a large body that nobody took for long was removed");
        }
    }
    blobs.delete_orphans(kept).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600 * 1_000;
    const DAY: Duration = Duration::from_secs(24 * 3_600);

    #[test]
    fn p4_a_body_goes_a_day_after_it_was_taken_last_and_not_before() {
        let bodies = Bodies::default();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let at = |hours: u64| Timestamp(0).plus_ms(hours * HOUR);
        let stored = || vec![one.clone(), two.clone()];
        assert_eq!(bodies.idle(stored(), at(0), DAY), []);
        bodies.took(one.clone(), at(20));
        assert_eq!(bodies.idle(stored(), at(23), DAY), []);
        assert_eq!(bodies.idle(stored(), at(24), DAY), std::slice::from_ref(&two));
        assert_eq!(bodies.idle(vec![one.clone()], at(43), DAY), []);
        assert_eq!(bodies.idle(vec![one.clone()], at(44), DAY), std::slice::from_ref(&one));
        // Put again after it was gone, it is new.
        assert_eq!(bodies.idle(Vec::new(), at(45), DAY), []);
        assert_eq!(bodies.idle(vec![one], at(46), DAY), []);
    }
}
