//! [`Line`]: who waits for one of so many places, in the order of arrival.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places, and those who wait for one.
#[derive(Debug)]
pub(super) struct Line {
    places: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    tickets: BTreeSet<u64>,
}

/// Somebody's place in a line, to be looked at; it keeps nothing.
#[derive(Clone, Debug)]
pub(crate) struct InLine {
    /// What is waited for, in words: `2 calls of `bank` at once`.
    limit: Arc<str>,
    line: Weak<Line>,
    /// `None`: it is the first.
    ticket: Option<u64>,
}

/// A ticket, until its holder has a place or gives up.
struct Ticket<'l>(&'l Line, u64);

impl Line {
    pub(super) fn new(places: u32) -> Self {
        let places = usize::try_from(places).unwrap_or(usize::MAX >> 4);
        Self { places: Arc::new(Semaphore::new(places)), waiting: Mutex::default() }
    }

    /// A place, if there is one now.
    pub(super) fn at_once(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Waits for a place; who has to is `told`. Always one, as nobody closes it.
    pub(super) async fn join(
        self: &Arc<Self>,
        limit: impl Fn() -> String,
        told: &(dyn Fn(InLine) + Send + Sync),
    ) -> Option<OwnedSemaphorePermit> {
        if let Some(place) = self.at_once() {
            return Some(place);
        }
        let ticket = self.ticket();
        told(InLine { ticket: Some(ticket.1), ..self.first(limit()) });
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// The place of who is served next.
    pub(super) fn first(self: &Arc<Self>, limit: String) -> InLine {
        InLine { limit: limit.into(), line: Arc::downgrade(self), ticket: None }
    }

    /// Nobody has a place or waits for one?
    pub(super) fn is_idle(&self) -> bool {
        Arc::strong_count(&self.places) == 1
    }

    fn ticket(&self) -> Ticket<'_> {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.tickets.insert(number);
        Ticket(self, number)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Single calls, so that a panic leaves nothing half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.0.waiting().tickets.remove(&self.1);
    }
}

impl InLine {
    /// `the limit of 2 calls of `bank` at once is reached, 3 calls are ahead`.
    pub(super) fn words(&self) -> String {
        let limit = &self.limit;
        match self.ahead() {
            0 => format!("the limit of {limit} is reached, and it is the next"),
            1 => format!("the limit of {limit} is reached, and one call that waits is ahead"),
            ahead => {
                format!("the limit of {limit} is reached, and {ahead} calls that wait are ahead")
            }
        }
    }

    /// How many of those who wait are served before.
    fn ahead(&self) -> usize {
        let (Some(line), Some(ticket)) = (self.line.upgrade(), self.ticket) else { return 0 };
        line.waiting().tickets.range(..ticket).count()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn who_waits_knows_how_many_are_ahead() {
        let line = Arc::new(Line::new(1));
        let first = line.at_once().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (line, seen) = (Arc::clone(&line), Arc::clone(&seen));
            waiting.spawn(async move {
                let told = move |place| seen.lock().unwrap().push(place);
                line.join(|| "one call of `p` at once".to_owned(), &told).await
            });
            tokio::task::yield_now().await;
        }
        let ahead = || seen.lock().unwrap().iter().map(InLine::ahead).collect::<Vec<_>>();
        assert_eq!(ahead(), [0, 1, 2]);
        let words = seen.lock().unwrap()[2].words();
        let said =
            "the limit of one call of `p` at once is reached, and 2 calls that wait are ahead";
        assert_eq!(words, said);
        drop(first);
        waiting.join_next().await;
        assert_eq!(ahead(), [0, 0, 1], "what went is ahead of nobody");
        waiting.abort_all();
        while waiting.join_next().await.is_some() {}
        assert_eq!((ahead(), line.is_idle()), (vec![0, 0, 0], true));
    }
}
