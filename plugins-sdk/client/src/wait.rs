//! Waiting until an instance has come somewhere.

use std::time::Duration;

use gearshift_protocol::view::InstanceDetail;
use gearshift_protocol::{ProblemKind, Status, Wait};
use tokio::time::Instant;

use crate::error::ErrorKind;
use crate::transport::millis;
use crate::{Client, Error, Watch, WatchFilter};

/// Notices may be lost, so look again after so long without one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long one look may take, for a request that was lost on the way has no answer.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Where an instance came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Waited {
    /// The instance as it is now.
    pub instance: InstanceDetail,
    /// Is it where it was waited for? `false`: it ended elsewhere or is stuck, or a member of the
    /// transaction is that has to be taken back, so it will not come there by itself.
    pub reached: bool,
}

impl Client {
    /// Waits until the instance is in the state, is quiescent or has ended. It only reads: where
    /// nobody answers, as while a server or an engine restarts, it goes on until the time is up.
    ///
    /// # Errors
    ///
    /// Timed out; and those of [`Client::instance`], at once where waiting helps nothing, else if
    /// nobody answered all the time.
    pub async fn wait_for(
        &self,
        id: &str,
        wait: &Wait,
        timeout: Duration,
    ) -> Result<Waited, Error> {
        let end = Instant::now() + timeout;
        let mut unheard = None;
        let waiting = self.wait_without_end(id, wait, &mut unheard);
        match tokio::time::timeout_at(end, waiting).await {
            Ok(waited) => waited,
            Err(_) => {
                Err(unheard
                    .unwrap_or_else(|| ErrorKind::Timeout { millis: millis(timeout) }.into()))
            }
        }
    }

    /// `unheard` is why nothing at all was seen so far.
    async fn wait_without_end(
        &self,
        id: &str,
        wait: &Wait,
        unheard: &mut Option<Error>,
    ) -> Result<Waited, Error> {
        // A request that was lost on the way is soon repeated.
        let looker = self.clone().with_timeout(self.timeout().min(LOOK_MAX));
        let mut watch = None;
        let mut known: Option<(String, WatchFilter)> = None;
        loop {
            let seen = looker.instance(known.as_ref().map_or(id, |(id, _)| id)).await;
            match seen {
                Ok(instance) => {
                    *unheard = None;
                    if let Some(reached) = settled(&instance, wait) {
                        return Ok(Waited { instance, reached });
                    }
                    let one = instance.summary;
                    let (workflow, key) = (Some(one.workflow), Some(one.key));
                    let (_, filter) = known.get_or_insert((one.id, WatchFilter { workflow, key }));
                    // The first look resolves the id; the next one is after the watch began, so
                    // that no change falls between looking and watching.
                    if watch.is_none() {
                        watch = looker.watch(filter.clone()).await.ok();
                        if watch.is_some() {
                            continue;
                        }
                    }
                }
                Err(error) if may_pass(&error) => {
                    if known.is_none() {
                        *unheard = Some(error);
                    }
                    watch = None;
                }
                Err(error) => return Err(error),
            }
            changed(&mut watch).await;
        }
    }
}

/// Is it worth asking again, as nothing is wrong with the question?
fn may_pass(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unreachable { .. } | ErrorKind::Timeout { .. } => true,
        ErrorKind::Problem(problem) => {
            matches!(problem.kind(), ProblemKind::Timeout | ProblemKind::Unavailable)
        }
        ErrorKind::Protocol { .. } => false,
    }
}

/// Returns at the next notice, or when it is time to look again; a watch that broke is dropped.
async fn changed(watch: &mut Option<Watch>) {
    let next = async {
        match watch {
            Some(watch) => watch.next().await,
            None => std::future::pending().await,
        }
    };
    match tokio::time::timeout(LOOK_AGAIN, next).await {
        Ok(Some(Ok(_))) | Err(_) => {}
        Ok(Some(Err(_)) | None) => *watch = None,
    }
}

/// Is the waiting over, and with what end?
fn settled(instance: &InstanceDetail, wait: &Wait) -> Option<bool> {
    let status = instance.summary.status;
    let ended = status.is_ended();
    // A transaction is not stuck itself: its member is.
    let member = instance.scope.as_ref().and_then(|scope| scope.stuck.as_ref());
    let over = ended || status == Status::Stuck || member.is_some();
    match wait {
        Wait::None => Some(true),
        Wait::End => over.then_some(ended),
        Wait::State(name) => {
            let mut active = instance.summary.active.iter().chain(&instance.within);
            if active.any(|state| state == name) { Some(true) } else { over.then_some(false) }
        }
        Wait::Quiescent => (over || instance.calls.is_empty()).then_some(true),
    }
}
