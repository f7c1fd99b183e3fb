//! Instances: which of them gets a call.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gearshift_bus::{Error as BusError, Subject};
use gearshift_machine::definition::model::Balance;
use gearshift_protocol::Load;

use super::busy::Busy;
use super::catalogue::Candidate;
use super::order::{Fit, Order};
use super::shapes::{Shape, Shapes};

/// The instances that can be asked alone for one operation, the best first.
#[derive(Debug)]
pub(super) struct Pool {
    members: Vec<Member>,
    /// Of each score, the best first: where its members are.
    tiers: Vec<Range<usize>>,
    turn: AtomicUsize,
    /// Counts what is drawn again, apart: numbers picked out of an even sequence are not even.
    turn_again: AtomicUsize,
    /// By calls under way and by the taken share, each from its first pick on.
    orders: [Mutex<Option<Order>>; 2],
}

#[derive(Debug)]
struct Member {
    id: String,
    subject: Subject,
    busy: Arc<Busy>,
    weight: u32,
    capacity: Option<u32>,
    score: i64,
    gives: Option<Arc<Shape>>,
    /// Which tier it is in.
    tier: usize,
    /// The weights of those before it in its tier, and its own.
    weights: u64,
}

/// The instance that gets a call; the call counts as under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) subject: Subject,
    busy: Arc<Busy>,
    /// What it says that it gives.
    pub(super) gives: Option<Arc<Shape>>,
}

impl Picked {
    /// It told how busy it is.
    pub(super) fn tell_load(&self, load: Load) {
        self.busy.tell_load(load);
    }

    /// Nobody answers there.
    pub(super) fn set_gone(&self) {
        self.busy.set_gone(true);
    }

    /// Does nobody answer there?
    pub(super) fn is_gone(&self) -> bool {
        self.busy.is_gone()
    }

    /// Did it leave without a word?
    pub(super) fn is_lost(&self) -> bool {
        self.busy.is_lost()
    }
}

impl Clone for Picked {
    /// The same call, which is under way until the last of them is dropped.
    fn clone(&self) -> Self {
        self.busy.enter();
        let gives = self.gives.clone();
        Self { subject: self.subject.clone(), busy: Arc::clone(&self.busy), gives }
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.busy.leave();
    }
}

/// The golden ratio in 32 bits: steps of it spread evenly over any range.
const STRIDE: u64 = 0x9E37_79B9;

impl Pool {
    pub(super) fn new(
        candidates: &[Candidate],
        busy: impl Fn(&str) -> Arc<Busy>,
        shapes: &Shapes,
    ) -> Result<Option<Arc<Self>>, BusError> {
        let mut members = Vec::with_capacity(candidates.len());
        for one in candidates {
            let (subject, busy) = (Subject::parse(&one.subject)?, busy(&one.id));
            busy.is_called_at(&subject);
            members.push(Member {
                id: one.id.clone(),
                subject,
                busy,
                weight: one.weight,
                capacity: one.capacity,
                score: one.score,
                gives: one.gives.as_ref().map(|text| shapes.of(text)),
                tier: 0,
                weights: 0,
            });
        }
        members.sort_by_key(|member| std::cmp::Reverse(member.score));
        let mut tiers = Vec::new();
        let mut start = 0;
        for tier in members.chunk_by_mut(|left, right| left.score == right.score) {
            let mut weights = 0_u64;
            for member in &mut *tier {
                weights += u64::from(member.weight);
                (member.weights, member.tier) = (weights, tiers.len());
            }
            tiers.push(start..start + tier.len());
            start += tier.len();
        }
        let (turn, turn_again) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let pool = Self { members, tiers, turn, turn_again, orders: Default::default() };
        Ok((!pool.members.is_empty()).then(|| Arc::new(pool)))
    }

    /// Are these its members?
    pub(super) fn is_of(&self, candidates: &[Candidate]) -> bool {
        let same = |member: &Member| {
            candidates.iter().any(|one| {
                one.id == member.id
                    && one.weight == member.weight
                    && one.score == member.score
                    && one.capacity == member.capacity
                    && one.gives.as_deref() == member.gives.as_deref().map(Shape::text)
            })
        };
        self.members.len() == candidates.len() && self.members.iter().all(same)
    }

    /// The instance that gets the next call: the best that has room, and of equal ones as
    /// `balance` says; where none has room, any of the best.
    pub(super) fn pick(&self, balance: Balance) -> Option<Picked> {
        let [by_calls, by_share] = &self.orders;
        let draw = match balance {
            Balance::Group | Balance::RoundRobin => Self::in_turn,
            Balance::Random => Self::by_chance,
            Balance::Weighted => Self::by_weight,
            Balance::LeastInFlight => return self.least(by_calls, |it| u64::from(it.busy.own())),
            Balance::Resource => return self.least(by_share, Member::share),
        };
        let has_room: Fits = |one| one.fit() == Fit::Room;
        let takes_calls: Fits = |one| one.fit() != Fit::Nobody;
        let tiers = || self.tiers.iter().filter_map(|tier| self.members.get(tier.clone()));
        let first = |fits: Fits| tiers().find_map(|tier| draw(self, tier, fits));
        first(has_room).or_else(|| first(takes_calls)).map(Member::picked)
    }

