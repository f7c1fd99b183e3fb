//! Fan-out: the same for each item of a list, so many at once, and what the results come to
//! (decision 0023).

use std::sync::Arc;

use super::chunks::Chunks;
use super::input::ErrorKind;
use super::instance::RunningSequence;
use super::progress::{FanState, ItemState, Role, StepError, StepStatus, Unkept};
use super::work::{ActionError, Overrun, Work};
use crate::definition::model::{Collect, Fanout};
use crate::value::{Map, Value};

/// Failed items that an error names.
const NAMED: usize = 5;

impl Work<'_> {
    /// Begins the fan-out of a step that was just started.
    pub(super) fn start_fanout(
        &mut self,
        graph: u32,
        step: u16,
        fanout: &Fanout,
    ) -> Result<(), Overrun> {
        const NAME: &str = "error.execution";
        let event = self.step_event(graph, step);
        let list = fanout.list.eval(&self.scope(event.as_deref()));
        let list = match list {
            Ok(list) => list,
            Err(error) => {
                let error = ActionError::evaluating(NAME, error);
                return self.step_error((graph, step, None), None, &error);
            }
        };
        let refuse = |message: String| ActionError::new(NAME, message);
        let Some(items) = list.as_list() else {
            let error = refuse(format!("`foreach` needs a list, found {}", list.type_name()));
            return self.step_error((graph, step, None), None, &error);
        };
        let count = items.len();
        if count > Fanout::ITEMS_MAX {
            let limit = Fanout::ITEMS_MAX;
            let error = refuse(format!("a list of {count} items exceeds the limit of {limit}"));
            return self.step_error((graph, step, None), None, &error);
        }
        self.part_with_moved(graph, step, items);
        if let Some(state) = self.step_state_mut(graph, step) {
            state.forget_moved(items);
        }
        // What had been tried before is kept: `retry` repeats what failed.
        let items = self.kept_items(graph, step, count);
        if let Some(state) = self.step_state_mut(graph, step) {
            state.fan = Some(Box::new(FanState { list, next: 0, open: 0, failed: 0, items }));
        }
        self.fill_fanout(graph, step)
    }

    /// Items of an earlier try that were done, where the list is as long as it was.
    fn kept_items(&self, graph: u32, step: u16, count: usize) -> Chunks<ItemState> {
        let before = self.step_state(graph, step).and_then(|state| state.fan.as_deref());
        match before.filter(|fan| fan.items.len() == count) {
            None => Chunks::filled(ItemState::Open, count),
            Some(fan) => fan
                .items
                .iter()
                .map(|item| match item {
                    ItemState::Done(_) | ItemState::Unkept(_) => item.clone(),
                    ItemState::Open | ItemState::Undone | ItemState::Failed { .. } => {
                        ItemState::Open
                    }
                })
                .collect(),
        }
    }

    /// Starts items while there is room; ends the step when none is left.
    pub(super) fn fill_fanout(&mut self, graph: u32, step: u16) -> Result<(), Overrun> {
        let Some(fanout) = self.step_of(graph, step).and_then(|spec| spec.each.as_ref()) else {
            return Ok(());
        };
        loop {
            let Some(fan) = self.step_state_mut(graph, step).and_then(|it| it.fan.as_deref_mut())
            else {
                return Ok(());
            };
            while fan.items.get(fan.next as usize).is_some_and(|it| !is_to_start(it)) {
                fan.next += 1;
            }
            let all_started = fan.next as usize >= fan.items.len();
            if all_started || fan.open >= u32::from(fanout.max_parallel) {
                let over = all_started && fan.open == 0;
                return if over { self.fan_over(graph, step, fanout) } else { Ok(()) };
            }
            if !self.may_begin(graph) {
                return Ok(());
            }
            let Some(fan) = self.step_state_mut(graph, step).and_then(|it| it.fan.as_deref_mut())
            else {
                return Ok(());
            };
            let item = fan.next;
            fan.next += 1;
            fan.open += 1;
            let unkept = fan.take_unkept(item);
            self.start_program(graph, step, Some(item), unkept)?;
        }
    }

    /// Binds the names of the item that a program works at.
    pub(super) fn bind_item(&mut self, role: Role) {
        let Role::Step { graph, step, item: Some(item) } = role else { return };
        let Some(fanout) = self.step_of(graph, step).and_then(|spec| spec.each.as_ref()) else {
            return;
        };
        let fan = self.step_state(graph, step).and_then(|state| state.fan.as_deref());
        let list = fan.and_then(|fan| fan.list.as_list());
        let value = list.and_then(|list| list.get(item as usize)).cloned().unwrap_or_default();
        self.locals.push((Arc::clone(&fanout.item), value));
        if let Some(index) = &fanout.index {
            self.locals.push((Arc::clone(index), Value::Int(i64::from(item))));
        }
    }

    /// The program of an item is through.
    pub(super) fn item_through(&mut self, graph: u32, step: u16, item: u32) {
        let fan = self.step_state_mut(graph, step).and_then(|state| state.fan.as_deref_mut());
        let Some(fan) = fan else { return };
        fan.open = fan.open.saturating_sub(1);
        if let Some(place @ ItemState::Open) = fan.items.get_mut(item as usize) {
            *place = ItemState::Done(Value::Null);
        }
        self.look_at_fan(graph, step);
    }

    /// Others of this macrostep may be over as well: one look is enough for all of them.
    fn look_at_fan(&mut self, graph: u32, step: u16) {
        if !self.fans.contains(&(graph, step)) {
            self.fans.push((graph, step));
        }
    }

    /// An item failed for good.
    pub(super) fn item_failed(
        &mut self,
        graph: u32,
        step: u16,
        item: u32,
        (error, sequence): (StepError, Option<RunningSequence>),
    ) -> Result<(), Overrun> {
        let Some(fanout) = self.step_of(graph, step).and_then(|spec| spec.each.as_ref()) else {
            return Ok(());
        };
        let fan = self.step_state_mut(graph, step).and_then(|state| state.fan.as_deref_mut());
        let Some(fan) = fan else { return Ok(()) };
        fan.open = fan.open.saturating_sub(1);
        fan.failed += 1;
        let attempts = sequence.as_ref().and_then(|it| it.call.as_ref()).map_or(0, |it| it.attempt);
        let retries = attempts.saturating_sub(1);
        let message = format!("item {item}: {}", error.message);
        let whole = StepError { message: message.into(), ..error.clone() };
        if let Some(place) = fan.items.get_mut(item as usize) {
            *place = match sequence.and_then(|it| Some((it.position, it.reply?))) {
                Some((position, output)) => {
                    ItemState::Unkept(Box::new(Unkept { error, position, output: *output }))
                }
                None => ItemState::Failed { error: Box::new(error), retries },
            };
        }
        match fanout.collect {
            Collect::FirstError => {
                if !self.failure_takes_back(graph, step) {
                    self.drop_sequences(|role| {
                        matches!(role, Role::Step { graph: of, step: at, item: Some(_) }
                            if of == graph && at == step)
                    })?;
                }
                self.step_failed((graph, step, None), None, whole)
            }
            Collect::All | Collect::Partial => {
                self.look_at_fan(graph, step);
                Ok(())
            }
        }
    }

    /// All items are over.
    fn fan_over(&mut self, graph: u32, step: u16, fanout: &Fanout) -> Result<(), Overrun> {
        let Some(fan) = self.step_state(graph, step).and_then(|state| state.fan.as_deref()) else {
            return Ok(());
        };
        if fan.failed > 0 && fanout.collect == Collect::All {
            let error = all_failed(fan);
            return self.step_failed((graph, step, None), None, error);
        }
        match fan_output(fan, fanout) {
            Ok(output) => match self.step_gave(Role::Step { graph, step, item: None }, &output) {
                Ok(()) => self.settle(graph, step, StepStatus::Completed),
                Err(error) => self.step_failed((graph, step, None), None, error),
            },
            Err(message) => {
                let error = ActionError::new("error.execution", message);
                self.step_error((graph, step, None), None, &error)
            }
        }
    }

    /// At the deadline of a step with `collect: partial`: what there is, is the result.
    pub(super) fn partial_result(&mut self, graph: u32, step: u16) -> Result<bool, Overrun> {
        let fanout = self.step_of(graph, step).and_then(|spec| spec.each.as_ref());
        let Some(fanout) = fanout.filter(|it| it.collect == Collect::Partial) else {
            return Ok(false);
        };
        let Some(fan) = self.step_state(graph, step).and_then(|state| state.fan.as_deref()) else {
            return Ok(false);
        };
        let Ok(output) = fan_output(fan, fanout) else { return Ok(false) };
        self.note("the deadline passed: what was there is the result");
        match self.step_gave(Role::Step { graph, step, item: None }, &output) {
            Ok(()) => self.settle(graph, step, StepStatus::Completed)?,
            Err(error) => self.step_failed((graph, step, None), None, error)?,
        }
        Ok(true)
    }
}

