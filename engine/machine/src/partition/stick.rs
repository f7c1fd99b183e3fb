//! What becomes of an instance the machine cannot decide about: it waits for a person, alone.

use std::sync::Arc;

use crate::machine::{
    CallOutcome, Command, Decision, Effect, EffectId, End, Event, Input, Instance, InstanceKey,
    Letter, LetterBody, Notice, NoticeData, NoticeKind, Outcome, Reply, Status, Stuck, StuckKind,
    Timestamp, TraceEntry, UNAWAITED, ended_by_hand, is_of_invoke,
};
use crate::value::{Map, Value};

/// Events that an instance parks while nothing can decide about it (01 §10).
const PARKED: usize = 100;

/// The macrostep did not happen; the instance is stuck and keeps the input for `retry`.
pub(super) fn stick(
    old: &Instance,
    kind: StuckKind,
    reason: &str,
    input: &Input,
    at: Timestamp,
) -> Decision {
    let mut new = Instance { step: old.step + 1, updated_at: at, ..old.clone() };
    let reason: Arc<str> = reason.into();
    let mut effects = Vec::new();
    let mut outcome = Outcome::Stuck { reason: Arc::clone(&reason) };
    let fresh = new.stuck.is_none();
    let mut stuck =
        new.stuck.take().unwrap_or_else(|| Box::new(Stuck::new(kind, Arc::clone(&reason), at)));
    match input {
        Input::Event(event) | Input::ChildEvent { event, .. } if fresh => {
            stuck.event = Some(event.clone())
        }
        Input::Event(event) | Input::ChildEvent { event, .. } if new.parked.len() < PARKED => {
            new.parked.push(event.clone());
            outcome = Outcome::Deferred;
        }
        Input::Event(event) | Input::ChildEvent { event, .. } => {
            let reason: Arc<str> = "parked_full".into();
            effects.push(Effect::DeadLetter { event: event.clone(), reason: Arc::clone(&reason) });
            outcome = Outcome::DeadLettered { reason };
        }
        Input::CallReply { call, attempt, outcome } => {
            keep_reply(&mut stuck, fresh, (*call, *attempt, outcome));
        }
        Input::ChildReply { call, outcome, .. } => {
            keep_reply(&mut stuck, fresh, (*call, 1, outcome));
        }
        Input::Start { .. }
        | Input::StartChild { .. }
        | Input::Held { .. }
        | Input::Within { .. }
        | Input::Transaction { .. }
        | Input::CallStarted { .. }
        | Input::CallPending { .. }
        | Input::TimerDue { .. }
        | Input::Orphaned { .. }
        | Input::Command { .. } => {}
    }
    new.status = Status::Stuck;
    new.stuck = Some(stuck);
    let trace = line(&new, input, Some(Arc::clone(&reason)));
    let mut data = Map::new();
    data.insert("reason", Value::String(reason));
    let data = NoticeData::Fields(data.into());
    effects.push(Effect::Notice(Notice { kind: NoticeKind::Stuck, data }));
    Decision { instance: Some(new), effects, trace: Some(trace), outcome }
}

/// A reply waits with the trouble: the one that caused it, or one behind it.
fn keep_reply(
    stuck: &mut Stuck,
    fresh: bool,
    (call, attempt, outcome): (EffectId, u32, &CallOutcome),
) {
    let reply = Reply { call, attempt, outcome: outcome.clone() };
    if fresh {
        stuck.reply = Some(Box::new(reply));
    } else if stuck.replies.iter().all(|known| known.call != call) {
        stuck.replies.push(reply);
    }
}

/// The pinned definition is not there: only `kill` can be decided without it.
pub(super) fn without_definition(old: &Instance, input: &Input, at: Timestamp) -> Decision {
    let reason = format!(
        "definition `{}@{}` is not deployed with the content it was started with",
        old.key.workflow(),
        old.pin.version
    );
    let refused = |outcome| Decision { instance: None, effects: Vec::new(), trace: None, outcome };
    if old.status.is_ended() {
        return refused(Outcome::Ignored { reason: "ended".into() });
    }
    match input {
        // Its calls under way may have to be taken back, which the definition alone knows.
        Input::Command { command: Command::Kill, .. } if old.is_bound() => {
            let reason = format!("{reason}: its transaction has to know what becomes of its calls");
            refused(Outcome::Rejected { reason: reason.into(), accepted: Vec::new() })
        }
        Input::Command { command: Command::Kill, by, reason } => {
            let told = || ended_by_hand(false, &by.user, reason);
            let end = End::ordered(false, &by.user, reason);
            kill(old, (input, end), old.parent.as_ref().map(|parent| parent.reply(told())), at)
        }
        Input::Orphaned { kill: true } => {
            let end = End::ordered(false, &Arc::default(), &UNAWAITED.into());
            kill(old, (input, end), None, at)
        }
        Input::Command { .. }
        | Input::Start { .. }
        | Input::StartChild { .. }
        | Input::Within { .. }
        | Input::Held { .. } => {
            refused(Outcome::Rejected { reason: reason.into(), accepted: Vec::new() })
        }
        // Not sent: whoever brings the definition back has it sent again; so is what was promised.
        Input::CallStarted { .. } | Input::CallPending { .. } => {
            refused(Outcome::Ignored { reason: "definition_missing".into() })
        }
        Input::Event(_)
        | Input::ChildEvent { .. }
        | Input::CallReply { .. }
        | Input::ChildReply { .. }
        | Input::Orphaned { kill: false }
        | Input::Transaction { .. }
        | Input::TimerDue { .. } => stick(old, StuckKind::DefinitionMissing, &reason, input, at),
    }
}

