//! [`Held`]: what must not be taken yet, because something before it in its source was refused.

use std::collections::BTreeMap;

/// The source of something that was told in order, and the round in which it was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) source: u16,
    pub(super) round: u64,
}

/// The last round of each source of which something was refused as busy: were it to take what that
/// round tells behind it, a partition's cursor would pass what it refused.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<u16, u64>);

impl Held {
    /// Is it of a round of which something was refused? A later round says that the reader knows
    /// of it and has gone back, so it ends the hold, whatever it tells.
    pub(super) fn holds(&mut self, place: Option<Place>) -> bool {
        let Some(Place { source, round }) = place else { return false };
        let holds = self.0.get(&source).is_some_and(|held| round <= *held);
        if !holds {
            self.0.remove(&source);
        }
        holds
    }

    /// These were refused: what their rounds tell behind them has to wait.
    pub(super) fn hold_back(&mut self, refused: &[Option<Place>]) {
        for Place { source, round } in refused.iter().flatten() {
            let held = self.0.entry(*source).or_insert(*round);
            *held = (*held).max(*round);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Place};

    #[test]
    fn a_round_is_held_from_its_refusal_until_the_next_one_begins() {
        let place = |source, round| Some(Place { source, round });
        let mut held = Held::default();
        assert!(!held.holds(place(1, 7)));
        held.hold_back(&[None, place(1, 7)]);
        assert!(held.holds(place(1, 7)) && held.holds(place(1, 6)));
        assert!(!held.holds(place(2, 7)), "another source goes on");
        assert!(!held.holds(None), "so does what has no source");
        assert!(!held.holds(place(1, 8)));
        held.hold_back(&[place(1, 9), place(1, 8)]);
        assert!(held.holds(place(1, 9)), "an older round does not shorten the hold");
    }
}
