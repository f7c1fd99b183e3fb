//! One partition, its journal, and a script of what happens to some instances.

use std::sync::Arc;

use fastrand::Rng;
use gearshift_machine::definition::model::{Definition, Early, StateKind};
use gearshift_machine::machine::{
    Event, Instance, InstanceKey, Principal, StateId, Status, Timestamp, TraceEntry,
};
use gearshift_machine::partition::{
    Definitions, Partition, PartitionInput, Restore, Snapshot, Stamped,
};
use gearshift_machine::value::Value;

use crate::chart::EVENTS;

const PARTITION: u16 = 7;
const INSTANCES: usize = 3;

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
    definition: Arc<Definition>,
    pub(crate) partition: Partition,
    pub(crate) journal: Vec<Vec<u8>>,
    now: i64,
}

fn key(number: usize) -> InstanceKey {
    let key = InstanceKey::new("chart", &format!("k{number}"));
    key.unwrap_or_else(|message| panic!("{message}"))
}

impl World {
    pub(crate) fn new(definition: &Definition) -> Self {
        let definition = Arc::new(definition.clone());
        let mut definitions = Definitions::default();
        let inserted = definitions.insert(Arc::clone(&definition));
        assert!(inserted.is_ok(), "{inserted:?}");
        let mut partition = Partition::new(PARTITION);
        let journal = vec![partition.epoch_frame(1, "charts")];
        let mut world = Self { definitions, definition, partition, journal, now: 1_000_000 };
        for number in 0..INSTANCES {
            let input = Value::empty_map();
            let by = Principal::default();
            let start = PartitionInput::Start { key: key(number), version: None, input, by };
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
        self.now += 1_000;
        self.settle();
    }

    fn tell(&mut self, inputs: Vec<PartitionInput>) {
        let at = Timestamp(self.now);
        let mut inputs: Vec<_> = inputs.into_iter().map(|input| Stamped { input, at }).collect();
        while !inputs.is_empty() {
            let batch = self.partition.decide(&self.definitions, inputs);
            self.journal.extend(batch.frame);
            inputs = batch.left;
        }
        self.check();
    }

    /// Takes what is due now; a chart that sends to itself for ever is stopped by the count.
    fn settle(&mut self) {
        for _ in 0..8 {
            let due = self.partition.due(Timestamp(self.now), 64);
            if due.is_empty() {
                return;
            }
            self.tell(due);
        }
    }

    /// Rule 2, for every instance.
    fn check(&self) {
        for (instance, _) in self.instances() {
            let active = &instance.active;
            // A start that went round in circles was taken back: nothing is active yet.
            let taken_back = active.is_empty() && instance.status == Status::Stuck;
            assert!(taken_back || self.is_legal(active), "{active:?} do not fit together");
        }
    }

    pub(crate) fn instances(&self) -> Vec<(Instance, Vec<TraceEntry>)> {
        (0..INSTANCES)
            .filter_map(|number| {
                let key = key(number);
                Some((self.partition.instance(&key)?, self.partition.trace(&key)))
            })
            .collect()
    }

    /// Do these states fit together?
    fn is_legal(&self, active: &[StateId]) -> bool {
        let is_active = |id: &StateId| active.contains(id);
        let real =
            |id: &&StateId| !matches!(self.definition.state(**id).kind, StateKind::History { .. });
        let fits = |id: &StateId| {
            let state = self.definition.state(*id);
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
