//! Undeploy: a version that nobody runs is taken away, with the subjects that only it named.

use std::collections::BTreeMap;

use super::capture::{Turn, capture};
use super::deploy::known_everywhere;
use crate::runtime::error::Error;
use crate::runtime::handle::Handle;

impl Handle {
    /// Takes a version away; its events are no longer listened to.
    ///
    /// # Errors
    /// [`Error::InUse`] while instances on it live or are kept, [`Error::UnknownWorkflow`],
    /// [`Error::Bus`].
    pub async fn undeploy(&self, workflow: &str, version: u32) -> Result<(), Error> {
        let shared = &self.0;
        let _one_at_a_time = shared.definitions.hold().await;
        shared.definitions.refresh().await?;
        let found = shared.definitions.registry().get(workflow, version).cloned();
        let definition = found
            .ok_or_else(|| Error::UnknownWorkflow { name: format!("{workflow}@{version}") })?;
        self.nobody_runs(workflow, version).await?;
        let froms = shared.definitions.remove(&definition).await?;
        known_everywhere(shared).await;
        // One may have begun while it was looked: then the version is put back as it was.
        if let Err(in_use) = self.nobody_runs(workflow, version).await {
            shared.definitions.record(&definition).await?;
            shared.definitions.listen(&definition, &froms).await?;
            return Err(in_use);
        }
        let turn = Turn::wait(shared).await?;
        let captured = capture(shared, None).await;
        turn.end().await;
        captured?;
        tracing::info!(workflow, version, "undeployed");
        Ok(())
    }

    async fn nobody_runs(&self, workflow: &str, version: u32) -> Result<(), Error> {
        let versions = self.versions(workflow).await?;
        let of = |counted: &BTreeMap<u32, u64>| counted.get(&version).copied().unwrap_or(0);
        let (living, ended) = (of(&versions.living), of(&versions.ended));
        // Ended ones stay readable, which needs their definition.
        match living + ended {
            0 => Ok(()),
            _ => Err(Error::InUse { name: workflow.to_owned(), version, living, ended }),
        }
    }
}
