//! [`Lane`]: a connection of its own for reading what strangers stored.
//!
//! The client closes its connection over a header block that it cannot read, and ends for good
//! over a carriage return in a header's value. What is stored comes again, so reading it over
//! the connection that the journal uses would stop the journal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::NatsOptions;
use super::connection::Link;
use crate::Error;
use crate::local::Lifecycle;

/// How long a connection may take to show that it ended.
const SIGN_MAX: Duration = Duration::from_secs(1);

/// Makes its connection when it is needed first, and anew after that one ended.
#[derive(Debug, Clone)]
pub(super) struct Lane(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: NatsOptions,
    lifecycle: Lifecycle,
    link: Mutex<Option<Link>>,
}

impl Lane {
    pub(super) fn new(options: &NatsOptions, lifecycle: Lifecycle) -> Self {
        let mut options = options.clone();
        options.name.push_str(" reader");
        Self(Arc::new(Inner { options, lifecycle, link: Mutex::default() }))
    }

    pub(super) async fn link(&self) -> Result<Link, Error> {
        let mut held = self.0.link.lock().await;
        if let Some(link) = &*held {
            // One that reconnects takes its time; only one that ended says no.
            let flushed = tokio::time::timeout(SIGN_MAX, link.client.flush()).await;
            if !matches!(flushed, Ok(Err(_))) {
                return Ok(link.clone());
            }
            tracing::warn!("a message ended the connection it was read over; it is made anew");
        }
        let link = Link::connect(&self.0.options, self.0.lifecycle.clone()).await?;
        *held = Some(link.clone());
        Ok(link)
    }
}
