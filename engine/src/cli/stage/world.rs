//! [`Stage`]: definitions, one partition and a clock that only moves when it is told to.

use std::collections::BTreeMap;

use gearshift_machine::machine::{
    CallOutcome, CallRequest, Effect, Instance, InstanceKey, Letter, LetterBody, Outcome, Timestamp,
};
use gearshift_machine::partition::{
    Definitions, Done, Partition, PartitionInput, Position, Stamped,
};
use gearshift_machine::value::Value;

use super::answers::Prepared;
use crate::api;
use crate::runtime::{Incoming, Index, route};

/// Inputs that one step may cause before it counts as going on for ever.
const CAUSED_MAX: usize = 10_000;
/// Due inputs taken at once.
const DUE_MAX: usize = 64;

/// One input and what was made of it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Happened {
    /// When.
    pub(in crate::cli) at: Timestamp,
    /// What was made of it.
    pub(in crate::cli) done: Done,
    /// What it asked of the world.
    pub(in crate::cli) told: Vec<Told>,
}

/// Something asked of the world.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Told {
    /// `call plugin.operation`, `cancel plugin.operation`, `publish subject`, `dead_letter event`.
    pub(in crate::cli) words: String,
    /// What goes with it.
    pub(in crate::cli) with: Option<Value>,
}

impl Told {
    fn new(verb: &str, what: &str, with: Option<&Value>) -> Self {
        Self { words: format!("{verb} {what}"), with: with.cloned() }
    }
}

/// A call that waits for its answer.
#[derive(Clone, Debug)]
struct Open {
    key: InstanceKey,
    call: CallRequest,
}

/// Definitions, one partition, and a clock of its own.
pub(in crate::cli) struct Stage {
    definitions: Definitions,
    index: Index,
    partition: Partition,
    now: Timestamp,
    prepared: Prepared,
    /// Answers under way, by when they arrive, then in the order they were asked for.
    replies: BTreeMap<(Timestamp, u64), PartitionInput>,
    asked: u64,
    open: Vec<Open>,
    happened: Vec<Happened>,
}

impl Stage {
    /// An empty stage at `now`.
    pub(in crate::cli) fn new(
        definitions: Definitions,
        prepared: Prepared,
        now: Timestamp,
    ) -> Result<Self, String> {
        let index = Index::alone(&definitions).map_err(|error| error.to_string())?;
        let mut partition = Partition::new(0);
        partition.epoch_frame(1, "stage");
        Ok(Self {
            definitions,
            index,
            partition,
            now,
            prepared,
            replies: BTreeMap::new(),
            asked: 0,
            open: Vec::new(),
            happened: Vec::new(),
        })
    }

    /// The time here.
    pub(in crate::cli) const fn now(&self) -> Timestamp {
        self.now
    }

    /// What can run here.
    pub(in crate::cli) const fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The instance `key`.
    pub(in crate::cli) fn instance(&self, key: &InstanceKey) -> Option<Instance> {
        self.partition.instance(key)
    }

    /// At most `limit` instances, in the order of their keys.
    pub(in crate::cli) fn instances(&self, limit: usize) -> Vec<Instance> {
        self.partition.instances_from(None, limit)
    }

    /// Everything that happened since this was asked last.
    pub(in crate::cli) fn take_happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// Did a child take what its parent passed on to it since [`Self::take_happened`]?
    pub(in crate::cli) fn passed_on(&self, done: &Done) -> bool {
        let took = |child: &InstanceKey| {
            let theirs = self.happened.iter().filter(|it| it.done.key.as_ref() == Some(child));
            theirs.into_iter().any(|it| api::verdict(child, &it.done).verdict.exit_code() == 0)
        };
        done.effects.iter().any(|effect| {
            let Effect::Letter(Letter { to, body, .. }) = effect else { return false };
            matches!(body, LetterBody::Event { forwarded: true, .. }) && took(to)
        })
    }

    /// Operations that wait for an answer nobody has prepared, with the instances that asked.
    pub(in crate::cli) fn unanswered(&self) -> impl Iterator<Item = (&InstanceKey, &str)> {
        self.open.iter().map(|open| (&open.key, &*open.call.operation))
    }

    /// Offers an event as a door would, and takes what it causes at once.
    pub(in crate::cli) fn event(
        &mut self,
        incoming: &Incoming,
    ) -> Result<Vec<(InstanceKey, Done)>, String> {
        let position = Position { source: 0, sequence: 1 };
        let targets = route(&self.index, incoming, self.now, Some(position));
        let targets = targets.map_err(|error| error.message)?;
        let mut answers = Vec::new();
        for (key, early) in targets.list {
            // An older version than the newest speaks for living instances only.
            if early.is_none() && !self.partition.contains(&key) {
                continue;
            }
            let (early, event) = (early.unwrap_or_default(), incoming.event.clone());
            let input = PartitionInput::Deliver { key: key.clone(), event, early, source: None };
            answers.push((key, self.tell(input)?));
        }
        Ok(answers)
    }

    /// Tells the partition one thing, and takes what it causes at once.
    pub(in crate::cli) fn tell(&mut self, input: PartitionInput) -> Result<Done, String> {
        let done = self.decide(input)?;
        self.settle()?;
        Ok(done)
    }

