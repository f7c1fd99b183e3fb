//! [`SimulatedRequests`]: requests that get lost, come twice or find nobody.

use std::time::Duration;

use tokio::sync::mpsc;

use super::faults::{Dice, Fate};
use crate::local::{Exchange, timed_out};
use crate::{Error, ErrorKind, Message};

/// Requests of a simulated bus.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedRequests {
    exchange: Exchange,
    dice: Dice,
}

impl SimulatedRequests {
    pub(super) const fn new(exchange: Exchange, dice: Dice) -> Self {
        Self { exchange, dice }
    }

    pub(crate) const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(crate) async fn request(
        &self,
        message: Message,
        timeout: Duration,
    ) -> Result<Message, Error> {
        let (nobody, twice) = (self.dice.has_no_responders(), self.dice.delivers_twice());
        let fate = self.dice.request();
        self.dice.delay().await;
        if nobody {
            return Err(ErrorKind::NoResponders { subject: message.subject.to_string() }.into());
        }
        match fate {
            Fate::Told => {}
            Fate::Lost => return Err(timed_out(timeout)),
            Fate::LandedUntold => {
                self.deliver_unheard(&message)?;
                return Err(timed_out(timeout));
            }
        }
        if twice {
            self.deliver_unheard(&message)?;
        }
        let reply = self.exchange.request(message, timeout).await;
        self.dice.delay().await;
        reply
    }

    /// Delivers the request and drops what is answered.
    fn deliver_unheard(&self, message: &Message) -> Result<(), Error> {
        let (reply, _replies) = mpsc::channel(1);
        self.exchange.deliver(message, &reply)
    }
}
