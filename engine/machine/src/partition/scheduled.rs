//! What a schedule's due moment does: it starts an instance, waits for one, or is left out.
//!
//! The moment is used up in the frame that has the letter which starts the instance, so it starts
//! exactly one, whoever owns the two partitions when.

use std::sync::Arc;

use crate::definition::model::{CatchUp, Definition, Overlap, Schedule};
use crate::machine::{
    CallOutcome, Command, Effect, EffectId, ErrorKind, Generation, Input, InstanceKey, Letter,
    LetterBody, Notice, NoticeData, NoticeKind, Outcome, Parent, Principal, Timestamp,
};
use crate::value::{Map, Value};

use super::draft::Draft;
use super::frame::Item;
use super::plan::Run;
use super::schedule::{ScheduleOrder, ScheduleState, ScheduledRun, WaitingMoment};
use super::schedule_made::{made, moment};
use super::schedule_orders::{LeftOut, short};

/// Starts of one schedule that run at once.
const RUNNING_MAX: usize = 100;
/// Moments of one schedule that wait.
const WAITING_MAX: usize = 100;
/// Starts in one decision: with the largest inputs they fit a frame.
const STARTS_MAX: usize = 5;
/// Later than this a moment was missed.
const LATE_MS: u64 = 60_000;
/// A schedule has one life.
const LIFE: Generation = Generation(1);
/// The name under which an instance knows its schedule.
const INVOKE_ID: &str = "schedule";

/// The order that a scheduled instance gets to make room for the next one; else `None`.
pub(super) fn cancellation(parent: &Parent) -> Option<Input> {
    let (workflow, name) = Schedule::of_key(&parent.key)?;
    let user = initiator(workflow, name);
    Some(Input::Command {
        command: Command::Cancel,
        by: Principal { user, roles: Vec::new() },
        reason: "the next start is due".into(),
    })
}

fn initiator(workflow: &str, name: &str) -> Arc<str> {
    format!("schedule {workflow}/{name}").into()
}

/// A moment and who wants it.
type Wanted = WaitingMoment;

/// A schedule at work: what becomes of it, and what goes out.
struct Work<'a> {
    key: &'a InstanceKey,
    definition: &'a Arc<Definition>,
    schedule: &'a Schedule,
    state: ScheduleState,
    draft: Draft,
    at: Timestamp,
}

