//! Stage: definitions, one partition, and a clock that only goes when nothing else does.

use std::collections::VecDeque;
use std::sync::Arc;

use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{
    Effect, Instance, InstanceKey, Outcome, Principal, StateId, Status, Timestamp,
};
use gearshift_machine::partition::{
    Definitions, Done, Partition, PartitionInput, Restore, Stamped,
};
use gearshift_machine::value::Value;

/// The partition all instances live in.
const PARTITION: u16 = 0;
/// When the clock begins: 2025-06-15T15:06:40Z.
const BEGINNING: i64 = 1_750_000_000_000;
/// More inputs than any document needs.
const INPUTS_MAX: u32 = 20_000;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In these states, at the top level.
    Final(Vec<String>),
    /// Nothing is due any more and the instance waits; in these states.
    Waits(Vec<String>),
    /// It did not end as it should.
    Broken(String),
}

/// Definitions and a partition that runs them.
#[derive(Debug)]
pub struct Stage {
    definitions: Definitions,
    partition: Partition,
    journal: Vec<Vec<u8>>,
    now: i64,
    letters: VecDeque<PartitionInput>,
    /// Restore the partition from its journal before every input?
    forgetful: bool,
}

impl Stage {
    /// A stage with these definitions.
    ///
    /// # Errors
    /// Two definitions contradict each other.
    pub fn new(definitions: &[Definition]) -> Result<Self, String> {
        let mut known = Definitions::default();
        for definition in definitions {
            known.insert(Arc::new(definition.clone())).map_err(|error| error.to_string())?;
        }
        let mut partition = Partition::new(PARTITION);
        let journal = vec![partition.epoch_frame(1, "suite")];
        Ok(Self {
            definitions: known,
            partition,
            journal,
            now: BEGINNING,
            letters: VecDeque::new(),
            forgetful: false,
        })
    }

    /// The same stage, whose partition forgets everything but its journal before each input.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.forgetful = true;
        self
    }

    /// The frames written so far.
    #[must_use]
    pub fn journal(&self) -> &[Vec<u8>] {
        &self.journal
    }

    /// Starts an instance of `workflow` and runs until nothing is due.
    pub fn run(&mut self, workflow: &str) -> Ending {
        let key = match InstanceKey::new(workflow, "run") {
            Ok(key) => key,
            Err(message) => return Ending::Broken(message),
        };
        let start = PartitionInput::Start {
            key: key.clone(),
            version: None,
            input: Value::empty_map(),
            by: Principal::default(),
            id: None,
            trace_context: None,
        };
        let mut next = Some(start);
        for _ in 0..INPUTS_MAX {
            let Some(input) = next.take().or_else(|| self.next()) else {
                return self.ending(&key);
            };
            if let Err(message) = self.tell(input) {
                return Ending::Broken(message);
            }
        }
        Ending::Broken(format!("more than {INPUTS_MAX} inputs"))
    }

    /// What comes next: letters, then what is due, then what the clock brings.
    fn next(&mut self) -> Option<PartitionInput> {
        if let Some(letter) = self.letters.pop_front() {
            return Some(letter);
        }
        let due = self.partition.next_due()?;
        self.now = self.now.max(due.0);
        let input = self.partition.due(Timestamp(self.now), 2).into_iter().next()?;
        // What is kept of an ended instance is nobody's progress.
        let ended = if let PartitionInput::TimerDue { key, .. } = &input {
            self.partition.instance(key).is_some_and(|it| it.status.is_ended())
        } else {
            false
        };
        (!ended).then_some(input)
    }

    fn tell(&mut self, input: PartitionInput) -> Result<(), String> {
        if self.forgetful {
            self.forget()?;
        }
        let inputs = vec![Stamped { input, at: Timestamp(self.now) }];
        let mut batch = self.partition.decide(&self.definitions, inputs);
        self.journal.extend(batch.frame);
        let Some(done) = batch.results.pop().filter(|_| batch.left.is_empty()) else {
            return Err("an input did not fit a frame".to_owned());
        };
        if let Outcome::Stuck { reason } = &done.outcome {
            return Err(format!("stuck: {reason}"));
        }
        self.send(done);
        Ok(())
    }

    fn send(&mut self, done: Done) {
        let Some(sender) = done.key else { return };
        for effect in done.effects {
            if let Effect::Letter(letter) = effect {
                let from = PARTITION;
                let sender = sender.clone();
                self.letters.push_back(PartitionInput::Letter { from, after: 0, sender, letter });
            }
        }
    }

    /// Everything but the journal is lost.
    fn forget(&mut self) -> Result<(), String> {
        let mut restore = Restore::begin(PARTITION, None);
        for (sequence, frame) in (1..).zip(&self.journal) {
            restore.apply(sequence, frame).map_err(|error| error.to_string())?;
        }
        self.partition = restore.finish();
        self.letters = self
            .partition
            .pending_effects(&self.definitions)
            .into_iter()
            .filter_map(|(sender, effect)| {
                let Effect::Letter(letter) = effect else { return None };
                Some(PartitionInput::Letter { from: PARTITION, after: 0, sender, letter })
            })
            .collect();
        Ok(())
    }

    fn ending(&self, key: &InstanceKey) -> Ending {
        let Some(instance) = self.partition.instance(key) else {
            return Ending::Broken("the instance was never started".to_owned());
        };
        let names = |ids: &[StateId]| self.names(&instance, ids);
        match instance.status {
            Status::Done => Ending::Final(names(&instance.active)),
            Status::Running => Ending::Waits(names(&instance.active)),
            Status::Stuck
            | Status::Paused
            | Status::Compensating
            | Status::Failed
            | Status::Cancelled => {
                let reason = instance.stuck.as_ref().map(|stuck| stuck.reason.to_string());
                let status = instance.status;
                Ending::Broken(format!("{status:?}: {}", reason.unwrap_or_default()))
            }
        }
    }

    /// The names of the innermost of these states.
    fn names(&self, instance: &Instance, ids: &[StateId]) -> Vec<String> {
        let workflow = instance.key.workflow();
        let Some(definition) = self.definitions.pinned(workflow, instance.pin) else {
            return Vec::new();
        };
        definition.leaves(ids).map(|id| definition.state(id).id.to_string()).collect()
    }
}
