//! Notices as server-sent events: one stream per subscriber, resumed from now on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_util::{StreamExt, future, stream};
use serde::Deserialize;

use super::door::{Shared, refuse};
use crate::api::{Heard, Notices};

/// What a subscriber wants to hear of.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    workflow: Option<String>,
    key: Option<String>,
}

/// A comment this often keeps middle boxes from closing an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Streams notices of all partitions; a subscriber that does not read loses some and is told how
/// many.
pub(super) async fn stream(State(shared): State<Shared>, Query(filter): Query<Filter>) -> Response {
    let notices = match Notices::listen(&shared.handle).await {
        Ok(notices) => notices,
        Err(error) => return refuse(&Box::<gearshift_protocol::Problem>::from(error)),
    };
    let stopping = shared.handle.clone();
    let heard = stream::unfold(notices, async |mut notices| {
        let heard = notices.next().await?;
        Some((heard, notices))
    });
    let events = heard
        .filter_map(move |heard| {
            let event = match heard {
                Heard::Notice(notice) => {
                    is_wanted(&filter, &notice.workflow, &notice.key).then(|| {
                        let text = serde_json::to_string(&notice).unwrap_or_default();
                        Event::default().event("notice").data(text)
                    })
                }
                Heard::Lagged(missed) => {
                    Some(Event::default().event("lagged").data(missed.to_string()))
                }
            };
            future::ready(event.map(Ok::<_, Infallible>))
        })
        .take_until(async move { stopping.stopping().await });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn is_wanted(filter: &Filter, workflow: &str, key: &str) -> bool {
    filter.workflow.as_deref().is_none_or(|wanted| wanted == workflow)
        && filter.key.as_deref().is_none_or(|wanted| wanted == key)
}
