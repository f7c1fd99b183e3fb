//! [`InFlight`]: calls being answered, so that they can be cancelled; [`Unwanted`]: whether one is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::context::Progress;

/// Whether nobody waits for a call any more.
#[derive(Debug, Default)]
pub(crate) struct Unwanted {
    is_so: AtomicBool,
    told: Notify,
}

impl Unwanted {
    /// Nobody waits from now on.
    pub(crate) fn cancel(&self) {
        if !self.is_so.swap(true, Ordering::SeqCst) {
            self.told.notify_waiters();
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_so.load(Ordering::SeqCst)
    }

    /// Resolves once nobody waits.
    pub(crate) async fn cancelled(&self) {
        // Made before it is looked, so that nothing is missed in between.
        let told = self.told.notified();
        if !self.is_cancelled() {
            told.await;
        }
    }
}

/// Calls being answered; a call may be there twice, as two attempts.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Mutex<Calls>>);

/// Every call comes and goes, and few are cancelled: places are found at once, and calls are
/// looked for.
#[derive(Debug, Default)]
struct Calls {
    places: Vec<Option<(Box<str>, Arc<Progress>)>>,
    free: Vec<usize>,
}

/// One call being answered; it ends with the drop.
pub(crate) struct Entry {
    /// `None` where it has no id, and so cannot be cancelled.
    place: Option<(InFlight, usize)>,
}

impl InFlight {
    pub(crate) fn enter(&self, call_id: &str, call: &Arc<Progress>) -> Entry {
        if call_id.is_empty() {
            return Entry { place: None };
        }
        let one = Some((Box::from(call_id), Arc::clone(call)));
        let mut calls = self.lock();
        let Calls { places, free } = &mut *calls;
        let at = free.pop().unwrap_or(places.len());
        match places.get_mut(at) {
            Some(place) => *place = one,
            None => places.push(one),
        }
        drop(calls);
        Entry { place: Some((self.clone(), at)) }
    }

    pub(crate) fn cancel(&self, call_id: &str) {
        for (id, call) in self.lock().places.iter().flatten() {
            if **id == *call_id {
                call.unwanted.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // The lock guards single changes of a list, so a panic cannot leave them half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some((all, at)) = &self.place else { return };
        let mut calls = all.lock();
        let call = calls.places.get_mut(*at).and_then(Option::take);
        calls.free.push(*at);
        drop(calls);
        // Not under the lock.
        drop(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_attempts_of_a_call_are_cancelled_and_places_are_used_again() {
        let all = InFlight::default();
        let calls: [Arc<Progress>; 4] = std::array::from_fn(|_| Arc::default());
        let first = all.enter("a", &calls[0]);
        let second = all.enter("a", &calls[1]);
        let other = all.enter("b", &calls[2]);
        let by_hand = all.enter("", &calls[3]);
        all.cancel("a");
        all.cancel("");
        let cancelled = calls.each_ref().map(|call| call.unwanted.is_cancelled());
        assert_eq!(cancelled, [true, true, false, false]);
        drop((first, second, by_hand));
        assert_eq!(Arc::strong_count(&calls[0]), 1);
        let again = all.enter("c", &calls[3]);
        all.cancel("c");
        assert!(calls[3].unwanted.is_cancelled());
        drop((other, again));
        let left = all.lock();
        assert_eq!((left.places.len(), left.free.len()), (3, 3));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_it_at_once_or_finds_it_so() {
        let unwanted = Unwanted::default();
        let waiting = unwanted.cancelled();
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        unwanted.cancel();
        waiting.await;
        unwanted.cancelled().await;
    }
}
