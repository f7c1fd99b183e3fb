//! Children: instances that run as calls of another one (rules 5, 35-37).

use std::sync::Arc;

use super::answers::on_reply;
use super::effect::Effect;
use super::ids::{EffectId, Generation, InstanceKey, Timestamp};
use super::input::{CallOutcome, ErrorKind, Event, EventKind};
use super::instance::{Instance, RunningCall, RunningSequence};
use super::invoked::invoked_at;
use super::letter::{Letter, LetterBody, Parent};
use super::outcome::Decision;
use super::work::{ActionError, Failure, Origin, Overrun, Queued, Work};
use crate::definition::model::{ChildSpec, Definition, SeqStep};
use crate::value::{Map, Value};

/// What is malformed in `invoke:`.
const MALFORMED: &str = "error.execution.invoke";

/// A child of the instance told it something (rules 5b, 36).
pub(super) fn on_child_event(
    old: &Instance,
    definition: &Definition,
    (call, event): (EffectId, &Event),
    now: Timestamp,
) -> Decision {
    let mut event = event.stamped(now);
    if let Some(id) = name_of(old, definition, call) {
        event.invoke_id = Some(Arc::clone(id));
    }
    let name = Arc::clone(&event.name);
    let mut work = Work::new(definition, old.clone(), Some(old), now, Arc::clone(&name));
    work.cause = Some(name);
    let runs = |running: &RunningSequence| {
        running.call.as_ref().is_some_and(|known| known.id == call && known.child.is_some())
    };
    let outcome = if old.status.is_ended() || !old.sequences.iter().any(runs) {
        work.ignored("late_ignored")
    } else {
        work.take_event(&event)
    };
    work.finish(outcome)
}

/// A child of the instance ended.
///
/// One that reached its end before it could hear that nobody waits for it has said so: unless its
/// state was entered again, that is an event like others, and no reply (rules 36, 37).
pub(super) fn on_child_reply(
    old: &Instance,
    definition: &Definition,
    (call, invoke_id, life): (EffectId, &Arc<str>, Generation),
    outcome: &CallOutcome,
    now: Timestamp,
) -> Decision {
    let invoke_id = name_of(old, definition, call).unwrap_or(invoke_id);
    let runs = |running: &&RunningSequence| {
        invoked_at(definition, running).is_some_and(|it| it.invoke_id == invoke_id)
    };
    let kept = old.kept_replies().any(|reply| reply.call == call);
    match outcome {
        CallOutcome::Success(output)
            if !old.status.is_ended()
                && old.generation == life
                && !kept
                && !old.sequences.iter().any(|running| runs(&running)) =>
        {
            let name: Arc<str> = format!("done.invoke.{invoke_id}").into();
            let mut work = Work::new(definition, old.clone(), Some(old), now, Arc::clone(&name));
            let data = (!output.is_null()).then(|| output.clone());
            let mut event = work.made(Arc::clone(&name), EventKind::External, data);
            event.invoke_id = Some(Arc::clone(invoke_id));
            work.cause = Some(name);
            // Nobody waits for it: where there is no room it is no loss.
            let waits = !work.goes_on() && !work.has_room(&event, &old.parked);
            let outcome =
                if waits { work.ignored("late_ignored") } else { work.take_event(&event) };
            work.finish(outcome)
        }
        CallOutcome::Success(_) | CallOutcome::Cached(_) | CallOutcome::Failure { .. } => {
            let mut decision = on_reply(old, definition, (call, 1, outcome), now);
            // Nobody waits for it, but it says itself whose it is.
            if let Some(trace) = decision.trace.as_mut().filter(|it| &*it.input == "reply") {
                trace.input = format!("reply {invoke_id}").into();
                let reason = trace.note.as_deref().and_then(|note| note.split(": ").next());
                trace.note = reason.map(Arc::from);
            }
            decision
        }
    }
}

/// The name of a child that runs: a migration may have given its place another one since, and the
/// child knows the first one only.
fn name_of<'d>(old: &Instance, definition: &'d Definition, call: EffectId) -> Option<&'d Arc<str>> {
    let own = |running: &&RunningSequence| running.call.as_ref().is_some_and(|it| it.id == call);
    Some(invoked_at(definition, old.sequences.iter().find(own)?)?.invoke_id)
}

