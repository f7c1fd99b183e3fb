//! Silent plugins: the bus knows that they are connected, and nobody of them answers, as a process
//! does that stands still.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use gearshift_bus::{BackendKind, Bus, ErrorKind, Message, Subject};
use gearshift_protocol::subjects;

/// How long one that is there may take to say so.
const SAYS_SO: Duration = Duration::from_secs(1);
/// So many names are asked for at most.
const ASKED_MAX: usize = 64;

/// Those of these plugins that are connected, and do not answer: of one that is not there the bus
/// says at once that nobody listens. In one process all run, or none.
pub(crate) async fn silent<'n>(bus: &Bus, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    if !matches!(bus.kind(), BackendKind::Nats) {
        return Vec::new();
    }
    let requests = bus.requests();
    let names = names.filter(|name| subjects::is_service_name(name)).take(ASKED_MAX);
    let each = names.map(async |name| {
        let subject = Subject::parse(&format!("$SRV.PING.{name}")).ok()?;
        let answer = requests.request(Message::new(subject, Bytes::new()), SAYS_SO).await;
        let is_silent =
            answer.is_err_and(|error| matches!(error.kind(), ErrorKind::Timeout { .. }));
        is_silent.then(|| name.to_owned())
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// What is said of one of them.
pub(crate) fn silent_words(name: &str) -> String {
    format!(
        "plugin `{name}` is connected and does not answer: its process stands still, or is too busy"
    )
}
