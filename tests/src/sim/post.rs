//! Letters on their way: in order, out of order, again.

use std::collections::BTreeMap;

use gearshift_machine::machine::{InstanceKey, Letter, Outcome};
use gearshift_machine::partition::PartitionInput;

use super::random::Random;
use super::world::World;

/// What of the letters on their way is told now.
pub(super) fn letters(
    random: &mut Random,
    waiting: &BTreeMap<u64, (InstanceKey, Letter)>,
    taken: Option<&(InstanceKey, Letter)>,
) -> Vec<PartitionInput> {
    let told = |after: u64, (sender, letter): &(InstanceKey, Letter)| {
        let (sender, letter) = (sender.clone(), letter.clone());
        PartitionInput::Letter { from: 0, after, sender, letter }
    };
    let mut inputs = Vec::new();
    if let Some(again) = taken.filter(|_| random.chance(100)) {
        inputs.push(told(0, again));
    }
    let most = random.place(8);
    let mut after = 0;
    for (number, one) in waiting.iter().take(most) {
        // One that is lost on the way holds back those behind it.
        if !random.chance(50) {
            inputs.push(told(after, one));
        }
        after = *number;
    }
    inputs
}

impl World<'_> {
    /// A letter that was taken waits no more.
    pub(super) fn letter_answered(&mut self, input: &PartitionInput, outcome: &Outcome) {
        let PartitionInput::Letter { letter, .. } = input else { return };
        if matches!(outcome, Outcome::Busy { .. }) {
            return self.report.count("letters before their time");
        }
        if matches!(outcome, Outcome::Duplicate { .. }) {
            self.report.count("letters taken before");
        }
        self.report.count("letters");
        if let Some(taken) = self.letters.remove(&letter.number) {
            self.taken = Some(taken);
        }
    }
}
