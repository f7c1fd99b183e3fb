//! One episode: a world of its own, steps chosen by chance, then a time without faults.

use std::collections::BTreeMap;

use gearshift_machine::machine::{CallRequest, Effect, EffectId, Event, InstanceKey, Letter};
use gearshift_machine::partition::PartitionInput;

use super::charts::Charts;
use super::inputs::{self, COUNTER, Told};
use super::journal::{Fault, Journal};
use super::owner::Owner;
use super::random::Random;
use super::report::Report;

/// Steps of one episode: short, so that every crash can replay the whole journal.
pub const EPISODE_STEPS: u64 = 1_000;

/// How often things go wrong in this episode, per thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) ack_lost: u64,
    pub(super) request_lost: u64,
    pub(super) unavailable: u64,
    pub(super) crash: u64,
    pub(super) takeover: u64,
    pub(super) blind_zombie: u64,
    pub(super) foreign: u64,
    pub(super) odd_timer: u64,
}

impl Faults {
    /// Each fault is off, rare or frequent; a quarter of the episodes have none.
    fn draw(random: &mut Random) -> Self {
        if random.chance(250) {
            return Self::default();
        }
        let mut rate = |frequent: u64| *random.pick(&[0, frequent / 10, frequent]);
        Self {
            ack_lost: rate(200),
            request_lost: rate(200),
            unavailable: rate(200),
            crash: rate(30),
            takeover: rate(30),
            blind_zombie: rate(300),
            foreign: rate(30),
            odd_timer: rate(100),
        }
    }
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) charts: &'a Charts,
    pub(super) random: Random,
    pub(super) report: &'a mut Report,
    pub(super) faults: Faults,
    /// Milliseconds.
    pub(super) now: i64,
    pub(super) journal: Journal,
    pub(super) owner: Option<Owner>,
    /// Owners that were replaced and do not know it.
    pub(super) zombies: Vec<Owner>,
    pub(super) epoch: u64,
    /// Stored events; the first sequence is 1.
    pub(super) inbox: Vec<Told>,
    /// Requests that wait for their verdict, by number; asked again until they get one.
    pub(super) door: BTreeMap<u64, Told>,
    pub(super) door_next: u64,
    /// Replies, orders and confirmations on their way to the owner.
    pub(super) mail: Vec<PartitionInput>,
    /// Calls that went out, the last ones: answered, or again, or never.
    pub(super) calls: Vec<(InstanceKey, CallRequest)>,
    /// What each effect id stands for.
    pub(super) released: BTreeMap<EffectId, Effect>,
    /// Messages that went out and are not confirmed.
    pub(super) unconfirmed: BTreeMap<EffectId, Effect>,
    /// Messages whose confirmation is on its way.
    pub(super) confirming: BTreeMap<EffectId, Effect>,
    /// Letters that went out and were not taken, by number, with their senders.
    pub(super) letters: BTreeMap<u64, (InstanceKey, Letter)>,
    /// One that was taken: it may be told again.
    pub(super) taken: Option<(InstanceKey, Letter)>,
    /// What each counter must come to.
    pub(super) totals: BTreeMap<InstanceKey, i64>,
    /// Complete snapshots: manifest and slices, oldest first, at most two.
    pub(super) snapshots: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// Runs `steps` steps from `seed`.
///
/// # Panics
/// When something does not hold that always must; the message names the seed and the episode.
#[must_use]
pub fn run(seed: u64, steps: u64) -> Report {
    let charts = Charts::load();
    let mut report = Report { seed, ..Report::default() };
    let mut seeds = Random::new(seed);
    while report.steps < steps {
        let mut world = World::new(&charts, Random::new(seeds.number()), &mut report);
        world.episode(EPISODE_STEPS.min(steps - world.report.steps));
        report.episodes += 1;
    }
    report
}

