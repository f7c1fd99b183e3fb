//! The subjects of a stream, and the last message of each, as its leader has them.

use std::collections::BTreeMap;

use async_nats::jetstream::message::StreamMessage;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::json;

use super::api::codes;
use super::reader::{Wanted, get};
use super::stream::Stream;
use crate::{Error, ErrorKind};

/// Messages asked for at the same time.
const GETS_IN_FLIGHT_MAX: usize = 64;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    total: usize,
    state: PageState,
}

#[derive(Deserialize)]
struct PageState {
    #[serde(default)]
    subjects: Option<BTreeMap<String, u64>>,
}

/// The subjects that match `filter` and have messages, in order.
async fn subjects(stream: &Stream, filter: &str) -> Result<Vec<String>, Error> {
    let subject = format!("STREAM.INFO.{}", stream.name);
    let mut found = BTreeMap::new();
    loop {
        let offset = found.len();
        let body = json!({ "subjects_filter": filter, "offset": offset });
        let page = match stream.link.api::<Page>(&subject, &body).await? {
            Ok(page) => page,
            Err(error) if error.err_code == codes::STREAM_NOT_FOUND => {
                return Err(ErrorKind::NotFound { name: stream.shown.clone() }.into());
            }
            Err(error) => return Err(stream.error(error)),
        };
        found.extend(page.state.subjects.unwrap_or_default());
        if found.len() == offset || found.len() >= page.total {
            return Ok(found.into_keys().collect());
        }
    }
}

/// The last message of every subject that matches `filter` and passes `keep`, in the order of
/// the subjects.
pub(super) async fn last_of_each(
    stream: &Stream,
    filter: &str,
    keep: impl Fn(&str) -> bool,
) -> Result<Vec<StreamMessage>, Error> {
    let subjects = subjects(stream, filter).await?;
    let kept = subjects.into_iter().filter(|subject| keep(subject));
    let gets = kept.map(|subject| async move { get(stream, Wanted::LastOf(&subject)).await });
    stream::iter(gets)
        .buffered(GETS_IN_FLIGHT_MAX)
        .try_filter_map(|message| std::future::ready(Ok(message)))
        .try_collect()
        .await
}
