//! Planner: tells one partition which schedules it keeps, and which of their moments are due.
//!
//! It decides nothing: what a partition records are moments, so that replay needs no calendar.

use std::sync::Arc;

use gearshift_machine::definition::model::{Recurrence, Schedule};
use gearshift_machine::machine::Timestamp;
use gearshift_machine::partition::{Partition, PartitionInput, ScheduleOrder, Waits};
use tokio::sync::watch;

use super::calendar::{Calendar, DueMoments};
use crate::runtime::shared::Shared;

/// What one partition's drive asks the calendar.
pub(in crate::runtime) struct Planner {
    shared: Arc<Shared>,
    /// Changes with what is deployed.
    deployed: watch::Receiver<u64>,
    /// Was everything looked at that is deployed?
    is_planned: bool,
}

impl Planner {
    pub(in crate::runtime) fn new(shared: Arc<Shared>) -> Self {
        let deployed = shared.definitions.revision();
        Self { shared, deployed, is_planned: false }
    }

    /// Returns when something else is deployed than what was planned.
    pub(in crate::runtime) async fn changed(&mut self) {
        if self.is_planned && self.deployed.changed().await.is_ok() {
            self.is_planned = false;
        }
        if self.is_planned {
            // Nothing is deployed any more: the engine stops.
            std::future::pending::<()>().await;
        }
    }

    /// What is next for the partition by itself: at most `limit` inputs that are due, without the
    /// timers that wait, and before them what it has to be told of schedules.
    pub(in crate::runtime) fn due(
        &mut self,
        partition: &Partition,
        (now, limit): (Timestamp, usize),
        waits: &Waits<'_>,
    ) -> Vec<PartitionInput> {
        let mut inputs = self.plans(partition, now);
        let due = partition.due_but(now, limit, waits).into_iter();
        inputs.extend(due.map(|input| filled(partition, input, now)));
        inputs
    }

    /// What the partition has to be told since something else is deployed: of each workflow the
    /// schedules of its newest version count.
    fn plans(&mut self, partition: &Partition, now: Timestamp) -> Vec<PartitionInput> {
        if self.is_planned && !self.deployed.has_changed().unwrap_or(false) {
            return Vec::new();
        }
        // Before the look: what comes meanwhile is looked at the next time.
        self.deployed.mark_unchanged();
        self.is_planned = true;
        let definitions = &self.shared.definitions.index().definitions;
        let mut plans = Vec::new();
        for definition in definitions.iter() {
            let newest = definitions.latest(&definition.name);
            if newest.is_none_or(|newest| newest.version != definition.version) {
                continue;
            }
            for schedule in &definition.schedules {
                // The loader looked at the names.
                let Ok(key) = Schedule::key(&definition.name, &schedule.name) else { continue };
                if self.shared.partition_of(&key) != partition.id() {
                    continue;
                }
                let recurrence = &schedule.recurrence;
                let known = partition.schedule(&key);
                if known.is_some_and(|it| it.recurrence == *recurrence && it.next.is_some()) {
                    continue;
                }
                let next = calendar(recurrence).and_then(|calendar| calendar.next(now));
                let order = ScheduleOrder::Plan { recurrence: recurrence.clone(), next };
                plans.push(PartitionInput::Schedule { key, order });
            }
        }
        for (key, _) in partition.schedules() {
            let declared = Schedule::of_key(key).and_then(|(workflow, name)| {
                definitions.latest(workflow).and_then(|newest| newest.schedule(name))
            });
            if declared.is_none() {
                let order = ScheduleOrder::Retire;
                plans.push(PartitionInput::Schedule { key: key.clone(), order });
            }
        }
        plans
    }
}

/// A due input of `partition` with the moments that the calendar knows.
fn filled(partition: &Partition, input: PartitionInput, now: Timestamp) -> PartitionInput {
    let PartitionInput::Schedule { key, order: ScheduleOrder::Due { from, .. } } = &input else {
        return input;
    };
    let Some(state) = partition.schedule(key) else { return input };
    let found = calendar(&state.recurrence).map(|calendar| calendar.due(*from, now));
    let DueMoments { missed, moments, after } = found.unwrap_or_default();
    let order = ScheduleOrder::Due { from: *from, missed, moments, after };
    PartitionInput::Schedule { key: key.clone(), order }
}

/// The next moments, where `next` is the first.
pub(crate) fn upcoming(
    recurrence: &Recurrence,
    next: Option<Timestamp>,
    count: usize,
) -> Vec<Timestamp> {
    let calendar = calendar(recurrence);
    let following = |at: &Timestamp| calendar.as_ref().and_then(|calendar| calendar.next(*at));
    std::iter::successors(next, following).take(count).collect()
}

/// The calendar; none where the program that deployed the recurrence knew a zone that this one
/// does not.
fn calendar(recurrence: &Recurrence) -> Option<Calendar> {
    match Calendar::of(recurrence) {
        Ok(calendar) => Some(calendar),
        Err(error) => {
            tracing::error!(%recurrence, ?error, "a schedule cannot be kept");
            None
        }
    }
}
