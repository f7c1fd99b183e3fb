//! Notices on the bus, and notices from it: each engine tells those of its own partitions.

use gearshift_bus::{Message, Subject, SubjectPattern, Subscription};
use gearshift_protocol::Notice;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::notice_of;
use crate::runtime::{Error, Handle, NoticeMessage};

/// Where all notices go.
const ALL: &str = "gearshift.notice.>";

/// Notices go to the bus as well, for subscribers there.
pub(super) async fn forward_notices(handle: Handle, stop: CancellationToken) {
    let mut notices = handle.outgoing();
    loop {
        let notice = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            notice = notices.recv() => notice,
        };
        let notice = match notice {
            Ok(notice) if handle.is_heard(&notice) => notice_of(&notice),
            Ok(_) => continue,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::debug!(missed, "notices lost");
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let Ok(subject) = Subject::parse(&notice.subject()) else { continue };
        let body = serde_json::to_vec(&notice).unwrap_or_default();
        if let Err(error) = handle.bus().notify(Message::new(subject, body)) {
            tracing::debug!(%error, "notice lost");
        }
    }
}

/// Notices of all partitions, as a subscriber at this engine's door gets them.
pub struct Notices(Source);

enum Source {
    /// All partitions are here.
    Here(broadcast::Receiver<std::sync::Arc<NoticeMessage>>),
    /// Other engines have some; the count is of those that were lost so far.
    Bus(Subscription, u64),
}

/// What comes next for a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something changed.
    Notice(Box<Notice>),
    /// So many were lost, because the subscriber was too slow.
    Lagged(u64),
}

impl Notices {
    /// Listens from now on.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub async fn listen(handle: &Handle) -> Result<Self, Error> {
        if handle.config().cluster.is_none() {
            return Ok(Self(Source::Here(handle.notices())));
        }
        let subscription = handle.bus().subscribe(&SubjectPattern::parse(ALL)?).await?;
        Ok(Self(Source::Bus(subscription, 0)))
    }

    /// The next one; `None` where no more will come.
    pub async fn next(&mut self) -> Option<Heard> {
        match &mut self.0 {
            Source::Here(notices) => match notices.recv().await {
                Ok(notice) => Some(Heard::Notice(Box::new(notice_of(&notice)))),
                Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Lagged(missed)),
                Err(broadcast::error::RecvError::Closed) => None,
            },
            Source::Bus(subscription, known) => loop {
                let message = subscription.next().await?;
                let lost = subscription.lagged();
                if lost > *known {
                    let missed = lost - *known;
                    *known = lost;
                    // The message that came now is lost with them.
                    return Some(Heard::Lagged(missed + 1));
                }
                match serde_json::from_slice(&message.payload) {
                    Ok(notice) => return Some(Heard::Notice(Box::new(notice))),
                    Err(error) => tracing::debug!(%error, "a notice that is none"),
                }
            },
        }
    }
}