/// Ends the instance at once; what it kept for later becomes dead letters. A parent that waits is
/// told so.
fn kill(
    old: &Instance,
    (input, end): (&Input, End),
    told: Option<(InstanceKey, LetterBody)>,
    at: Timestamp,
) -> Decision {
    let mut new = Instance { step: old.step + 1, updated_at: at, ..old.clone() };
    let stuck_on = new.stuck.take().and_then(|stuck| stuck.event);
    let kept: Vec<Event> =
        stuck_on.into_iter().chain(new.deferred.drain(..)).chain(new.parked.drain(..)).collect();
    let mut effects: Vec<Effect> = Vec::new();
    // The end of a child that nobody waits for any more is nobody's loss.
    for event in kept.into_iter().filter(|event| !is_of_invoke(event)) {
        effects.push(Effect::DeadLetter { event, reason: "killed".into() });
    }
    new.status = Status::Cancelled;
    let children = new.sequences.drain(..).filter_map(|running| {
        let call = running.call?;
        Some((call.child?, LetterBody::Cancel { call: call.id, kill: true }))
    });
    for (to, body) in children.chain(told) {
        let index = u32::try_from(effects.len()).unwrap_or(u32::MAX);
        let id = EffectId::new(&new.key, new.generation, new.step, index);
        effects.push(Effect::Letter(Letter { id, number: 0, to, body }));
    }
    new.votes.clear();
    new.timers.clear();
    new.timers.push(crate::machine::Timer {
        id: new.next_id,
        due: at.plus_ms(RETENTION_MS),
        kind: crate::machine::TimerKind::Retention,
    });
    new.next_id += 1;
    let data = NoticeData::Fields(NoticeData::present(end.fields()));
    effects.push(Effect::Notice(Notice { kind: NoticeKind::Cancelled, data }));
    let note = Some(Arc::clone(&end.reason)).filter(|reason| !reason.is_empty());
    let progress = new.progress.get_or_insert_default();
    (progress.rollback, progress.paused) = (None, None);
    progress.end = Some(Box::new(end));
    let trace = line(&new, input, note);
    Decision { instance: Some(new), effects, trace: Some(trace), outcome: Outcome::Done }
}

/// How long an ended instance stays readable, in milliseconds (01 §5).
const RETENTION_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// The line of history of an input the machine did not decide about.
fn line(new: &Instance, input: &Input, note: Option<Arc<str>>) -> TraceEntry {
    let (text, by): (Arc<str>, _) = match input {
        Input::Start { by, .. } | Input::StartChild { by, .. } => {
            ("start".into(), Some(Arc::clone(&by.user)))
        }
        Input::Held { .. } | Input::Within { .. } => ("start".into(), None),
        Input::Transaction { word, .. } => (word.as_str().into(), None),
        Input::Event(event) | Input::ChildEvent { event, .. } => {
            (Arc::clone(&event.name), event.by.as_ref().map(|by| Arc::clone(&by.user)))
        }
        Input::CallReply { .. } | Input::ChildReply { .. } => ("reply".into(), None),
        Input::CallStarted { .. } => ("sending".into(), None),
        Input::CallPending { .. } => ("pending".into(), None),
        Input::TimerDue { .. } => ("timer".into(), None),
        Input::Orphaned { kill: true } => ("command kill".into(), None),
        Input::Orphaned { kill: false } => ("command cancel".into(), None),
        Input::Command { command, by, .. } => (command.words().into(), Some(Arc::clone(&by.user))),
    };
    TraceEntry {
        step: new.step,
        at: new.updated_at,
        input: text,
        by: by.filter(|user| !user.is_empty()),
        note,
        guards: Vec::new(),
        fired: Vec::new(),
        effects: Vec::new(),
        active: Vec::new(),
        before: None,
    }
}
