//! [`Session`]: plays one instance to its end and tells what happens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gearshift_client::Client;
use gearshift_client::protocol::command::{Decide, Start};
use gearshift_client::protocol::view::{HistoryEntry, InstanceDetail, Task};
use gearshift_client::protocol::{InstanceVerdict, Status};
use gearshift_machine::definition::model::{Definition, State};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::args::Global;
use super::failure::{BUG, CONFLICT, ENDED_BADLY, Failure, INTERRUPTED, Outcome, TIMED_OUT};
use super::output::{Output, clean, tell};
use super::script::Step;
use super::steps;
use super::timeline::{Row, Timeline, elapsed, width};
use super::verdicts::in_words;
use super::words::{span, states};
use crate::runtime::{Clock, NoticeMessage};

/// Notices may be lost, so look again after so long without one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How the instance begins.
#[derive(Clone, Debug)]
pub(super) enum Opening {
    /// By the events of a script.
    Script(Vec<Step>),
    /// By a start, where no event starts the workflow.
    Start {
        /// The workflow's name.
        workflow: String,
        /// The correlation key.
        key: Option<String>,
        /// What it is started with.
        input: Value,
    },
}

/// One instance being played.
pub(super) struct Session {
    output: Output,
    client: Client,
    notices: broadcast::Receiver<Arc<NoticeMessage>>,
    may_ask: bool,
    /// Do mocks answer calls?
    mocked: bool,
    reason: String,
    timeline: Timeline,
    /// How wide the column of states is.
    width: usize,
    rows: Vec<Row>,
    /// The last step that was told.
    told: u64,
    steps: VecDeque<Step>,
    instance: Option<String>,
    began: Instant,
    deadline: Instant,
}

/// What to do after a look at the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Something was done: look again.
    Look,
    /// Something is under way.
    Wait,
    /// Nothing more will happen in time.
    GiveUp,
}

impl Session {
    pub(super) fn new(
        global: &Global,
        client: Client,
        notices: broadcast::Receiver<Arc<NoticeMessage>>,
        definition: &Definition,
        mocked: bool,
    ) -> Self {
        let began = Instant::now();
        let output = global.out();
        Self {
            output,
            client,
            notices,
            may_ask: global.may_ask() && output.is_terminal && output.is_text(),
            mocked,
            reason: global.reason.clone(),
            timeline: Timeline::default(),
            width: width(atomic(definition)),
            rows: Vec::new(),
            told: 0,
            steps: VecDeque::new(),
            instance: None,
            began,
            deadline: began + global.timeout,
        }
    }

    /// Plays until the instance has ended, is stuck, or nothing more happens in time.
    pub(super) async fn run(mut self, opening: Opening) -> Outcome {
        match opening {
            Opening::Script(steps) => self.steps = steps.into(),
            Opening::Start { workflow, key, input } => {
                let order = Start { workflow, key, input, ..Start::default() };
                let reply = self.client.start(&order).await?;
                self.instance = Some(reply.verdict.instance);
            }
        }
        loop {
            let Some(id) = self.instance.clone() else {
                self.first_event().await?;
                continue;
            };
            let detail = self.client.instance(&id).await?;
            self.tell_news(&id, detail.summary.step).await?;
            let status = detail.summary.status;
            if status.is_ended() || status == Status::Stuck {
                return self.finish(&detail, false);
            }
            let goes_on = match self.proceed(&id, &detail).await? {
                Next::Look => true,
                Next::Wait => self.changed().await,
                Next::GiveUp => false,
            };
            if !goes_on {
                return self.finish(&detail, true);
            }
        }
    }

    /// Sends events until one of them concerns an instance that lives.
    async fn first_event(&mut self) -> Result<(), Failure> {
        match self.steps.pop_front() {
            Some(Step::Event { event, data }) => {
                let verdict = self.send(&event, &data).await?;
                if verdict.status.is_some() {
                    self.timeline = Timeline::started_by(Some(&event));
                    self.instance = Some(verdict.instance);
                    return Ok(());
                }
                if verdict.verdict.exit_code() != 0 {
                    let detail = format!("`{event}` starts nothing: {}", in_words(&verdict));
                    return Err(Failure::new(verdict.verdict.exit_code(), detail));
                }
                Ok(())
            }
            Some(Step::Decide { .. } | Step::Wait { .. }) => {
                Err(Failure::usage("the script begins with an event that starts an instance"))
            }
            None => Err(Failure::usage("no event of the script starts an instance")),
        }
    }

    async fn send(&self, event: &str, data: &Value) -> Result<InstanceVerdict, Failure> {
        let reply = self.client.send(event, data).await?;
        let mut verdicts = reply.verdicts.into_iter();
        verdicts.next().ok_or_else(|| Failure::new(BUG, format!("`{event}` got no verdict")))
    }