    /// The one with the least load, and of equal ones another one each time.
    fn least(&self, order: &Mutex<Option<Order>>, load: fn(&Member) -> u64) -> Option<Picked> {
        let mut order = order.lock().unwrap_or_else(PoisonError::into_inner);
        let order = order.get_or_insert_with(|| self.order());
        let rank = |at: usize| match self.members.get(at) {
            Some(one) => (one.fit(), one.tier, load(one)),
            None => (Fit::Nobody, 0, 0),
        };
        // Under the lock, so that of two picks at once the second one sees the first.
        Some(self.members.get(order.next(rank)?)?.picked())
    }

    fn order(&self) -> Order {
        let order = Order::new(self.members.len());
        for (at, member) in self.members.iter().enumerate() {
            member.busy.stir(order.stirred(), at);
        }
        order
    }
    /// One of a tier that fits. Where one is drawn that does not, another one is drawn, so that
    /// nobody's share goes to his neighbor.
    fn in_turn<'p>(&self, tier: &'p [Member], fits: Fits) -> Option<&'p Member> {
        let mut drawn = (0..tier.len()).filter_map(|_| tier.get(self.turn() % tier.len()));
        drawn.find(|one| fits(one)).or_else(|| rotated(tier, self.turn(), fits))
    }

    fn by_chance<'p>(&self, tier: &'p [Member], fits: Fits) -> Option<&'p Member> {
        let drawn = tier.get(chance(self.turn()) % tier.len()).filter(|one| fits(one));
        drawn.or_else(|| {
            let count = tier.iter().filter(|one| fits(one)).count().max(1);
            let at = chance(self.turn()) % count;
            tier.iter().filter(|one| fits(one)).nth(at).or_else(|| rotated(tier, at, fits))
        })
    }

    fn by_weight<'p>(&self, tier: &'p [Member], fits: Fits) -> Option<&'p Member> {
        let at = spread(self.turn(), tier.last()?.weights);
        let drawn = tier.get(tier.partition_point(|one| one.weights <= at));
        drawn.filter(|one| fits(one)).or_else(|| self.by_weight_again(tier, fits))
    }

    /// One of those of a tier that fit, each by its weight.
    fn by_weight_again<'p>(&self, tier: &'p [Member], fits: Fits) -> Option<&'p Member> {
        let fitting = || tier.iter().filter(|one| fits(one));
        let total = fitting().map(|one| u64::from(one.weight)).sum();
        let mut left = spread(self.turn_again.fetch_add(1, Ordering::Relaxed), total);
        let mut last = None;
        for one in fitting() {
            last = Some(one);
            match left.checked_sub(u64::from(one.weight)) {
                Some(rest) => left = rest,
                None => break,
            }
        }
        last
    }

    fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

/// May a member be drawn?
type Fits = fn(&Member) -> bool;

/// The first that fits from the one at `first` on.
fn rotated(tier: &[Member], first: usize, fits: Fits) -> Option<&Member> {
    let (before, from) = tier.split_at(first % tier.len().max(1));
    from.iter().chain(before).find(|one| fits(one))
}

impl Member {
    /// Gets a call.
    fn picked(&self) -> Picked {
        self.busy.enter();
        let gives = self.gives.clone();
        Picked { subject: self.subject.clone(), busy: Arc::clone(&self.busy), gives }
    }

    /// May it be asked?
    fn fit(&self) -> Fit {
        match self.busy.takes_calls() {
            false => Fit::Nobody,
            true if self.is_full() => Fit::Full,
            true => Fit::Room,
        }
    }

    /// More than 90 % of what it can do is taken, by what it told and by what we sent.
    fn is_full(&self) -> bool {
        self.known_load().is_some_and(Load::is_overloaded)
    }

    /// Its load, where its capacity is known.
    fn known_load(&self) -> Option<Load> {
        let told = self.busy.load();
        let capacity = told.map(|load| load.capacity).or(self.capacity)?;
        let in_flight = told.map_or(0, |load| load.in_flight);
        Some(Load::new(in_flight.max(self.busy.own()), capacity))
    }

    /// The taken share of its capacity, in millionths; of unknown capacity one call is all.
    fn share(&self) -> u64 {
        let load = self.known_load().unwrap_or_else(|| Load::new(self.busy.own(), 1));
        u64::from(load.in_flight) * 1_000_000 / u64::from(load.capacity)
    }
}

/// The `turn`th number of a sequence that fills 0 to `total` evenly from the start.
fn spread(turn: usize, total: u64) -> u64 {
    let step = (turn as u64).wrapping_mul(STRIDE) & u64::from(u32::MAX);
    (step * total) >> 32
}

/// A number that nobody can foretell from those before it.
fn chance(turn: usize) -> usize {
    // The finish of a generator by counting (`splitmix64`).
    let mut bits = (turn as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from((bits ^ (bits >> 31)) >> 33).unwrap_or_default()
}

#[cfg(test)]
#[path = "instances_tests.rs"]
mod tests;
