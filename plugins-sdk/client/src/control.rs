//! Control of running instances: pause, rollback, variables, checkpoints, forks, timers.

use gearshift_protocol::InstanceVerdict;
use gearshift_protocol::command::{
    AddSteps, AddStepsReply, Checkpoint, Clocks, Fork, ForkReply, Hold, HoldReply, HoldSchedule,
    Pause, Rollback, SetVars, TimerOrder, TriggerReply, TriggerSchedule, Verb,
};
use gearshift_protocol::view::ScheduleView;
use serde_json::{Map, Value};

use crate::{Client, Error};

impl Client {
    /// Holds an instance: events and replies wait, no timer fires, nothing is retried.
    ///
    /// # Errors
    ///
    /// `conflict` if it is paused already, stuck, or being taken back; and those of every request.
    pub async fn pause(
        &self,
        instance: &str,
        timers: Clocks,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let (instance, reason) = (instance.to_owned(), reason.to_owned());
        let order = Pause { instance, timers, reason, dry_run: self.rehearses() };
        self.command(Verb::Pause, &order, None).await
    }

    /// Lets a paused instance go on.
    ///
    /// # Errors
    ///
    /// `conflict` if it is not paused; and those of every request.
    pub async fn resume(&self, instance: &str, reason: &str) -> Result<InstanceVerdict, Error> {
        self.command(Verb::Resume, &self.order(instance, reason), None).await
    }

    /// Takes back what an instance has done, newest first, down to the step `from` where one is
    /// named. Afterwards it waits: `retry` does what was taken back again, `cancel` ends it.
    ///
    /// # Errors
    ///
    /// `conflict` if there is nothing to be taken back; and those of every request.
    pub async fn rollback(
        &self,
        instance: &str,
        from: Option<&str>,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let (instance, reason) = (instance.to_owned(), reason.to_owned());
        let from = from.map(str::to_owned);
        let order = Rollback { instance, from, reason, dry_run: self.rehearses() };
        self.command(Verb::Rollback, &order, None).await
    }

    /// Writes to variables of an instance, by path: all of them, or none.
    ///
    /// # Errors
    ///
    /// `conflict` if a variable is not declared or a limit is exceeded; and those of every request.
    pub async fn set_vars(
        &self,
        instance: &str,
        vars: Map<String, Value>,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let (instance, reason) = (instance.to_owned(), reason.to_owned());
        let order = SetVars { instance, vars, reason, dry_run: self.rehearses() };
        self.command(Verb::Set, &order, None).await
    }

    /// Saves a point that a fork can begin from.
    ///
    /// # Errors
    ///
    /// `conflict` if there are too many, or the instance is stuck; and those of every request.
    pub async fn checkpoint(
        &self,
        instance: &str,
        name: &str,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let (instance, reason) = (instance.to_owned(), reason.to_owned());
        let order = Checkpoint { instance, name: name.to_owned(), reason };
        self.command(Verb::Checkpoint, &order, None).await
    }

    /// Begins a new instance where another one was; that one stays as it is.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such checkpoint or step, `conflict` if the key is taken; and
    /// those of every request.
    pub async fn fork(&self, fork: &Fork) -> Result<ForkReply, Error> {
        let fork = Fork { dry_run: fork.dry_run || self.rehearses(), ..fork.clone() };
        self.command(Verb::Fork, &fork, None).await
    }

    /// Lets an armed timer fire now.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such timer; and those of every request.
    pub async fn fire_timer(
        &self,
        instance: &str,
        timer: &str,
        reason: &str,
    ) -> Result<InstanceVerdict, Error> {
        let order = TimerOrder {
            instance: instance.to_owned(),
            timer: timer.to_owned(),
            reason: reason.to_owned(),
            ..TimerOrder::default()
        };
        self.command(Verb::TimerFire, &order, None).await
    }

    /// Lets an armed timer be due at another time.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such timer, `conflict` if the time is past; and those of every
    /// request.
    pub async fn move_timer(&self, order: &TimerOrder) -> Result<InstanceVerdict, Error> {
        self.command(Verb::TimerMove, order, None).await
    }

    /// Pauses a plugin or a definition as a whole: calls of the plugin wait, instances of the
    /// definition begin paused. Those that run already are not concerned.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such definition; and those of every request.
    pub async fn hold(&self, hold: &Hold) -> Result<HoldReply, Error> {
        self.command(Verb::Hold, hold, None).await
    }

    /// Ends what [`Client::hold`] began; instances that began paused stay so.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn release(&self, hold: &Hold) -> Result<HoldReply, Error> {
        self.command(Verb::Release, hold, None).await
    }

    /// Gives an instance that runs further steps, or tells what that would mean.
    ///
    /// # Errors
    ///
    /// `invalid`, with diagnostics, if the steps have errors; `conflict` if the instance or its
    /// steps have ended, or it is stuck; and those of every request.
    pub async fn add_steps(&self, order: &AddSteps) -> Result<AddStepsReply, Error> {
        self.command(Verb::AddSteps, order, None).await
    }

    /// Lets a schedule start an instance now; its `overlap` counts.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such schedule, `conflict` if nothing may start now; and those of
    /// every request.
    pub async fn trigger_schedule(&self, order: &TriggerSchedule) -> Result<TriggerReply, Error> {
        self.command(Verb::ScheduleTrigger, order, None).await
    }

    /// Lets a schedule start nothing by the calendar until [`Client::resume_schedule`]: moments
    /// that come meanwhile are left out. What runs goes on, and a trigger starts all the same.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such schedule, `conflict` if it is paused already; and those of
    /// every request.
    pub async fn pause_schedule(&self, order: &HoldSchedule) -> Result<ScheduleView, Error> {
        self.command(Verb::SchedulePause, order, None).await
    }

    /// Lets the calendar count again.
    ///
    /// # Errors
    ///
    /// `not_found` if there is no such schedule, `conflict` if it is not paused; and those of
    /// every request.
    pub async fn resume_schedule(&self, order: &HoldSchedule) -> Result<ScheduleView, Error> {
        self.command(Verb::ScheduleResume, order, None).await
    }
}
