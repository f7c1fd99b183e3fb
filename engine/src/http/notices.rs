//! Notices as server-sent events: one stream per subscriber, resumed from now on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, future};
use serde::Deserialize;
use tokio_stream::wrappers::BroadcastStream;

use super::door::Shared;
use crate::api::notice_of;

/// What a subscriber wants to hear of.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    workflow: Option<String>,
    key: Option<String>,
}

/// A comment this often keeps middle boxes from closing an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Streams notices; a subscriber that does not read loses the oldest and is told how many.
pub(super) async fn stream(
    State(shared): State<Shared>,
    Query(filter): Query<Filter>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stopping = shared.handle.clone();
    let events = BroadcastStream::new(shared.handle.notices())
        .filter_map(move |message| {
            let event = match message {
                Ok(message) => {
                    let wanted = is_wanted(&filter, message.key.workflow(), message.key.key());
                    let text = || serde_json::to_string(&notice_of(&message)).unwrap_or_default();
                    wanted.then(|| Event::default().event("notice").data(text()))
                }
                Err(lagged) => Some(Event::default().event("lagged").data(lagged.to_string())),
            };
            future::ready(event.map(Ok))
        })
        .take_until(async move { stopping.stopping().await });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn is_wanted(filter: &Filter, workflow: &str, key: &str) -> bool {
    filter.workflow.as_deref().is_none_or(|wanted| wanted == workflow)
        && filter.key.as_deref().is_none_or(|wanted| wanted == key)
}
