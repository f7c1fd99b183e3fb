//! Actions: what runs on entry, on exit and on transitions (rules 21-26).

use std::sync::Arc;

use super::effect::{CallRequest, Effect, Purpose};
use super::ids::StateId;
use super::input::{Event, EventKind};
use super::instance::{FailedBlock, Place};
use super::work::{ActionError, Failure, Origin, Overrun, PendingSequence, Work};
use crate::definition::expr::{Expr, Template};
use crate::definition::model::{Action, CallSpec, SetPath};
use crate::value::Value;

const ASSIGN: &str = "error.execution.assign";
const SEND: &str = "error.execution.send";

impl Work<'_> {
    /// Runs a block in order; an action that fails queues its error and ends the block (rule 21).
    pub(super) fn run_block(
        &mut self,
        actions: &[Action],
        place: Place,
        event: Option<&Event>,
    ) -> Result<(), Overrun> {
        self.run_block_from(actions, place, 0, event)
    }

    /// Runs a block from action number `from` on.
    pub(super) fn run_block_from(
        &mut self,
        actions: &[Action],
        place: Place,
        from: u16,
        event: Option<&Event>,
    ) -> Result<(), Overrun> {
        for (action, at) in actions.iter().zip(0_u16..).skip(usize::from(from)) {
            match self.run_action(action, event) {
                Ok(()) => {}
                Err(Failure::Overrun(overrun)) => return Err(overrun),
                Err(Failure::Error(error)) => {
                    let origin = Origin {
                        state: self.state_of(place),
                        block: Some(FailedBlock { place, action: at }),
                        event: event.cloned(),
                        ..Origin::default()
                    };
                    self.queue_error(error, origin)?;
                    break;
                }
            }
        }
        self.locals.clear();
        Ok(())
    }

    fn state_of(&self, place: Place) -> Option<StateId> {
        match place {
            Place::Entry { state, .. } | Place::Exit { state, .. } => Some(state),
            Place::Transition { transition } => Some(self.transition(transition).source),
            Place::Result => None,
        }
    }

    /// Runs one action.
    pub(super) fn run_action(
        &mut self,
        action: &Action,
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        self.count_action()?;
        match action {
            Action::Set(entries) => self.run_set(entries, event),
            Action::Raise { event: name, with } => {
                let data = self.payload(with.as_ref(), event, "error.execution")?;
                let raised = self.made(Arc::clone(name), EventKind::Internal, data);
                Ok(self.enqueue(raised, None)?)
            }
            Action::Send { .. } => self.run_send(action, event),
            Action::Cancel { id } => {
                let id = self.text(id, event, "error.execution")?;
                self.cancel_sends(&id);
                Ok(())
            }
            Action::Publish { subject, with } => self.run_publish(subject, with.as_ref(), event),
            Action::Log { label, value } => {
                let value = self.value(value, event, "error.execution")?;
                let label = Arc::clone(label);
                let words = format!("log {label}");
                Ok(self.emit(Effect::Log { label, value }, words)?)
            }
            Action::If(branches) => self.run_if(branches, event),
            Action::Each { list, item, index, body } => {
                self.run_each(list, item, index.as_ref(), body, event)
            }
            Action::Sequence(place) => {
                if let Some(sequence) = self.definition.sequences.get(usize::from(*place)) {
                    let event = event.cloned().map(Box::new);
                    let state = sequence.state;
                    self.pending.push(PendingSequence { sequence: *place, state, event });
                }
                Ok(())
            }
            Action::Graph(graph) => {
                self.pending_graphs.push((*graph, event.cloned().map(Box::new)));
                Ok(())
            }
            Action::Tell(spec) => self.run_tell(spec, event),
            Action::Route(route) => self.run_route(route, event).map(drop),
            Action::Checkpoint { name } => self.run_checkpoint(name, event),
        }
    }

    /// `set:`: entries in order, each sees the earlier ones (rule 23).
    pub(super) fn run_set(
        &mut self,
        entries: &[(SetPath, Expr)],
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        for (path, expr) in entries {
            let value = expr
                .eval(&self.scope(event))
                .map_err(|error| Failure::Error(ActionError::evaluating(ASSIGN, error)))?;
            self.assign(path, value)?;
        }
        Ok(())
    }

    /// Writes to a declared variable or a member of it.
    pub(super) fn assign(&mut self, path: &SetPath, value: Value) -> Result<(), Failure> {
        let refuse = |message| Failure::Error(ActionError::new(ASSIGN, message));
        let slot = path.var.and_then(|var| self.instance.vars.get_mut(usize::from(var)));
        let Some(slot) = slot else {
            return Err(refuse(format!("`{}` is not a declared variable", path.text)));
        };
        if path.members.is_empty() {
            *slot = value;
        } else {
            *slot = slot.with_path(&path.members, value).map_err(|member| {
                refuse(format!("the parent of `{member}` in `{}` is not a map", path.text))
            })?;
        }
        self.vars_changed = true;
        Ok(())
    }

    /// `if:`: the first true branch only; a failing guard is false (rule 24).
    fn run_if(
        &mut self,
        branches: &[(Option<Expr>, Vec<Action>)],
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        for (guard, body) in branches {
            let holds = match guard {
                None => true,
                Some(guard) => self.holds(guard, event)?,
            };
            if holds {
                return body.iter().try_for_each(|action| self.run_action(action, event));
            }
        }
        Ok(())
    }

    /// Evaluates a guard inside actions.
    pub(super) fn holds(&mut self, guard: &Expr, event: Option<&Event>) -> Result<bool, Overrun> {
        match guard.eval_bool(&self.scope(event)) {
            Ok(holds) => Ok(holds),
            Err(error) => {
                // Nothing lists it, as guards of transitions are.
                self.note(format!("guard failed: {error}"));
                let error = ActionError::new("error.execution.guard", error.to_string());
                self.queue_error(error, Origin::default())?;
                Ok(false)
            }
        }
    }

    /// `each:` over a snapshot of a list (rule 24).
    fn run_each(
        &mut self,
        list: &Expr,
        item: &Arc<str>,
        index: Option<&Arc<str>>,
        body: &[Action],
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        const NAME: &str = "error.execution";
        let list = list
            .eval(&self.scope(event))
            .map_err(|error| Failure::Error(ActionError::evaluating(NAME, error)))?;
        let Some(items) = list.as_list() else {
            let found = list.type_name();
            let error = ActionError::new(NAME, format!("`each` needs a list, found {found}"));
            return Err(Failure::Error(error));
        };
        let depth = self.locals.len();
        for (at, value) in (0_i64..).zip(items) {
            self.count_action()?;
            self.bind(item, value.clone());
            if let Some(index) = index {
                self.bind(index, Value::Int(at));
            }
            body.iter().try_for_each(|action| self.run_action(action, event))?;
            self.locals.truncate(depth);
        }
        Ok(())
    }

    /// Binds a name of `each`: a declared variable is assigned, any other name is a local.
    fn bind(&mut self, name: &Arc<str>, value: Value) {
        let declared = self.definition.var_index(name);
        match declared.and_then(|var| self.instance.vars.get_mut(var)) {
            Some(slot) => {
                *slot = value;
                self.vars_changed = true;
            }
            None => self.locals.push((Arc::clone(name), value)),
        }
    }

    fn run_publish(
        &mut self,
        subject: &Template,
        with: Option<&Template>,
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        let subject = self.text(subject, event, SEND)?;
        check_subject(&subject)
            .map_err(|message| Failure::Error(ActionError::new(SEND, message)))?;
        let payload = match with {
            Some(with) => self.value(with, event, SEND)?,
            None => event.and_then(|event| event.data.clone()).unwrap_or_default(),
        };
        self.carry(payload.weight());
        let words = format!("publish {subject}");
        let id = self.next_effect_id();
        let trace_context = self.instance.trace_of(id);
        Ok(self.emit(Effect::Publish { id, subject, payload, trace_context }, words)?)
    }

    /// A call nobody waits for.
    fn run_tell(&mut self, spec: &CallSpec, event: Option<&Event>) -> Result<(), Failure> {
        let input = self.call_input(spec, event)?;
        let call = self.next_effect_id();
        let request = CallRequest {
            call,
            attempt: 1,
            operation: Arc::clone(&spec.operation),
            input,
            deadline: self.now.plus_ms(spec.timeout_ms),
            step: Arc::clone(&spec.name),
            purpose: Purpose::Work,
            per: self.limit_key_of(&spec.operation),
            cache: None,
            trace_context: self.instance.trace_of(call),
        };
        let words = format!("tell {}", spec.operation);
        Ok(self.emit(Effect::Call(request), words)?)
    }

    /// The input of a call: `with:`, else the data of the causing event.
    pub(super) fn call_input(
        &self,
        spec: &CallSpec,
        event: Option<&Event>,
    ) -> Result<Value, Failure> {
        match &spec.with {
            Some(with) => self.value(with, event, SEND),
            None => Ok(event.and_then(|event| event.data.clone()).unwrap_or_default()),
        }
    }

    /// Evaluates an optional payload.
    pub(super) fn payload(
        &self,
        with: Option<&Template>,
        event: Option<&Event>,
        name: &'static str,
    ) -> Result<Option<Value>, Failure> {
        with.map(|with| self.value(with, event, name)).transpose()
    }

    pub(super) fn value(
        &self,
        template: &Template,
        event: Option<&Event>,
        name: &'static str,
    ) -> Result<Value, Failure> {
        let failed = |error| Failure::Error(ActionError::evaluating(name, error));
        template.eval(&self.scope(event)).map_err(failed)
    }

    pub(super) fn text(
        &self,
        template: &Template,
        event: Option<&Event>,
        name: &'static str,
    ) -> Result<Arc<str>, Failure> {
        let failed = |error| Failure::Error(ActionError::evaluating(name, error));
        template.eval_text(&self.scope(event)).map_err(failed)
    }
}

/// Checks a computed subject: nobody publishes into the engine's own subjects (rule 26).
fn check_subject(subject: &str) -> Result<(), String> {
    const LENGTH_MAX: usize = 255;
    let shown = || subject.chars().take(80).collect::<String>().escape_debug().to_string();
    if subject.len() > LENGTH_MAX {
        let size = subject.len();
        return Err(format!("subject of {size} bytes exceeds the limit of {LENGTH_MAX} bytes"));
    }
    let legal = |c: char| !c.is_whitespace() && !c.is_control() && c != '*' && c != '>';
    if subject.split('.').any(|token| token.is_empty() || !token.chars().all(legal)) {
        return Err(format!("subject `{}` is malformed", shown()));
    }
    if subject.starts_with('$') || subject == "gearshift" || subject.starts_with("gearshift.") {
        return Err(format!("subject `{}` is reserved", shown()));
    }
    Ok(())
}
