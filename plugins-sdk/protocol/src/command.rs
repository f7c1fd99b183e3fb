//! Operators' commands: `gearshift.command.<user>.<verb>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::cache::{ClearCache, ClearCacheReply, KeptResults};
pub use self::control::{
    Checkpoint, Clocks, Fork, ForkReply, Hold, HoldReply, Pause, Rollback, SetVars, TimerOrder,
};
pub use self::deploy::{Deploy, DeployReply, Deployed, Format};
pub use self::plugin::{
    PluginCall, PluginCallFailure, PluginCallReply, PluginReset, PluginResetReply,
};
pub use self::schedule::{HoldSchedule, TriggerReply, TriggerSchedule};
pub use self::steps::{AddSteps, AddStepsReply};
pub use self::transaction::{BeginTransaction, EndTransaction};
use crate::verdict::{InstanceVerdict, Wait};

mod cache;
mod control;
mod deploy;
mod plugin;
mod schedule;
mod steps;
mod transaction;

/// The last token of a command's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// [`Deploy`] → [`DeployReply`].
    Deploy,
    /// [`Undeploy`] → [`Undeploy`]: take a version away that nobody runs.
    Undeploy,
    /// [`Start`] → [`StartReply`].
    Start,
    /// [`Decide`] → [`InstanceVerdict`].
    Decide,
    /// [`Order`] → [`InstanceVerdict`]: end softly, exit actions run.
    Cancel,
    /// [`Order`] → [`InstanceVerdict`]: end at once, nothing runs.
    Kill,
    /// [`Order`] → [`InstanceVerdict`]: re-run what made the instance stuck.
    Retry,
    /// [`Order`] → [`InstanceVerdict`]: leave behind what made the instance stuck.
    Skip,
    /// [`Migrate`] → [`MigrateReply`]: go on under another version.
    Migrate,
    /// [`AddSteps`] → [`AddStepsReply`]: give it further steps.
    AddSteps,
    /// [`DeadLetterOrder`] → [`DeadLetterReply`]: offer the events again.
    DlqReplay,
    /// [`DeadLetterOrder`] → [`DeadLetterReply`]: forget the events.
    DlqDrop,
    /// [`Pause`] → [`InstanceVerdict`]: hold it.
    Pause,
    /// [`Order`] → [`InstanceVerdict`]: let it go on.
    Resume,
    /// [`Rollback`] → [`InstanceVerdict`]: take back what was done.
    Rollback,
    /// [`SetVars`] → [`InstanceVerdict`]: write to variables.
    Set,
    /// [`Checkpoint`] → [`InstanceVerdict`]: save a point to fork from.
    Checkpoint,
    /// [`Fork`] → [`ForkReply`]: begin a new instance where this one was.
    Fork,
    /// [`TimerOrder`] → [`InstanceVerdict`]: let a timer fire now.
    TimerFire,
    /// [`TimerOrder`] → [`InstanceVerdict`]: let a timer be due at another time.
    TimerMove,
    /// [`Hold`] → [`HoldReply`]: let the calls of a plugin wait, or a definition's instances
    /// begin paused.
    Hold,
    /// [`Hold`] → [`HoldReply`]: end that.
    Release,
    /// [`BeginTransaction`] → [`InstanceVerdict`] of `transaction/NAME`.
    TransactionBegin,
    /// [`EndTransaction`] → [`InstanceVerdict`]: let stay what its members did.
    TransactionCommit,
    /// [`EndTransaction`] → [`InstanceVerdict`]: take back what its members did.
    TransactionRollback,
    /// [`TriggerSchedule`] → [`TriggerReply`]: let a schedule start an instance now.
    ScheduleTrigger,
    /// [`HoldSchedule`] → [`ScheduleView`](crate::view::ScheduleView): no starts by the calendar.
    SchedulePause,
    /// [`HoldSchedule`] → [`ScheduleView`](crate::view::ScheduleView): end that.
    ScheduleResume,
    /// [`PluginCall`] → [`PluginCallReply`]: call an operation once, for no instance.
    PluginCall,
    /// [`PluginReset`] → [`PluginResetReply`]: close breakers.
    PluginReset,
    /// [`ClearCache`] → [`ClearCacheReply`]: forget results of calls that are kept.
    CacheClear,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 31] = [
        Self::Deploy,
        Self::Undeploy,
        Self::Start,
        Self::Decide,
        Self::Cancel,
        Self::Kill,
        Self::Retry,
        Self::Skip,
        Self::Migrate,
        Self::AddSteps,
        Self::DlqReplay,
        Self::DlqDrop,
        Self::Pause,
        Self::Resume,
        Self::Rollback,
        Self::Set,
        Self::Checkpoint,
        Self::Fork,
        Self::TimerFire,
        Self::TimerMove,
        Self::Hold,
        Self::Release,
        Self::TransactionBegin,
        Self::TransactionCommit,
        Self::TransactionRollback,
        Self::ScheduleTrigger,
        Self::SchedulePause,
        Self::ScheduleResume,
        Self::PluginCall,
        Self::PluginReset,
        Self::CacheClear,
    ];

    /// The subject token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Undeploy => "undeploy",
            Self::Start => "start",
            Self::Decide => "decide",
            Self::Cancel => "cancel",
            Self::Kill => "kill",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Migrate => "migrate",
            Self::AddSteps => "add_steps",
            Self::DlqReplay => "dlq_replay",
            Self::DlqDrop => "dlq_drop",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Set => "set",
            Self::Checkpoint => "checkpoint",
            Self::Fork => "fork",
            Self::TimerFire => "timer_fire",
            Self::TimerMove => "timer_move",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::TransactionBegin => "transaction_begin",
            Self::TransactionCommit => "transaction_commit",
            Self::TransactionRollback => "transaction_rollback",
            Self::ScheduleTrigger => "schedule_trigger",
            Self::SchedulePause => "schedule_pause",
            Self::ScheduleResume => "schedule_resume",
            Self::PluginCall => "plugin_call",
            Self::PluginReset => "plugin_reset",
            Self::CacheClear => "cache_clear",
        }
    }

    /// The verb of a subject token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == token)
    }
}

