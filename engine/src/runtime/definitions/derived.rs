//! Derived versions go when nobody runs them any more (decision 0026).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::runtime::error::Error;
use crate::runtime::handle::Handle;
use crate::runtime::shared::Shared;

use super::index::Version;

/// Between two looks. A version that nobody runs at two of them goes: one that was deployed a
/// moment ago may still wait for its instance.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks for derived versions that nobody runs, as long as the engine does.
pub(crate) async fn keep_derived(shared: Arc<Shared>) {
    let handle = Handle(Arc::clone(&shared));
    let mut unused = BTreeSet::new();
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // One engine does it for all.
        if !shared.seat(0).serves() {
            unused.clear();
            continue;
        }
        match handle.remove_unused(&unused).await {
            Ok(found) => unused = found,
            Err(error) => tracing::debug!(%error, "derived versions were not looked through"),
        }
    }
}

impl Handle {
    /// Takes away derived versions that nobody runs, and that `known` says nobody ran before;
    /// gives those that are unused now.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Bus`].
    pub async fn remove_unused(
        &self,
        known: &BTreeSet<Version>,
    ) -> Result<BTreeSet<Version>, Error> {
        self.refresh().await?;
        let registry = self.definitions().registry();
        let derived: BTreeSet<Version> = registry
            .iter()
            .filter(|definition| definition.is_derived())
            .map(|definition| (Arc::clone(&definition.name), definition.version))
            .collect();
        let workflows: BTreeSet<_> = derived.iter().map(|(name, _)| Arc::clone(name)).collect();
        let mut unused = BTreeSet::new();
        for workflow in workflows {
            let versions = self.versions(&workflow).await?;
            let runs = |version: u32| {
                versions.living.contains_key(&version) || versions.ended.contains_key(&version)
            };
            let of = derived.iter().filter(|(name, version)| *name == workflow && !runs(*version));
            for version in of {
                if !known.contains(version) {
                    unused.insert(version.clone());
                    continue;
                }
                match self.undeploy(&version.0, version.1).await {
                    // Somebody runs it after all, or somebody else was quicker.
                    Ok(()) | Err(Error::InUse { .. } | Error::UnknownWorkflow { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(unused)
    }
}
