//! A partition, its journal, and a check of both after every batch.

use std::sync::Arc;

use crate::definition::model::{Definition, Early};
use crate::definition::{Format, load};
use crate::machine::{Effect, Event, InstanceKey, Outcome, Principal, Timestamp};
use crate::partition::{
    Batch, Definitions, Done, Partition, PartitionInput, Position, Restore, Stamped,
};
use crate::value::Value;

/// Two events, a timer, a publish, a message to itself, a call.
pub(super) const FLOW: &str = "
workflow: flow
version: 1
correlate: data.id
events:
  opened: { start: true }
  noted: { buffer: 10m }
  closed: {}
  poked: {}
  asked: {}
vars: { notes: 0, last: null }
initial: open
states:
  open:
    on:
      noted: { do: [ { set: { notes: vars.notes + 1, last: data } } ] }
      poked: { do: [ { publish: bell.rung, with: { n: \"${ vars.notes }\" } }, { send: noted } ] }
      asked: { do: [ { call: oracle.ask } ], to: answered }
      closed: { to: shut }
    after:
      1h: { do: [ { publish: bell.late } ], to: shut }
  answered: { on: { closed: shut } }
  shut: { final: true }
";

pub(super) struct World {
    pub(super) partition: Partition,
    pub(super) definitions: Definitions,
    /// The journal; the first sequence is 1.
    pub(super) journal: Vec<Vec<u8>>,
    pub(super) now: i64,
}

pub(super) fn definition(text: &str) -> Arc<Definition> {
    match load(text, "test.yaml", Format::Yaml) {
        Ok(loaded) => Arc::new(loaded.definition),
        Err(problems) => panic!("{problems:#?}"),
    }
}

pub(super) fn key(name: &str) -> InstanceKey {
    InstanceKey::new("flow", name).unwrap()
}

pub(super) fn event(name: &str, data: &str) -> Event {
    let data = Value::from_json(data.as_bytes()).unwrap();
    Event { name: name.into(), data: Some(data), ..Event::default() }
}

pub(super) fn deliver(to: &str, event: Event) -> PartitionInput {
    PartitionInput::Deliver { key: key(to), event, early: Early::Start, source: None }
}

pub(super) fn from_inbox(to: &str, event: Event, sequence: u64) -> PartitionInput {
    let source = Some(Position { source: 0, sequence });
    PartitionInput::Deliver { key: key(to), event, early: Early::Start, source }
}

pub(super) fn principal(user: &str) -> Principal {
    Principal { user: user.into(), roles: vec!["*".into()] }
}

impl World {
    pub(super) fn new() -> Self {
        let mut definitions = Definitions::default();
        definitions.insert(definition(FLOW)).unwrap();
        let mut world = Self {
            partition: Partition::new(3),
            definitions,
            journal: Vec::new(),
            now: 1_750_000_000_000,
        };
        let frame = world.partition.epoch_frame(1, "test");
        world.journal.push(frame);
        world
    }

    pub(super) fn batch(&mut self, inputs: Vec<PartitionInput>) -> Batch {
        let at = Timestamp(self.now);
        let inputs = inputs.into_iter().map(|input| Stamped { input, at }).collect();
        let batch = self.partition.decide(&self.definitions, inputs);
        self.journal.extend(batch.frame.clone());
        self.check();
        batch
    }

    pub(super) fn tell(&mut self, input: PartitionInput) -> Done {
        let mut batch = self.batch(vec![input]);
        assert!(batch.left.is_empty());
        assert_eq!(batch.results.len(), 1);
        batch.results.pop().unwrap()
    }

    /// Takes everything that is due, until nothing is.
    pub(super) fn settle(&mut self) -> Vec<Done> {
        let mut all = Vec::new();
        loop {
            let due = self.partition.due(Timestamp(self.now), 256);
            if due.is_empty() {
                return all;
            }
            all.extend(self.batch(due).results);
            assert!(all.len() < 10_000, "due work without end");
        }
    }

    pub(super) fn restored(&self) -> Partition {
        restore(&self.journal)
    }

    pub(super) fn check(&self) {
        assert_eq!(self.restored().state_bytes(), self.partition.state_bytes());
    }
}

pub(super) fn restore(journal: &[Vec<u8>]) -> Partition {
    let mut restore = Restore::begin(3, None);
    for (sequence, frame) in (1..).zip(journal) {
        restore.apply(sequence, frame).unwrap();
    }
    restore.finish()
}

pub(super) fn publishes(done: &Done) -> Vec<String> {
    let effects = done.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Publish { subject, .. } => Some(subject.to_string()),
            Effect::Call(_)
            | Effect::CancelCall { .. }
            | Effect::WithdrawCall { .. }
            | Effect::SendSelf { .. }
            | Effect::DeadLetter { .. }
            | Effect::Letter(_)
            | Effect::Keep { .. }
            | Effect::Log { .. }
            | Effect::Notice(_) => None,
        })
        .collect()
}

pub(super) fn is_started(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Started { .. } | Outcome::Transitioned { .. })
}
