//! What doors read of partitions, through whichever engine.

use std::collections::BTreeMap;

use gearshift_machine::machine::{Instance, InstanceKey, TraceEntry};
use gearshift_machine::partition::{Counts, DeadLetter, ScheduleState};

use super::look::{DeadLetterFilter, Look, Seen, Versions};
use super::wire::Standing;
use crate::runtime::error::Error;
use crate::runtime::handle::Handle;
use crate::runtime::longwork::CallProgress;

/// Instances looked at between two frames, so that a long list never stalls a partition.
const SLICE: usize = 512;

impl Handle {
    async fn seen(&self, partition: u16, look: Look) -> Result<Seen, Error> {
        if partition >= self.config().partitions {
            return Err(Error::Unavailable(format!("there is no partition {partition}")));
        }
        self.0.look(partition, look).await
    }

    /// The instance `key`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn instance(&self, key: &InstanceKey) -> Result<Option<Instance>, Error> {
        let Seen::Instance(found) =
            self.seen(self.partition_of(key), Look::Instance(key.clone())).await?
        else {
            return Err(Seen::unasked());
        };
        Ok(found.map(|instance| *instance))
    }

    /// Is there an instance with this key, ended ones included?
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn contains(&self, key: &InstanceKey) -> Result<bool, Error> {
        self.0.contains(key).await
    }

    /// The history of `key`, oldest line first; empty where there is no such instance.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn trace(&self, key: &InstanceKey) -> Result<Vec<TraceEntry>, Error> {
        let Seen::Trace(entries) =
            self.seen(self.partition_of(key), Look::Trace(key.clone())).await?
        else {
            return Err(Seen::unasked());
        };
        Ok(entries)
    }

    /// Some instances of one partition in key order, from behind `after`; none at the end.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn instances_from(
        &self,
        partition: u16,
        after: Option<&InstanceKey>,
    ) -> Result<Vec<Instance>, Error> {
        let look = Look::InstancesFrom { after: after.cloned(), count: SLICE };
        let Seen::Instances(list) = self.seen(partition, look).await? else {
            return Err(Seen::unasked());
        };
        Ok(list)
    }

    /// At most `count` keys of each partition that end with `suffix`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn keys_ending_with(
        &self,
        suffix: &str,
        count: usize,
    ) -> Result<Vec<InstanceKey>, Error> {
        let mut keys = Vec::new();
        for partition in 0..self.config().partitions {
            let look = Look::KeysEndingWith { suffix: suffix.to_owned(), count };
            let Seen::Keys(found) = self.seen(partition, look).await? else {
                return Err(Seen::unasked());
            };
            keys.extend(found);
        }
        Ok(keys)
    }

    /// How many instances of `workflow` live, by version, and in words which partitions refuse to
    /// serve: nobody counted there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn living_versions(
        &self,
        workflow: &str,
    ) -> Result<(BTreeMap<u32, u64>, Vec<String>), Error> {
        let (mut all, mut uncounted) = (Versions::default(), Vec::new());
        for partition in 0..self.config().partitions {
            match self.add_versions(partition, workflow, &mut all).await {
                Err(error @ Error::Refuses { .. }) => uncounted.push(error.to_string()),
                counted => counted?,
            }
        }
        Ok((all.living, uncounted))
    }

    /// How many instances live on each version, and how many ended ones are kept.
    pub(crate) async fn versions(&self, workflow: &str) -> Result<Versions, Error> {
        let mut all = Versions::default();
        for partition in 0..self.config().partitions {
            self.add_versions(partition, workflow, &mut all).await?;
        }
        Ok(all)
    }

    async fn add_versions(
        &self,
        partition: u16,
        workflow: &str,
        all: &mut Versions,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let look = Look::Versions { workflow: workflow.to_owned(), after, count: SLICE };
            let Seen::Versions(versions) = self.seen(partition, look).await? else {
                return Err(Seen::unasked());
            };
            for (version, count) in versions.living {
                *all.living.entry(version).or_insert(0) += count;
            }
            for (version, count) in versions.ended {
                *all.ended.entry(version).or_insert(0) += count;
            }
            match versions.last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// The dead letter `number` of one partition.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn dead_letter(
        &self,
        partition: u16,
        number: u64,
    ) -> Result<Option<DeadLetter>, Error> {
        let seen = self.seen(partition, Look::DeadLetter(number)).await?;
        let Seen::DeadLetters(found) = seen else { return Err(Seen::unasked()) };
        Ok(found.into_iter().next().map(|(_, letter)| letter))
    }

    /// At most `count` dead letters of one partition, oldest first, from behind `after`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn dead_letters(
        &self,
        partition: u16,
        wanted: &DeadLetterFilter,
        mut after: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, DeadLetter)>, Error> {
        let mut letters = Vec::new();
        while letters.len() < count {
            let count = (count - letters.len()).min(SLICE);
            let look = Look::DeadLetters { wanted: wanted.clone(), after, count };
            let Seen::DeadLetters(found) = self.seen(partition, look).await? else {
                return Err(Seen::unasked());
            };
            if found.is_empty() {
                break;
            }
            letters.extend(found);
            after = letters.last().map(|(number, _)| *number);
        }
        Ok(letters)
    }

    /// How one partition is doing, asked of its owner; `None` where nobody answers soon.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Bus`].
    pub async fn standing(&self, partition: u16) -> Result<Option<Standing>, Error> {
        self.0.standing(partition).await
    }

    /// What is kept of the schedule with this key; nothing before its partition heard of it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn schedule(&self, key: &InstanceKey) -> Result<Option<ScheduleState>, Error> {
        let seen = self.seen(self.partition_of(key), Look::Schedule(key.clone())).await?;
        let Seen::Schedule(state) = seen else { return Err(Seen::unasked()) };
        Ok(state.map(|state| *state))
    }

    /// How far the calls of `key` are, as far as their plugins said.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn progress(&self, key: &InstanceKey) -> Result<Vec<CallProgress>, Error> {
        let seen = self.seen(self.partition_of(key), Look::Progress(key.clone())).await?;
        let Seen::Progress(list) = seen else { return Err(Seen::unasked()) };
        Ok(list)
    }

    /// How many there are of everything in one partition.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn counts(&self, partition: u16) -> Result<Counts, Error> {
        let Seen::Counts(counts) = self.seen(partition, Look::Counts).await? else {
            return Err(Seen::unasked());
        };
        Ok(counts)
    }
}
