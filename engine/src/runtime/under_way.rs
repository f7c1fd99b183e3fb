//! [`UnderWay`]: calls that were sent and that no task waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gearshift_bus::{Error, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::asking::ask;
use super::dispatch::tell;
use super::providers::{Asked, Attempt, Seat, Sending};
use super::unsent::Unsent;

/// The calls of one partition that the bus tells the replies of.
///
/// The bus knows them by number only: what is let go of here keeps no engine alive, and its reply
/// is told to nobody.
pub(crate) struct UnderWay {
    calls: Mutex<Calls>,
    unsent: Arc<Unsent>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Default)]
struct Calls {
    next: u64,
    /// Each in a place of its own: they are large, and the table changes all the time.
    sent: HashMap<u64, Box<Sent>>,
}

/// A call that was sent.
pub(crate) struct Sent {
    pub(crate) attempt: Attempt,
    pub(crate) sending: Sending,
    /// Its place among those of its operation.
    pub(crate) place: Seat,
    /// Whoever waits for the calls under way waits for it.
    pub(crate) token: TaskTrackerToken,
}

impl UnderWay {
    pub(crate) fn new(unsent: Arc<Unsent>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { calls: Mutex::default(), unsent, tasks, stop }
    }

    /// Keeps a call; its number.
    pub(crate) fn keep(&self, sent: Sent) -> u64 {
        let sent = Box::new(sent);
        let mut calls = self.calls();
        let number = calls.next;
        calls.next += 1;
        calls.sent.insert(number, sent);
        number
    }

    /// Lets go of everything: the next owner asks again.
    pub(crate) fn clear(&self) {
        let sent = std::mem::take(&mut self.calls().sent);
        // Dropped without the lock.
        drop(sent);
    }

    /// Hears what became of a call, on whatever task the bus tells it.
    pub(crate) fn heard(&self, number: u64, reply: Result<Message, Error>) {
        let Some(sent) = self.calls().sent.remove(&number) else { return };
        let Sent { attempt, sending, place, token } = *sent;
        drop(place);
        if self.stop.is_cancelled() {
            return;
        }
        let asked = attempt.ended(&sending, reply);
        drop(sending);
        match asked {
            Asked::Again => self.again(attempt, token),
            Asked::Stored(_) | Asked::Doubted(_) => {
                attempt.came();
                self.fetch(attempt, asked, token);
            }
            Asked::Ended(_) | Asked::Promised(_) | Asked::Nothing => {
                self.told(attempt, asked, token);
            }
        }
    }

    /// Ends those whose instance is gone for good.
    pub(crate) fn give_up_lost(&self) {
        let mut calls = self.calls();
        let lost = calls.sent.iter().filter(|(_, sent)| sent.sending.is_lost());
        let lost = lost.map(|(number, _)| *number).collect::<Vec<_>>();
        let lost = lost.iter().filter_map(|number| calls.sent.remove(number));
        let lost = lost.collect::<Vec<_>>();
        drop(calls);
        for sent in lost {
            let Sent { attempt, sending, place, token } = *sent;
            drop(place);
            let asked = attempt.lost(&sending);
            drop(sending);
            self.told(attempt, asked, token);
        }
    }

    /// Another instance is asked, which may take a while to find.
    fn again(&self, attempt: Attempt, token: TaskTrackerToken) {
        let attempt = attempt.that_waits(&self.unsent);
        self.tasks.spawn(ask(attempt, self.stop.clone(), (token, false)));
    }

    /// The answer is an object's content, or in doubt: the bus is asked first.
    fn fetch(&self, attempt: Attempt, asked: Asked, token: TaskTrackerToken) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let whole = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                whole = attempt.whole(asked) => whole,
            };
            if let Some(input) = attempt.input(whole) {
                tell(&attempt.shared, attempt.partition, input, &stop).await;
            }
            drop(token);
        });
    }

    fn told(&self, attempt: Attempt, asked: Asked, token: TaskTrackerToken) {
        let Some(input) = attempt.input(asked) else { return };
        let Some(input) = attempt.shared.try_tell(attempt.partition, input) else { return };
        attempt.came();
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tell(&attempt.shared, attempt.partition, input, &stop).await;
            drop(token);
        });
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        // Nothing under this lock can leave it half changed.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