    /// Prints what was decided since the last look.
    async fn tell_news(&mut self, id: &str, step: u64) -> Result<(), Failure> {
        if step <= self.told {
            return Ok(());
        }
        let page = self.client.history(id).await?;
        let last = page.items.last().map_or(step, |entry| entry.step);
        for entry in page.items.into_iter().filter(|entry| entry.step > self.told) {
            for row in self.timeline.take(&self.unsigned(entry)) {
                let first = self.rows.first().map_or(row.at_ms, |first| first.at_ms);
                let time = elapsed(row.at_ms - first);
                self.output
                    .line(format!("  {time}  {}", row.render(self.output.look, self.width)))?;
                self.rows.push(row);
            }
        }
        self.told = self.told.max(last).max(step);
        Ok(())
    }

    /// Events stand for what comes from outside: that we send them is not told.
    fn unsigned(&self, mut entry: HistoryEntry) -> HistoryEntry {
        let is_event = !entry.input.starts_with("command ");
        entry.by.take_if(|by| is_event && by == self.client.user());
        entry
    }

    /// Does the next thing, if it is time for it.
    async fn proceed(&mut self, id: &str, detail: &InstanceDetail) -> Result<Next, Failure> {
        let idle = detail.calls.is_empty();
        match self.steps.front() {
            Some(Step::Wait { state }) if is_in(detail, state) => {
                self.steps.pop_front();
                return Ok(Next::Look);
            }
            Some(Step::Event { .. } | Step::Decide { .. }) if idle => {
                if let Some(step) = self.steps.pop_front() {
                    self.play(id, step, detail).await?;
                }
                return Ok(Next::Look);
            }
            Some(Step::Wait { .. } | Step::Event { .. } | Step::Decide { .. }) | None => {}
        }
        if let (None, Some(task), true) = (self.steps.front(), detail.approvals.first(), idle)
            && self.may_ask
        {
            self.ask(id, task).await?;
            return Ok(Next::Look);
        }
        let rests = idle && self.nothing_due(detail) && self.children_rest(detail).await?;
        Ok(if rests { Next::GiveUp } else { Next::Wait })
    }

    async fn play(&mut self, id: &str, step: Step, detail: &InstanceDetail) -> Result<(), Failure> {
        match (step, detail.approvals.first()) {
            (Step::Event { event, data }, _) => {
                let verdict = self.send(&event, &data).await?;
                if verdict.verdict.exit_code() != 0 {
                    tell(&format!("{event}: {}", clean(&in_words(&verdict))));
                }
            }
            (Step::Decide { .. }, Some(task)) if self.may_ask => self.ask(id, task).await?,
            (Step::Decide { choice, by, reason, data }, _) => {
                let order = Decide { instance: id.to_owned(), choice, data, reason };
                self.client.clone().as_user(&by).decide(&order).await?;
            }
            // Waiting is done by `proceed`.
            (Step::Wait { .. }, _) => {}
        }
        Ok(())
    }

    /// Asks the person at the terminal.
    async fn ask(&mut self, id: &str, task: &Task) -> Result<(), Failure> {
        if task.choices.is_empty() {
            return Err(Failure::new(CONFLICT, format!("{id} offers no choice")));
        }
        let began = Instant::now();
        let (title, choices) = (clean(&task.title).into_owned(), task.choices.clone());
        let asked = tokio::task::spawn_blocking(move || {
            inquire::Select::new(&title, choices).without_help_message().prompt()
        });
        let choice = match asked.await {
            Ok(Ok(choice)) => choice,
            Ok(Err(inquire::InquireError::OperationInterrupted)) => {
                return Err(Failure::new(INTERRUPTED, "interrupted"));
            }
            Ok(Err(error)) => return Err(Failure::new(ENDED_BADLY, format!("no answer: {error}"))),
            Err(error) => return Err(Failure::new(BUG, format!("asking failed: {error}"))),
        };
        // Thinking does not count as waiting.
        self.deadline += began.elapsed();
        let reason = self.reason.clone();
        let order = Decide { instance: id.to_owned(), choice, data: None, reason };
        self.client.decide(&order).await?;
        Ok(())
    }

