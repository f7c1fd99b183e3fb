//! Answers that may be too large.

use super::{Error, Message, Replier, Request};
use crate::ErrorKind;

impl Request {
    /// [`Request::respond`]; where the reply is larger than a message may be, or than the servers
    /// carry, with what `instead` makes of its size and the limit, in bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Request::respond`], [`ErrorKind::TooLarge`] where that is too large as well.
    pub async fn respond_or(
        self,
        reply: Message,
        instead: impl FnOnce(usize, usize) -> Message,
    ) -> Result<(), Error> {
        if let Err(error) = reply.check_size()
            && let ErrorKind::TooLarge { size, limit } = *error.kind()
        {
            return self.respond(instead(size, limit)).await;
        }
        match self.reply {
            Replier::Nats(requester) => requester.respond_or(reply, instead, self.arrived).await,
            Replier::Local(_) | Replier::Told(_) => self.respond(reply).await,
        }
    }
}
