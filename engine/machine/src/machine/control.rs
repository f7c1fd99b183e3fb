//! Operators' control of a living instance: pause and resume, variables, timers (decision
//! 0022).

use std::sync::Arc;

use super::commands::rejected;
use super::effect::NoticeKind;
use super::ids::Timestamp;
use super::input::{CallOutcome, Principal, TimerOrder};
use super::instance::{Instance, Reply, RunningSequence, Status, TimerKind};
use super::macrostep::{Again, Cause};
use super::outcome::Outcome;
use super::progress::{Clocks, Paused, Progress, Role, Then};
use super::timers::DELAY_MS_MAX;
use super::work::Work;
use crate::definition::duration;
use crate::definition::model::{Definition, SetPath};
use crate::value::{Map, Value};

/// Bytes of a value that the history and notices show; of more, only the size.
const SHOWN_MAX: usize = 256;

impl Instance {
    /// Who holds it and since when, where it is paused.
    #[must_use]
    pub fn paused(&self) -> Option<&Paused> {
        self.progress.as_deref()?.paused.as_deref()
    }

    /// Answers that are kept until it goes on: while it is stuck or paused, and calls of states
    /// also while a rollback by hand is under way.
    pub fn kept_replies(&self) -> impl Iterator<Item = &Reply> {
        let stuck = self.stuck.as_deref();
        let of_stuck =
            stuck.into_iter().flat_map(|it| it.replies.iter().chain(it.reply.as_deref()));
        let rollback = self.progress.as_deref().and_then(|it| it.rollback.as_deref());
        let of_hold = rollback.into_iter().flat_map(|rollback| match &rollback.then {
            Then::Hold { replies } => replies.as_slice(),
            Then::Raise { .. }
            | Then::Fail
            | Then::Cancel { .. }
            | Then::Transaction
            | Then::Orphaned => &[],
        });
        let of_pause = self.paused().into_iter().flat_map(|paused| &paused.replies);
        of_stuck.chain(of_pause).chain(of_hold)
    }
}