    /// Answers the oldest open call of `operation`; one of the instance `first`, where it has any.
    pub(in crate::cli) fn reply(
        &mut self,
        operation: &str,
        outcome: CallOutcome,
        first: Option<&InstanceKey>,
    ) -> Result<(InstanceKey, Done), String> {
        let plain = |text: &str| crate::cli::mocks::key(text).unwrap_or_else(|_| text.to_owned());
        let wanted = plain(operation);
        let fits = |open: &Open| plain(&open.call.operation) == wanted;
        let own = self.open.iter().position(|open| Some(&open.key) == first && fits(open));
        let Some(at) = own.or_else(|| self.open.iter().position(fits)) else {
            let open: Vec<_> = self.unanswered().map(|(_, name)| format!("`{name}`")).collect();
            let open = if open.is_empty() { "none".to_owned() } else { open.join(", ") };
            return Err(format!("no call of `{operation}` waits for an answer; open: {open}"));
        };
        let Open { key, call } = self.open.remove(at);
        let (id, attempt) = (call.call, call.attempt);
        let input = PartitionInput::CallReply { key: key.clone(), call: id, attempt, outcome };
        Ok((key, self.tell(input)?))
    }

    /// Moves the clock; what falls due on the way happens at its time.
    pub(in crate::cli) fn advance(&mut self, milliseconds: u64) -> Result<(), String> {
        let end = self.now.plus_ms(milliseconds);
        let mut caused = 0_usize;
        loop {
            self.settle()?;
            let reply = self.replies.first_key_value().map(|((due, _), _)| *due);
            let next = [self.partition.next_due(), reply].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            caused += 1;
            if caused > CAUSED_MAX {
                return Err(format!("more than {CAUSED_MAX} timers fall due on the way"));
            }
        }
        self.now = end;
        Ok(())
    }

    /// Takes everything that is due now, until nothing is.
    fn settle(&mut self) -> Result<(), String> {
        let mut caused = 0_usize;
        loop {
            let mut due = self.partition.due(self.now, DUE_MAX);
            if due.is_empty()
                && let Some(reply) = self.replies.first_entry()
                && reply.key().0 <= self.now
            {
                due.push(reply.remove());
            }
            if due.is_empty() {
                return Ok(());
            }
            for input in due {
                self.decide(input)?;
                caused += 1;
            }
            if caused > CAUSED_MAX {
                return Err(format!("it causes more than {CAUSED_MAX} further inputs at once"));
            }
        }
    }

    /// One input, one frame.
    fn decide(&mut self, input: PartitionInput) -> Result<Done, String> {
        if let PartitionInput::CallReply { call, .. } = &input {
            self.open.retain(|open| open.call.call != *call);
        }
        let stamped = Stamped { input, at: self.now };
        let batch = self.partition.decide(&self.definitions, vec![stamped]);
        let Some(done) = batch.results.into_iter().next() else {
            return Err("the decision does not fit into a frame".to_owned());
        };
        if let Outcome::Busy { what } = &done.outcome {
            return Err(format!("a limit is reached: {what}"));
        }
        let key = done.key.as_ref();
        let told = done.effects.iter().filter_map(|effect| self.perform(key, effect)).collect();
        self.happened.push(Happened { at: self.now, done: done.clone(), told });
        for effect in &done.effects {
            if let Effect::Publish { id, .. } = effect {
                self.decide(PartitionInput::Confirmed { effect: *id })?;
            }
        }
        Ok(done)
    }

    /// What the world does about an effect, and how it is told.
    fn perform(&mut self, key: Option<&InstanceKey>, effect: &Effect) -> Option<Told> {
        match effect {
            Effect::Call(call) => {
                self.ask(key?, call);
                Some(Told::new("call", &call.operation, Some(&call.input)))
            }
            Effect::CancelCall { call } => {
                let at = self.open.iter().position(|open| open.call.call == *call)?;
                Some(Told::new("cancel", &self.open.remove(at).call.operation, None))
            }
            Effect::Publish { subject, payload, .. } => {
                Some(Told::new("publish", subject, Some(payload)))
            }
            Effect::DeadLetter { event, .. } => {
                Some(Told::new("dead_letter", &event.name, event.data.as_ref()))
            }
            Effect::Letter(letter) => {
                self.post(key?, letter);
                None
            }
            // The world sends at once: nothing is held back.
            Effect::WithdrawCall { .. }
            | Effect::Keep { .. }
            | Effect::SendSelf { .. }
            | Effect::Log { .. }
            | Effect::Notice(_) => None,
        }
    }

    /// Letters arrive at once, in the order they were sent.
    fn post(&mut self, sender: &InstanceKey, letter: &Letter) {
        let (from, sender, letter) = (self.partition.id(), sender.clone(), letter.clone());
        self.asked += 1;
        let input = PartitionInput::Letter { from, after: 0, sender, letter };
        self.replies.insert((self.now, self.asked), input);
    }

    fn ask(&mut self, key: &InstanceKey, call: &CallRequest) {
        self.open.push(Open { key: key.clone(), call: call.clone() });
        let Some((outcome, delay)) = self.prepared.next(&call.operation) else { return };
        let (id, attempt) = (call.call, call.attempt);
        let input = PartitionInput::CallReply { key: key.clone(), call: id, attempt, outcome };
        self.asked += 1;
        self.replies.insert((self.now.plus_ms(delay), self.asked), input);
    }
}
