//! One attempt of a call over request/reply.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{ErrorKind as BusErrorKind, Message};
use gearshift_machine::definition::model::{Balance, PluginRules};
use gearshift_machine::machine::{
    CUT_OFF_BEFORE, CallOutcome, CallRequest, ErrorKind, InstanceKey, Outcome,
};
use gearshift_machine::partition::PartitionInput;
use gearshift_protocol::headers;

use super::ahead::GoesFirst;
use super::breakers::{self, Pass};
use super::fate::{Fate, fate};
use super::gate::Open;
use super::gives::Doubt;
use super::instances::Picked;
use super::mocks::not_mocked;
use super::prefer::Prefer;
use super::promised::Promised;
use super::registry::{Route, Unroutable};
use super::reply::{failure, promise_of, read_reply};
use super::sending::Sending;
use super::signs::{Sign, sign_of, words_of};
use super::unsent::{Passed, withdrawn};
use super::whole::Stored;
use crate::runtime::in_hand::Answer;
use crate::runtime::longwork::{Watched, heartbeat_ms, object_of, too_large};
use crate::runtime::shared::Shared;
use crate::runtime::unsent::Turn;

/// What the dispatcher waits beyond a call's deadline: the machine's own timer decides first.
const GRACE: Duration = Duration::from_secs(1);

/// One attempt of a call.
pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) partition: u16,
    /// The session of the drive that decided it: a later one decides anew.
    pub(crate) session: u64,
    pub(crate) key: InstanceKey,
    /// `name@version` of the calling definition.
    pub(crate) workflow: String,
    /// What the calling definition asks of the plugin.
    pub(crate) rules: Option<Arc<PluginRules>>,
    pub(crate) call: CallRequest,
    /// The call's id in letters, as messages name it.
    pub(crate) id: String,
    /// The mocked operation that it would really take back.
    pub(crate) takes_back: Option<Arc<str>>,
    /// No engine can have sent it before.
    pub(crate) first: bool,
    /// Those that nobody can have sent wait for it, where an engine before may have.
    pub(crate) goes_first: GoesFirst,
    /// Its place among those that wait before they are sent, where it does.
    pub(crate) turn: Option<Turn>,
    /// Its answer, from when it came until the partition is told.
    pub(crate) in_hand: Mutex<Option<Answer>>,
}

/// What came of an attempt.
pub(crate) enum Asked {
    /// This is how it ended.
    Ended(CallOutcome),
    /// The plugin took it and answers later.
    Promised(Box<Promised>),
    /// Its answer is what this object holds, which is still to be read.
    Stored(Box<Stored>),
    /// Its answer is not what is known to be published, which is asked for once more.
    Doubted(Box<Doubt>),
    /// The instance that was picked is gone, and nothing was sent: another one is asked.
    Again,
    /// There is nothing to tell: the call's own deadline decides, or has decided.
    Nothing,
}

impl Attempt {
    /// Makes it, now that nobody holds it back.
    pub(crate) async fn make(&self, open: Open) -> Asked {
        // Its place is another's once it is answered, or has promised to.
        let Open { route, pass, room, place: _place } = open;
        let waits = route.counts.waits();
        let passed = Passed::new(self, &route, pass);
        // Before it is recorded as sent: what could not be stored was not.
        let body = match Box::pin(self.body(&route)).await {
            Ok(body) => body,
            Err(asked) => return asked,
        };
        if self.is_overdue() {
            return Asked::Nothing;
        }
        if let Some(given_up) = self.goes() {
            return given_up;
        }
        // That it is recorded may take a while as well.
        if route.once {
            let recorded = Box::pin(self.may_start()).await;
            let before = |reason: &str| reason == CUT_OFF_BEFORE;
            let cut_off =
                |it: &Outcome| matches!(it, Outcome::Ignored { reason } if before(reason));
            // No engine sent it before, and this one does not: nobody has to wait for it.
            if self.first && cut_off(&recorded) {
                return withdrawn();
            }
            if recorded != Outcome::Done || self.is_overdue() {
                return Asked::Nothing;
            }
        }
        passed.goes();
        drop(waits);
        loop {
            let Some(sending) = self.sending(&route, pass) else {
                return self.nobody();
            };
            let message = match self.message(sending.subject(), body.clone()) {
                Ok(message) => message,
                Err(error) => {
                    let text = error.to_string();
                    return Asked::Ended(failure(ErrorKind::Permanent, "request_invalid", text));
                }
            };
            let asked = tokio::select! {
                biased;
                reply = self.request(sending.bus(), message) => self.ended(&sending, reply),
                () = self.until_lost(&sending) => self.lost(&sending),
            };
            // Each time one instance less is picked from.
            return match asked {
                Asked::Again => continue,
                // What is promised is under way, and keeps others waiting as it did.
                Asked::Promised(it) => Asked::Promised(Box::new(it.in_room(room))),
                asked @ (Asked::Ended(_)
                | Asked::Stored(_)
                | Asked::Doubted(_)
                | Asked::Nothing) => Box::pin(self.whole(asked)).await,
            };
        }
    }

