//! Armed timers as people read them: what each is for, and whether it fires as things stand.

use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{Definition, Delay};
use gearshift_machine::machine::{Clocks, Instance, Status, Timer, TimerKind};
use gearshift_protocol::view::{TimerView, Why};

use super::{describe, steps};

/// Lines of `why` about timers; of more the number is enough.
const SHOWN: usize = 5;

/// All of them, in the order they were armed.
pub(super) fn views(definition: &Definition, instance: &Instance) -> Vec<TimerView> {
    instance.timers.iter().filter_map(|timer| view(definition, instance, timer)).collect()
}

/// A timer of the author's flow; when an ended life is forgotten is none.
fn view(definition: &Definition, instance: &Instance, timer: &Timer) -> Option<TimerView> {
    let name = match &timer.kind {
        TimerKind::After { state, armed: Some(armed), .. } => {
            format!("{}, armed as {armed}", definition.state(*state).id)
        }
        TimerKind::After { state, index, armed: None } => {
            let state = definition.state(*state);
            let delay = state.after.get(usize::from(*index)).map(|after| &after.delay);
            match delay {
                Some(Delay::Fixed(ms)) => format!("{} after {}", state.id, duration::format(*ms)),
                Some(Delay::Computed(_)) | None => format!("{} after (computed)", state.id),
            }
        }
        TimerKind::Send { event } | TimerKind::SendTo { event, .. } => {
            format!("send {}", event.name)
        }
        TimerKind::CallDeadline { sequence } => {
            format!("call deadline{}", whose(definition, instance, *sequence))
        }
        TimerKind::CallRetry { sequence } => {
            format!("call retry{}", whose(definition, instance, *sequence))
        }
        TimerKind::DeferredExpiry { place } => {
            let event = instance.deferred.get(usize::from(*place));
            event.map_or_else(
                || "deferred event expires".to_owned(),
                |event| format!("deferred event {} expires", event.name),
            )
        }
        TimerKind::Steps { graph, step } => {
            steps::deadline_name(definition, instance, *graph, *step)
        }
        TimerKind::MoreSteps { .. } | TimerKind::Retention => return None,
    };
    let frozen = instance.paused().filter(|paused| paused.clocks == Clocks::Freeze);
    Some(TimerView {
        id: timer.id,
        name,
        due: timer.due.to_string(),
        stands_still: match instance.status {
            Status::Paused | Status::Stuck => true,
            Status::Running
            | Status::Compensating
            | Status::Done
            | Status::Failed
            | Status::Cancelled => !instance.lets_fire(&timer.kind),
        },
        left_ms: frozen.map(|paused| timer.due.since_ms(paused.since)),
    })
}

/// ` of step load`, ` of undo of load`, ` of recorded.work`: whose call it is.
fn whose(definition: &Definition, instance: &Instance, sequence: u32) -> String {
    let mut all = instance.sequences.iter().chain(instance.adrift());
    let running = all.find(|it| it.id == sequence);
    let Some(running) = running else { return String::new() };
    match describe::call_words(definition, instance, running) {
        Some(words) => format!(" of {words}"),
        None => String::new(),
    }
}

/// Those that no call tells of, the same ones once.
pub(super) fn why(instance: &Instance, timers: &[TimerView], why: &mut Why) {
    let of_call = |id: u32| {
        let kind = instance.timers.iter().find(|timer| timer.id == id).map(|timer| &timer.kind);
        matches!(kind, Some(TimerKind::CallDeadline { .. } | TimerKind::CallRetry { .. }))
    };
    let mut lines: Vec<(String, u32)> = Vec::new();
    for timer in timers.iter().filter(|timer| !of_call(timer.id)) {
        let words = words(timer);
        match lines.iter_mut().find(|(known, _)| *known == words) {
            Some((_, times)) => *times += 1,
            None => lines.push((words, 1)),
        }
    }
    let more = lines.len().saturating_sub(SHOWN);
    why.lines.extend(lines.into_iter().take(SHOWN).map(|(words, times)| match times {
        1 => words,
        times => format!("{words} (×{times})"),
    }));
    if more > 0 {
        why.lines.push(format!("{more} more timers"));
    }
}

/// `timer review after 24h is due at …`.
fn words(timer: &TimerView) -> String {
    let TimerView { name, due, .. } = timer;
    match (timer.left_ms, timer.stands_still) {
        (Some(left), _) => {
            let left = duration::format(left.max(1_000) / 1_000 * 1_000);
            format!("timer {name} stands still with {left} left")
        }
        (None, true) => format!("timer {name} is due at {due}, but stands still until it goes on"),
        (None, false) => format!("timer {name} is due at {due}"),
    }
}
