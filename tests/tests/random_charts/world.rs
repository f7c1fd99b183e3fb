//! One partition, its journal, and a script of what happens to some instances.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fastrand::Rng;
use gearshift_machine::definition::model::{Definition, Early, StateKind};
use gearshift_machine::machine::{
    CallOutcome, Effect, EffectId, ErrorKind, Event, Instance, InstanceKey, Principal, StateId,
    Status, Timestamp, TraceEntry,
};
use gearshift_machine::partition::{
    Batch, Definitions, Partition, PartitionInput, Restore, Snapshot, Stamped,
};
use gearshift_machine::value::{Map, Value};

use crate::chart::EVENTS;

const PARTITION: u16 = 7;
const INSTANCES: usize = 3;
/// Letters carried in one moment: what families say to each other without end waits behind them.
const LETTERS_MAX: usize = 24;

/// What happens at one moment: events for instances, in order.
pub(crate) type Round = Vec<(usize, &'static str)>;

/// A script by chance.
pub(crate) fn script(seed: u64) -> Vec<Round> {
    let mut random = Rng::with_seed(seed ^ 0x5eed);
    let event = |random: &mut Rng| EVENTS.get(random.usize(..EVENTS.len())).copied().unwrap_or("a");
    let round = |random: &mut Rng| {
        (0..random.usize(0..6)).map(|_| (random.usize(..INSTANCES), event(random))).collect()
    };
    (0..30).map(|_| round(&mut random)).collect()
}

pub(crate) struct World {
    definitions: Definitions,
    by_name: BTreeMap<String, Arc<Definition>>,
    pub(crate) partition: Partition,
    pub(crate) journal: Vec<Vec<u8>>,
    now: i64,
    /// Letters on their way, oldest first.
    letters: VecDeque<PartitionInput>,
    /// Attempts of calls that nobody has answered yet.
    calls: Vec<(InstanceKey, EffectId, u32)>,
    /// Letters that were carried, and calls that were answered.
    pub(crate) carried: usize,
    pub(crate) answered: usize,
}

fn key(number: usize) -> InstanceKey {
    let key = InstanceKey::new("chart", &format!("k{number}"));
    key.unwrap_or_else(|message| panic!("{message}"))
}

impl World {
    pub(crate) fn new(all: &[Definition]) -> Self {
        let mut definitions = Definitions::default();
        let mut by_name = BTreeMap::new();
        for definition in all {
            let definition = Arc::new(definition.clone());
            let inserted = definitions.insert(Arc::clone(&definition));
            assert!(inserted.is_ok(), "{inserted:?}");
            by_name.insert(definition.name.to_string(), definition);
        }
        let mut partition = Partition::new(PARTITION);
        let journal = vec![partition.epoch_frame(1, "charts")];
        let (now, letters, calls) = (1_000_000, VecDeque::new(), Vec::new());
        let (carried, answered) = (0, 0);
        let mut world = Self {
            definitions,
            by_name,
            partition,
            journal,
            now,
            letters,
            calls,
            carried,
            answered,
        };
        for number in 0..INSTANCES {
            let input = Value::empty_map();
            let by = Principal::default();
            let start = PartitionInput::Start {
                key: key(number),
                version: None,
                input,
                by,
                id: None,
                trace_context: None,
            };
            world.tell(vec![start]);
        }
        world.settle();
        world
    }

    /// One moment, and then a second passes.
    pub(crate) fn play(&mut self, round: &Round) {
        let deliver = |(to, name): &(usize, &'static str)| PartitionInput::Deliver {
            key: key(*to),
            event: Event { name: (*name).into(), ..Event::default() },
            early: Early::DeadLetter,
            source: None,
        };
        // Two at a time: the size of a batch changes frames, not decisions.
        for pair in round.chunks(2) {
            self.tell(pair.iter().map(deliver).collect());
        }
        self.settle();
        self.answer();
        self.now += 1_000;
        self.settle();
    }

    fn tell(&mut self, inputs: Vec<PartitionInput>) {
        let at = Timestamp(self.now);
        let mut inputs: Vec<_> = inputs.into_iter().map(|input| Stamped { input, at }).collect();
        while !inputs.is_empty() {
            let mut batch = self.partition.decide(&self.definitions, inputs);
            self.journal.extend(batch.frame.take());
            self.collect(&batch);
            inputs = batch.left;
        }
        self.check();
    }

    /// Keeps what instances ask of each other and of plugins.
    fn collect(&mut self, batch: &Batch) {
        for done in &batch.results {
            let Some(key) = &done.key else { continue };
            for effect in &done.effects {
                match effect {
                    Effect::Letter(letter) => self.letters.push_back(PartitionInput::Letter {
                        from: PARTITION,
                        after: 0,
                        sender: key.clone(),
                        letter: letter.clone(),
                    }),
                    Effect::Call(call) => self.calls.push((key.clone(), call.call, call.attempt)),
                    // A plugin may answer all the same.
                    Effect::CancelCall { .. }
                    | Effect::WithdrawCall { .. }
                    | Effect::Publish { .. }
                    | Effect::SendSelf { .. }
                    | Effect::DeadLetter { .. }
                    | Effect::Keep { .. }
                    | Effect::Log { .. }
                    | Effect::Notice(_) => {}
                }
            }
        }
    }

    /// Takes what is due now, and carries letters; a chart that sends to itself for ever is stopped
    /// by the count.
    fn settle(&mut self) {
        let mut letters = 0;
        for _ in 0..8 {
            let due = self.partition.due(Timestamp(self.now), 64);
            let is_quiet = due.is_empty();
            self.tell(due);
            while letters < LETTERS_MAX
                && let Some(letter) = self.letters.pop_front()
            {
                letters += 1;
                self.carried += 1;
                self.tell(vec![letter]);
            }
            if is_quiet && (self.letters.is_empty() || letters == LETTERS_MAX) {
                return;
            }
        }
    }

    /// Plugins answer some of what they were asked, early, late, twice or never: by the call's own
    /// id, so that it is the same however inputs are batched.
    fn answer(&mut self) {
        let mut replies = Vec::new();
        for (key, call, attempt) in std::mem::take(&mut self.calls) {
            let id = call.to_string();
            let seed = id.bytes().fold(u64::from(attempt), |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
            let mut random = Rng::with_seed(seed ^ self.now.unsigned_abs());
            let times = match random.u8(0..8) {
                0..=3 => 1,
                4 => 2,
                // The next second asks again.
                5 | 6 => {
                    self.calls.push((key, call, attempt));
                    continue;
                }
                _ => 0,
            };
            let outcome = outcome(&mut random);
            for _ in 0..times {
                let (key, outcome) = (key.clone(), outcome.clone());
                replies.push(PartitionInput::CallReply { key, call, attempt, outcome });
            }
        }
        self.answered += replies.len();
        for reply in replies {
            self.tell(vec![reply]);
        }
    }

    /// Rule 2, for every instance.
    fn check(&self) {
        for instance in self.partition.instances_from(None, usize::MAX) {
            let active = &instance.active;
            // A start that went round in circles was taken back: nothing is active yet.
            let ended = matches!(instance.status, Status::Stuck | Status::Cancelled);
            let taken_back = active.is_empty() && ended;
            let definition = self.by_name.get(instance.key.workflow());
            let is_legal = definition.is_some_and(|definition| is_legal(definition, active));
            assert!(taken_back || is_legal, "{}: {active:?} do not fit together", instance.key);
        }
    }

    pub(crate) fn instances(&self) -> Vec<(Instance, Vec<TraceEntry>)> {
        let all = self.partition.instances_from(None, usize::MAX).into_iter();
        all.map(|instance| {
            let trace = self.partition.trace(&instance.key);
            (instance, trace)
        })
        .collect()
    }

    /// Snapshot now, in slices; [`restored`] puts it and the journal behind it together.
    pub(crate) fn snapshot(&self) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut run = self.partition.snapshot_begin();
        let position = self.journal.len() as u64;
        let mut slices = Vec::new();
        while let Some(slice) = run.next_slice(&self.partition, position) {
            slices.push(slice);
        }
        let names: Vec<String> = (0..slices.len()).map(|number| number.to_string()).collect();
        (run.manifest(&names), slices)
    }

    /// The bytes of the partition that a snapshot and the journal behind it give.
    pub(crate) fn restored(&self, snapshot: Option<&(Vec<u8>, Vec<Vec<u8>>)>) -> Vec<u8> {
        let open = |(manifest, slices): &(Vec<u8>, Vec<Vec<u8>>)| {
            Snapshot::open(manifest, slices).unwrap_or_else(|error| panic!("{error}"))
        };
        let mut restore = Restore::begin(PARTITION, snapshot.map(open));
        for (sequence, frame) in (1..).zip(&self.journal) {
            if sequence >= restore.next_sequence() {
                restore.apply(sequence, frame).unwrap_or_else(|error| panic!("{error}"));
            }
        }
        restore.finish().state_bytes()
    }
}

/// How an attempt of a call ends, by chance.
fn outcome(random: &mut Rng) -> CallOutcome {
    let kind = match random.u8(0..6) {
        0 => ErrorKind::Permanent,
        1 => ErrorKind::Retryable,
        2 => ErrorKind::PluginNotFound,
        _ => {
            let output = Map::from_iter([("n", Value::Int(i64::from(random.u8(0..7))))]);
            return CallOutcome::Success(output.into());
        }
    };
    let (code, message) = ("".into(), "by chance".into());
    CallOutcome::Failure { kind, code, message, retry_after_ms: None }
}

/// Do these states fit together?
fn is_legal(definition: &Definition, active: &[StateId]) -> bool {
    let is_active = |id: &StateId| active.contains(id);
    let real = |id: &&StateId| !matches!(definition.state(**id).kind, StateKind::History { .. });
    let fits = |id: &StateId| {
        let state = definition.state(*id);
        let mut children = state.children.iter().filter(real);
        let parent = state.parent.is_none_or(|parent| is_active(&parent));
        let below = match state.kind {
            StateKind::Compound => children.filter(|id| is_active(id)).count() == 1,
            StateKind::Parallel => children.all(&is_active),
            StateKind::Atomic | StateKind::Final => true,
            StateKind::History { .. } => false,
        };
        parent && below
    };
    is_active(&StateId::ROOT) && active.iter().all(fits)
}