impl Work<'_> {
    /// Holds the instance.
    pub(super) fn pause(&mut self, clocks: Clocks, by: &Principal, reason: &Arc<str>) -> Outcome {
        match self.instance.status {
            Status::Running => {}
            Status::Paused => return rejected("the instance is paused already"),
            Status::Compensating => {
                return rejected("what was done is being taken back: that is not held half way");
            }
            Status::Stuck => {
                return rejected("the instance is stuck: it stands still until retry or skip");
            }
            Status::Done | Status::Failed | Status::Cancelled => return rejected("ended"),
        }
        self.base = None;
        self.instance.status = Status::Paused;
        let paused = Paused {
            since: self.now,
            clocks,
            by: Arc::clone(&by.user),
            reason: Arc::clone(reason),
            replies: Vec::new(),
            start: None,
        };
        self.instance.progress.get_or_insert_default().paused = Some(Box::new(paused));
        self.note(format!("timers {}", clocks.as_str()));
        let fields = vec![
            ("by", text(&by.user)),
            ("reason", text(reason)),
            ("timers", Value::from(clocks.as_str())),
        ];
        self.notice(NoticeKind::Paused, fields);
        Outcome::Done
    }

    /// Lets a paused instance go on: replies, then events that waited, in arrival order.
    pub(super) fn resume(&mut self) -> Outcome {
        if self.instance.status != Status::Paused {
            return rejected("the instance is not paused");
        }
        self.base = None;
        let paused = self.take_pause();
        self.instance.status = Status::Running;
        self.notice(NoticeKind::Resumed, vec![("was", Value::from("paused"))]);
        let Some(paused) = paused else { return Outcome::Done };
        if paused.clocks == Clocks::Freeze {
            self.stretch(self.now.since_ms(paused.since));
        }
        if self.instance.active.is_empty() {
            self.enter_initial(paused.start.as_deref());
        }
        // A migration may have added some meanwhile.
        self.start_ready_steps();
        let (replies, events) = (paused.replies.len(), self.instance.parked.len());
        if let Some(waited) = waited(events, replies) {
            self.note(format!("{waited} had waited"));
        }
        self.take_what_waited(paused.replies)
    }

    pub(super) fn pause_mut(&mut self) -> Option<&mut Paused> {
        self.instance.progress.as_deref_mut()?.paused.as_deref_mut()
    }

    /// Forgets the pause; an instance without anything else to remember is plain again.
    pub(super) fn take_pause(&mut self) -> Option<Paused> {
        let progress = self.instance.progress.as_deref_mut()?;
        let paused = progress.paused.take().map(|paused| *paused);
        if *progress == Progress::default() {
            self.instance.progress = None;
        }
        paused
    }

    /// The pause ends because something is taken back: calls under way have the time that they had
    /// left when it began.
    pub(super) fn leave_pause(&mut self) {
        let paused = self.take_pause().filter(|paused| paused.clocks == Clocks::Freeze);
        if let Some(paused) = paused {
            self.stretch(self.now.since_ms(paused.since));
        }
    }

    /// Time stood still for so long.
    fn stretch(&mut self, milliseconds: u64) {
        for timer in &mut self.instance.timers {
            timer.due = timer.due.plus_ms(milliseconds);
        }
        let calls = self.instance.sequences.iter_mut().filter_map(|it| it.call.as_mut());
        for call in calls.filter(|call| call.sent && call.child.is_none()) {
            call.deadline = call.deadline.plus_ms(milliseconds);
        }
    }

    /// Calls and children that succeeded while nothing was taken, with what they gave.
    fn kept_done(&self) -> Vec<(RunningSequence, Value)> {
        let succeeded = |reply: &Reply| match &reply.outcome {
            CallOutcome::Success(output) | CallOutcome::Cached(output) => {
                let sequence = self.waiting_for(reply.call, reply.attempt)?;
                let counts = matches!(sequence.role, Role::State | Role::Step { .. });
                counts.then(|| (sequence.clone(), output.clone()))
            }
            CallOutcome::Failure { .. } => None,
        };
        self.instance.kept_replies().filter_map(succeeded).collect()
    }

    fn may_undo(&self, sequence: &RunningSequence) -> bool {
        self.call_of(sequence).is_some_and(|(spec, _)| spec.undo.is_some())
    }

    pub(super) fn has_kept_undo(&self) -> bool {
        self.kept_done().iter().any(|(sequence, _)| self.may_undo(sequence))
    }

    /// The instance does not go on with what those calls gave, but it was done: steps show it. What
    /// failed and is stopped is not waited for.
    pub(super) fn remember_kept(&mut self, stopped: impl Fn(Role) -> bool) {
        let failed = |reply: &Reply| match &reply.outcome {
            CallOutcome::Failure { kind, code, .. } => {
                let sequence = self.waiting_for(reply.call, reply.attempt)?;
                Some((sequence.clone(), *kind, Arc::clone(code)))
            }
            CallOutcome::Success(_) | CallOutcome::Cached(_) => None,
        };
        let failed = self.instance.kept_replies().filter_map(failed);
        let failed = failed.filter(|(it, ..)| stopped(it.role));
        for (sequence, kind, code) in failed.collect::<Vec<_>>() {
            self.remember_unusable(&sequence, kind, &code);
            if self.kept_in_doubt(&sequence) {
                continue;
            }
            self.disarm_call(sequence.id);
            self.set_call(sequence.id, None);
        }
        for (sequence, output) in self.kept_done() {
            let is_step = matches!(sequence.role, Role::Step { .. }) && stopped(sequence.role);
            if !is_step && !self.may_undo(&sequence) {
                // It is over, and not under way.
                if matches!(sequence.role, Role::State) && stopped(sequence.role) {
                    self.disarm_call(sequence.id);
                    self.set_call(sequence.id, None);
                }
                continue;
            }
            self.remember_call(&sequence, &output);
            self.disarm_call(sequence.id);
            self.set_call(sequence.id, None);
            if is_step {
                self.take_last(&sequence, &output);
                self.instance.sequences.retain(|known| known.id != sequence.id);
                self.end_awaited(sequence.role, true);
            }
        }
    }

    /// Writes to variables: all of them, or none.
    pub(super) fn set_vars(
        &mut self,
        values: &[(Arc<str>, Value)],
        by: &Principal,
        reason: &Arc<str>,
    ) -> Outcome {
        if self.instance.active.is_empty() {
            return rejected("the instance has not begun: its variables have no values yet");
        }
        let mut vars = self.instance.vars.clone();
        let mut changes = Map::new();
        let mut words = Vec::new();
        for (path, value) in values {
            let (before, slot) = match written(self.definition, &vars, path, value) {
                Ok(written) => written,
                Err(reason) => return rejected(reason),
            };
            words.push(format!("{path}: {} → {}", shown_text(&before), shown_text(value)));
            let fields = [("before", shown(&before)), ("after", shown(value))];
            changes.insert(Arc::clone(path), Map::from_iter(fields).into());
            if let Some(place) = vars.get_mut(slot.0) {
                *place = slot.1;
            }
        }
        if words.is_empty() {
            return rejected("no variable is named");
        }
        let weight: usize = vars.iter().map(Value::weight).sum();
        let limit = self.definition.limits.vars_bytes as usize;
        if weight > limit {
            return rejected(format!(
                "variables of {weight} bytes exceed the limit of {limit} bytes"
            ));
        }
        self.base = None;
        self.instance.vars = vars;
        self.note(words.join(", "));
        let fields =
            vec![("by", text(&by.user)), ("reason", text(reason)), ("vars", changes.into())];
        self.notice(NoticeKind::VarsSet, fields);
        if self.goes_on() {
            // A guard of `always` may be true now.
            self.attempt(&|| Again::Event(None), |work| work.macrostep(Cause::Resume(None)));
            return self.standing();
        }
        Outcome::Done
    }

    /// Fires or moves a timer.
    pub(super) fn order_timer(&mut self, id: u32, order: TimerOrder) -> Outcome {
        let found = self.instance.timers.iter().find(|timer| timer.id == id);
        let Some(timer) = found.cloned() else {
            return rejected(format!("timer {id} is not armed any more"));
        };
        if self.instance.status == Status::Paused {
            return rejected("the instance is paused: its timers stand still until it is resumed");
        }
        let due = match order {
            TimerOrder::Fire => return self.fire(id, &timer.kind),
            TimerOrder::At(due) => due,
            TimerOrder::By(milliseconds) => Timestamp(timer.due.0.saturating_add(milliseconds)),
        };
        if due < self.now {
            return rejected(format!("{due} is in the past: fire it instead"));
        }
        if due.since_ms(self.now) > DELAY_MS_MAX {
            let limit = duration::format(DELAY_MS_MAX);
            return rejected(format!("{due} is more than {limit} away, the limit"));
        }
        self.base = None;
        self.note(format!("due {} → {due}", timer.due));
        for armed in self.instance.timers.iter_mut().filter(|armed| armed.id == id) {
            armed.due = due;
        }
        if let TimerKind::CallDeadline { sequence } = timer.kind
            && let Some(at) = self.sequence_index(sequence)
            && let Some(running) = self.instance.sequences.get_mut(at)
            && let Some(call) = &mut running.call
        {
            call.deadline = due;
        }
        Outcome::Done
    }

    fn fire(&mut self, id: u32, kind: &TimerKind) -> Outcome {
        let status = self.instance.status;
        let may = matches!(status, Status::Running | Status::Compensating)
            && self.instance.lets_fire(kind);
        if !may {
            return rejected(format!("no timer fires while the instance is {}", status.as_str()));
        }
        self.base = None;
        self.instance.timers.retain(|timer| timer.id != id);
        let order = Arc::clone(&self.entry.input);
        self.fired_by_hand = true;
        let outcome = self.timer(kind);
        self.entry.input = format!("{order}: {}", self.entry.input).into();
        outcome
    }
}