    /// Nobody outside reaches this bus: only a timer can still move the instance.
    fn nothing_due(&self, detail: &InstanceDetail) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let now = Clock::System.now();
        let deadline = now.plus_ms(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)).0;
        let due = detail.timers.iter().filter_map(|timer| timer.due.parse().ok());
        !due.map(jiff::Timestamp::as_millisecond).any(|due| due <= deadline)
    }

    /// Can no child that the instance waits for move by itself?
    async fn children_rest(&self, detail: &InstanceDetail) -> Result<bool, Failure> {
        let mut children: Vec<String> =
            detail.children.iter().map(|child| child.instance.clone()).collect();
        while let Some(child) = children.pop() {
            // One that is not there yet is on its way; one that ended has told its parent so,
            // unless it was ended from outside.
            let Ok(detail) = self.client.instance(&child).await else { return Ok(false) };
            let answers = matches!(detail.summary.status, Status::Done | Status::Failed);
            if answers || !detail.calls.is_empty() || !self.nothing_due(&detail) {
                return Ok(false);
            }
            children.extend(detail.children.into_iter().map(|child| child.instance));
        }
        Ok(true)
    }

    /// Waits for a change; false when the time is over.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(self.deadline) => return false,
            notice = self.notices.recv() => {
                if !matches!(notice, Err(broadcast::error::RecvError::Closed)) {
                    return true;
                }
            }
            () = tokio::time::sleep(LOOK_AGAIN) => return true,
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        true
    }

    /// The mocked operation whose answer lacks what the definition reads of it.
    fn mocked_short(&self, detail: &InstanceDetail) -> Option<&str> {
        let reason = detail.summary.stuck_reason.as_deref()?;
        if !self.mocked || !reason.contains("`output.") {
            return None;
        }
        // Its call was the last one: nothing was decided after it.
        let mut effects = self.rows.iter().flat_map(|row| &row.effects).rev();
        effects.find_map(|effect| effect.strip_prefix("call "))
    }

    /// The last line, and the exit code.
    fn finish(&self, detail: &InstanceDetail, gave_up: bool) -> Outcome {
        let one = &detail.summary;
        let spent = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let first = self.rows.first().map_or(0, |row| row.at_ms);
        let timeline = self.rows.iter().map(|row| {
            let mut value = json!(row);
            if let Value::Object(fields) = &mut value {
                fields.insert("elapsed_ms".to_owned(), json!(row.at_ms - first));
            }
            value
        });
        self.output.json(&json!({
            "instance": one.id,
            "workflow": one.workflow,
            "version": one.version,
            "status": one.status,
            "active": one.active,
            "timed_out": gave_up,
            "elapsed_ms": spent,
            "vars": detail.vars,
            "input": detail.input,
            "output": detail.output,
            "stuck_reason": one.stuck_reason,
            "end": one.end,
            "progress": detail.steps.progress,
            "steps": detail.steps.steps,
            "timeline": timeline.collect::<Vec<_>>(),
        }))?;
        let (states, spent) = (states(&one.active), span(spent));
        let place = super::look::place(one);
        let line = if gave_up && Instant::now() < self.deadline {
            format!("stopped after {spent} · {states} · nothing more happens: {}", awaits(detail))
        } else if gave_up {
            format!("gave up after {spent} · still in {states}: {}", awaits(detail))
        } else {
            let when = if one.status == Status::Stuck { "after" } else { "in" };
            format!("{} {when} {spent} · {place}", one.status.as_str())
        };
        for step in steps::table(&detail.steps, self.output.look, steps::IN_JSON) {
            self.output.line(step)?;
        }
        self.output.line(clean(&line))?;
        if let Some(operation) = self.mocked_short(detail) {
            tell(&format!("help: say what it answers: --mock '{operation}={{…}}'"));
        }
        Ok(match (gave_up, one.status == Status::Done) {
            (true, _) => TIMED_OUT,
            (false, true) => 0,
            (false, false) => ENDED_BADLY,
        })
    }
}

/// Is it a state in which an instance may rest?
const fn is_shown(state: &State) -> bool {
    state.hidden_for.is_none() && state.children.is_empty()
}

/// The ids of states that can be shown.
fn atomic(definition: &Definition) -> impl Iterator<Item = &str> {
    definition.states.iter().filter(|state| is_shown(state)).map(|state| &*state.id)
}

/// What an instance waits for.
fn awaits(detail: &InstanceDetail) -> String {
    let decision = detail.approvals.first().map(|task| {
        let who = task.assign.as_ref().map_or_else(String::new, |who| format!(" of {who}"));
        format!("a decision{who} ({})", task.choices.join(", "))
    });
    let call = detail.calls.first().map(|call| format!("the answer of {}", call.operation));
    let child = detail.children.first().map(|child| format!("its child {}", child.instance));
    let timer = detail.timers.first().map(|timer| format!("{}, due {}", timer.name, timer.due));
    let list: Vec<String> = decision.into_iter().chain(call).chain(child).chain(timer).collect();
    match list.as_slice() {
        [] => "it waits for an event".to_owned(),
        list => format!("it waits for {}", list.join(", or for ")),
    }
}

fn is_in(detail: &InstanceDetail, state: &str) -> bool {
    detail.summary.active.iter().chain(&detail.within).any(|active| active == state)
}