    /// Where the operation is asked.
    pub(super) async fn route(&self) -> Result<Arc<Route>, Asked> {
        if let Some(mocked) = &self.takes_back {
            return Err(Asked::Ended(not_mocked(&self.call.operation, mocked)));
        }
        if let Some(route) = self.known() {
            return Ok(route);
        }
        let found = Box::pin(self.shared.providers.find(&self.call.operation, self.prefer()));
        found.await.map_err(|error| {
            Asked::Ended(match error {
                Unroutable::Name(text) => failure(ErrorKind::Permanent, "operation_name", text),
                Unroutable::Version(text) => self.absent(text),
                Unroutable::Bus(error) => failure(ErrorKind::Retryable, "bus", error.to_string()),
            })
        })
    }

    /// Where the operation is asked, if that is known.
    pub(crate) fn known(&self) -> Option<Arc<Route>> {
        if self.takes_back.is_some() {
            return None;
        }
        self.shared.providers.known(&self.call.operation, self.prefer())
    }

    pub(super) fn prefer(&self) -> Prefer {
        Prefer::of(self.rules.as_deref())
    }

    /// Who is asked; `None` where nobody is left who may be.
    pub(crate) fn sending(&self, route: &Arc<Route>, pass: Pass) -> Option<Sending> {
        let balance = self.rules.as_deref().map_or(Balance::Group, |rules| rules.balance);
        let alone = balance != Balance::Group || !route.group;
        let pool = route.pool.as_ref().filter(|_| alone);
        let picked = pool.and_then(|pool| pool.pick(balance));
        let is_somebody = picked.is_some() || route.group;
        is_somebody.then(|| Sending::new(route, picked, pass))
    }

    /// Every instance that might be asked is gone.
    fn nobody(&self) -> Asked {
        let operation = &self.call.operation;
        self.shared.providers.forget(operation);
        let text = format!("no service answers `{operation}`");
        Asked::Ended(self.absent(text))
    }

    /// Is its deadline over? The machine's timer decides then, and what it decides may be to take
    /// back what was done: a plugin that was asked now would do it again behind that.
    pub(crate) fn is_overdue(&self) -> bool {
        self.call.deadline <= self.shared.config.clock.now()
    }

    /// How long a reply is waited for.
    pub(crate) fn limit(&self) -> Duration {
        let left = self.call.deadline.since_ms(self.shared.config.clock.now());
        Duration::from_millis(left).saturating_add(GRACE)
    }

    /// What the reply says, or that there is none; the operation's breaker and counts hear of it.
    pub(crate) fn ended(
        &self,
        sending: &Sending,
        reply: Result<Message, gearshift_bus::Error>,
    ) -> Asked {
        let Sending { route, pass, began, picked } = sending;
        let is_silence = reply.as_ref().is_err_and(is_timeout);
        let (asked, sign) = match reply {
            Ok(reply) => {
                let asked = self.answered(sending, &reply);
                let sign = signed(&asked);
                (asked, sign)
            }
            Err(error) => self.failed(sending, &error),
        };
        if matches!(asked, Asked::Promised(_)) {
            // Neither breaker nor counts hear of it before it is known what becomes of it.
            return asked;
        }
        if sign != Sign::None {
            route.counts.add(Some(began.elapsed()), failed(&asked));
        }
        if let Some(rules) = self.breaker_rules() {
            let shared = &self.shared;
            let is_old =
                || *pass == Pass::Normal && route.breaker.lately.has_answered_since(*began);
            let is_its = || picked.as_ref().is_some_and(Picked::is_gone);
            // Silence of one that is gone, or of a time before others were answered, is no sign.
            let sign = if is_silence && (is_its() || is_old()) { Sign::None } else { sign };
            if (*pass, sign) == (Pass::Normal, Sign::Well) {
                // The way of most calls.
                route.breaker.well();
                route.breaker.lately.answered(*began);
            } else if !matches!(asked, Asked::Again) {
                breakers::ended(shared, &route.breaker, rules, *pass, (sign, &words(&asked)));
            }
        }
        asked
    }

    fn answered(&self, sending: &Sending, reply: &Message) -> Asked {
        let route = &sending.route;
        self.shared.providers.answered(&self.call.operation, self.prefer(), route);
        if let Some(picked) = &sending.picked
            && let Some(load) = reply.headers.get(headers::LOAD).and_then(|it| it.parse().ok())
        {
            picked.tell_load(load);
        }
        match promise_of(reply, &self.id) {
            Some(promise) => {
                let seen = self.shared.providers.catalogue();
                let told = seen.and_then(|seen| seen.heartbeat_ms(route.subject.as_str()));
                let heartbeat_ms = heartbeat_ms(promise, told);
                let asked = (route, sending.began);
                let promised = Promised::new(heartbeat_ms, self.rules.clone(), sending.pass, asked);
                let promised = promised.at(sending.picked.clone());
                Asked::Promised(Box::new(promised))
            }
            None => {
                self.compare(route, reply);
                match object_of(reply) {
                    Some(object) => {
                        let (reply, gives) = (reply.clone(), sending.gives());
                        Asked::Stored(Box::new(Stored { reply, object, gives }))
                    }
                    None => sending.compared(&self.shared.providers, read_reply(reply, &self.id)),
                }
            }
        }
    }

