//! One operation of a client, sent under one id until its outcome is certain.

use std::fs::File;
use std::io::Error;
use std::time::Duration;

use gearshift_client::protocol::command::Decide;
use gearshift_client::protocol::{EventHeaders, ProblemKind, Verdict};
use gearshift_client::{Client, ErrorKind};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::checker::{Invocation, Kind, Line, Phase, append};

/// The engine of the moment; none while there is none.
pub(crate) type Target = watch::Receiver<Option<Client>>;

/// What a client owns: its history, and the way to whichever engine lives.
pub(crate) struct Desk {
    pub(crate) client: u32,
    pub(crate) history: File,
    pub(crate) target: Target,
    pub(crate) began: Instant,
    pub(crate) count: u32,
}

/// Before the same engine is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(25);

impl Desk {
    /// The engine of the moment; waits for one.
    pub(super) async fn engine(&mut self) -> Result<Client, Error> {
        let found = self.target.wait_for(Option::is_some).await.map_err(Error::other)?;
        found.clone().ok_or_else(|| Error::other("no engine"))
    }

    /// Returns when there is another engine, or after a moment.
    pub(super) async fn pause(&mut self) {
        drop(tokio::time::timeout(ASK_AGAIN, self.target.changed()).await);
    }

    /// Sends until the outcome is certain; gives back the operation's id, none where it was refused
    /// and may not have been done.
    pub(super) async fn perform(&mut self, asked: Invocation) -> Result<Option<String>, Error> {
        self.count += 1;
        let op = format!("c{}-{}", self.client, self.count);
        let mut was_unknown = false;
        for attempt in 1.. {
            let engine = self.engine().await?;
            self.write(&op, attempt, Phase::Invoke(asked.clone()))?;
            let mut phase = ask(&engine, &op, &asked).await;
            // A decision made by an attempt whose answer was lost is refused the second time.
            if let (Phase::Fail { reason }, true, Kind::Decide) = (&phase, was_unknown, asked.kind)
            {
                phase = Phase::Unknown { reason: reason.clone() };
                self.write(&op, attempt, phase)?;
                return Ok(Some(op));
            }
            self.write(&op, attempt, phase.clone())?;
            match phase {
                Phase::Ok { .. } => return Ok(Some(op)),
                Phase::Fail { .. } => return Ok(was_unknown.then_some(op)),
                Phase::Unknown { .. } | Phase::Invoke(_) => was_unknown = true,
            }
            self.pause().await;
        }
        Ok(None)
    }

    fn write(&mut self, op: &str, attempt: u32, phase: Phase) -> Result<(), Error> {
        let at_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (client, op, wall_ms) = (self.client, op.to_owned(), wall_ms());
        append(&mut self.history, &Line { client, op, attempt, phase, at_us, wall_ms })
    }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn wall_ms() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The same in microseconds.
pub(super) fn wall_us() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

async fn ask(engine: &Client, op: &str, asked: &Invocation) -> Phase {
    let key = asked.instance.split_once('/').map_or("", |(_, key)| key);
    let choice = asked.choice.as_deref().unwrap_or("nonsense");
    let (event, data) = match asked.kind {
        Kind::Decide => return decide(engine, op, asked, choice).await,
        Kind::Submit => ("paper.submitted", json!({ "key": key, "op": op })),
        Kind::Note | Kind::Published => ("paper.noted", json!({ "key": key, "op": op })),
        Kind::Timer => ("clock.set", json!({ "key": key, "op": op })),
        Kind::Job => ("job.submitted", job(key, op)),
        Kind::Release => ("job.released", json!({ "key": key, "op": op })),
        Kind::Event | Kind::Nonsense => {
            ("user.action", json!({ "key": key, "op": op, "action": choice }))
        }
    };
    let headers = EventHeaders { id: Some(op.to_owned()), ..EventHeaders::default() };
    if asked.kind == Kind::Published {
        return match engine.publish(event, &data, &headers).await {
            Ok(()) => Phase::Ok { verdict: "stored".to_owned() },
            Err(error) => failed(&error),
        };
    }
    match engine.send_with(event, &data, &headers).await {
        Err(error) => failed(&error),
        Ok(reply) => match reply.verdicts.as_slice() {
            [one] => judged(&one.verdict),
            list => Phase::Unknown { reason: format!("{} verdicts", list.len()) },
        },
    }
}

/// What a job begins with: its key, such as `j-7-40-fails`, says how many items and how it ends.
fn job(key: &str, op: &str) -> Value {
    let count = key.split('-').nth(2).and_then(|count| count.parse().ok()).unwrap_or(0_u32);
    let items = (0..count).collect::<Vec<_>>();
    json!({ "key": key, "op": op, "items": items, "fails": key.ends_with("-fails") })
}

async fn decide(engine: &Client, op: &str, asked: &Invocation, choice: &str) -> Phase {
    let order = Decide {
        instance: asked.instance.clone(),
        choice: choice.to_owned(),
        data: Some(json!({ "op": op })),
        reason: "load".to_owned(),
    };
    match engine.decide(&order).await {
        Ok(one) => judged(&one.verdict),
        Err(error) => failed(&error),
    }
}

/// An acknowledgement is anything that says: taken, now or before.
fn judged(verdict: &Verdict) -> Phase {
    let word = verdict.as_str().to_owned();
    match verdict {
        Verdict::Transitioned { .. }
        | Verdict::Started { .. }
        | Verdict::Deferred
        | Verdict::Duplicate { .. }
        | Verdict::Buffered
        | Verdict::DeadLettered { .. }
        | Verdict::Done => Phase::Ok { verdict: word },
        // Nothing was done, so it is sent again.
        Verdict::Busy => Phase::Unknown { reason: word },
        Verdict::Ignored { .. }
        | Verdict::IdReuse { .. }
        | Verdict::NoInstance
        | Verdict::Rejected { .. }
        | Verdict::Denied { .. }
        | Verdict::Stuck { .. }
        | _ => Phase::Fail { reason: word },
    }
}

/// Only a refusal of the engine is certain; and one while it goes down or comes up is not.
fn failed(error: &gearshift_client::Error) -> Phase {
    let reason = error.to_string();
    match error.kind() {
        ErrorKind::Problem(problem) => match problem.kind() {
            ProblemKind::Unavailable | ProblemKind::Timeout | ProblemKind::Internal => {
                Phase::Unknown { reason }
            }
            ProblemKind::BadRequest
            | ProblemKind::Unauthenticated
            | ProblemKind::Denied
            | ProblemKind::NotFound
            | ProblemKind::Conflict
            | ProblemKind::TooLarge
            | ProblemKind::Invalid
            | _ => Phase::Fail { reason },
        },
        ErrorKind::Unreachable { .. }
        | ErrorKind::Timeout { .. }
        | ErrorKind::Protocol { .. }
        | _ => Phase::Unknown { reason },
    }
}
