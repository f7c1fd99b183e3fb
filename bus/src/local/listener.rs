//! [`Listener`]: a bounded queue that drops its oldest message.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::exchange::Guard;
use super::{Lifecycle, lock};
use crate::{Message, QUEUE_MESSAGES_MAX};

/// The end that waits for messages.
#[derive(Debug)]
pub(crate) struct Listener {
    queue: Arc<ListenerQueue>,
    lifecycle: Lifecycle,
    #[expect(dead_code, reason = "held for its drop, which ends the subscription")]
    guard: Guard,
}

/// The end that is filled.
#[derive(Debug, Default)]
pub(crate) struct ListenerQueue {
    held: Mutex<Held>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<Message>,
    dropped: u64,
}

impl ListenerQueue {
    pub(crate) fn push(&self, message: Message) {
        let mut held = lock(&self.held);
        if held.messages.len() == QUEUE_MESSAGES_MAX {
            held.messages.pop_front();
            held.dropped += 1;
        }
        held.messages.push_back(message);
        drop(held);
        self.filled.notify_one();
    }

    pub(crate) fn pop(&self) -> Option<Message> {
        lock(&self.held).messages.pop_front()
    }

    /// Ends once there was a message since it last ended.
    pub(crate) async fn filled(&self) {
        // `notify_one` leaves a permit when nobody waits, so no message is overslept.
        self.filled.notified().await;
    }

    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.held).dropped
    }
}

impl Listener {
    pub(super) const fn new(queue: Arc<ListenerQueue>, lifecycle: Lifecycle, guard: Guard) -> Self {
        Self { queue, lifecycle, guard }
    }

    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.queue.pop() {
                return Some(message);
            }
            tokio::select! {
                biased;
                () = self.queue.filled() => {}
                () = self.lifecycle.closed() => return self.queue.pop(),
            }
        }
    }

    pub(crate) fn lagged(&self) -> u64 {
        self.queue.dropped()
    }
}
