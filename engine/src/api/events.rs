//! Door (b): an event in, its verdicts out; and the one-way door onto the inbox.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Headers, Message, Request, Subject};
use gearshift_machine::machine::{Instance, InstanceKey, Principal};
use gearshift_machine::partition::Done;
use gearshift_protocol::{
    EventReply, InstanceVerdict, Problem, ProblemKind, Wait, ce_decode, headers as names, subjects,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Reply, problem, reply, spoken, wire};
use crate::runtime::{
    AskError, Ended, Handle, Incoming, IntakeError, Reached, Replies, Wish, decode,
};

/// How long an asker waits for a state where it does not say.
const WAIT_DEFAULT: Duration = Duration::from_secs(30);
/// The longest wait an asker may ask for.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// How long it is looked, behind a decision, how its instance stands.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Answers after the commit with one verdict per instance.
pub(super) async fn ask(handle: &Handle, name: &str, headers: &Headers, body: &[u8]) -> Reply {
    let wait = wait_of(headers)?;
    let timeout_ms = timeout_of(headers)?;
    let incoming = decode(name, headers, body, asker(headers)?)?;
    if *incoming.event.name != *name {
        let named = &incoming.event.name;
        return Err(refused(format!("event `{name}` was asked, but `ce-type` says `{named}`")));
    }
    if wait != Wait::None {
        let limit = limit(timeout_ms);
        return Box::pin(ask_and_wait(handle, incoming, &wait, limit)).await;
    }
    let verdicts = handle.event(incoming).await?;
    let list = verdicts.iter().map(|(key, done)| wire::verdict(key, done)).collect();
    reply(&EventReply::new(list))
}

/// Hands an event in, with what is waited for beyond its verdict; the request comes back where
/// that is not so simple, and is then to be asked the long way.
pub(super) fn hand_in(
    handle: &Handle,
    request: Request,
    replies: &Replies,
    waiting: &Arc<Semaphore>,
) -> Option<Request> {
    let message = &request.message;
    let Some(name) = message.subject.as_str().strip_prefix(subjects::EVENT) else {
        return Some(request);
    };
    // Headers that say nothing sensible are refused the long way.
    let (Ok(wait), Ok(timeout_ms)) = (wait_of(&message.headers), timeout_of(&message.headers))
    else {
        return Some(request);
    };
    let wish = match wait {
        Wait::None => None,
        wait @ (Wait::Quiescent | Wait::End | Wait::State(_)) => {
            let Ok(place) = Arc::clone(waiting).try_acquire_owned() else { return Some(request) };
            let until = Instant::now() + limit(timeout_ms);
            Some(Wish::new(awaited_state(&wait), until, place))
        }
    };
    let Ok(by) = asker(&message.headers) else { return Some(request) };
    match decode(name, &message.headers, &message.payload, by) {
        Ok(incoming) if *incoming.event.name == *name => {
            handle.hand_in(incoming, request, replies, wish)
        }
        Ok(_) | Err(_) => Some(request),
    }
}

/// What the asker of [`hand_in`] is told; nothing where somebody else has to be asked first.
pub(super) fn verdict_of(done: Option<&Done>, ended: Option<&Ended>) -> Option<Reply> {
    let Some(done) = done else {
        let detail = "the partition was lost while the frame was under way; send it again under \
                      the same id to learn what became of it";
        let told = problem(ProblemKind::Timeout, detail);
        return Some(Err(Box::new(told.with_code("GS5003", "outcome_unknown"))));
    };
    let Some(key) = &done.key else {
        return Some(Err(problem(ProblemKind::Internal, "a decision about no instance")));
    };
    let (reached, seen) = match ended {
        None | Some(Ended::Judged(true)) => (true, None),
        Some(Ended::Judged(false)) => (false, None),
        Some(Ended::Reached(seen)) => (seen.met, Some(seen)),
        Some(Ended::TimeUp | Ended::Moved) => return None,
    };
    if let Some(text) = spoken::answer(key, done, seen, reached) {
        return Some(Ok(text.into()));
    }
    let mut verdict = wire::verdict(key, done);
    if let Some(seen) = seen {
        show(&mut verdict, seen);
    }
    let mut answer = EventReply::new(vec![verdict]);
    answer.reached = reached;
    Some(reply(&answer))
}

/// Goes on waiting behind a decision whose partition has left, or tells how things stand.
pub(super) async fn wait_on(handle: &Handle, done: &Done, wish: &Wish) -> Reply {
    let Some(key) = &done.key else {
        return Err(problem(ProblemKind::Internal, "a decision about no instance"));
    };
    let left = wish.until.saturating_duration_since(Instant::now());
    let met = handle.waiter(key, wish.state()).wait(left).await?;
    let mut verdict = wire::verdict(key, done);
    refresh(handle, key, &mut verdict).await;
    let mut answer = EventReply::new(vec![verdict]);
    answer.reached = met;
    reply(&answer)
}

fn show(verdict: &mut InstanceVerdict, seen: &Reached) {
    verdict.status = Some(wire::status(seen.status));
    verdict.step = seen.step;
    verdict.active = wire::state_names(&seen.definition, &seen.active);
}

/// What the asker waits for.
fn wait_of(headers: &Headers) -> Result<Wait, Box<Problem>> {
    let wait = Wait::from_header(headers.get(names::WAIT_FOR));
    check_wait(names::WAIT_FOR, &wait)?;
    Ok(wait)
}

