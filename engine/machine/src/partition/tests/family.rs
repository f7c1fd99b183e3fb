//! Parents, children and others in one partition, with the letters between them.

use std::collections::VecDeque;

use super::world::{World, definition};
use crate::machine::{
    CallOutcome, CallRequest, Command, Effect, ErrorKind, Instance, InstanceKey, Principal, Status,
    Timestamp,
};
use crate::partition::{Batch, Done, PartitionInput};
use crate::value::Value;

/// A world whose letters are carried at once, in order.
pub(super) struct Family {
    pub(super) world: World,
    /// Letters on their way, oldest first, each with its sender.
    letters: VecDeque<PartitionInput>,
    /// What became of each input, as `input → effects`, in order.
    pub(super) told: Vec<String>,
    /// Calls that wait for an answer.
    calls: Vec<(InstanceKey, CallRequest)>,
}

impl Family {
    pub(super) fn new(definitions: &[&str]) -> Self {
        let mut world = World::new();
        for text in definitions {
            world.definitions.insert(definition(text)).unwrap();
        }
        Self { world, letters: VecDeque::new(), told: Vec::new(), calls: Vec::new() }
    }

    /// Calls that wait for an answer, as `key operation`.
    pub(super) fn waiting(&self) -> Vec<String> {
        self.calls.iter().map(|(key, call)| format!("{key} {}", call.operation)).collect()
    }

    /// The oldest call of `operation` succeeds.
    pub(super) fn answer(&mut self, operation: &str) -> Done {
        self.reply(operation, CallOutcome::Success(Value::from(operation)))
    }

    /// The oldest call of `operation` fails for good.
    pub(super) fn fail(&mut self, operation: &str) -> Done {
        let (kind, code, message) = (ErrorKind::Permanent, "".into(), "no".into());
        self.reply(operation, CallOutcome::Failure { kind, code, message, retry_after_ms: None })
    }

    fn reply(&mut self, operation: &str, outcome: CallOutcome) -> Done {
        let found = self.calls.iter().position(|(_, call)| *call.operation == *operation);
        let found = found.unwrap_or_else(|| panic!("no {operation}: {:#?}", self.told));
        let (key, CallRequest { call, attempt, .. }) = self.calls.remove(found);
        self.tell(PartitionInput::CallReply { key, call, attempt, outcome })
    }

    /// An order of a person, and lets everything happen that follows.
    pub(super) fn order(&mut self, key: &str, command: Command) -> Done {
        let (by, reason) = (Principal::default(), "".into());
        self.tell(PartitionInput::Command { key: at(key), command, by, reason })
    }

    /// Starts an instance, and lets everything happen that follows.
    pub(super) fn start(&mut self, key: &str, input: &str) -> Done {
        let input = Value::from_json(input.as_bytes()).unwrap();
        let by = super::world::principal("ann");
        self.tell(PartitionInput::Start {
            key: at(key),
            version: None,
            input,
            by,
            id: None,
            trace_context: None,
        })
    }

    /// Offers an event, and lets everything happen that follows.
    pub(super) fn event(&mut self, key: &str, name: &str, data: &str) -> Done {
        let event = super::world::event(name, data);
        let early = crate::definition::model::Early::DeadLetter;
        self.tell(PartitionInput::Deliver { key: at(key), event, early, source: None })
    }

    pub(super) fn tell(&mut self, input: PartitionInput) -> Done {
        let done = self.one(input);
        self.settle();
        done
    }

    /// One input, without what follows.
    pub(super) fn one(&mut self, input: PartitionInput) -> Done {
        let mut batch = self.world.batch(vec![input]);
        self.collect(&batch);
        batch.results.remove(0)
    }

