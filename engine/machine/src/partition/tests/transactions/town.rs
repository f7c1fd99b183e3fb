//! Several partitions, the letters between them, and the calls that plugins have to answer.

use std::collections::{BTreeMap, VecDeque};

use crate::machine::{
    CallOutcome, CallRequest, Command, Effect, EffectId, ErrorKind, Instance, InstanceKey,
    NOT_SENT, Outcome, Status, Timestamp,
};
use crate::partition::tests::family::at;
use crate::partition::tests::world::{definition, event, principal};
use crate::partition::{Batch, Definitions, Done, Partition, PartitionInput, Restore, Stamped};
use crate::value::Value;

/// Two calls that can be taken back, one after the other.
pub(super) const ORDER: &str = "
workflow: order
steps:
  reserve: { call: stock.reserve, with: { n: 1 }, undo: stock.release }
  charge: { call: bank.charge, with: { n: 2 }, needs: [reserve], undo: bank.refund }
";

/// One of the partitions: what it decided, and what of it is on its way.
struct Place {
    partition: Partition,
    journal: Vec<Vec<u8>>,
}

/// Partitions, and what is between them.
pub(super) struct Town {
    places: Vec<Place>,
    definitions: Definitions,
    pub(super) now: i64,
    /// Letters on their way, by the partitions they go from and to: in order for each pair.
    letters: BTreeMap<(usize, usize), VecDeque<PartitionInput>>,
    /// Calls that wait for an answer.
    calls: Vec<(InstanceKey, CallRequest)>,
    /// Calls that were told to stop, and may be answered all the same.
    cancelled: Vec<(InstanceKey, CallRequest)>,
    /// Calls that are not to be sent any more.
    withdrawn: Vec<EffectId>,
    /// Every call that was asked for, as `key operation`.
    pub(super) asked: Vec<String>,
    /// The ids of these.
    pub(super) ids: Vec<EffectId>,
    /// What became of each input, as `key: input → effects`.
    pub(super) told: Vec<String>,
    /// Chooses which pair of partitions goes on; by order where there is none.
    pub(super) seed: Option<u64>,
}

impl Town {
    pub(super) fn new(texts: &[&str]) -> Self {
        let mut definitions = Definitions::default();
        for text in texts {
            definitions.insert(definition(text)).unwrap();
        }
        let places = (0..3).map(|id| {
            let mut partition = Partition::new(id);
            let journal = vec![partition.epoch_frame(1, "test")];
            Place { partition, journal }
        });
        Self {
            places: places.collect(),
            definitions,
            now: 1_750_000_000_000,
            letters: BTreeMap::new(),
            calls: Vec::new(),
            cancelled: Vec::new(),
            withdrawn: Vec::new(),
            asked: Vec::new(),
            ids: Vec::new(),
            told: Vec::new(),
            seed: None,
        }
    }

    /// Transactions live in the first partition, other instances by the length of their key.
    fn place(key: &InstanceKey) -> usize {
        if key.workflow() == "transaction" { 0 } else { 1 + key.key().len() % 2 }
    }

    pub(super) fn begin(&mut self, name: &str) -> Outcome {
        self.order(&format!("transaction/{name}"), Command::Begin { timeout_ms: 60_000 })
    }

    pub(super) fn start_in(&mut self, key: &str, transaction: &str) -> Outcome {
        let transaction = transaction.into();
        let input = Value::Null;
        self.order(
            key,
            Command::StartIn { version: None, input, transaction, id: None, trace_context: None },
        )
    }

    pub(super) fn start(&mut self, key: &str) -> Outcome {
        let (key, by) = (at(key), principal("ann"));
        self.tell(PartitionInput::Start {
            key,
            version: None,
            input: Value::Null,
            by,
            id: None,
            trace_context: None,
        })
    }

    pub(super) fn commit(&mut self, name: &str) -> Outcome {
        self.order(&format!("transaction/{name}"), Command::Commit)
    }

    pub(super) fn roll_back(&mut self, name: &str) -> Outcome {
        self.order(&format!("transaction/{name}"), Command::RollBack { from: None })
    }

    pub(super) fn order(&mut self, key: &str, command: Command) -> Outcome {
        let (key, by, reason) = (at(key), principal("ann"), "".into());
        self.tell(PartitionInput::Command { key, command, by, reason })
    }

    pub(super) fn event(&mut self, key: &str, name: &str) -> Outcome {
        let early = crate::definition::model::Early::DeadLetter;
        let (key, event) = (at(key), event(name, "null"));
        self.tell(PartitionInput::Deliver { key, event, early, source: None })
    }

