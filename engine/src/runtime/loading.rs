//! Loading: an engine is not ready before the definitions are deployed that it was started with.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::handle::Handle;
use super::shared::Shared;

/// Until this is dropped the engine says that it starts.
#[must_use]
pub struct Loading(Arc<Shared>);

impl Handle {
    /// Definitions are about to be deployed, by whoever started the engine.
    pub fn loading(&self) -> Loading {
        self.0.loading.fetch_add(1, Ordering::Relaxed);
        Loading(Arc::clone(&self.0))
    }

    /// What is still to be done before the engine is ready, in words.
    #[must_use]
    pub fn what_loads(&self) -> Option<String> {
        let loads = self.0.loading.load(Ordering::Relaxed) > 0;
        loads.then(|| "the definitions that it was started with are being deployed".to_owned())
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.loading.fetch_sub(1, Ordering::Relaxed);
    }
}
