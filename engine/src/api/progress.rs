//! How far long work is, as its plugins say, and what limits hold calls back.

use gearshift_machine::machine::InstanceKey;
use gearshift_protocol::view::{InstanceDetail, ProgressView};

use crate::runtime::Handle;

/// Adds to calls under way, and to their steps, what their plugins said last. It is kept by the
/// owner of the instance alone; where that does not answer, nothing is said.
pub(super) async fn add(handle: &Handle, key: &InstanceKey, seen: &mut InstanceDetail) {
    if seen.calls.is_empty() {
        return;
    }
    let known = match handle.progress(key).await {
        Ok(known) => known,
        Err(error) => {
            tracing::debug!(instance = %key, %error, "the progress of calls is not known");
            return;
        }
    };
    for call in &mut seen.calls {
        let mut held = known.iter().filter(|one| one.call.to_string() == call.id);
        call.held = held.find_map(|one| one.held.clone()).or_else(|| call.held.take());
        let mut fitting = known.iter().filter(|one| one.attempt == call.attempt);
        let Some(one) = fitting.find(|one| one.call.to_string() == call.id) else { continue };
        let (percent, note) = (one.percent, one.note.clone());
        let progress = ProgressView { percent, note, heard_at: one.heard.to_string() };
        let step = call.step.as_ref();
        if let Some(step) = seen.steps.steps.iter_mut().find(|it| Some(&it.id) == step) {
            step.progress = Some(progress.clone());
        }
        call.progress = Some(progress);
    }
}