/// `name` or `name@version`.
fn workflow_and_version(text: &str) -> Result<(&str, Option<u32>), String> {
    let (name, version) = match text.split_once('@') {
        None => (text, None),
        Some((name, version)) => match version.parse::<u32>() {
            Ok(version @ 1..) => (name, Some(version)),
            Ok(0) | Err(_) => {
                return Err(format!("version of `{}` is no number from 1", text.escape_debug()));
            }
        },
    };
    InstanceKey::new(name, "k").map(|_| (name, version))
}

impl Work<'_> {
    /// Starts the child of a sequence; its end answers the sequence's call.
    pub(super) fn start_child(
        &mut self,
        sequence: u32,
        spec: &ChildSpec,
        invoke_id: &Arc<str>,
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        let input = match &spec.with {
            Some(with) => self.value(with, event, MALFORMED)?,
            None => event.and_then(|event| event.data.clone()).unwrap_or_default(),
        };
        // Its sequence keeps it, and the letter to the child.
        self.carry_input(&input, 2, event)?;
        self.start_child_with(sequence, spec, invoke_id, event, input)
    }

    fn start_child_with(
        &mut self,
        sequence: u32,
        spec: &ChildSpec,
        invoke_id: &Arc<str>,
        event: Option<&Event>,
        input: Value,
    ) -> Result<(), Failure> {
        let malformed = |message| Failure::Error(ActionError::new(MALFORMED, message));
        let text = self.text(&spec.workflow, event, MALFORMED)?;
        let (workflow, version) = workflow_and_version(&text).map_err(malformed)?;
        let place = (sequence, self.instance.generation);
        let key = self.instance.key.child(workflow, invoke_id, place).map_err(malformed)?;
        let depth = self.instance.parent.as_ref().map_or(1, |own| own.depth.saturating_add(1));
        let call = self.next_effect_id();
        self.set_call(
            sequence,
            Some(RunningCall {
                id: call,
                before: 0,
                attempt: 1,
                sent: true,
                held: false,
                unsure: false,
                once: false,
                input: input.clone(),
                deadline: self.now,
                child: Some(key.clone()),
                heartbeat_ms: None,
                cache: None,
                per: None,
            }),
        );
        if depth > Parent::DEPTH_MAX {
            return Ok(self.too_deep(sequence, invoke_id, depth)?);
        }
        let own = self.instance.key.clone();
        let (life, invoke_id) = (self.instance.generation, Arc::clone(invoke_id));
        let parent = Parent { key: own, life, call, invoke_id, depth };
        let initiator = self.instance.initiator.clone();
        let trace_context = self.instance.trace_of(call);
        let reason = "".into();
        let body = LetterBody::Start { version, input, parent, initiator, reason, trace_context };
        let body = self.within(body);
        Ok(self.emit_letter(key, body, format!("invoke {text}"))?)
    }

    /// A child of a child without end: it fails as if it had been started.
    fn too_deep(&mut self, sequence: u32, invoke_id: &Arc<str>, depth: u16) -> Result<(), Overrun> {
        let limit = Parent::DEPTH_MAX;
        let message = format!("a child of depth {depth} exceeds the limit of {limit}");
        let data = Map::from_iter([
            ("kind", Value::from(ErrorKind::ChildFailed.as_str())),
            ("message", Value::from(message)),
        ]);
        let name = format!("error.platform.invoke.{invoke_id}");
        let mut event = self.made(name.into(), EventKind::Platform, Some(data.into()));
        event.invoke_id = Some(Arc::clone(invoke_id));
        let failed = self.sequence_index(sequence).and_then(|at| self.instance.sequences.get(at));
        let failed = failed.cloned();
        self.set_call(sequence, None);
        let origin = Origin {
            state: failed.as_ref().map(|failed| failed.state),
            sequence: failed,
            ..Origin::default()
        };
        self.queue.push_back(Queued { event, origin: Some(Box::new(origin)) });
        Ok(())
    }

    /// Starts a child that failed again (`retry`), with the same input.
    pub(super) fn start_child_again(
        &mut self,
        sequence: &RunningSequence,
        input: &Value,
    ) -> Result<(), Overrun> {
        let definition = self.definition;
        let program = definition.sequences.get(usize::from(sequence.sequence));
        let step = program.and_then(|it| it.steps.get(usize::from(sequence.position)));
        let Some(SeqStep::Child { spec, invoke_id }) = step else { return Ok(()) };
        let event = sequence.event.as_deref();
        match self.start_child_with(sequence.id, spec, invoke_id, event, input.clone()) {
            Ok(()) => Ok(()),
            Err(Failure::Overrun(overrun)) => Err(overrun),
            Err(Failure::Error(error)) => {
                let state = Some(sequence.state);
                let sequence = Some(sequence.clone());
                self.queue_error(error, Origin { state, sequence, ..Origin::default() })
            }
        }
    }

    /// The child that runs under this id; the one started last where there are several.
    pub(super) fn child_named(&self, id: &str) -> Option<InstanceKey> {
        let named = |running: &&RunningSequence| {
            invoked_at(self.definition, running).is_some_and(|invoked| **invoked.invoke_id == *id)
        };
        let running = self.instance.sequences.iter().rev().filter(named);
        running.filter_map(|running| running.call.as_ref()?.child.clone()).next()
    }

    /// Nobody waits for this child any more: it ends, and nothing of it is heard (rule 36).
    ///
    /// Not counted against the limit of effects: each cancels one that was counted.
    pub(super) fn cancel_child(&mut self, sequence: &RunningSequence, kill: bool) {
        let Some(RunningCall { id, child: Some(child), .. }) = &sequence.call else { return };
        let origin = child.to_string();
        self.instance
            .parked
            .retain(|event| event.invoke_id.is_none() || event.origin.as_deref() != Some(&*origin));
        let body = LetterBody::Cancel { call: *id, kill };
        let letter = Letter { id: self.next_effect_id(), number: 0, to: child.clone(), body };
        self.effects.push(Effect::Letter(letter));
        self.entry.effects.push(format!("cancel {child}").into());
    }

    /// Gives every child that asks for it a copy of an event from outside (rule 5c).
    ///
    /// Not counted against the limit of effects: the start of each child was counted, and an
    /// instance with more children than one macrostep may start has to take events, too.
    pub(super) fn forward(&mut self, event: &Event) {
        if event.kind != EventKind::External {
            return;
        }
        let definition = self.definition;
        let forwards = |running: &RunningSequence| {
            let program = definition.sequences.get(usize::from(running.sequence))?;
            match program.steps.get(usize::from(running.position))? {
                SeqStep::Child { spec, .. } if spec.forward => running.call.as_ref()?.child.clone(),
                SeqStep::Child { .. }
                | SeqStep::Wait { .. }
                | SeqStep::Approval { .. }
                | SeqStep::Do(_)
                | SeqStep::Call { .. }
                | SeqStep::Name { .. }
                | SeqStep::JumpUnless { .. }
                | SeqStep::Jump { .. } => None,
            }
        };
        let children: Vec<_> = self.instance.sequences.iter().filter_map(forwards).collect();
        for child in children {
            let words = format!("forward {} to {child}", event.name);
            let body = LetterBody::Event { event: event.clone(), forwarded: true };
            let letter = Letter { id: self.next_effect_id(), number: 0, to: child, body };
            self.effects.push(Effect::Letter(letter));
            self.entry.effects.push(words.into());
        }
    }

    /// `set:` of the child that sent this event, before transitions see it (rules 5b, 37).
    ///
    /// The entries are written for the result: one that an event on the way has nothing for is
    /// left out.
    pub(super) fn keep_said(&mut self, event: &Event) -> Result<(), Overrun> {
        let (Some(id), Some(origin)) = (&event.invoke_id, &event.origin) else { return Ok(()) };
        let definition = self.definition;
        let said = self.instance.sequences.iter().find(|running| {
            let child = running.call.as_ref().and_then(|call| call.child.as_ref());
            child.is_some_and(|child| child.to_string() == **origin)
                && invoked_at(definition, running).is_some_and(|it| it.invoke_id == id)
        });
        let Some(running) = said.cloned() else { return Ok(()) };
        let Some(invoked) = invoked_at(definition, &running) else { return Ok(()) };
        for entry in invoked.set {
            self.output = Some(event.data.clone().unwrap_or_default());
            let kept = self.run_set(std::slice::from_ref(entry), running.event.as_deref());
            self.output = None;
            match kept {
                Ok(()) | Err(Failure::Error(_)) => {}
                Err(Failure::Overrun(overrun)) => return Err(overrun),
            }
        }
        Ok(())
    }

    /// The last that a child says: how it ended (rules 19, 37).
    pub(super) fn tell_parent(&mut self, outcome: CallOutcome) {
        let Some(parent) = self.instance.parent.clone() else { return };
        self.entry.effects.push(format!("tell the parent as {}", parent.invoke_id).into());
        let (to, body) = parent.reply(outcome);
        let letter = Letter { id: self.next_effect_id(), number: 0, to, body };
        self.effects.push(Effect::Letter(letter));
    }
}
