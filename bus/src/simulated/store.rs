//! [`Store`]: a store in memory and the dice beside it.

use super::faults::Dice;
use super::{Faults, Inbox, Log, SimulatedRequests};
use crate::local::{Exchange, Lifecycle};
use crate::{Clock, Error, Message, memory};

/// Everything a simulated bus holds.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    memory: memory::Store,
    dice: Dice,
}

impl Store {
    pub(crate) fn new(seed: u64, faults: Faults, clock: Clock, lifecycle: Lifecycle) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let memory = memory::Store::with_random(random, clock, lifecycle);
        Self { memory, dice: Dice::new(seed, faults) }
    }

    pub(crate) const fn memory(&self) -> &memory::Store {
        &self.memory
    }

    pub(crate) fn log(&self, name: &str) -> Log {
        Log::new(self.memory.log(name), self.dice.clone())
    }

    pub(crate) fn inbox(&self, name: &str) -> Inbox {
        Inbox::new(self.memory.inbox(name), self.dice.clone())
    }

    pub(crate) fn requests(&self, exchange: Exchange) -> SimulatedRequests {
        SimulatedRequests::new(exchange, self.dice.clone())
    }

    pub(crate) fn loses_notice(&self) -> bool {
        self.dice.loses_notice()
    }

    pub(crate) async fn capture(&self, message: &Message) -> Result<bool, Error> {
        let Some(inbox) = self.memory.capturing(message) else { return Ok(false) };
        Inbox::new(inbox, self.dice.clone()).publish(message).await?;
        Ok(true)
    }
}
