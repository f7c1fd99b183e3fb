//! How far long work is, as its plugins say, what holds calls back, and why they are made again.

use gearshift_machine::machine::{InstanceKey, TraceEntry};
use gearshift_protocol::view::{CallView, InstanceDetail, ProgressView};

use crate::runtime::{CallProgress, Handle};

/// Adds to calls under way, and to their steps, what their plugins said last, and to those that
/// wait what for. It is kept by the owner of the instance alone; where that does not answer,
/// nothing is said.
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
        if let Some(one) = known.iter().find(|one| one.held.is_some() && is_of(one, call)) {
            call.held.clone_from(&one.held);
            call.unsure |= one.unsure;
        }
        let mut fitting = known.iter().filter(|one| one.attempt == call.attempt);
        let Some(one) = fitting.find(|one| is_of(one, call)) else { continue };
        let (percent, note) = (one.percent, one.note.clone());
        let progress = ProgressView { percent, note, heard_at: one.heard.to_string() };
        let step = call.step.as_ref();
        if let Some(step) = seen.steps.steps.iter_mut().find(|it| Some(&it.id) == step) {
            step.progress = Some(progress.clone());
        }
        call.progress = Some(progress);
    }
    let failed = |call: &CallView| call.next_attempt.is_some() && call.held.is_none();
    if seen.calls.iter().any(failed)
        && let Ok(trace) = handle.trace(key).await
    {
        for call in seen.calls.iter_mut().filter(|call| failed(call)) {
            call.failed = how_it_failed(call, &trace);
        }
    }
}

fn is_of(one: &CallProgress, call: &CallView) -> bool {
    one.call.to_string() == call.id
}

/// What the history says of the attempt that failed last.
fn how_it_failed(call: &CallView, trace: &[TraceEntry]) -> Option<String> {
    let of = call.step.as_ref().map(|step| format!("step `{step}`: "));
    let attempt = format!("attempt {} ", call.attempt);
    trace.iter().rev().find_map(|entry| {
        let its_own = entry.input.contains(&call.operation);
        entry.note.as_deref()?.split("; ").find_map(|part| {
            let of_step = of.as_deref().and_then(|of| part.strip_prefix(of));
            let told = of_step.or_else(|| its_own.then_some(part))?;
            told.strip_prefix(&attempt).map(str::to_owned)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_an_attempt_failed_is_told_of_the_call_that_is_meant() {
        let entry = |input: &str, note: &str| TraceEntry {
            input: input.into(),
            note: Some(note.into()),
            ..TraceEntry::default()
        };
        let trace = [
            entry("reply p.do", "attempt 1 retryable: busy"),
            entry("reply p.do (a)", "step `a`: attempt 1 plugin_not_found: nobody; and more"),
            entry("reply p.other", "attempt 1 retryable: other"),
            entry("reply p.undo (undo of a)", "attempt 2 timeout: no answer"),
        ];
        let told = |step: Option<&str>, operation: &str, attempt| {
            let (step, operation) = (step.map(str::to_owned), operation.to_owned());
            how_it_failed(&CallView { step, operation, attempt, ..CallView::default() }, &trace)
        };
        assert_eq!(told(None, "p.do", 1).unwrap(), "retryable: busy");
        assert_eq!(told(Some("a"), "p.do", 1).unwrap(), "plugin_not_found: nobody");
        assert_eq!(told(Some("a"), "p.undo", 2).unwrap(), "timeout: no answer");
        assert_eq!(told(Some("b"), "p.gone", 1), None);
    }
}
