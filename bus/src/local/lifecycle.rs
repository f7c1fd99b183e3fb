//! [`Lifecycle`]: open, then closed for good.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind};

/// Whether the bus is open; every handle asks before it does anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifecycle(CancellationToken);

impl Lifecycle {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.0.is_cancelled() { Err(ErrorKind::Closed.into()) } else { Ok(()) }
    }

    pub(crate) fn close(&self) {
        self.0.cancel();
    }

    pub(crate) async fn closed(&self) {
        self.0.cancelled().await;
    }
}

/// Locks a mutex whose critical sections leave no half-done state behind.
///
/// They are straight lines without calls into foreign code, so a panic elsewhere on the thread
/// is no reason to refuse the value.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
