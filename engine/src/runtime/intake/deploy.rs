//! Deploy: capture → record → find out from where on it listens → all engines know it.

use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::definition::model::Definition;
use gearshift_machine::partition::Position;

use super::capture::{Turn, capture};
use crate::runtime::definitions::{Deployed, Froms};
use crate::runtime::error::Error;
use crate::runtime::handle::Handle;
use crate::runtime::schedules::unkept;
use crate::runtime::shared::Shared;

/// How long a deployment waits until the engines that live have loaded it.
const KNOWN_EVERYWHERE: Duration = Duration::from_secs(2);

impl Handle {
    /// Makes a definition available and listens to its events from now on: those that are published
    /// after this returns, and perhaps some before. What is published meanwhile on a subject that
    /// nobody named before may become a dead letter.
    ///
    /// # Errors
    /// [`Error::VersionExists`], [`Error::SubjectHeld`], [`Error::Bus`]; [`Error::Definition`]
    /// where a schedule cannot be kept.
    pub async fn deploy(&self, definition: Definition) -> Result<Deployed, Error> {
        let shared = &self.0;
        let _one_at_a_time = shared.definitions.hold().await;
        shared.definitions.refresh().await?;
        if let Some((definition, true)) = shared.definitions.known(&definition).await? {
            return Ok(Deployed { definition, fresh: false });
        }
        let unkept = unkept(&definition);
        if !unkept.is_empty() {
            return Err(Error::Definition(unkept));
        }
        let definition = Arc::new(definition);
        let turn = Turn::wait(shared).await?;
        let mut done = in_turn(shared, &definition).await;
        if done.is_err() {
            // What was captured for it alone is taken back.
            done = capture(shared, None).await.and(done);
        }
        turn.end().await;
        done?;
        known_everywhere(shared).await;
        tracing::info!(workflow = %definition.name, version = definition.version, "deployed");
        Ok(Deployed { definition, fresh: true })
    }
}

async fn in_turn(shared: &Shared, definition: &Arc<Definition>) -> Result<(), Error> {
    // First of all, because it may be refused; then nothing is deployed.
    capture(shared, Some(definition)).await?;
    shared.definitions.record(definition).await?;
    activate(shared, definition).await?;
    // Nothing changes here, unless this engine took too long for its turn.
    capture(shared, None).await
}

/// Completes a deployment: the definition listens from what the sources hold now on.
pub(super) async fn activate(shared: &Shared, definition: &Definition) -> Result<(), Error> {
    let plan = shared.intake.plan();
    let streams = plan.foreign.keys().map(|stream| Some(stream.as_str()));
    let mut froms = Vec::new();
    for stream in [None].into_iter().chain(streams) {
        let tail = shared.inbox_of(stream).await?.tail().await?;
        let source = match shared.intake.sources.current(stream) {
            Some(source) => source,
            None => shared.intake.sources.admit(stream, &tail).await?,
        };
        froms.push(Position { source: source.number, sequence: tail.last + 1 });
    }
    shared.definitions.listen(definition, &Froms::new(froms)).await
}

/// Waits until the engines that live have loaded what is deployed, for a while: readers look by
/// themselves, so this is for those who ask at a door right after.
pub(super) async fn known_everywhere(shared: &Shared) {
    let Some(cluster) = &shared.cluster else { return };
    let wanted = *shared.definitions.revision().borrow();
    let mut heard = cluster.heard();
    let known = async {
        while cluster
            .engines()
            .iter()
            .any(|engine| !engine.leaving && engine.definitions_revision < wanted)
        {
            if heard.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(KNOWN_EVERYWHERE, known).await.is_err() {
        tracing::warn!("some engine does not say that it has loaded what was deployed");
    }
}
