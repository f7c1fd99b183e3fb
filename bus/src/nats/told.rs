//! [`Told`]: requests whose outcome is told, so that nothing waits for each.

use std::time::Duration;

use async_nats::StatusCode;
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::live::Outgoing;
use super::requests::{ATTEMPTS_MAX, FULL};
use super::traffic::{Shared, Waiting};
use super::wire;
use crate::local::{lock, timed_out};
use crate::requests::OnReply;
use crate::{Error, ErrorKind, Message, Subject};

/// How often overdue requests are looked for. A reply may be told so much later than in time.
const SWEEP: Duration = Duration::from_millis(50);

/// A request under way.
pub(super) struct Told {
    message: Message,
    then: OnReply,
    timeout: Duration,
    until: Instant,
    attempt: usize,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("message", &self.message).finish_non_exhaustive()
    }
}

impl Told {
    /// What is asked.
    pub(super) const fn asked(&self) -> &Subject {
        &self.message.subject
    }
}

/// A request that was not sent.
pub(super) type Unsent = (Message, OnReply);

impl Shared {
    /// Sends a request at once, or gives it back.
    pub(super) fn tell_of(
        &self,
        message: Message,
        timeout: Duration,
        then: OnReply,
    ) -> Result<(), Unsent> {
        // A timeout beyond what a clock tells is no deadline: whoever waits for itself needs none.
        let Some(until) = Instant::now().checked_add(timeout).filter(|_| self.live().is_up())
        else {
            return Err((message, then));
        };
        let sent = self.send_told(Told { message, then, timeout, until, attempt: 1 });
        sent.map_err(|told| (told.message, told.then))
    }

    fn send_told(&self, told: Told) -> Result<(), Box<Told>> {
        let live = self.live();
        let (token, reply_to) = self.token();
        let outgoing = Outgoing::from(&told.message);
        let sending = live.send(outgoing, Some(&reply_to));
        // Entered before it is sent. The lock is not taken again by what is sent.
        let mut waiting = lock(&self.waiting);
        // Closing takes all entries away, and none is made after that. Without a turn of the task's
        // budget a ready channel looks full after some messages.
        let sent = self
            .lifecycle
            .check()
            .ok()
            .and_then(|()| tokio::task::unconstrained(sending).now_or_never());
        if !matches!(sent, Some(Ok(()))) {
            return Err(Box::new(told));
        }
        waiting.insert(token, Waiting::Told(Box::new(told)));
        drop(waiting);
        if !self.sweeping.swap(true, std::sync::atomic::Ordering::AcqRel) {
            self.told.notify_one();
        }
        Ok(())
    }

    /// Tells what became of a request.
    pub(super) fn answer(&self, told: Box<Told>, reply: async_nats::Message) {
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            let subject = told.message.subject.to_string();
            return (told.then)(Err(ErrorKind::NoResponders { subject }.into()));
        }
        let reply = wire::inbound(reply);
        let Some(limit) = reply.headers.get(FULL).map(str::parse) else {
            return (told.then)(Ok(reply));
        };
        // The server picks a member of the group blindly, and another one may have room.
        let mut again = told;
        if again.attempt < ATTEMPTS_MAX {
            again.attempt += 1;
            match self.send_told(*again) {
                Ok(()) => return,
                Err(unsent) => again = unsent,
            }
        }
        let limit = limit.unwrap_or(crate::QUEUE_REQUESTS_MAX);
        (again.then)(Err(ErrorKind::Full { limit }.into()));
    }

    /// Ends what is overdue, for as long as anything is under way.
    pub(super) async fn sweep(&self) {
        loop {
            self.told.notified().await;
            loop {
                // A request entered from here on finds the sweeper awake, or wakes it.
                self.sweeping.store(false, std::sync::atomic::Ordering::Release);
                let (overdue, left) = self.overdue(Instant::now());
                if !overdue.is_empty() {
                    // What came in time is told first, where this process stood still meanwhile.
                    self.hear_out().await;
                }
                for told in self.take(overdue) {
                    let error: Error = timed_out(told.timeout);
                    (told.then)(Err(error));
                }
                if left == 0 {
                    break;
                }
                tokio::time::sleep(SWEEP).await;
            }
        }
    }

    /// What is overdue; how much else is under way.
    fn overdue(&self, now: Instant) -> (Vec<u64>, usize) {
        let waiting = lock(&self.waiting);
        let (mut overdue, mut left) = (Vec::new(), 0);
        for (token, one) in waiting.iter() {
            if let Waiting::Told(told) = one {
                match told.until <= now {
                    true => overdue.push(*token),
                    false => left += 1,
                }
            }
        }
        (overdue, left)
    }

    /// Takes out those of them that are still under way.
    fn take(&self, tokens: Vec<u64>) -> Vec<Told> {
        let mut waiting = lock(&self.waiting);
        let taken = tokens.into_iter().filter_map(|token| match waiting.remove(&token) {
            Some(Waiting::Told(told)) => Some(*told),
            Some(Waiting::Request(..) | Waiting::Probe(_)) | None => None,
        });
        taken.collect()
    }
}