impl Run<'_> {
    /// What a schedule is told.
    pub(super) fn schedule(
        &self,
        key: &InstanceKey,
        order: &ScheduleOrder,
        at: Timestamp,
        fits: bool,
    ) -> Draft {
        let known = self.partition.queues.schedules.get(key);
        let Some((workflow, name)) = Schedule::of_key(key) else {
            return Draft::not_found(Some(key), "schedule");
        };
        let definition = self.definitions.latest(workflow);
        let declared = definition.and_then(|it| Some((it, it.schedule(name)?)));
        match (order, known, declared) {
            (ScheduleOrder::Retire, Some(state), None) => retired(key, state, state),
            (ScheduleOrder::Plan { recurrence, next }, known, Some((_, schedule))) => {
                let settled = known.is_some_and(|it| {
                    it.recurrence == *recurrence && (it.next.is_some() || next.is_none())
                });
                if settled || schedule.recurrence != *recurrence {
                    return Draft::ignored(Some(key), "stale_plan");
                }
                let mut state = match known {
                    Some(state) => state.clone(),
                    None => ScheduleState::new(recurrence.clone()),
                };
                (state.recurrence, state.next) = (recurrence.clone(), *next);
                kept(Draft::answer(Some(key), Outcome::Done), key, Some(state))
            }
            (ScheduleOrder::Due { from, .. }, Some(state), _) if state.next != Some(*from) => {
                Draft::ignored(Some(key), "stale_schedule")
            }
            (ScheduleOrder::Due { .. }, Some(state), None) => retired(key, state, state),
            (
                ScheduleOrder::Due { missed, moments, after, .. },
                Some(state),
                Some((definition, schedule)),
            ) => {
                let mut work = self.work((key, definition, schedule), state.clone(), at);
                work.due(self, (*missed, moments, *after), fits);
                work.finish()
            }
            (order, known, Some((definition, schedule))) if order.is_by_hand() => {
                // It may be meant before it was planned.
                let new = || ScheduleState::new(schedule.recurrence.clone());
                let state = known.cloned().unwrap_or_else(new);
                let work = self.work((key, definition, schedule), state, at);
                work.ordered(self, order, fits)
            }
            (order, _, None) if order.is_by_hand() => Draft::not_found(Some(key), "schedule"),
            (
                ScheduleOrder::Trigger { .. }
                | ScheduleOrder::Pause { .. }
                | ScheduleOrder::Resume { .. },
                _,
                _,
            )
            | (
                ScheduleOrder::Plan { .. } | ScheduleOrder::Retire | ScheduleOrder::Due { .. },
                _,
                _,
            ) => Draft::ignored(Some(key), "stale_schedule"),
        }
    }

    /// What an instance says to the schedule that started it: only its end counts.
    pub(super) fn told_schedule(&self, letter: &Letter, at: Timestamp) -> Option<Draft> {
        let key = &letter.to;
        let (workflow, name) = Schedule::of_key(key)?;
        let late = || Draft::ignored(Some(key), super::letters::LATE);
        let LetterBody::Reply { call, outcome, .. } = &letter.body else { return Some(late()) };
        let Some(state) = self.partition.queues.schedules.get(key) else { return Some(late()) };
        let (known, mut state) = (state, state.clone());
        let Some(ended) = state.running.iter().position(|run| run.call == *call) else {
            return Some(late());
        };
        let ended = state.running.remove(ended);
        let declared =
            self.definitions.latest(workflow).and_then(|it| Some((it, it.schedule(name)?)));
        let Some((definition, schedule)) = declared else {
            return Some(retired(key, &state, known));
        };
        let mut work = self.work((key, definition, schedule), state, at);
        if let CallOutcome::Failure { kind: ErrorKind::NotStarted, message, .. } = outcome {
            work.state.started = work.state.started.saturating_sub(1);
            work.skip(Some(ended.due), 1, message);
        }
        while work.state.running.is_empty() && !work.state.waiting.is_empty() {
            let next = work.state.waiting.remove(0);
            match work.held(self).filter(|why| *why == PAUSED || next.by.is_empty()) {
                Some(why) => work.skip(Some(next.due), 1, why),
                None => drop(work.start(self, next, true)),
            }
        }
        Some(work.finish())
    }

    fn work<'a>(
        &self,
        (key, definition, schedule): (&'a InstanceKey, &'a Arc<Definition>, &'a Schedule),
        state: ScheduleState,
        at: Timestamp,
    ) -> Work<'a> {
        let mut draft = Draft::answer(Some(key), Outcome::Done);
        draft.done.definition = Some(Arc::clone(definition));
        Work { key, definition, schedule, state, draft, at }
    }
}

/// Why a moment of a paused definition is left out.
const PAUSED: &str = "the definition is paused";
/// Why a moment of a paused schedule is left out.
const SCHEDULE_PAUSED: &str = "the schedule is paused";
/// Why an older moment is left out.
const MISSED: &str = "nobody was there when it was due";

/// No definition has the schedule any more, of which `known` is kept: what it started runs on.
fn retired(key: &InstanceKey, state: &ScheduleState, known: &ScheduleState) -> Draft {
    let draft = Draft::answer(Some(key), Outcome::Done);
    if state.running.is_empty() {
        return kept(draft, key, None);
    }
    let left = ScheduleState { next: None, waiting: Vec::new(), ..state.clone() };
    if left == *known { Draft::ignored(Some(key), "known") } else { kept(draft, key, Some(left)) }
}

fn kept(mut draft: Draft, key: &InstanceKey, state: Option<ScheduleState>) -> Draft {
    draft.items.push(Item::Scheduled { key: key.clone(), state: state.map(Box::new) });
    draft
}

