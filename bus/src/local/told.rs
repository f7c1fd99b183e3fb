//! [`Deadlines`]: requests in one process whose outcome is told, so that nothing waits for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::exchange::timed_out;
use super::{Lifecycle, lock};
use crate::requests::OnReply;
use crate::{Error, ErrorKind, Message};

/// When a request is overdue, and which one it is.
type Due = (Instant, u64);

/// The requests under way; dropped, it tells nobody any more.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    under_way: Arc<UnderWay>,
    /// What tells the overdue ones, begun with the first request.
    sweeper: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    table: Mutex<Table>,
    /// The earliest deadline became another one.
    changed: Notify,
}

#[derive(Default)]
struct Table {
    next_id: u64,
    /// When whoever tells the overdue ones looks next; `None` while nothing is under way.
    next_look: Option<Instant>,
    told: BTreeMap<Due, (Duration, OnReply)>,
}

/// One request under way: the first answer is told, once.
#[derive(Debug)]
pub(crate) struct Told {
    under_way: Arc<UnderWay>,
    due: Due,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("told", &self.told.len()).finish_non_exhaustive()
    }
}

impl Deadlines {
    /// Enters a request; gives `then` back where its deadline is beyond what a clock tells.
    pub(super) fn enter(
        &self,
        timeout: Duration,
        then: OnReply,
        lifecycle: &Lifecycle,
    ) -> Result<Told, OnReply> {
        let Some(until) = Instant::now().checked_add(timeout) else { return Err(then) };
        self.begin(lifecycle);
        let mut table = lock(&self.under_way.table);
        let due = (until, table.next_id);
        table.next_id += 1;
        table.told.insert(due, (timeout, then));
        let is_sooner = table.next_look.is_none_or(|look| until < look);
        if is_sooner {
            table.next_look = Some(until);
        }
        drop(table);
        if is_sooner {
            self.under_way.changed.notify_one();
        }
        let told = Told { under_way: Arc::clone(&self.under_way), due };
        // Entered before this look, so that closing finds it, or it is found here.
        match lifecycle.check().err().and_then(|_closed| told.take()) {
            Some(then) => Err(then),
            None => Ok(told),
        }
    }

    fn begin(&self, lifecycle: &Lifecycle) {
        let mut sweeper = lock(&self.sweeper);
        if sweeper.is_empty() {
            sweeper.spawn(sweep(Arc::clone(&self.under_way), lifecycle.clone()));
        }
    }
}

impl Told {
    /// Tells the answer, unless one was told before or the deadline is over.
    pub(crate) fn answer(&self, reply: Message) {
        if let Some(then) = self.take() {
            then(Ok(reply));
        }
    }

    /// Nothing is told of it any more.
    pub(crate) fn take(&self) -> Option<OnReply> {
        lock(&self.under_way.table).told.remove(&self.due).map(|(_, then)| then)
    }
}

/// Ends what is overdue, until the bus is closed; nothing is told after that.
async fn sweep(under_way: Arc<UnderWay>, lifecycle: Lifecycle) {
    loop {
        let next = under_way.next_look();
        let wait = async {
            match next {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = lifecycle.closed() => break,
            () = under_way.changed.notified() => {}
            () = wait => {}
        }
        for (timeout, then) in under_way.overdue() {
            let error: Error = timed_out(timeout);
            then(Err(error));
        }
    }
    let left = std::mem::take(&mut lock(&under_way.table).told);
    for (_, then) in left.into_values() {
        then(Err(ErrorKind::Closed.into()));
    }
}

impl UnderWay {
    fn next_look(&self) -> Option<Instant> {
        let mut table = lock(&self.table);
        table.next_look = table.told.first_key_value().map(|((until, _), _)| *until);
        table.next_look
    }

    fn overdue(&self) -> Vec<(Duration, OnReply)> {
        let mut table = lock(&self.table);
        // What is due at this very moment is overdue, whatever its number.
        let left = table.told.split_off(&(Instant::now(), u64::MAX));
        std::mem::replace(&mut table.told, left).into_values().collect()
    }
}
