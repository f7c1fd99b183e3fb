//! Waiting until an instance has come somewhere.

use std::time::Duration;

use gearshift_protocol::view::InstanceDetail;
use gearshift_protocol::{Status, Wait};

use crate::error::ErrorKind;
use crate::transport::millis;
use crate::{Client, Error, Watch, WatchFilter};

/// Notices may be lost, so look again after so long without one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
    /// Waits until the instance is in the state, is quiescent or has ended.
    ///
    /// # Errors
    ///
    /// Timed out; and those of [`Client::instance`].
    pub async fn wait_for(
        &self,
        id: &str,
        wait: &Wait,
        timeout: Duration,
    ) -> Result<Waited, Error> {
        let waiting = self.wait_without_end(id, wait);
        match tokio::time::timeout(timeout, waiting).await {
            Ok(waited) => waited,
            Err(_) => Err(ErrorKind::Timeout { millis: millis(timeout) }.into()),
        }
    }

    async fn wait_without_end(&self, id: &str, wait: &Wait) -> Result<Waited, Error> {
        // The first look resolves the id; the next ones are after the watch began, so that no
        // change falls between looking and watching.
        let first = self.instance(id).await?;
        if let Some(reached) = settled(&first, wait) {
            return Ok(Waited { instance: first, reached });
        }
        let filter =
            WatchFilter { workflow: Some(first.summary.workflow), key: Some(first.summary.key) };
        let id = first.summary.id;
        let mut watch = Some(self.watch(filter).await?);
        loop {
            let instance = self.instance(&id).await?;
            if let Some(reached) = settled(&instance, wait) {
                return Ok(Waited { instance, reached });
            }
            changed(&mut watch).await;
        }
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
