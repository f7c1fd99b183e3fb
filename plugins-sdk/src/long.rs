//! Work that takes long: signs of life while it lasts, a result that is published until it is
//! stored.

use std::time::Duration;

use gearshift_bus::{Bus, Error, ErrorKind, Message};
use tokio::time::sleep;

use crate::answer::Answered;
use crate::bodies::too_large;
use crate::context::Context;
use crate::inflight::Unwanted;

/// Waits between attempts to publish a result: doubled from the first to the last.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long a result is tried to be published whose caller set no deadline.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Quickest signs of life, whatever interval was asked for.
const BEAT_MIN: Duration = Duration::from_millis(5);

/// One call whose result comes later.
pub(crate) struct Call<'a> {
    pub(crate) bus: &'a Bus,
    pub(crate) context: &'a Context,
    /// How often a sign of life is promised.
    pub(crate) heartbeat: Duration,
}

impl Call<'_> {
    /// Runs the handler and publishes what `result` makes of its answer.
    ///
    /// Ends once the result is stored, or nobody waits for it and it was tried once.
    pub(crate) async fn work(
        self,
        run: impl Future<Output = Answered>,
        mut result: impl FnMut(Answered) -> Message,
    ) {
        let unwanted = &self.context.progress.unwanted;
        let run = async {
            let message = result(run.await);
            let size = message.payload.len();
            if let Some(limit) = self.deliver(message, unwanted).await {
                // Else it is waited for until its signs of life are missed.
                self.deliver(result(Err(too_large(size.max(limit + 1), limit))), unwanted).await;
            }
        };
        tokio::select! {
            biased;
            () = run => {}
            () = self.until_deadline(unwanted) => {}
            () = self.beat(unwanted) => {}
        }
    }

    /// Gives signs of life for as long as anybody waits; never ends.
    async fn beat(&self, unwanted: &Unwanted) {
        let every = (self.heartbeat / 3).max(BEAT_MIN);
        while !unwanted.is_cancelled() {
            sleep(every).await;
            if !unwanted.is_cancelled() {
                self.context.beat_again();
            }
        }
        std::future::pending().await
    }

    /// Tells the handler once its deadline is over; never ends.
    async fn until_deadline(&self, unwanted: &Unwanted) {
        if let Some(left) = self.context.time_left() {
            sleep(left).await;
            unwanted.cancel();
        }
        std::future::pending().await
    }

    /// Publishes the result until it is stored. After the deadline, and where the call was
    /// cancelled, one attempt is made: the engine then keeps what it did not wait for.
    ///
    /// Gives the limit of a message, in bytes, where this one is larger.
    async fn deliver(&self, message: Message, unwanted: &Unwanted) -> Option<usize> {
        let patience = async {
            match self.context.time_left() {
                Some(_) => std::future::pending().await,
                None => sleep(PATIENCE).await,
            }
        };
        tokio::pin!(patience);
        let (mut wait, longest) = WAITS;
        let mut said = false;
        loop {
            let error = match self.bus.deliver(message.clone()).await {
                Ok(()) => return None,
                Err(error) => error,
            };
            if let ErrorKind::TooLarge { limit, .. } = *error.kind() {
                given_up(&error);
                return Some(limit);
            }
            if is_final(&error) || unwanted.is_cancelled() {
                given_up(&error);
                return None;
            }
            if !said {
                tracing::warn!(%error, "the result could not be published yet; it is tried again");
                said = true;
            }
            tokio::select! {
                biased;
                () = &mut patience => {
                    given_up(&error);
                    return None;
                }
                () = unwanted.cancelled() => {}
                () = sleep(wait) => {}
            }
            wait = (wait * 2).min(longest);
        }
    }
}

/// Would another attempt end the same way?
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Closed | ErrorKind::InvalidSubject { .. })
}

fn given_up(error: &Error) {
    tracing::warn!(%error, "the result was not published");
}
