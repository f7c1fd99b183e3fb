//! The door on the bus itself: services of the same process, and on NATS everybody.

use std::sync::Arc;

use bytes::Bytes;
use gearshift_bus::{Message, Subject, SubjectPattern};
use gearshift_protocol::{Problem, headers};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Reply, Request, answer, notice_of};
use crate::runtime::{Error, Handle};

/// What is served, as subject patterns.
const SERVED: [&str; 4] =
    ["gearshift.event.>", "gearshift.command.>", "gearshift.query.>", "gearshift.publish.>"];
/// The queue group of engines.
const GROUP: &str = "gearshift";
/// Requests answered at once; more wait in the bus's own bounded queue.
const IN_FLIGHT_MAX: usize = 4_096;

/// Serves until dropped or the engine stops.
pub struct BusDoor {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl BusDoor {
    /// Stops serving and waits for requests under way.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for BusDoor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves events, commands and queries on the bus of `handle`.
///
/// # Errors
/// [`Error::Bus`].
pub async fn serve_on_bus(handle: &Handle) -> Result<BusDoor, Error> {
    let door = BusDoor { stop: CancellationToken::new(), tasks: TaskTracker::new() };
    let permits = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    for pattern in SERVED {
        let pattern = SubjectPattern::parse(pattern)?;
        let mut server = handle.bus().requests().serve(&pattern, GROUP).await?;
        let (handle, stop) = (handle.clone(), door.stop.clone());
        let (permits, tasks) = (Arc::clone(&permits), door.tasks.clone());
        door.tasks.spawn(async move {
            loop {
                let request = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = handle.stopping() => return,
                    request = server.next() => request,
                };
                let Some(request) = request else { return };
                let permit = Arc::clone(&permits).acquire_owned().await;
                let handle = handle.clone();
                tasks.spawn(async move {
                    let message = &request.message;
                    let asked = Request {
                        subject: message.subject.as_str().to_owned(),
                        headers: message.headers.clone(),
                        body: message.payload.clone(),
                    };
                    let subject = message.subject.clone();
                    let reply = message_of(subject, answer(&handle, asked).await);
                    if let Err(error) = request.respond(reply).await {
                        tracing::debug!(%error, "asker left before the answer");
                    }
                    drop(permit);
                });
            }
        });
    }
    door.tasks.spawn(forward_notices(handle.clone(), door.stop.clone()));
    Ok(door)
}

/// Notices go to the bus as well, for subscribers there.
async fn forward_notices(handle: Handle, stop: CancellationToken) {
    let mut notices = handle.notices();
    loop {
        let notice = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            notice = notices.recv() => notice,
        };
        let notice = match notice {
            Ok(notice) => notice_of(&notice),
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

/// A problem travels as a service error, with the problem as the body.
fn message_of(subject: Subject, reply: Reply) -> Message {
    let (body, problem) = match reply {
        Ok(body) => (body, None),
        Err(problem) => {
            (Bytes::from(serde_json::to_vec(&problem).unwrap_or_default()), Some(problem))
        }
    };
    let kind = if problem.is_some() { headers::PROBLEM_JSON } else { headers::JSON };
    let mut message = Message::new(subject, body);
    let mut list = vec![(headers::CONTENT_TYPE, kind.to_owned())];
    if let Some(problem) = problem {
        list.extend(error_headers(&problem));
    }
    for (name, value) in list {
        if let Err(error) = message.headers.insert(name, &value) {
            tracing::warn!(%error, name, "header left out");
        }
    }
    message
}

fn error_headers(problem: &Problem) -> [(&'static str, String); 2] {
    let text = problem.detail.replace(char::is_control, " ");
    let short = text.chars().take(256).collect();
    [(headers::SERVICE_ERROR_CODE, problem.status.to_string()), (headers::SERVICE_ERROR, short)]
}
