//! [`InHand`]: answers that have come and that their partition is not told yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gearshift_machine::machine::InstanceKey;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::shared::Shared;

/// Those of one partition, but for those that are told in the moment they come.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    /// How many there are for each instance.
    answers: Mutex<HashMap<InstanceKey, u32>>,
    told: Notify,
}

/// One of them, until it is told or nothing comes of it: then it is dropped.
pub(crate) struct Answer {
    shared: Arc<Shared>,
    partition: u16,
    key: InstanceKey,
}

impl InHand {
    /// Is there one for this instance?
    pub(super) fn has(&self, key: &InstanceKey) -> bool {
        self.answers().contains_key(key)
    }

    /// Resolves when one was told since the last time.
    pub(super) fn told(&self) -> Notified<'_> {
        self.told.notified()
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<InstanceKey, u32>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    /// An answer has come for this instance.
    pub(crate) fn came(shared: Arc<Shared>, partition: u16, key: InstanceKey) -> Self {
        *shared.seat(partition).in_hand.answers().entry(key.clone()).or_default() += 1;
        Self { shared, partition, key }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let in_hand = &self.shared.seat(self.partition).in_hand;
        let mut answers = in_hand.answers();
        if let Some(count) = answers.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                answers.remove(&self.key);
            }
        }
        drop(answers);
        in_hand.told.notify_one();
    }
}