    /// Answers the oldest call of `key` that waits for `operation`.
    pub(super) fn answer(&mut self, key: &str, operation: &str) {
        self.reply(key, operation, CallOutcome::Success(Value::from(operation)));
    }

    pub(super) fn fail(&mut self, key: &str, operation: &str) {
        let (code, message) = ("".into(), "no".into());
        let kind = ErrorKind::Permanent;
        let outcome = CallOutcome::Failure { kind, code, message, retry_after_ms: None };
        self.reply(key, operation, outcome);
    }

    /// Nobody has any definition any more.
    pub(super) fn forget_definitions(&mut self) {
        self.definitions = Definitions::default();
    }

    /// Its call fails, where it waits for one.
    pub(super) fn fail_if_asked(&mut self, key: &str, operation: &str) {
        if self.waiting().contains(&format!("{key} {operation}")) {
            self.fail(key, operation);
        }
    }

    /// Nothing was sent of what is not to be any more: that is its answer.
    pub(super) fn give_up(&mut self) {
        for id in std::mem::take(&mut self.withdrawn) {
            let found = self.calls.iter().find(|(_, call)| call.call == id);
            let Some((key, call)) = found.cloned() else { continue };
            let (kind, code) = (ErrorKind::PluginNotFound, NOT_SENT.into());
            let message = "it was not sent".into();
            let outcome = CallOutcome::Failure { kind, code, message, retry_after_ms: None };
            self.reply(&key.to_string(), &call.operation, outcome);
        }
    }

    /// Its call was told to stop, and is done all the same.
    pub(super) fn answer_cancelled(&mut self, key: &str, operation: &str) {
        self.calls.append(&mut self.cancelled);
        self.answer(key, operation);
    }

    /// Answers it, without what follows.
    pub(super) fn only_answer(&mut self, key: &str, operation: &str) {
        let answer = self.replied(key, operation, CallOutcome::Success(Value::from(operation)));
        self.only(answer);
    }

    fn reply(&mut self, key: &str, operation: &str, outcome: CallOutcome) {
        let answer = self.replied(key, operation, outcome);
        self.tell(answer);
    }

    fn replied(&mut self, key: &str, operation: &str, outcome: CallOutcome) -> PartitionInput {
        let meant = |(of, call): &(InstanceKey, CallRequest)| {
            of.to_string() == key && *call.operation == *operation
        };
        let found = self.calls.iter().position(meant);
        let found = found.unwrap_or_else(|| panic!("no {operation} of {key}; {}", self.trace()));
        let (key, call) = self.calls.remove(found);
        let (call, attempt) = (call.call, call.attempt);
        PartitionInput::CallReply { key, call, attempt, outcome }
    }

    /// Answers every call, oldest first, until nobody calls any more.
    pub(super) fn answer_all(&mut self) {
        while let Some((key, call)) = self.calls.first().cloned() {
            self.answer(&key.to_string(), &call.operation);
        }
    }

    pub(super) fn pass(&mut self, milliseconds: i64) {
        self.now += milliseconds;
        self.settle();
    }

    pub(super) fn tell(&mut self, input: PartitionInput) -> Outcome {
        let outcome = self.only(input);
        self.settle();
        outcome
    }

    /// One input, without what follows.
    pub(super) fn only(&mut self, input: PartitionInput) -> Outcome {
        let key = crate::partition::subject::target(&input).unwrap().clone();
        let mut batch = self.batch(Self::place(&key), vec![input]);
        assert!(batch.left.is_empty());
        batch.results.pop().unwrap().outcome
    }

    fn batch(&mut self, place: usize, inputs: Vec<PartitionInput>) -> Batch {
        let at = Timestamp(self.now);
        let inputs = inputs.into_iter().map(|input| Stamped { input, at }).collect();
        let Place { partition, journal } = &mut self.places[place];
        let batch = partition.decide(&self.definitions, inputs);
        journal.extend(batch.frame.clone());
        // Replay gives the same, always.
        assert_eq!(restored(place, journal).state_bytes(), partition.state_bytes());
        for done in &batch.results {
            self.collect(place, done);
        }
        batch
    }

    fn collect(&mut self, place: usize, done: &Done) {
        let Some(key) = &done.key else { return };
        if let Some(trace) = &done.trace {
            let effects = trace.effects.join(", ");
            let note = trace.note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
            self.told.push(format!("{key}: {} → {effects}{note}", trace.input));
        }
        for effect in &done.effects {
            self.released(place, key, effect, true);
        }
    }

