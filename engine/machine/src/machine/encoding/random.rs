//! Random instances for tests: every field, every variant, out of one number.

use std::sync::Arc;

use crate::machine::{
    Address, CallOutcome, EffectId, ErrorKind, Event, EventKind, FailedBlock, Fired, Generation,
    GuardVerdict, Instance, InstanceKey, Letter, LetterBody, Mark, Parent, Pin, Place, Principal,
    Reply, RunningCall, RunningSequence, StateId, Status, Stuck, StuckKind, Timer, TimerKind,
    Timestamp, TraceContext, TraceEntry, TransitionId,
};
use crate::value::{Map, Value};

/// A stream of numbers (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn small(&mut self) -> u16 {
        let bits = self.below(16);
        u16::try_from(self.below(1 << bits)).unwrap_or(0)
    }

    pub(super) fn int(&mut self) -> u32 {
        let shift = self.below(32);
        u32::try_from((self.next() >> 32) >> shift).unwrap_or(0)
    }

    pub(super) fn chance(&mut self) -> bool {
        self.below(3) == 0
    }

    pub(super) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance().then(|| make(self))
    }

    pub(super) fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = if self.chance() { self.below(5) } else { 0 };
        (0..length).map(|_| make(self)).collect()
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from[at].clone()
    }

    pub(super) fn text(&mut self) -> Arc<str> {
        let length = self.below(20);
        let length = if self.below(50) == 0 { length * 20 } else { length };
        let letters = (0..length).map(|_| self.pick(&['a', 'b', '.', '0', 'é', '\0', '漢']));
        letters.collect::<String>().into()
    }

    fn line(&mut self) -> Arc<str> {
        let beginning = self.pick(&["", "reply ", "call ", "publish ", "timer", "command  "]);
        format!("{beginning}{}", self.text()).into()
    }

    pub(super) fn at(&mut self) -> Timestamp {
        let usual = 1_750_000_000_000 + i64::try_from(self.below(1 << 40)).unwrap_or(0);
        let at = [usual, usual, usual, 0, -1, i64::MIN, i64::MAX];
        Timestamp(self.pick(&at))
    }

    pub(super) fn id(&mut self) -> EffectId {
        EffectId((u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes())
    }

    pub(super) fn state(&mut self) -> StateId {
        StateId(self.small())
    }

    pub(crate) fn value(&mut self, depth: u32) -> Value {
        match self.below(if depth == 0 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Bool(self.chance()),
            2 => Value::Int(self.next().cast_signed() >> self.below(64)),
            3 => Value::Int(i64::from(self.small())),
            4 => Value::Uint(self.next() | 1 << 63),
            5 => Value::Double(f64::from(self.int()) / 7.0),
            6 => Value::String(self.text()),
            7 => Value::list((0..self.below(20)).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let entries = (0..self.below(20)).map(|_| (self.text(), self.value(depth - 1)));
                Value::from(entries.collect::<Map>())
            }
        }
    }

    fn principal(&mut self) -> Principal {
        Principal { user: self.text(), roles: self.list(Self::text) }
    }

    pub(crate) fn event(&mut self) -> Event {
        let kinds = [EventKind::External, EventKind::Internal, EventKind::Platform];
        Event {
            name: self.text(),
            kind: self.pick(&kinds),
            data: self.maybe(|random| random.value(2)),
            id: self.maybe(Self::text),
            source: self.maybe(Self::text),
            time: self.maybe(Self::at),
            subject: self.maybe(Self::text),
            headers: self.maybe(|random| random.value(1)),
            send_id: self.maybe(Self::text),
            invoke_id: self.maybe(Self::text),
            by: self.maybe(Self::principal),
            origin: self.maybe(Self::text),
        }
    }

    pub(super) fn key(&mut self) -> InstanceKey {
        let key = format!("k{}", self.small());
        InstanceKey::new("child", &key).unwrap_or_else(|error| panic!("{error}"))
    }

    fn parent(&mut self) -> Parent {
        let (key, life) = (self.key(), Generation(self.int()));
        Parent { key, life, call: self.id(), invoke_id: self.text(), depth: self.small() }
    }

    fn address(&mut self) -> Address {
        match self.below(3) {
            0 => Address::Parent,
            1 => Address::Child(self.text()),
            _ => Address::Instance(self.key()),
        }
    }

    fn start_letter(&mut self) -> LetterBody {
        LetterBody::Start {
            version: self.maybe(Self::int),
            input: self.value(2),
            parent: self.parent(),
            initiator: self.maybe(Self::text),
            reason: if self.chance() { self.text() } else { "".into() },
            trace_context: self.trace_context(),
        }
    }

    /// A letter of any kind.
    pub(crate) fn letter(&mut self) -> Letter {
        let call = self.id();
        let body = match self.below(8) {
            0 => LetterBody::Event { event: self.event(), forwarded: self.chance() },
            1 => LetterBody::FromChild { call, event: self.event() },
            2 => self.start_letter(),
            3 => LetterBody::Cancel { call, kill: self.chance() },
            4 => LetterBody::Reply {
                call,
                invoke_id: self.text(),
                life: Generation(self.int()),
                outcome: CallOutcome::Success(self.value(2)),
            },
            5 => LetterBody::Transaction(self.word()),
            6 => LetterBody::Within {
                transaction: self.text(),
                start: Box::new(self.start_letter()),
            },
            _ => LetterBody::Reply {
                call,
                invoke_id: self.text(),
                life: Generation(self.int()),
                outcome: CallOutcome::Failure {
                    kind: self.pick(&[ErrorKind::NotStarted, ErrorKind::ChildFailed]),
                    code: self.text(),
                    message: self.text(),
                    retry_after_ms: self.maybe(Self::next),
                },
            },
        };
        Letter { id: self.id(), number: self.next(), to: self.key(), body }
    }

    fn timer(&mut self) -> Timer {
        let kind = match self.below(9) {
            0 => TimerKind::After {
                state: self.state(),
                index: self.small(),
                armed: self.maybe(Self::text),
            },
            1 => TimerKind::Send { event: Box::new(self.event()) },
            2 => TimerKind::CallDeadline { sequence: self.int() },
            3 => TimerKind::CallRetry { sequence: self.int() },
            4 => TimerKind::DeferredExpiry { place: self.small() },
            5 => TimerKind::SendTo { event: Box::new(self.event()), to: self.address() },
            6 => TimerKind::Steps { graph: self.int(), step: self.maybe(Self::small) },
            7 => TimerKind::MoreSteps { graph: self.int() },
            _ => TimerKind::Retention,
        };
        Timer { id: self.int(), due: self.at(), kind }
    }

    pub(super) fn sequence(&mut self) -> RunningSequence {
        RunningSequence {
            id: self.int(),
            state: self.state(),
            sequence: self.small(),
            position: self.small(),
            event: self.maybe(|random| Box::new(random.event())),
            call: self.maybe(|random| {
                let child = random.maybe(Self::key);
                let sent = child.is_some() || random.chance();
                let is_pending = sent && child.is_none() && random.chance();
                RunningCall {
                    id: random.id(),
                    before: if random.below(4) == 0 { random.int() } else { 0 },
                    attempt: random.int(),
                    sent,
                    held: !sent && random.chance(),
                    unsure: random.chance(),
                    once: sent && child.is_none() && random.chance(),
                    input: random.value(2),
                    deadline: random.at(),
                    child,
                    heartbeat_ms: is_pending.then(|| u64::from(random.int())),
                    per: random.maybe(|random| random.text()),
                    cache: random.maybe(Self::cache_key),
                }
            }),
            reply: self.maybe(|random| Box::new(random.value(1))),
            role: self.role(),
        }
    }

    pub(super) fn reply(&mut self) -> Reply {
        let kinds = [
            ErrorKind::Retryable,
            ErrorKind::Permanent,
            ErrorKind::Timeout,
            ErrorKind::PluginNotFound,
            ErrorKind::InvalidReply,
            ErrorKind::OutcomeUnknown,
        ];
        let outcome = if self.chance() {
            let output = self.value(1);
            if self.chance() { CallOutcome::Cached(output) } else { CallOutcome::Success(output) }
        } else {
            CallOutcome::Failure {
                kind: self.pick(&kinds),
                code: self.text(),
                message: self.text(),
                retry_after_ms: self.maybe(Self::next),
            }
        };
        Reply { call: self.id(), attempt: self.int(), outcome }
    }

    fn stuck(&mut self) -> Box<Stuck> {
        let kinds = [
            StuckKind::Error,
            StuckKind::Livelock,
            StuckKind::Panic,
            StuckKind::StateTooLarge,
            StuckKind::CallFailed,
            StuckKind::DefinitionMissing,
            StuckKind::OutcomeUnknown,
            StuckKind::UndoFailed,
            StuckKind::Deadlock,
            StuckKind::RolledBack,
        ];
        let mut stuck = Stuck::new(self.pick(&kinds), self.text(), self.at());
        stuck.state = self.maybe(Self::state);
        stuck.event = self.maybe(Self::event);
        stuck.sequence = self.maybe(Self::sequence);
        stuck.block = self.maybe(|random| FailedBlock {
            place: match random.below(4) {
                0 => Place::Entry { state: random.state(), block: random.small() },
                1 => Place::Exit { state: random.state(), block: random.small() },
                2 => Place::Transition { transition: TransitionId(random.small()) },
                _ => Place::Result,
            },
            action: random.small(),
        });
        stuck.reply = self.maybe(|random| Box::new(random.reply()));
        stuck.replies = self.list(Self::reply);
        Box::new(stuck)
    }

    fn mark(&mut self) -> Mark {
        Mark { id: self.next(), body: self.int(), step: self.int() }
    }

    pub(crate) fn instance(&mut self) -> Instance {
        let statuses = [
            Status::Running,
            Status::Paused,
            Status::Compensating,
            Status::Stuck,
            Status::Done,
            Status::Failed,
            Status::Cancelled,
        ];
        Instance {
            key: InstanceKey::new("flow", "key").unwrap_or_else(|error| panic!("{error}")),
            generation: Generation(self.int()),
            pin: Pin { version: self.int(), hash: self.next() },
            status: self.pick(&statuses),
            stuck: self.maybe(Self::stuck),
            step: self.next() >> self.below(64),
            active: self.list(Self::state),
            vars: self.list(|random| random.value(3)),
            input: self.value(3),
            initiator: self.maybe(Self::text),
            history: self.list(|random| (random.state(), random.list(Self::state))),
            next_id: self.int(),
            timers: self.list(Self::timer),
            sequences: self.list(Self::sequence),
            deferred: self.list(Self::event),
            parked: self.list(Self::event),
            marks: self.list(Self::mark),
            votes: self.list(Self::vote),
            output: self.value(1),
            started_at: self.at(),
            updated_at: self.at(),
            parent: self.maybe(|random| Box::new(random.parent())),
            progress: if self.below(4) == 0 { Some(self.progress()) } else { None },
            transaction: self.transaction(),
            trace_context: self.trace_context(),
        }
    }

    fn trace_context(&mut self) -> Option<Arc<TraceContext>> {
        let one = |random: &mut Self| TraceContext {
            parent: random.text(),
            state: random.maybe(Self::text),
        };
        if self.below(4) == 0 { Some(Arc::new(one(self))) } else { None }
    }

    /// `old` with some fields of another instance, and lists that lost and got items.
    pub(crate) fn changed(&mut self, old: &Instance) -> Instance {
        let other = self.instance();
        let mut new = old.clone();
        macro_rules! some {
            ($($field:ident),*) => {$(
                if self.chance() {
                    new.$field = other.$field.clone();
                }
            )*};
        }
        some!(generation, pin, status, stuck, step, active, vars, input, initiator, history);
        some!(next_id, timers, sequences, deferred, parked, votes, output, started_at, updated_at);
        some!(trace_context);
        if self.chance() {
            new.progress.clone_from(&other.progress);
        } else if let Some(progress) = new.progress.as_deref_mut() {
            self.change_progress(progress);
        }
        self.change_transaction(&mut new);
        if let Some(var) = new.vars.first_mut() {
            *var = self.value(1);
        }
        let dropped = usize::try_from(self.below(3)).unwrap_or(0).min(new.marks.len());
        new.marks.drain(..dropped);
        new.marks.push(self.mark());
        new
    }

    pub(crate) fn trace(&mut self, step: u64) -> TraceEntry {
        TraceEntry {
            step: if self.chance() { self.next() } else { step },
            at: self.at(),
            input: self.line(),
            by: self.maybe(Self::text),
            note: self.maybe(Self::text),
            guards: self.list(|random| GuardVerdict {
                transition: TransitionId(random.small()),
                error: random.maybe(Self::text),
            }),
            fired: self.list(|random| Fired {
                transition: TransitionId(random.small()),
                event: random.maybe(Self::text),
            }),
            effects: self.list(Self::line),
            active: self.list(Self::state),
            before: self.maybe(Self::int),
        }
    }
}
