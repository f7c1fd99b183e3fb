//! `Look`: what may be read of a partition: a closed list, so that any engine can be asked.

use std::collections::BTreeMap;

use gearshift_machine::machine::{Instance, InstanceKey, TraceEntry};
use gearshift_machine::partition::{Counts, DeadLetter, Partition, ScheduleState};
use serde::{Deserialize, Serialize};

use super::packed;
use crate::runtime::error::Error;
use crate::runtime::intake::Target;
use crate::runtime::longwork::CallProgress;

/// A look at the durable state of one partition, between two of its frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Look {
    /// One instance.
    Instance(InstanceKey),
    /// Is there an instance with this key, ended ones included?
    Contains(InstanceKey),
    /// Did this target take its event, or will it?
    Takes(Target),
    /// The history of one instance.
    Trace(InstanceKey),
    /// Instances in key order.
    InstancesFrom {
        /// Behind this key.
        after: Option<InstanceKey>,
        /// At most so many.
        count: usize,
    },
    /// Keys with this end.
    KeysEndingWith {
        /// The end of the key.
        suffix: String,
        /// At most so many.
        count: usize,
    },
    /// How many instances of a workflow live, by version, among so many in key order.
    Versions {
        /// The workflow.
        workflow: String,
        /// Behind this key.
        after: Option<InstanceKey>,
        /// At most so many instances.
        count: usize,
    },
    /// One dead letter.
    DeadLetter(u64),
    /// Dead letters, oldest first.
    DeadLetters {
        /// Which.
        wanted: DeadLetterFilter,
        /// Behind this number.
        after: Option<u64>,
        /// At most so many.
        count: usize,
    },
    /// How many there are of everything.
    Counts,
    /// What is kept of the schedule with this key.
    Schedule(InstanceKey),
    /// How far the calls of one instance are.
    Progress(InstanceKey),
}

/// Which dead letters are meant; without anything all are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterFilter {
    /// Those of this workflow.
    pub workflow: Option<String>,
    /// Those for this instance.
    pub key: Option<InstanceKey>,
    /// Those whose reason has this in it.
    pub cause: Option<String>,
    /// Those with exactly this reason.
    pub reason: Option<String>,
}

/// What a [`Look`] saw. A list may be shorter than what was asked for where it would be too large
/// for one message; it is empty only at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Seen {
    /// Of [`Look::Instance`].
    Instance(#[serde(with = "packed::optional")] Option<Box<Instance>>),
    /// Of [`Look::Contains`] and [`Look::Takes`].
    Truth(bool),
    /// Of [`Look::Trace`].
    Trace(Vec<TraceEntry>),
    /// Of [`Look::InstancesFrom`].
    Instances(#[serde(with = "packed::list")] Vec<Instance>),
    /// Of [`Look::KeysEndingWith`].
    Keys(Vec<InstanceKey>),
    /// Of [`Look::Versions`].
    Versions(Versions),
    /// Of [`Look::DeadLetter`] and [`Look::DeadLetters`].
    DeadLetters(Vec<(u64, DeadLetter)>),
    /// Of [`Look::Counts`].
    Counts(Counts),
    /// Of [`Look::Schedule`].
    Schedule(Option<Box<ScheduleState>>),
    /// Of [`Look::Progress`].
    Progress(Vec<CallProgress>),
}

/// How many instances live, by version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    /// Version → how many live.
    pub(crate) living: BTreeMap<u32, u64>,
    /// Version → how many ended and are still kept.
    #[serde(default)]
    pub(crate) ended: BTreeMap<u32, u64>,
    /// The last key looked at; `None` at the end.
    pub(crate) last: Option<InstanceKey>,
}

impl Look {
    /// Looks.
    pub(crate) fn on(&self, partition: &Partition) -> Seen {
        match self {
            Self::Instance(key) => Seen::Instance(partition.instance(key).map(Box::new)),
            Self::Contains(key) | Self::Takes(Target { key, .. }) => {
                Seen::Truth(partition.contains(key))
            }
            Self::Trace(key) => Seen::Trace(partition.trace(key)),
            Self::InstancesFrom { after, count } => {
                Seen::Instances(partition.instances_from(after.as_ref(), *count))
            }
            Self::KeysEndingWith { suffix, count } => {
                Seen::Keys(partition.keys_ending_with(suffix, *count))
            }
            Self::Versions { workflow, after, count } => {
                let slice = partition.instances_of(workflow, after.as_ref(), *count);
                let mut versions = Versions::default();
                for instance in &slice {
                    let counted = match instance.status.is_ended() {
                        true => &mut versions.ended,
                        false => &mut versions.living,
                    };
                    *counted.entry(instance.pin.version).or_insert(0) += 1;
                }
                versions.last = slice.last().map(|one| one.key.clone());
                Seen::Versions(versions)
            }
            Self::DeadLetter(number) => {
                let found = partition.dead_letter(*number).cloned();
                Seen::DeadLetters(found.map(|letter| (*number, letter)).into_iter().collect())
            }
            Self::DeadLetters { wanted, after, count } => {
                let behind = partition
                    .dead_letters()
                    .filter(|(number, _)| after.is_none_or(|after| *number > after));
                let found = behind.filter(|(_, letter)| wanted.wants(letter)).take(*count);
                Seen::DeadLetters(found.map(|(number, letter)| (number, letter.clone())).collect())
            }
            Self::Counts => Seen::Counts(partition.counts()),
            // The owner keeps it beside its partition.
            Self::Progress(_) => Seen::Progress(Vec::new()),
            Self::Schedule(key) => {
                Seen::Schedule(partition.schedule(key).map(|state| Box::new(state.clone())))
            }
        }
    }
}

impl DeadLetterFilter {
    fn wants(&self, letter: &DeadLetter) -> bool {
        let of_workflow = self
            .workflow
            .as_deref()
            .is_none_or(|name| letter.key.as_ref().is_some_and(|key| key.workflow() == name));
        let of_key = self.key.as_ref().is_none_or(|key| letter.key.as_ref() == Some(key));
        let of_cause = self.cause.as_deref().is_none_or(|cause| letter.reason.contains(cause));
        let of_reason = self.reason.as_deref().is_none_or(|reason| *letter.reason == *reason);
        of_workflow && of_key && of_cause && of_reason
    }
}

impl Seen {
    /// A look answered with what it was not asked for: a bug of ours, or of another engine.
    pub(super) fn unasked() -> Error {
        Error::Unavailable("a look saw something else than it was asked for".to_owned())
    }

    /// Drops the second half of a list, which can be asked for again; false where there is none.
    pub(super) fn halve(&mut self) -> bool {
        match self {
            Self::Instances(list) => halve(list),
            Self::DeadLetters(list) => halve(list),
            Self::Keys(_)
            | Self::Instance(_)
            | Self::Truth(_)
            | Self::Trace(_)
            | Self::Versions(_)
            | Self::Schedule(_)
            | Self::Progress(_)
            | Self::Counts(_) => false,
        }
    }
}

fn halve<T>(list: &mut Vec<T>) -> bool {
    let whole = list.len();
    list.truncate(whole.div_ceil(2));
    list.len() < whole
}