    fn released(&mut self, place: usize, key: &InstanceKey, effect: &Effect, first: bool) {
        match effect {
            Effect::Letter(letter) => {
                let from = self.places[place].partition.id();
                let to = Self::place(&letter.to);
                let (sender, letter) = (key.clone(), letter.clone());
                let input = PartitionInput::Letter { from, after: 0, sender, letter };
                self.letters.entry((place, to)).or_default().push_back(input);
            }
            Effect::Call(call) => {
                if first {
                    self.asked.push(format!("{key} {}", call.operation));
                    self.ids.push(call.call);
                }
                self.calls.push((key.clone(), call.clone()));
            }
            Effect::CancelCall { call } => {
                let is_it = |(_, known): &mut (InstanceKey, CallRequest)| known.call == *call;
                self.cancelled.extend(self.calls.extract_if(.., is_it));
            }
            Effect::WithdrawCall { call, .. } => self.withdrawn.push(*call),
            Effect::Publish { .. }
            | Effect::SendSelf { .. }
            | Effect::DeadLetter { .. }
            | Effect::Keep { .. }
            | Effect::Log { .. }
            | Effect::Notice(_) => {}
        }
    }

    /// Carries one letter; false where there is none.
    pub(super) fn carry(&mut self) -> bool {
        let pairs: Vec<_> =
            self.letters.iter().filter(|(_, queue)| !queue.is_empty()).map(|(it, _)| *it).collect();
        let Some(last) = pairs.len().checked_sub(1) else { return false };
        let at = match &mut self.seed {
            None => 0,
            Some(seed) => {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                usize::try_from(*seed >> 33).unwrap() % (last + 1)
            }
        };
        let (from, to) = pairs[at];
        let letter = self.letters.get_mut(&(from, to)).unwrap().pop_front().unwrap();
        let id = letter_id(&letter);
        self.batch(to, vec![letter]);
        if from != to {
            self.batch(from, vec![PartitionInput::Confirmed { effect: id }]);
        }
        true
    }

    /// Carries letters and takes what is due, until there is nothing.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.carry() {
                continue;
            }
            let due: Vec<_> = (0..self.places.len())
                .map(|at| (at, self.places[at].partition.due(Timestamp(self.now), 256)))
                .filter(|(_, due)| !due.is_empty())
                .collect();
            if due.is_empty() {
                return;
            }
            for (at, inputs) in due {
                self.batch(at, inputs);
            }
        }
        panic!("letters without end: {}", self.trace());
    }

    /// All engines are gone; others restore the partitions and send again what is pending.
    pub(super) fn crash(&mut self) {
        self.letters.clear();
        self.calls.clear();
        for place in 0..self.places.len() {
            self.places[place].partition = restored(place, &self.places[place].journal);
            let pending = self.places[place].partition.pending_effects(&self.definitions);
            for (key, effect) in pending {
                self.released(place, &key, &effect, false);
            }
        }
    }

    pub(super) fn instance(&self, key: &str) -> Instance {
        let key = at(key);
        let found = self.places[Self::place(&key)].partition.instance(&key);
        found.unwrap_or_else(|| panic!("no instance {key}; {}", self.trace()))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.places[Self::place(&at(key))].partition.instance(&at(key)).is_some()
    }

    pub(super) fn status(&self, key: &str) -> Status {
        self.instance(key).status
    }

    /// Active leaves and status.
    pub(super) fn stands(&self, key: &str) -> String {
        let instance = self.instance(key);
        let definition = self.definitions.pinned(at(key).workflow(), instance.pin).unwrap();
        let leaves = definition.leaves(&instance.active);
        let mut words: Vec<_> = leaves.map(|id| definition.state(id).id.to_string()).collect();
        words.push(format!("({})", instance.status.as_str()));
        words.join(" ")
    }

    /// Calls that wait, as `key operation`.
    pub(super) fn waiting(&self) -> Vec<String> {
        self.calls.iter().map(|(key, call)| format!("{key} {}", call.operation)).collect()
    }

    pub(super) fn pending(&self) -> usize {
        self.places.iter().map(|place| place.partition.counts().pending).sum()
    }

    pub(super) fn trace(&self) -> String {
        format!("told:\n{}", self.told.join("\n"))
    }
}

/// The effect that a letter is.
fn letter_id(input: &PartitionInput) -> EffectId {
    let PartitionInput::Letter { letter, .. } = input else { panic!("no letter") };
    letter.id
}

fn restored(place: usize, journal: &[Vec<u8>]) -> Partition {
    let mut restore = Restore::begin(u16::try_from(place).unwrap(), None);
    for (sequence, frame) in (1..).zip(journal) {
        restore.apply(sequence, frame).unwrap();
    }
    restore.finish()
}

/// Why a command was refused.
pub(super) fn refusal(outcome: &Outcome) -> String {
    let Outcome::Rejected { reason, .. } = outcome else { panic!("not refused: {outcome:?}") };
    reason.to_string()
}