impl Work<'_> {
    fn finish(self) -> Draft {
        kept(self.draft, self.key, Some(self.state))
    }

    /// A person's order.
    fn ordered(mut self, run: &Run<'_>, order: &ScheduleOrder, fits: bool) -> Draft {
        let (pauses, by, reason) = match order {
            ScheduleOrder::Pause { by, reason } => (Some(true), by, reason),
            ScheduleOrder::Resume { by, reason } => (Some(false), by, reason),
            ScheduleOrder::Trigger { by, reason } => (None, by, reason),
            ScheduleOrder::Plan { .. } | ScheduleOrder::Retire | ScheduleOrder::Due { .. } => {
                return self.draft;
            }
        };
        if let Some(pauses) = pauses {
            if let Err(reason) = self.state.hold(pauses, (&by.user, reason), self.at) {
                let (reason, accepted) = (reason.into(), Vec::new());
                return Draft::answer(Some(self.key), Outcome::Rejected { reason, accepted });
            }
        } else {
            let wanted = Wanted { due: self.at, by: Arc::clone(&by.user) };
            self.state.remember_trigger((&by.user, reason), self.at);
            let came = self.wanted(run, wanted, fits);
            self.state.tell_trigger(&came);
            self.draft.done.outcome = came;
        }
        self.finish()
    }

    /// Why the calendar starts nothing now.
    fn held(&self, run: &Run<'_>) -> Option<&'static str> {
        if run.definitions.held_by(self.definition).is_some() {
            return Some(PAUSED);
        }
        self.state.paused.is_some().then_some(SCHEDULE_PAUSED)
    }

    /// Moments are due; which of them count is what `catch_up` says.
    fn due(
        &mut self,
        run: &Run<'_>,
        (missed, moments, after): (u64, &[Timestamp], Option<Timestamp>),
        fits: bool,
    ) {
        self.state.next = after;
        let Some(latest) = moments.last().copied() else { return };
        if let Some(why) = self.held(run) {
            let count = missed.saturating_add(moments.len() as u64);
            return self.skip(Some(latest), count, why);
        }
        let older = moments.len().saturating_sub(1) as u64;
        let (chosen, left_out) = match self.schedule.catch_up {
            CatchUp::All => {
                let (now, later) = moments.split_at(moments.len().min(STARTS_MAX));
                self.state.next = later.first().copied().or(after);
                (now, missed)
            }
            CatchUp::None if self.at.since_ms(latest) > LATE_MS => {
                (&[] as &[Timestamp], missed.saturating_add(older + 1))
            }
            CatchUp::None | CatchUp::One => (moments.split_at(moments.len() - 1).1, missed + older),
        };
        if left_out > 0 {
            self.skip(None, left_out, MISSED);
        }
        for due in chosen {
            // What becomes of it is in the state and in the notice.
            drop(self.wanted(run, Wanted { due: *due, by: Arc::default() }, fits));
        }
    }

    /// One start is wanted; whether it comes now is what `overlap` says.
    fn wanted(&mut self, run: &Run<'_>, wanted: Wanted, fits: bool) -> Outcome {
        let running = self.state.running.len();
        let Some(first) = self.state.running.first() else { return self.start(run, wanted, fits) };
        match self.schedule.overlap {
            Overlap::Allow if running < RUNNING_MAX => self.start(run, wanted, fits),
            Overlap::Queue if self.state.waiting.len() < WAITING_MAX => {
                self.state.waiting.push(wanted);
                Outcome::Deferred
            }
            Overlap::CancelPrevious => {
                for replaced in std::mem::take(&mut self.state.waiting) {
                    self.skip(Some(replaced.due), 1, "a later moment is due");
                }
                self.state.waiting.push(wanted);
                self.cancel_running(run);
                Outcome::Deferred
            }
            Overlap::Skip => {
                let reason = format!("`{}` still runs", first.key);
                self.refuse(wanted.due, reason)
            }
            Overlap::Allow => {
                let reason = format!("{running} starts run already, the limit is {RUNNING_MAX}");
                self.refuse(wanted.due, reason)
            }
            Overlap::Queue => {
                let waiting = self.state.waiting.len();
                let reason = format!("{waiting} starts wait already, the limit is {WAITING_MAX}");
                self.refuse(wanted.due, reason)
            }
        }
    }

    fn cancel_running(&mut self, run: &Run<'_>) {
        let mut told = Vec::new();
        for running in self.state.running.iter_mut().filter(|running| !running.cancelled) {
            running.cancelled = true;
            told.push((running.key.clone(), running.call));
        }
        for (to, call) in told {
            self.post(run, to, LetterBody::Cancel { call, kill: false });
        }
    }

    /// Starts an instance; the letter and the state are of one frame.
    fn start(&mut self, run: &Run<'_>, wanted: Wanted, fits: bool) -> Outcome {
        let made = match fits {
            true => made(self.definition, self.schedule, wanted.due),
            false => Err("its input exceeds what a frame may have".to_owned()),
        };
        let (key, input) = match made {
            Ok(made) => made,
            Err(reason) => return self.refuse(wanted.due, reason),
        };
        let call = self.next_id();
        let parent = Parent {
            key: self.key.clone(),
            life: LIFE,
            call,
            invoke_id: INVOKE_ID.into(),
            // It counts parents, and a schedule is none.
            depth: 0,
        };
        let initiator = match &*wanted.by {
            "" => initiator(&self.definition.name, &self.schedule.name),
            _ => Arc::clone(&wanted.by),
        };
        let version = Some(self.definition.version);
        let reason = self.state.reason_of(&wanted);
        let initiator = Some(initiator);
        // Each run in a trace of its own.
        let trace_context = None;
        let body = LetterBody::Start { version, input, parent, initiator, reason, trace_context };
        self.post(run, key.clone(), body);
        self.state.started += 1;
        self.state.left_out = None;
        (self.state.last, self.state.last_key) = (Some(wanted.due), Some(key.clone()));
        self.state.running.push(ScheduledRun { call, key, due: wanted.due, cancelled: false });
        Outcome::Started { to: Vec::new() }
    }

    fn refuse(&mut self, due: Timestamp, reason: String) -> Outcome {
        self.skip(Some(due), 1, &reason);
        Outcome::Rejected { reason: reason.into(), accepted: Vec::new() }
    }

    /// Leaves moments out, and says so.
    fn skip(&mut self, due: Option<Timestamp>, count: u64, reason: &str) {
        self.state.skipped = self.state.skipped.saturating_add(count);
        self.state.left_out = Some(LeftOut { at: self.at, reason: short(reason) });
        let fields = [
            ("schedule", Value::String(Arc::clone(&self.schedule.name))),
            ("due", due.map_or(Value::Null, |due| Value::from(moment(due)))),
            ("count", Value::from(i64::try_from(count).unwrap_or(i64::MAX))),
            ("reason", Value::from(reason)),
        ];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
        let data = NoticeData::Fields(fields.collect::<Map>().into());
        let notice = Notice { kind: NoticeKind::ScheduleSkipped, data };
        self.draft.done.effects.push(Effect::Notice(notice));
    }

    fn post(&mut self, run: &Run<'_>, to: InstanceKey, body: LetterBody) {
        let letter = Letter { id: self.next_id(), number: 0, to, body };
        self.draft.post(self.key, letter, &run.partition.queues);
    }

    /// The id of the next effect. It follows the clock, so that a schedule that was taken away and
    /// comes back does not use the ids of its earlier life.
    fn next_id(&mut self) -> EffectId {
        let now = u64::try_from(self.at.0).unwrap_or(0).saturating_mul(1_000);
        self.state.number = self.state.number.saturating_add(1).max(now);
        EffectId::new(self.key, LIFE, self.state.number, 0)
    }
}
