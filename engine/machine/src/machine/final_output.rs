//! An `output:` that cannot be evaluated: nothing ends with less than it was to give before a
//! person has looked, or `on_error` says so (decision 0057).

use super::end::End;
use super::ids::StateId;
use super::instance::{RunningSequence, Stuck, StuckKind};
use super::progress::{Phase, Role};
use super::work::{Origin, Overrun, Work};
use crate::definition::expr::EvalError;
use crate::definition::model::{OnError, StateKind};
use crate::machine::input::Event;
use crate::value::Value;

impl Work<'_> {
    /// What the output of a state or its graph is; `None` where it failed, and a person is asked or
    /// the instance fails.
    pub(super) fn last_word(
        &mut self,
        state: StateId,
        event: Option<&Event>,
        output: Result<Value, EvalError>,
    ) -> Option<Value> {
        let error = match output {
            Ok(output) => return Some(output),
            Err(error) => error,
        };
        if self.gave_nothing(&error.to_string()) {
            self.note(format!("`output` is null: {error}"));
            return Some(Value::Null);
        }
        let id = &self.state(state).id;
        let reason = format!("error.execution.output: `output` of `{id}`: {error}");
        match self.definition.on_error {
            OnError::Ignore => {
                self.note(reason);
                Some(Value::Null)
            }
            OnError::Suspend | OnError::Fail => {
                let (state, event) = (Some(state), event.cloned());
                let origin = Origin { state, event, ..Origin::default() };
                self.unhandled_error(StuckKind::Error, End::failed(reason), origin);
                None
            }
        }
    }

    /// `retry` evaluates such an output again, `skip` leaves it out. False where it is no such
    /// trouble.
    pub(super) fn output_again(&mut self, stuck: &Stuck, skip: bool) -> Result<bool, Overrun> {
        let whole = stuck.sequence.is_none() && stuck.block.is_none();
        let Some(state) = stuck.state.filter(|_| whole && stuck.kind == StuckKind::Error) else {
            return Ok(false);
        };
        let of = self.state(state);
        let is_active = self.instance.active.binary_search(&state).is_ok();
        if is_active && of.kind == StateKind::Final && of.parent == Some(StateId::ROOT) {
            match skip {
                true => self.running = false,
                false => self.raise_done(state, stuck.event.as_ref())?,
            }
            return Ok(true);
        }
        let run = self.run_of(state).filter(|run| run.phase == Phase::Finally);
        let Some(graph) = run.map(|run| run.id) else { return Ok(false) };
        let cleans = |it: &RunningSequence| it.role == Role::Finally { graph };
        if self.instance.sequences.iter().any(cleans) {
            return Ok(false);
        }
        match skip {
            true => self.graph_gave(graph, Value::Null)?,
            false => self.graph_ended(graph)?,
        }
        Ok(true)
    }
}
