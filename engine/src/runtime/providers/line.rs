//! [`Line`]: who waits for one of so many places, in the order of arrival; those go first that are
//! asked for again, as an engine that is gone may have sent them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;

/// Places, and those who wait for one.
#[derive(Debug)]
pub(super) struct Line {
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    next: u64,
    /// Only while no place is free.
    waiting: BTreeMap<Number, oneshot::Sender<Seat>>,
}

/// Is it asked for the first time, and who came before among its like.
type Number = (bool, u64);

/// One of the places, until it is dropped: then whoever waits first has it.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Line>);

/// Somebody's place in a line, to be looked at; it keeps nothing.
#[derive(Clone, Debug)]
pub(crate) struct InLine {
    /// What is waited for, in words: `2 calls of `bank` at once`.
    limit: Arc<str>,
    line: Weak<Line>,
    /// `None`: it is the first.
    ticket: Option<Number>,
}

/// A ticket, until its holder has a place or gives up.
struct Ticket<'l>(&'l Line, Number);

impl Line {
    pub(super) fn new(places: u32) -> Self {
        let places = usize::try_from(places).unwrap_or(usize::MAX);
        let state = State { free: places, next: 0, waiting: BTreeMap::new() };
        Self { places, state: Mutex::new(state) }
    }

    /// A place, if there is one now.
    pub(super) fn at_once(self: &Arc<Self>) -> Option<Seat> {
        self.state().seat(self)
    }

    /// Waits for a place, `again` before all that are not; who has to is `told`. Always one, as
    /// nobody closes it.
    pub(super) async fn join(
        self: &Arc<Self>,
        again: bool,
        limit: impl Fn() -> String,
        told: &(dyn Fn(InLine) + Send + Sync),
    ) -> Option<Seat> {
        let (ticket, seat) = match self.enter(again) {
            Ok(seat) => return Some(seat),
            Err(waits) => waits,
        };
        told(InLine { ticket: Some(ticket.1), ..self.first(limit()) });
        // One that is handed over to somebody who gives up just then goes on to the next.
        seat.await.ok()
    }

    /// The place of who is served next.
    pub(super) fn first(self: &Arc<Self>, limit: String) -> InLine {
        InLine { limit: limit.into(), line: Arc::downgrade(self), ticket: None }
    }

    /// How many there are.
    pub(super) const fn places(&self) -> usize {
        self.places
    }

    /// Nobody has a place or waits for one?
    pub(super) fn is_idle(&self) -> bool {
        self.state().free == self.places
    }

    fn enter(self: &Arc<Self>, again: bool) -> Result<Seat, (Ticket<'_>, oneshot::Receiver<Seat>)> {
        let mut state = self.state();
        if let Some(seat) = state.seat(self) {
            return Ok(seat);
        }
        let number = (!again, state.next);
        state.next += 1;
        let (tell, told) = oneshot::channel();
        state.waiting.insert(number, tell);
        Err((Ticket(self, number), told))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn seat(&mut self, line: &Arc<Line>) -> Option<Seat> {
        self.free = self.free.checked_sub(1)?;
        Some(Seat(Arc::clone(line)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let next = match state.waiting.pop_first() {
            None => {
                state.free += 1;
                return;
            }
            Some((_, next)) => next,
        };
        drop(state);
        // Who gave up gives it back, and that is this once more.
        drop(next.send(Self(Arc::clone(&self.0))));
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let left = self.0.state().waiting.remove(&self.1);
        drop(left);
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
        line.state().waiting.range(..ticket).count()
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
                line.join(false, || "one call of `p` at once".to_owned(), &told).await
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
        let second = waiting.join_next().await;
        assert_eq!(ahead(), [0, 0, 1], "what went is ahead of nobody");
        waiting.abort_all();
        while waiting.join_next().await.is_some() {}
        drop(second);
        assert_eq!((ahead(), line.is_idle()), (vec![0, 0, 0], true));
    }

    #[tokio::test]
    async fn what_is_asked_for_again_is_served_before_all_others() {
        let line = Arc::new(Line::new(1));
        let first = line.at_once().unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for (name, again) in [("new", false), ("again", true), ("newer", false), ("later", true)] {
            let (line, served) = (Arc::clone(&line), Arc::clone(&served));
            waiting.spawn(async move {
                let seat = line.join(again, String::new, &|_| {}).await;
                served.lock().unwrap().push(name);
                drop(seat);
            });
            tokio::task::yield_now().await;
        }
        drop(first);
        while waiting.join_next().await.is_some() {}
        assert_eq!(*served.lock().unwrap(), ["again", "later", "new", "newer"]);
        assert!(line.is_idle());
    }

    #[tokio::test]
    async fn a_place_that_somebody_is_handed_who_gives_up_goes_on_to_the_next() {
        let line = Arc::new(Line::new(1));
        let first = line.at_once().unwrap();
        let mut gives_up = Box::pin(line.join(false, String::new, &|_| {}));
        let mut waits = Box::pin(line.join(false, String::new, &|_| {}));
        let soon = std::time::Duration::ZERO;
        assert!(tokio::time::timeout(soon, gives_up.as_mut()).await.is_err());
        assert!(tokio::time::timeout(soon, waits.as_mut()).await.is_err());
        drop(first);
        drop(gives_up);
        drop(waits.await.unwrap());
        assert!(line.is_idle());
    }
}
