//! A whole journal: the chain of its frames, and what they make of the instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frame::{Change, Frame, Letter, Opened, Vars, open};

/// A journal message as the broker keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its place in the stream.
    pub sequence: u64,
    /// The broker's time, in milliseconds since 1970.
    pub time_ms: i64,
    /// Its bytes.
    #[serde(with = "hex")]
    pub frame: Vec<u8>,
}

/// What is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule, as a word.
    pub rule: &'static str,
    /// Where.
    pub sequence: u64,
    /// What was seen.
    pub seen: String,
}

/// An instance as the journal alone tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Life {
    /// Which life.
    pub generation: u64,
    /// Decisions so far.
    pub step: u64,
    /// The status' number.
    pub status: u8,
    /// The variables, in the order of the definition.
    pub vars: Vec<Value>,
    /// The owner's time of the first decision.
    pub began_at: i64,
    /// The owner's time of the last decision.
    pub changed_at: i64,
    /// The broker's time of the frame with the last decision.
    pub stored_at: i64,
}

/// What a journal tells.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// All instances.
    pub lives: BTreeMap<String, Life>,
    /// All dead letters that were added.
    pub letters: Vec<Letter>,
    /// Frames that count.
    pub frames: u64,
    /// The last epoch.
    pub epoch: u64,
    /// Frames of replaced owners, and last frames once more.
    pub stale: u64,
    /// Messages of strangers.
    pub foreign: u64,
    /// Decisions.
    pub decisions: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
    last: u64,
    chain: [u8; 16],
}

/// Reads a journal from its first message.
#[must_use]
pub fn replay(partition: u16, messages: &[Message]) -> Replayed {
    let mut all = Replayed::default();
    for message in messages {
        if let Err((rule, seen)) = all.take(partition, message) {
            all.faults.push(Fault { rule, sequence: message.sequence, seen });
        }
    }
    all
}

impl Replayed {
    fn take(&mut self, partition: u16, message: &Message) -> Result<(), (&'static str, String)> {
        let expected = std::mem::replace(&mut self.last, message.sequence) + 1;
        if message.sequence != expected {
            return Err(("hole", format!("sequence {expected} is missing")));
        }
        let frame = match open(&message.frame).map_err(|wrong| ("damaged", wrong))? {
            Opened::Foreign => {
                self.foreign += 1;
                return Ok(());
            }
            Opened::Frame(frame) => frame,
        };
        if frame.partition != partition {
            return Err(("foreign_partition", format!("it is of {}", frame.partition)));
        }
        if frame.epoch < self.epoch || frame.hash == self.chain {
            self.stale += 1;
            return Ok(());
        }
        self.follows(&frame)?;
        self.chain = frame.hash;
        self.epoch = frame.epoch;
        self.frames += 1;
        self.letters.extend(frame.letters.iter().cloned());
        for change in &frame.changes {
            self.decisions += 1;
            self.apply(change, &frame, message.time_ms)?;
        }
        Ok(())
    }

    fn follows(&self, frame: &Frame) -> Result<(), (&'static str, String)> {
        if frame.opens != (frame.epoch > self.epoch) {
            let seen =
                format!("epoch {} after {}, opens: {}", frame.epoch, self.epoch, frame.opens);
            return Err(("epoch", seen));
        }
        if frame.previous != self.chain {
            return Err(("fork", "it names another frame as the one before it".to_owned()));
        }
        Ok(())
    }

    fn apply(
        &mut self,
        change: &Change,
        frame: &Frame,
        stored_at: i64,
    ) -> Result<(), (&'static str, String)> {
        let wrong = |rule, seen: String| Err((rule, format!("{}: {seen}", change.instance)));
        if change.whole == self.lives.contains_key(&change.instance) {
            return wrong("life", format!("whole: {}, but known before", change.whole));
        }
        let life = self.lives.entry(change.instance.clone()).or_default();
        if change.whole {
            life.began_at = frame.at;
        }
        life.generation = change.generation.unwrap_or(life.generation);
        life.status = change.status.unwrap_or(life.status);
        life.changed_at = frame.at;
        life.stored_at = stored_at;
        if let Vars::Changed(total, values) = &change.vars {
            life.vars.resize(*total, Value::Null);
            for (at, value) in values {
                let Some(place) = life.vars.get_mut(*at) else {
                    return wrong("vars", format!("place {at} of {total}"));
                };
                *place = value.clone();
            }
        }
        let step = change.step.unwrap_or(life.step);
        let before = std::mem::replace(&mut life.step, step);
        if step != before + 1 {
            return wrong("version", format!("version {step} after {before}"));
        }
        Ok(())
    }
}

/// Bytes as text, two digits each.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let digits = |at: usize| text.get(at..at + 2).ok_or_else(|| Error::custom("odd digits"));
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits(at)?, 16).map_err(Error::custom))
            .collect()
    }
}