impl FanState {
    /// What came for the item in an earlier try and could not be kept; the item is open again.
    fn take_unkept(&mut self, item: u32) -> Option<Unkept> {
        let place = self.items.get_mut(item as usize)?;
        match std::mem::replace(place, ItemState::Open) {
            ItemState::Unkept(unkept) => Some(*unkept),
            ItemState::Open | ItemState::Done(_) | ItemState::Undone | ItemState::Failed { .. } => {
                None
            }
        }
    }
}

impl FanState {
    /// What could not be kept is forgotten, and asked for again: another program has its place.
    pub(super) fn forget_unkept(&mut self) {
        for at in 0..self.items.len() {
            let Some(ItemState::Unkept(unkept)) = self.items.get(at) else { continue };
            let error = Box::new(unkept.error.clone());
            let failed = ItemState::Failed { error, retries: 0 };
            if let Some(place) = self.items.get_mut(at) {
                *place = failed;
            }
        }
    }
}

/// Is the item, of those that were not looked at in this try, to be started?
const fn is_to_start(item: &ItemState) -> bool {
    match item {
        ItemState::Open | ItemState::Undone | ItemState::Unkept(_) => true,
        ItemState::Done(_) | ItemState::Failed { .. } => false,
    }
}

fn all_failed(fan: &FanState) -> StepError {
    let failed = (0_usize..).zip(fan.items.iter()).filter_map(|(at, item)| {
        let error = item.error()?;
        Some(format!("item {at}: {}", error.message))
    });
    let named: Vec<_> = failed.take(NAMED).collect();
    let count = fan.items.len();
    StepError {
        kind: ErrorKind::Permanent,
        code: "items_failed".into(),
        message: format!("{} of {count} items failed: {}", fan.failed, named.join("; ")).into(),
    }
}