impl<'a> World<'a> {
    fn new(charts: &'a Charts, mut random: Random, report: &'a mut Report) -> Self {
        let faults = Faults::draw(&mut random);
        Self {
            charts,
            random,
            report,
            faults,
            now: 1_750_000_000_000,
            journal: Journal::default(),
            owner: None,
            zombies: Vec::new(),
            epoch: 0,
            inbox: Vec::new(),
            door: BTreeMap::new(),
            door_next: 0,
            mail: Vec::new(),
            calls: Vec::new(),
            released: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            confirming: BTreeMap::new(),
            letters: BTreeMap::new(),
            taken: None,
            totals: BTreeMap::new(),
            snapshots: Vec::new(),
        }
    }

    fn episode(&mut self, steps: u64) {
        for _ in 0..steps {
            self.step();
            self.report.steps += 1;
        }
        self.faults = Faults::default();
        self.heal();
        self.check_totals();
        self.crash();
        self.take_over();
    }

    /// One thing that may happen next.
    fn step(&mut self) {
        if self.owner.is_none() {
            return self.take_over();
        }
        if self.random.chance(self.faults.crash) {
            return self.crash();
        }
        if self.random.chance(self.faults.takeover) {
            return self.take_over();
        }
        if self.random.chance(self.faults.foreign) {
            let (tail, length) = (self.journal.tail(), self.random.place(40));
            self.journal.append(tail, &vec![b'x'; length], Fault::None);
            return self.report.count("foreign messages");
        }
        match self.random.below(100) {
            0..24 => self.publish(),
            24..36 => self.ask(),
            36..40 => {
                let order = inputs::order(&mut self.random, self.charts);
                self.mail.push(order);
            }
            40..44 => self.pass_time(),
            44..52 => self.answer_call(),
            52..58 => self.confirm(),
            58..62 => self.snapshot_slice(),
            62..64 => self.zombie(),
            _ => self.drive(),
        }
    }

    /// Somebody publishes an event that the inbox stores.
    fn publish(&mut self) {
        let mut told = inputs::event(&mut self.random);
        if self.random.chance(300) {
            told.event.id = Some(format!("inbox-{}", self.inbox.len()).into());
        }
        if told.adds > 0 {
            *self.totals.entry(told.key.clone()).or_default() += told.adds;
        }
        self.inbox.push(told);
    }

    /// Somebody asks the engine, and again until there is a verdict.
    fn ask(&mut self) {
        if self.door.len() >= 8 {
            return;
        }
        let mut told = inputs::event(&mut self.random);
        let id = self.door_next;
        self.door_next += 1;
        told.event = Event { id: Some(format!("door-{id}").into()), ..told.event };
        if told.key.workflow() == COUNTER || told.adds > 0 {
            *self.totals.entry(told.key.clone()).or_default() += told.adds;
        }
        self.door.insert(id, told);
    }

    fn pass_time(&mut self) {
        let most = *self.random.pick(&[1, 1_000, 30_000, 600_000, 7_200_000, 90_000_000]);
        self.now += i64::try_from(self.random.below(most)).unwrap_or(0);
        // Clocks jump back as well; the partition must not.
        if self.random.chance(20) {
            self.now -= 60_000;
        }
    }

    /// A plugin answers: now, late, twice, or never.
    fn answer_call(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let place = self.random.place(self.calls.len());
        let (key, call) = if self.random.chance(700) {
            self.calls.swap_remove(place)
        } else {
            let (key, call) = self.random.pick(&self.calls);
            (key.clone(), call.clone())
        };
        let reply = inputs::reply(&mut self.random, &key, &call);
        self.mail.push(reply);
    }

    fn confirm(&mut self) {
        let Some(id) = self.unconfirmed.keys().next().copied() else { return };
        if let Some(effect) = self.unconfirmed.remove(&id) {
            self.confirming.insert(id, effect);
            self.mail.push(PartitionInput::Confirmed { effect: id });
        }
    }

    /// No more faults: everything that was accepted must come to its end.
    fn heal(&mut self) {
        for _ in 0..10_000 {
            if self.owner.is_none() {
                self.take_over();
            }
            if self.is_quiet() {
                return;
            }
            self.drive();
        }
        panic!("no rest after the last fault: {}", self.place());
    }

    /// Where we are, to come back with the same seed.
    pub(super) fn place(&self) -> String {
        let Report { seed, steps, episodes, .. } = &*self.report;
        format!("seed {seed}, step {steps}, episode {episodes}")
    }
}
