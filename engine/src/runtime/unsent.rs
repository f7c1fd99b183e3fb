//! [`Unsent`]: attempts that wait for something before they are sent, and can still be given up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gearshift_machine::machine::EffectId;
use tokio_util::sync::CancellationToken;

/// What becomes of an attempt that waits.
const WAITS: u8 = 0;
/// It is sent, and answered as ever.
const GOES: u8 = 1;
/// Something is taken back: it is not sent, and that is its answer.
const WITHDRAWN: u8 = 2;
/// Nobody waits for it any more: it is not sent.
const FORGOTTEN: u8 = 3;

/// Those of one partition, by call: an attempt takes the place of the one before.
#[derive(Debug, Default)]
pub(crate) struct Unsent(Mutex<HashMap<EffectId, Arc<State>>>);

#[derive(Debug)]
struct State {
    attempt: u32,
    /// Nobody can have sent it before.
    first: bool,
    becomes: AtomicU8,
    over: CancellationToken,
}

/// One attempt's place among them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    call: EffectId,
    state: Arc<State>,
    all: Arc<Unsent>,
}

/// Why an attempt is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// Whoever decided it is to hear so.
    Withdrawn,
    /// Nobody hears of it.
    Forgotten,
}

impl Unsent {
    /// An attempt begins to wait; `first`: no engine can have sent it before.
    pub(crate) fn begin(self: &Arc<Self>, call: EffectId, attempt: u32, first: bool) -> Turn {
        let becomes = AtomicU8::new(WAITS);
        let over = CancellationToken::new();
        let state = Arc::new(State { attempt, first, becomes, over });
        self.states().insert(call, Arc::clone(&state));
        Turn { call, state, all: Arc::clone(self) }
    }

    /// Gives an attempt up that is not sent yet, and cannot have been before.
    pub(crate) fn withdraw(&self, call: EffectId, attempt: u32) {
        let found = self.states().get(&call).cloned();
        if let Some(state) = found.filter(|it| it.first && it.attempt == attempt) {
            state.give_up(WITHDRAWN);
        }
    }

    /// Gives up what waits of a call that nobody waits for.
    pub(crate) fn forget(&self, call: EffectId) {
        let found = self.states().remove(&call);
        if let Some(state) = found {
            state.give_up(FORGOTTEN);
        }
    }

    fn states(&self) -> MutexGuard<'_, HashMap<EffectId, Arc<State>>> {
        // Nothing under this lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn becomes(&self, what: u8) -> bool {
        let order = Ordering::AcqRel;
        self.becomes.compare_exchange(WAITS, what, order, Ordering::Acquire).is_ok()
    }

    fn give_up(&self, why: u8) {
        if self.becomes(why) {
            self.over.cancel();
        }
    }

    fn given_up(&self) -> Option<GivenUp> {
        match self.becomes.load(Ordering::Acquire) {
            WITHDRAWN => Some(GivenUp::Withdrawn),
            FORGOTTEN => Some(GivenUp::Forgotten),
            _ => None,
        }
    }
}

impl Turn {
    /// It is sent now, unless it was given up: from here on it is answered as ever.
    pub(crate) fn go(&self) -> Result<(), GivenUp> {
        self.state.becomes(GOES);
        self.state.given_up().map_or(Ok(()), Err)
    }

    /// Resolves once it is given up; never where it is sent.
    pub(crate) async fn given_up(&self) -> GivenUp {
        self.state.over.cancelled().await;
        self.state.given_up().unwrap_or(GivenUp::Forgotten)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut states = self.all.states();
        // A later attempt may have its place.
        if states.get(&self.call).is_some_and(|known| Arc::ptr_eq(known, &self.state)) {
            states.remove(&self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gearshift_machine::machine::EffectId;

    use super::{GivenUp, Unsent};

    const CALL: EffectId = EffectId([7; 16]);

    #[tokio::test]
    async fn an_attempt_is_sent_or_given_up_and_never_both() {
        let all = Arc::new(Unsent::default());
        let turn = all.begin(CALL, 1, true);
        all.withdraw(CALL, 2);
        assert_eq!(turn.go(), Ok(()), "another attempt was meant");
        all.withdraw(CALL, 1);
        all.forget(CALL);
        assert_eq!(turn.go(), Ok(()), "it was sent before");
        let turn = all.begin(CALL, 2, true);
        all.withdraw(CALL, 2);
        assert_eq!(turn.given_up().await, GivenUp::Withdrawn);
        all.forget(CALL);
        assert_eq!(turn.go(), Err(GivenUp::Withdrawn), "the first word holds");
    }

    #[tokio::test]
    async fn what_an_engine_may_have_sent_before_is_not_withdrawn_but_forgotten() {
        let all = Arc::new(Unsent::default());
        let turn = all.begin(CALL, 1, false);
        all.withdraw(CALL, 1);
        assert_eq!(turn.state.given_up(), None);
        all.forget(CALL);
        assert_eq!(turn.given_up().await, GivenUp::Forgotten);
    }

    #[test]
    fn a_turn_that_is_dropped_leaves_nothing_and_takes_no_others_place() {
        let all = Arc::new(Unsent::default());
        let first = all.begin(CALL, 1, true);
        let second = all.begin(CALL, 2, true);
        drop(first);
        all.withdraw(CALL, 2);
        assert_eq!(second.go(), Err(GivenUp::Withdrawn));
        drop(second);
        assert!(all.states().is_empty());
    }
}