/// The result: the aggregate, and for `partial` what is missing beside it.
pub(super) fn fan_output(fan: &FanState, fanout: &Fanout) -> Result<Value, String> {
    let done = fan.items.iter().filter_map(|item| match item {
        ItemState::Done(output) => Some(output),
        ItemState::Open | ItemState::Undone | ItemState::Failed { .. } | ItemState::Unkept(_) => {
            None
        }
    });
    let results = super::aggregate::aggregate(&fanout.aggregate, done)?;
    if fanout.collect != Collect::Partial {
        return Ok(results);
    }
    let mut missing = Vec::new();
    for (at, item) in (0_i64..).zip(fan.items.iter()) {
        let (kind, message) = match (item, item.error()) {
            (ItemState::Done(_), _) => continue,
            (_, Some(error)) => (error.kind.as_str(), Arc::clone(&error.message)),
            (_, None) => ("unfinished", "not finished before the deadline".into()),
        };
        let place = usize::try_from(at).unwrap_or(usize::MAX);
        let own = fan.list.as_list().and_then(|list| list.get(place)).cloned();
        let entry = Map::from_iter([
            ("index", Value::Int(at)),
            ("item", own.unwrap_or_default()),
            ("kind", Value::from(kind)),
            ("message", Value::String(message)),
        ]);
        missing.push(Value::from(entry));
    }
    let complete = Value::Bool(missing.is_empty());
    let output = Map::from_iter([
        ("results", results),
        ("complete", complete),
        ("missing", Value::list(missing)),
    ]);
    Ok(output.into())
}
