//! [`InFlight`]: calls being answered, so that they can be cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Calls being answered; a call may be there twice, as two attempts.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Mutex<Calls>>);

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    tokens: BTreeMap<(String, u64), CancellationToken>,
}

/// One call being answered; it ends with the drop.
pub(crate) struct Entry {
    all: InFlight,
    name: (String, u64),
    pub(crate) token: CancellationToken,
}

impl InFlight {
    pub(crate) fn enter(&self, call_id: &str) -> Entry {
        let mut calls = self.lock();
        let name = (call_id.to_owned(), calls.next);
        calls.next += 1;
        let token = CancellationToken::new();
        calls.tokens.insert(name.clone(), token.clone());
        Entry { all: self.clone(), name, token }
    }

    pub(crate) fn cancel(&self, call_id: &str) {
        let range = (call_id.to_owned(), 0)..=(call_id.to_owned(), u64::MAX);
        for (_, token) in self.lock().tokens.range(range) {
            token.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // The lock guards single map operations, so a panic cannot leave them half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.lock().tokens.remove(&self.name);
    }
}