/// `1 reply and 2 events`; `None` where there are none.
fn waited(events: usize, replies: usize) -> Option<String> {
    let some = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let told = [some(replies, "reply", "replies"), some(events, "event", "events")];
    let told: Vec<_> = told.into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join(" and "))
}

/// What a path held before, and its variable as it becomes.
fn written(
    definition: &Definition,
    vars: &[Value],
    path: &str,
    value: &Value,
) -> Result<(Value, (usize, Value)), String> {
    let (path, at) = path_of(definition, path)?;
    let old = vars.get(at).cloned().unwrap_or_default();
    let before = path.members.iter().try_fold(&old, |value, member| value.get(member));
    let before = before.cloned().unwrap_or_default();
    let new = old
        .with_path(&path.members, value.clone())
        .map_err(|member| format!("the parent of `{member}` in `{}` is not a map", path.text))?;
    let depth = depth(&new);
    if depth > Value::DEPTH_MAX {
        let limit = Value::DEPTH_MAX;
        return Err(format!("`{}` of {depth} levels exceeds the limit of {limit}", path.text));
    }
    Ok((before, (at, new)))
}

/// `order.items` as the place of a declared variable and members below it.
fn path_of(definition: &Definition, text: &str) -> Result<(SetPath, usize), String> {
    let mut parts = text.split('.');
    let first = parts.next().unwrap_or_default();
    let members: Vec<Arc<str>> = parts.map(Arc::from).collect();
    if members.iter().any(|member| member.is_empty()) {
        return Err(format!("the path `{}` has an empty part", text.escape_debug()));
    }
    let Some(at) = definition.var_index(first) else {
        let known = definition.vars.iter().map(|var| format!("`{}`", var.name));
        let known = known.collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "there is none".to_owned() } else { known };
        let first = first.escape_debug();
        return Err(format!("`{first}` is not a declared variable; declared are: {known}"));
    };
    Ok((SetPath { var: u16::try_from(at).ok(), members, text: text.into() }, at))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Uint(_)
        | Value::Double(_)
        | Value::String(_) => 0,
    }
}

fn text(text: &Arc<str>) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(Arc::clone(text)) }
}

/// A value as notices show it.
fn shown(value: &Value) -> Value {
    let weight = value.weight();
    if weight <= SHOWN_MAX { value.clone() } else { Value::from(format!("({weight} bytes)")) }
}

/// A value as the history shows it.
fn shown_text(value: &Value) -> String {
    let weight = value.weight();
    if weight <= SHOWN_MAX { value.to_json() } else { format!("({weight} bytes)") }
}