/// Refuses what nothing is ever at: no state has a name that begins with `@`.
pub(super) fn check_wait(place: &str, wait: &Wait) -> Result<(), Box<Problem>> {
    match wait {
        Wait::State(name) if name.starts_with('@') => Err(refused(format!(
            "`{place}`: `{}` is none of a state, `@end` and `@quiescent`",
            shown(name)
        ))),
        Wait::None | Wait::Quiescent | Wait::End | Wait::State(_) => Ok(()),
    }
}

fn timeout_of(headers: &Headers) -> Result<Option<u64>, Box<Problem>> {
    let Some(text) = headers.get(names::TIMEOUT_MS) else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| {
        let (name, text) = (names::TIMEOUT_MS, shown(text));
        refused(format!("`{name}`: `{text}` is not a number of milliseconds from 0 on"))
    })
}

/// As much of a header as a refusal repeats.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 64;
    text.chars().take(SHOWN_MAX).collect()
}

async fn ask_and_wait(handle: &Handle, incoming: Incoming, wait: &Wait, limit: Duration) -> Reply {
    let verdicts = handle.event_awaited(incoming, awaited_state(wait)).await?;
    let mut answer = EventReply::new(Vec::with_capacity(verdicts.len()));
    for (key, done, waiter) in verdicts {
        let mut verdict = wire::verdict(&key, &done);
        // What was refused, kept for later or given up leads nowhere, but it may be there already.
        let leads = verdict.status.is_some() && verdict.verdict.exit_code() == 0;
        let (met, seen) = match leads {
            true => waiter.wait_behind(&done, limit).await?,
            false => (waiter.judged_by(&done) == Some(true), None),
        };
        answer.reached &= met;
        if let Some(seen) = seen {
            show(&mut verdict, &seen);
        } else if verdict.status.is_some() {
            refresh(handle, &key, &mut verdict).await;
        }
        answer.verdicts.push(verdict);
    }
    reply(&answer)
}

/// In whose name an event is sent: the door has checked that this client may say so. It carries no
/// roles, so that an approval that asks for one still needs a command.
fn asker(headers: &Headers) -> Result<Option<Principal>, Box<Problem>> {
    const USER_MAX: usize = 256;
    let Some(user) = headers.get(names::USER).map(ce_decode) else { return Ok(None) };
    if user.is_empty() || user.len() > USER_MAX || user.chars().any(char::is_control) {
        let size = user.len();
        return Err(refused(format!(
            "`{}` of {size} bytes is not a name of 1 to {USER_MAX} printable bytes",
            names::USER
        )));
    }
    Ok(Some(Principal { user: user.into(), roles: Vec::new() }))
}

fn refused(detail: String) -> Box<Problem> {
    Box::new(Problem::new(ProblemKind::BadRequest, detail).with_code("GS3007", "headers"))
}

/// How an instance stands behind a decision, where its owner says so at once: that nobody can be
/// asked any more makes no failure of what is decided.
pub(super) async fn as_it_is(handle: &Handle, key: &InstanceKey) -> Option<Instance> {
    let seen = tokio::time::timeout(LOOK_LIMIT, handle.instance(key)).await;
    seen.ok().and_then(Result::ok).flatten()
}

/// After a wait the verdict shows the instance as it is now.
pub(super) async fn refresh(handle: &Handle, key: &InstanceKey, verdict: &mut InstanceVerdict) {
    let Some(instance) = as_it_is(handle, key).await else { return };
    let index = handle.definitions().registry();
    if let Some(definition) = index.pinned(key.workflow(), instance.pin) {
        verdict.active = wire::state_names(definition, &instance.active);
    }
    verdict.status = Some(wire::status(instance.status));
    verdict.step = instance.step;
}

/// The state that is waited for; `None` where it is the end.
pub(super) const fn awaited_state(wait: &Wait) -> Option<&str> {
    if let Wait::State(name) = wait { Some(name.as_str()) } else { None }
}

pub(super) fn limit(timeout_ms: Option<u64>) -> Duration {
    timeout_ms.map_or(WAIT_DEFAULT, Duration::from_millis).min(WAIT_MAX)
}

/// Door (a): stored by the bus; the engine reads it later.
pub(super) async fn publish(handle: &Handle, target: &str, headers: Headers, body: Bytes) -> Reply {
    let subject = Subject::parse(target)
        .map_err(|error| problem(ProblemKind::BadRequest, error.to_string()))?;
    let inbox = handle.bus().inbox("events").await.map_err(crate::runtime::Error::from)?;
    let mut message = Message::new(subject, body);
    message.headers = headers;
    let sequence = inbox.publish(message).await.map_err(|error| {
        if !matches!(error.kind(), gearshift_bus::ErrorKind::NotCaptured { .. }) {
            return Box::<Problem>::from(crate::runtime::Error::from(error));
        }
        let detail = format!("no deployed definition listens to `{target}`");
        let problem = Problem::new(ProblemKind::NotFound, detail);
        Box::new(problem.with_code("GS3011", "unknown_event"))
    })?;
    reply(&serde_json::json!({ "sequence": sequence }))
}

impl From<IntakeError> for Box<Problem> {
    fn from(error: IntakeError) -> Self {
        let kind = match error.code {
            "GS3005" => ProblemKind::TooLarge,
            "GS3011" => ProblemKind::NotFound,
            _ => ProblemKind::BadRequest,
        };
        Self::new(Problem::new(kind, error.message).with_code(error.code, error.name))
    }
}

impl From<AskError> for Box<Problem> {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Intake(error) => error.into(),
            AskError::Engine(error) => error.into(),
        }
    }
}
