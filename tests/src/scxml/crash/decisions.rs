//! [`Decisions`]: what journals say of instances, whatever frames it stands in.

use std::collections::BTreeMap;

use gearshift_bus::Bus;

use crate::journal::{Letter, Opened, open};

/// Journal bytes read at once.
const READ_BYTES: usize = 4 * 1_024 * 1_024;

/// One decision of an instance, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    /// The owner's time.
    at: i64,
    /// What changed.
    delta: Vec<u8>,
    /// The line of its history.
    trace: Vec<u8>,
}

/// The decisions of each instance in order, and the dead letters.
///
/// Left out is what a crash may change: the frames that open epochs, which frame a decision stands
/// in and with which others (what waits is decided together, and after a restart other things
/// wait), how decisions of two instances interleave, and the bookkeeping of what was told twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    instances: BTreeMap<String, Vec<Decision>>,
    dead: Vec<Letter>,
}

impl Decisions {
    /// Reads the journals of all `partitions` from their beginnings.
    ///
    /// # Errors
    /// What cannot be read.
    pub async fn read(bus: &Bus, partitions: u16) -> Result<Self, String> {
        let mut all = Self::default();
        for partition in 0..partitions {
            let log = bus.log(&format!("journal-{partition}")).await;
            let log = log.map_err(|error| error.to_string())?;
            let mut next = 1;
            loop {
                let entries = log.read_from(next, READ_BYTES).await;
                let entries = entries.map_err(|error| error.to_string())?;
                let Some(last) = entries.last() else { break };
                next = last.sequence + 1;
                for entry in &entries {
                    all.take(&entry.frame).map_err(|wrong| {
                        format!("frame {} of journal-{partition}: {wrong}", entry.sequence)
                    })?;
                }
            }
        }
        // Two partitions write theirs in no order.
        all.dead.sort_by_cached_key(|letter| format!("{letter:?}"));
        Ok(all)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.instances.values().map(Vec::len).sum()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let frame = match open(bytes)? {
            Opened::Foreign => return Err("it is not the engine's".to_owned()),
            Opened::Frame(frame) => *frame,
        };
        for change in frame.changes {
            let decision = Decision { at: frame.at, delta: change.delta, trace: change.trace };
            self.instances.entry(change.instance).or_default().push(decision);
        }
        self.dead.extend(frame.letters);
        Ok(())
    }

    /// The first thing that is not as it was `before`; nothing where all is equal.
    #[must_use]
    pub fn differ(&self, before: &Self) -> Option<String> {
        for (instance, was) in &before.instances {
            let Some(is) = self.instances.get(instance) else {
                return Some(format!("{instance} has no decision of {}", was.len()));
            };
            let same = was.iter().zip(is).take_while(|(was, is)| was == is).count();
            if same < was.len().max(is.len()) {
                let (was, is) = (was.get(same), is.get(same));
                let place = same + 1;
                return Some(format!("{instance}, decision {place}: {was:?} became {is:?}"));
            }
        }
        let known = |instance: &&String| !before.instances.contains_key(*instance);
        if let Some(new) = self.instances.keys().find(known) {
            return Some(format!("{new} was not there"));
        }
        (self.dead != before.dead)
            .then(|| format!("dead letters {:?} became {:?}", before.dead, self.dead))
    }
}