/// Begins the life of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The workflow's name.
    pub workflow: String,
    /// The correlation key; absent: the engine makes one. Starting a running key again answers
    /// `duplicate`, or `id_reuse` where the input differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A name of your own for this start, of at most 256 bytes; it needs a key. Asked again under
    /// the same name, it begins nothing twice, also where the life it began has ended, as long as
    /// that is kept. Without one, a key whose life has ended begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The definition's version; absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What the instance is started with.
    #[serde(default)]
    pub input: Value,
    /// The open transaction whose member it becomes; it begins once that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// When to answer.
    #[serde(default)]
    pub wait: Wait,
    /// How long the asker waits, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl Start {
    /// The same start under a name of your own: asked again, it begins nothing twice.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }
}

/// What became of a start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartReply {
    /// The verdict, and the instance after the wait.
    pub verdict: InstanceVerdict,
    /// Was what the asker wanted to wait for reached in time? `true` without a wait.
    pub reached: bool,
    /// The output of an instance that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// Decides an open approval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// One of the approval's choices.
    pub choice: String,
    /// Further fields of the event's payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// An order to one instance: cancel, kill, retry, skip or resume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Full id, key alone, or unique suffix.
    pub instance: String,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
    /// Only tell what would become of it: the answer is that of the order, and nothing is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Takes a version of a workflow away; refused while instances live on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undeploy {
    /// The workflow's name.
    pub name: String,
    /// The version.
    pub version: u32,
}

/// Lets an instance go on under another version of its definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// Which instance: `workflow/key`, a key, or the unique end of one.
    pub instance: String,
    /// To which version; the newest where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// States that are called differently there: the old and the new name.
    #[serde(default)]
    pub states: BTreeMap<String, String>,
    /// Only tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// What became of a [`Migrate`], or would become.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrateReply {
    /// The instance: `workflow/key`.
    pub instance: String,
    /// The version it ran.
    pub from: u32,
    /// The version it goes on under.
    pub to: u32,
    /// Its active states before.
    pub before: Vec<String>,
    /// Its active states after.
    pub after: Vec<String>,
    /// What is dropped, begun or made void on the way, in words.
    pub notes: Vec<String>,
    /// It runs that version already: there is nothing to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// Nothing was done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What to do with dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterOrder {
    /// Which; with none, all that the other fields leave.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Only those of this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only those with this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// What became of dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterReply {
    /// One entry per dead letter the order named or found.
    pub results: Vec<DeadLetterResult>,
}

/// What became of one dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterResult {
    /// Which.
    pub id: String,
    /// What became of its event now; `done` where it was dropped, `no_instance` where there is
    /// no such dead letter.
    #[serde(flatten)]
    pub verdict: InstanceVerdict,
}

impl StartReply {
    /// The exit code of the command line: 7 where the wait was in vain, 1 where the instance
    /// ended badly or is stuck, else the verdict's.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        use crate::verdict::Status;

        let code = self.verdict.verdict.exit_code();
        if code != 0 {
            return code;
        }
        match self.verdict.status {
            Some(Status::Failed | Status::Cancelled | Status::Stuck) => 1,
            // It ended, and not where it was waited for.
            Some(Status::Done) if !self.reached => 1,
            Some(Status::Running | Status::Paused | Status::Compensating | Status::Done) | None => {
                if self.reached {
                    0
                } else {
                    7
                }
            }
        }
    }
}
