//! [`Watch`]: notices as they come.

use std::collections::VecDeque;
use std::time::Duration;

use gearshift_bus::Subscription;
use gearshift_protocol::{Encoding, Notice, headers};

use crate::error::{Error, ErrorKind};
use crate::sse::Events;
use crate::transport::millis;

/// The engine sends a sign of life every 15 seconds; after four silent ones it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Which notices to watch; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchFilter {
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Only those of instances with this key.
    pub key: Option<String>,
}

impl WatchFilter {
    fn takes(&self, notice: &Notice) -> bool {
        self.workflow.as_ref().is_none_or(|workflow| *workflow == notice.workflow)
            && self.key.as_ref().is_none_or(|key| *key == notice.key)
    }
}

/// Notices as they come; made by [`crate::Client::watch`]. Some may be lost, so what they say is
/// for people and for a reason to look again.
#[derive(Debug)]
pub struct Watch {
    source: Source,
    filter: WatchFilter,
    ready: VecDeque<Notice>,
}

#[derive(Debug)]
enum Source {
    Bus(Subscription),
    Http { target: String, response: Box<reqwest::Response>, events: Events },
}

impl Watch {
    pub(crate) const fn bus(subscription: Subscription, filter: WatchFilter) -> Self {
        Self { source: Source::Bus(subscription), filter, ready: VecDeque::new() }
    }

    pub(crate) fn http(target: String, response: reqwest::Response, filter: WatchFilter) -> Self {
        let response = Box::new(response);
        let source = Source::Http { target, response, events: Events::default() };
        Self { source, filter, ready: VecDeque::new() }
    }

    /// The next notice; `None` once the engine or the bus ended the stream. Nothing is lost when
    /// the future is dropped.
    ///
    /// # Errors
    ///
    /// The connection broke or fell silent, or a notice is not understood; after the latter the
    /// next one may be.
    pub async fn next(&mut self) -> Option<Result<Notice, Error>> {
        loop {
            if let Some(notice) = self.ready.pop_front() {
                return Some(Ok(notice));
            }
            let came = match self.source.next().await? {
                Ok(came) => came,
                Err(error) => return Some(Err(error)),
            };
            self.ready.extend(came.into_iter().filter(|notice| self.filter.takes(notice)));
        }
    }
}

impl Source {
    async fn next(&mut self) -> Option<Result<Vec<Notice>, Error>> {
        match self {
            Self::Bus(subscription) => {
                let message = subscription.next().await?;
                let encoding = Encoding::of(message.headers.get(headers::CONTENT_TYPE));
                let notice = encoding.and_then(|encoding| encoding.decode(&message.payload));
                Some(notice.map(|notice| vec![notice]).map_err(Error::from))
            }
            Self::Http { target, response, events } => {
                let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
                    Ok(Ok(Some(chunk))) => chunk,
                    Ok(Ok(None)) => return None,
                    Ok(Err(error)) => return Some(Err(Error::unreachable(&*target, error))),
                    Err(_) => {
                        let silent = ErrorKind::Timeout { millis: millis(SILENCE_MAX) };
                        return Some(Err(silent.into()));
                    }
                };
                Some(read(events, &chunk))
            }
        }
    }
}

fn read(events: &mut Events, chunk: &[u8]) -> Result<Vec<Notice>, Error> {
    let texts = events.take(chunk).map_err(|error| Error::protocol(error.to_string()))?;
    let notices = texts.iter().map(|text| Encoding::Json.decode(text.as_bytes()));
    Ok(notices.collect::<Result<_, _>>()?)
}
