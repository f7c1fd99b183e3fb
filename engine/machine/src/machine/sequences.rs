//! Sequences: calls and what comes between them, in the order written (rules 5f, 27, 36).

use std::sync::Arc;

use super::effect::Effect;
use super::ids::StateId;
use super::input::Event;
use super::instance::{RunningCall, RunningSequence};
use super::progress::Role;
use super::transaction::verb_of;
use super::work::{ActionError, Failure, Origin, Overrun, Work};
use crate::definition::model::{Action, SeqStep, StateKind};
use crate::value::Value;

/// What a step of a sequence means for the ones behind it.
enum Next {
    GoOn(u16),
    Wait,
}

impl Work<'_> {
    /// Starts pending sequences and goes on with answered ones; false when there were none
    /// (rule 5f).
    pub(super) fn continue_sequences(&mut self) -> Result<bool, Overrun> {
        if self.pending.is_empty()
            && self.ready.is_empty()
            && self.pending_graphs.is_empty()
            && self.wakes.is_empty()
            && self.fans.is_empty()
        {
            return Ok(false);
        }
        for id in std::mem::take(&mut self.ready) {
            self.advance(id)?;
        }
        let mut started = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            let id = self.fresh_id();
            self.instance.sequences.push(RunningSequence {
                id,
                state: pending.state,
                sequence: pending.sequence,
                position: 0,
                event: pending.event,
                call: None,
                reply: None,
                role: Role::State,
            });
            started.push(id);
        }
        for id in started {
            self.advance(id)?;
        }
        for (graph, event) in std::mem::take(&mut self.pending_graphs) {
            self.start_graph(graph, event)?;
        }
        self.wake_steps()?;
        Ok(true)
    }

    pub(super) fn sequence_index(&self, id: u32) -> Option<usize> {
        self.instance.sequences.iter().position(|sequence| sequence.id == id)
    }

    /// Runs a sequence up to its next call or its end.
    pub(super) fn advance(&mut self, id: u32) -> Result<(), Overrun> {
        while let Some(at) = self.sequence_index(id) {
            let Some(running) = self.instance.sequences.get(at) else { return Ok(()) };
            if running.reply.is_some() {
                return self.keep_reply_again(&running.clone());
            }
            let definition = self.definition;
            let program = definition.sequences.get(usize::from(running.sequence));
            let position = running.position;
            let step = program.and_then(|program| program.steps.get(usize::from(position)));
            let (state, role) = (running.state, running.role);
            let Some(step) = step else {
                self.instance.sequences.remove(at);
                return self.program_through(state, role);
            };
            let event = self.sequence_event(running);
            self.bind_item(role);
            let place = (id, state, role);
            let next = match self.run_sequence_step(place, position, step, event.as_deref()) {
                Ok(next) => next,
                Err(Failure::Overrun(overrun)) => return Err(overrun),
                Err(Failure::Error(error)) => {
                    // Between decisions a sequence without a call is one that failed: it stays,
                    // so that its state does not count as done.
                    let sequence = self.instance.sequences.get(at).cloned();
                    if let Role::Step { graph, step, item } = role {
                        self.locals.clear();
                        return self.step_error((graph, step, item), sequence, &error);
                    }
                    let state = sequence.as_ref().map(|sequence| sequence.state);
                    let event = event.map(|event| *event);
                    let origin = Origin { state, sequence, event, ..Origin::default() };
                    return self.queue_error(error, origin);
                }
            };
            self.locals.clear();
            match next {
                Next::Wait => return Ok(()),
                Next::GoOn(position) => {
                    if let Some(running) = self.instance.sequences.get_mut(at) {
                        running.position = position;
                    }
                }
            }
        }
        Ok(())
    }

    fn run_sequence_step(
        &mut self,
        (id, state, role): (u32, StateId, Role),
        position: u16,
        step: &SeqStep,
        event: Option<&Event>,
    ) -> Result<Next, Failure> {
        let behind = position.saturating_add(1);
        match step {
            SeqStep::Do(Action::Route(route)) => {
                self.count_action()?;
                let output = self.run_route(route, event)?;
                self.step_gave(role, &output).map_err(|error| {
                    Failure::Error(ActionError::new("error.execution.limit", &*error.message))
                })?;
                Ok(Next::GoOn(behind))
            }
            SeqStep::Do(action) => {
                let done = self.run_action(action, event);
                self.locals.clear();
                done.map(|()| Next::GoOn(behind))
            }
            SeqStep::Call { spec, .. } => {
                self.count_action()?;
                if self.goes_on_in_doubt(id, spec)? {
                    return Ok(Next::Wait);
                }
                let input = self.call_input(spec, event)?;
                self.carry_input(&input, 1, event)?;
                if let Some(verb) = verb_of(&spec.operation) {
                    self.check_transaction(verb, &input)?;
                }
                let cache = self.cache_key((state, role), spec, &input, event)?;
                let call = self.next_effect_id();
                self.send_call(id, spec, call, 1, input, cache)?;
                Ok(Next::Wait)
            }
            SeqStep::Child { spec, invoke_id } => {
                self.count_action()?;
                self.start_child(id, spec, invoke_id, event)?;
                Ok(Next::Wait)
            }
            // The event that is waited for goes on with it.
            SeqStep::Wait { .. } => {
                // Events that came early are offered again (rule 42).
                self.moved = true;
                Ok(Next::Wait)
            }
            SeqStep::Approval { approval, .. } => {
                self.count_action()?;
                self.ask_as_step(id, approval, event);
                self.moved = true;
                Ok(Next::Wait)
            }
            SeqStep::Name { path, invoke_id } => {
                self.count_action()?;
                self.assign(path, Value::String(Arc::clone(invoke_id)))?;
                Ok(Next::GoOn(behind))
            }
            SeqStep::JumpUnless { guard, target } => {
                self.count_action()?;
                Ok(Next::GoOn(if self.holds(guard, event)? { behind } else { *target }))
            }
            // A jump goes forward, or the program of a broken definition would never end.
            SeqStep::Jump { target } => Ok(Next::GoOn(behind.max(*target))),
        }
    }

    /// A program is through: what that means is its role's.
    fn program_through(&mut self, state: StateId, role: Role) -> Result<(), Overrun> {
        match role {
            Role::State => self.state_through(state, None),
            Role::Step { graph, step, item: None } => self.step_through(graph, step),
            Role::Step { graph, step, item: Some(item) } => {
                self.item_through(graph, step, item);
                Ok(())
            }
            Role::Undo { undo } => self.undo_through(undo, true),
            Role::Finally { graph } => self.finally_through(graph),
        }
    }

    /// All of an atomic state's sequences and steps are through: it is done (rule 18, for calls).
    pub(super) fn state_through(
        &mut self,
        state: StateId,
        output: Option<Value>,
    ) -> Result<(), Overrun> {
        let open = self.instance.sequences.iter().any(|sequence| sequence.state == state)
            || self.pending.iter().any(|pending| pending.state == state)
            || self.has_open_graph(state);
        if open || self.state(state).kind != StateKind::Atomic {
            return Ok(());
        }
        let output = output.or_else(|| self.graph_output(state));
        self.queue_done(state, output)
    }

    /// Leaving a state cancels its sequences, started or not (rule 36).
    pub(super) fn cancel_calls_of(&mut self, state: StateId) -> Result<(), Overrun> {
        // What takes back and what cleans up outlives the state.
        let last = self.instance.sequences.iter().filter(|it| self.instance.is_last_reply(it));
        let last: Vec<_> = last.map(|it| it.id).collect();
        self.cancel_graph_of(state);
        self.pending.retain(|pending| pending.state != state);
        let awaited = |sequence: &RunningSequence| last.contains(&sequence.id);
        let of_state = |sequence: &RunningSequence| match sequence.role {
            Role::State | Role::Step { .. } => sequence.state == state && !awaited(sequence),
            Role::Undo { .. } | Role::Finally { .. } => false,
        };
        if !self.instance.sequences.iter().any(of_state) {
            return Ok(());
        }
        let (left, kept) = std::mem::take(&mut self.instance.sequences)
            .into_iter()
            .partition::<Vec<_>, _>(of_state);
        self.instance.sequences = kept;
        for sequence in &left {
            self.cancel_child(sequence, false);
        }
        for sequence in left {
            self.part_with(sequence);
        }
        Ok(())
    }

    /// Nobody waits for the answer to this call any more (rule 36).
    ///
    /// Not counted against the limit of effects: each cancels one that was counted, and a state
    /// with more calls under way than one macrostep may start can be left all the same.
    pub(super) fn cancel_call(&mut self, sequence: &RunningSequence) {
        // Whoever holds one back lets go of it as well.
        let sent = |call: &&RunningCall| (call.sent || call.held) && call.child.is_none();
        let Some(call) = sequence.call.as_ref().filter(sent) else { return };
        let operation = self.call_of(sequence).map(|(spec, _)| &*spec.operation);
        let words = format!("cancel {}", operation.unwrap_or_default());
        self.effects.push(Effect::CancelCall { call: call.id });
        self.entry.effects.push(words.into());
    }
}