    /// Carries the letters and takes what is due, until there is nothing.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let due = self.world.partition.due(Timestamp(self.world.now), 256);
            if let Some(letter) = self.letters.pop_front() {
                self.one(letter);
            } else if due.is_empty() {
                return;
            } else {
                let batch = self.world.batch(due);
                self.collect(&batch);
            }
        }
        panic!("letters without end");
    }

    /// The next letter on its way.
    pub(super) fn next_letter(&mut self) -> Option<PartitionInput> {
        self.letters.pop_front()
    }

    fn collect(&mut self, batch: &Batch) {
        for done in &batch.results {
            if let (Some(key), Some(trace)) = (&done.key, &done.trace) {
                let effects = trace.effects.join(", ");
                let note = trace.note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
                self.told.push(format!("{key}: {} → {effects}{note}", trace.input));
            }
            let key = done.key.clone();
            let from = self.world.partition.id();
            for effect in &done.effects {
                let Some(sender) = key.clone() else { continue };
                if let Effect::Letter(letter) = effect {
                    let letter = letter.clone();
                    let input = PartitionInput::Letter { from, after: 0, sender, letter };
                    self.letters.push_back(input);
                } else if let Effect::Call(call) = effect {
                    self.calls.push((sender, call.clone()));
                } else if let Effect::CancelCall { call } = effect {
                    self.calls.retain(|(_, known)| known.call != *call);
                }
            }
        }
    }

    /// The engine is gone; another one restores the partition and sends again what is pending.
    pub(super) fn crash(&mut self) {
        self.world.partition = self.world.restored();
        let from = self.world.partition.id();
        let pending = self.world.partition.pending_effects(&self.world.definitions);
        self.calls = pending
            .iter()
            .filter_map(|(key, effect)| match effect {
                Effect::Call(call) => Some((key.clone(), call.clone())),
                Effect::Letter(_)
                | Effect::CancelCall { .. }
                | Effect::WithdrawCall { .. }
                | Effect::Publish { .. }
                | Effect::SendSelf { .. }
                | Effect::DeadLetter { .. }
                | Effect::Keep { .. }
                | Effect::Log { .. }
                | Effect::Notice(_) => None,
            })
            .collect();
        self.letters = pending
            .into_iter()
            .filter_map(|(sender, effect)| match effect {
                Effect::Letter(letter) => {
                    Some(PartitionInput::Letter { from, after: 0, sender, letter })
                }
                Effect::Call(_)
                | Effect::CancelCall { .. }
                | Effect::WithdrawCall { .. }
                | Effect::Publish { .. }
                | Effect::SendSelf { .. }
                | Effect::DeadLetter { .. }
                | Effect::Keep { .. }
                | Effect::Log { .. }
                | Effect::Notice(_) => None,
            })
            .collect();
    }

    pub(super) fn instance(&self, key: &str) -> Instance {
        let found = self.world.partition.instance(&at(key));
        found.unwrap_or_else(|| panic!("no instance {key}; told:\n{}", self.told.join("\n")))
    }

    /// The active leaves of `key`, and its status where it does not run.
    pub(super) fn stands(&self, key: &str) -> String {
        let instance = self.instance(key);
        let definition = self.world.definitions.pinned(at(key).workflow(), instance.pin).unwrap();
        let leaves = definition.leaves(&instance.active);
        let mut words: Vec<_> = leaves.map(|id| definition.state(id).id.to_string()).collect();
        if instance.status != Status::Running {
            words.push(format!("({})", instance.status.as_str()));
        }
        if let Some(stuck) = &instance.stuck {
            words.push(stuck.reason.to_string());
        }
        words.join(" ")
    }

    /// The variable number `var` of `key`.
    pub(super) fn var(&self, key: &str, var: usize) -> String {
        self.instance(key).vars[var].to_json()
    }

    /// Keys of all instances.
    pub(super) fn keys(&self) -> Vec<String> {
        let all = self.world.partition.instances_from(None, 1_000);
        all.iter().map(|instance| instance.key.to_string()).collect()
    }
}

pub(super) fn at(text: &str) -> InstanceKey {
    InstanceKey::parse(text).unwrap()
}