    /// What the partition is told, if anything.
    pub(crate) fn input(&self, asked: Asked) -> Option<PartitionInput> {
        let (key, call, attempt) = (self.key.clone(), self.call.call, self.call.attempt);
        match asked {
            Asked::Ended(outcome) => {
                Some(PartitionInput::CallReply { key, call, attempt, outcome })
            }
            Asked::Promised(promised) => {
                let heard = self.shared.config.clock.now();
                let place = (self.partition, self.session);
                let heartbeat_ms = promised.heartbeat_ms;
                let longwork = &self.shared.longwork;
                if let Some(outcome) = longwork.overtaking.take((call, attempt)) {
                    // The result is there already: nobody gives a sign of life any more.
                    promised.ended(&self.shared, &self.call.operation, &outcome);
                } else {
                    let promised = Some(*promised);
                    let watched = Watched::new(place, key.clone(), &self.call, promised, heard);
                    longwork.watch(watched);
                }
                Some(PartitionInput::CallPending { key, call, attempt, heartbeat_ms })
            }
            Asked::Stored(_) | Asked::Doubted(_) | Asked::Again | Asked::Nothing => None,
        }
    }

    /// Looks who runs, beside the calls and only while there are some.
    pub(crate) fn refresh(&self) {
        if self.shared.providers.is_stale() {
            let shared = Arc::clone(&self.shared);
            self.shared.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = shared.stop.cancelled() => {}
                    () = shared.providers.refresh() => {}
                }
            });
        }
    }

    /// Records that the attempt is sent now: `Done` where it may be sent.
    async fn may_start(&self) -> Outcome {
        let input = PartitionInput::CallStarted {
            key: self.key.clone(),
            call: self.call.call,
            attempt: self.call.attempt,
        };
        let recorded = self.shared.ask_in_order(self.partition, self.session, input).await;
        let unknown = || Outcome::Ignored { reason: "not recorded".into() };
        let Ok(recorded) = recorded else { return unknown() };
        recorded.await.map_or_else(|_| unknown(), |done| done.outcome)
    }

    /// Why there is no reply, and whether that tells what became of the call; what it says of the
    /// operation.
    fn failed(&self, sending: &Sending, error: &gearshift_bus::Error) -> (Asked, Sign) {
        if let BusErrorKind::NoResponders { .. } = error.kind() {
            if let Some(picked) = &sending.picked {
                picked.set_gone();
                self.shared.providers.losses.suspect();
                return (Asked::Again, Sign::None);
            }
            return (self.nobody(), Sign::None);
        }
        if let BusErrorKind::TooLarge { size, limit } = *error.kind() {
            let why = "; the plugin reads no objects";
            return (too_large(size, limit, why), Sign::None);
        }
        let is_timeout = is_timeout(error);
        let is_full = matches!(error.kind(), BusErrorKind::Full { .. });
        let sign = if is_timeout || is_full { Sign::Bad } else { Sign::None };
        let kind = match fate(error.kind()) {
            Fate::Unknown if sending.route.once => ErrorKind::OutcomeUnknown,
            Fate::Unknown if is_timeout => return (Asked::Nothing, sign),
            Fate::Unknown | Fate::NotSent => ErrorKind::Retryable,
            Fate::Useless => ErrorKind::Permanent,
        };
        (Asked::Ended(failure(kind, "bus", error.to_string())), sign)
    }
}

/// Did nobody answer in time?
const fn is_timeout(error: &gearshift_bus::Error) -> bool {
    matches!(error.kind(), BusErrorKind::Timeout { .. })
}

/// What an answer says of the operation. One that is to come, or to be read, was taken at least.
const fn signed(asked: &Asked) -> Sign {
    match asked {
        Asked::Ended(outcome) => sign_of(outcome),
        Asked::Stored(_) => Sign::Well,
        Asked::Doubted(doubt) => doubt.sign(),
        Asked::Promised(_) | Asked::Again | Asked::Nothing => Sign::None,
    }
}

fn failed(asked: &Asked) -> bool {
    match asked {
        Asked::Ended(CallOutcome::Success(_) | CallOutcome::Cached(_))
        | Asked::Promised(_)
        | Asked::Stored(_) => false,
        Asked::Doubted(doubt) => doubt.sign() == Sign::Bad,
        Asked::Ended(CallOutcome::Failure { .. }) | Asked::Nothing | Asked::Again => true,
    }
}

/// How an attempt failed, for people.
fn words(asked: &Asked) -> String {
    match asked {
        Asked::Ended(outcome) => words_of(outcome),
        Asked::Doubted(doubt) => doubt.words(),
        Asked::Nothing => "no answer in time".to_owned(),
        Asked::Promised(_) | Asked::Stored(_) | Asked::Again => String::new(),
    }
}
