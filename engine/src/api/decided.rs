//! A decision that comes too late: who decided before, what and when.

use gearshift_machine::definition::duration;
use gearshift_machine::machine::{InstanceKey, TraceEntry, open_tasks};
use gearshift_protocol::{Problem, ProblemKind};

use super::control;
use crate::runtime::Handle;

/// How the history calls a decision.
const DECIDE: &str = "command decide ";

/// The decision that was made before `choice`, which the instance has refused (GS4009); nothing
/// where an approval is open that it could have been for.
pub(super) async fn already(
    handle: &Handle,
    key: &InstanceKey,
    choice: &str,
) -> Result<Option<Box<Problem>>, Box<Problem>> {
    let (instance, definition) = control::known(handle, key, None).await?;
    let now = handle.config().clock.now();
    let open = open_tasks(&instance, &definition, now);
    let task = choice.rsplit_once(':').map(|(task, _)| task);
    let is_open = |named: &str| open.iter().any(|it| *it.name == *named);
    if !open.is_empty() && task.is_none_or(is_open) {
        return Ok(None);
    }
    // Where others are open, only a decision for the very task that is named counts.
    let wanted = task.filter(|_| !open.is_empty());
    let trace = handle.trace(key).await?;
    let Some((entry, made)) = trace.iter().rev().find_map(|it| Some((it, made(it, wanted)?)))
    else {
        return Ok(None);
    };
    let who = entry.by.as_deref().unwrap_or("somebody");
    let ago = duration::format(now.since_ms(entry.at).max(1_000) / 1_000 * 1_000);
    let at = entry.at;
    let detail = format!("{key} is already decided: `{made}` by {who}, {ago} ago ({at})");
    let problem = Problem::new(ProblemKind::Conflict, detail)
        .with_code("GS4009", "already_decided")
        .with_instance(key.to_string());
    Ok(Some(Box::new(problem)))
}

/// The choice that an entry of the history decided, for `task` where one is wanted.
fn made<'e>(entry: &'e TraceEntry, task: Option<&str>) -> Option<&'e str> {
    let said = entry.input.strip_prefix(DECIDE)?;
    let (named, choice) = match said.rsplit_once(':') {
        Some((named, choice)) => (Some(named), choice),
        None => (None, said),
    };
    let note = entry.note.as_deref().unwrap_or_default();
    // A step's approval notes what was decided, by the step's id; a state's takes a transition.
    let by_step = |task: &str| {
        let step = task.rsplit_once('.').map_or(task, |(_, step)| step);
        note.contains(&format!("{step}: {choice}"))
    };
    let decided = !entry.fired.is_empty() || by_step(named.unwrap_or_default());
    let fits = task.is_none_or(|task| named == Some(task) || by_step(task));
    (decided && fits && !note.contains("refused: ")).then_some(choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(input: &str, note: &str) -> TraceEntry {
        TraceEntry { input: input.into(), note: Some(note.into()), ..TraceEntry::default() }
    }

    #[test]
    fn a_decision_is_found_by_what_the_history_notes_of_it() {
        let signed = entry("command decide approve", "fine; sign: approve by ann");
        assert_eq!(made(&signed, None), Some("approve"));
        assert_eq!(made(&signed, Some("steps.sign")), Some("approve"));
        assert_eq!(made(&signed, Some("steps.print")), None, "that was another approval");
        let named = entry("command decide steps.sign:reject", "sign: reject by ann");
        assert_eq!(made(&named, Some("steps.sign")), Some("reject"));
        let refused = entry("command decide approve", "refused: `approve` is none of the choices");
        assert_eq!(made(&refused, None), None);
        let vote = entry("command decide approve", "");
        assert_eq!(made(&vote, None), None, "one vote of several decides nothing");
        assert_eq!(made(&entry("command pause", ""), None), None);
    }
}
