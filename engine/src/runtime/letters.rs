//! Letters: carried to the partitions of their receivers, in order, until each was taken.
//!
//! Told again after every doubt: the receiver's partition knows by the number what it took.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use gearshift_machine::machine::{InstanceKey, Letter, Outcome};
use gearshift_machine::partition::PartitionInput;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shared::Shared;

/// Letters to one partition under way at once: what one frame of it may well take.
const UNDER_WAY_MAX: usize = 64;
/// Wait before letters are told again that nobody took.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// A letter and who sent it.
type Sent = (InstanceKey, Letter);

/// Carries the letters of one partition.
///
/// Its queues are not bounded by a number of their own: every letter in them stands in the
/// partition's pending set as well, and that is bounded.
pub(super) struct Letters {
    shared: Arc<Shared>,
    /// The partition that they come from.
    from: u16,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// One for each partition that got a letter yet.
    roads: Mutex<BTreeMap<u16, mpsc::UnboundedSender<Sent>>>,
}

impl Letters {
    pub(super) fn new(
        shared: Arc<Shared>,
        from: u16,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { shared, from, tasks, stop, roads: Mutex::default() }
    }

    /// Takes a letter to carry; told in the order of their numbers.
    pub(super) fn send(&self, sender: InstanceKey, letter: Letter) {
        let to = self.shared.partition_of(&letter.to);
        let mut roads = self.roads.lock().unwrap_or_else(PoisonError::into_inner);
        let road = roads.entry(to).or_insert_with(|| {
            let (road, queue) = mpsc::unbounded_channel();
            let road_to = Road { shared: Arc::clone(&self.shared), from: self.from, to };
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = road_to.carry(queue) => {}
                }
            });
            road
        });
        // The receiver lives as long as this value; after a stop the next owner sends again.
        drop(road.send((sender, letter)));
    }
}

/// The way from one partition to another.
struct Road {
    shared: Arc<Shared>,
    from: u16,
    to: u16,
}

impl Road {
    async fn carry(&self, mut queue: mpsc::UnboundedReceiver<Sent>) {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                let Some(sent) = queue.recv().await else { return };
                waiting.push_back(sent);
            }
            while waiting.len() < UNDER_WAY_MAX
                && let Ok(sent) = queue.try_recv()
            {
                waiting.push_back(sent);
            }
            if !self.tell(&mut waiting).await {
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }

    /// Tells all that wait, in order; what was taken is waited for no more. Was all of it taken?
    async fn tell(&self, waiting: &mut VecDeque<Sent>) -> bool {
        let mut told = FuturesOrdered::new();
        // Nothing before the first one waits, so it stands behind nothing.
        let mut after = 0;
        for (sender, letter) in &*waiting {
            let input = PartitionInput::Letter {
                from: self.from,
                after,
                sender: sender.clone(),
                letter: letter.clone(),
            };
            told.push_back(self.shared.ask(self.to, input));
            after = letter.number;
        }
        while let Some(answer) = told.next().await {
            match answer {
                Ok(done) if matches!(done.outcome, Outcome::Busy { .. }) => return false,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(from = self.from, to = self.to, %error, "letter waits");
                    return false;
                }
            }
            let Some((_, letter)) = waiting.pop_front() else { return true };
            // A partition's letter to itself was settled in the frame that took it.
            if self.to != self.from {
                let confirmed = PartitionInput::Confirmed { effect: letter.id };
                if let Err(error) = self.shared.tell(self.from, confirmed).await {
                    tracing::debug!(%error, "letter taken after the engine stopped");
                }
            }
        }
        true
    }
}
