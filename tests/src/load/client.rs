//! A client: approvals one after the other, as permits come.

use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use gearshift_client::protocol::{Status, Wait};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::operation::Desk;
use crate::checker::{Invocation, JOBS, Kind};
use crate::world::PATIENCE;

/// How long one look may wait for a state.
const LOOK: Duration = Duration::from_secs(2);

/// What all clients share.
pub(crate) struct Work {
    /// One permit per approval; given life by life, so that every life has work.
    pub(crate) permits: Semaphore,
    /// Numbers taken so far.
    pub(crate) next: AtomicU32,
    /// Approvals or jobs in all.
    pub(crate) count: u32,
    /// Which of them.
    pub(crate) load: Load,
}

/// What clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Approvals, and timers.
    Approvals,
    /// Jobs: workflows of steps.
    Jobs,
    /// Approvals and timers, and jobs beside them.
    Both,
}

/// Where both are asked for, one of so many is a job.
const JOB_EACH: u32 = 10;

/// Of so many jobs one has a long list, and of so many one fails at its end.
const LONG_EACH: u32 = 3;
const FAILS_EACH: u32 = 2;
/// Items of a long list, and of others.
const ITEMS: (u32, u32) = (40, 3);

/// Works until everything is done.
pub(crate) async fn work(mut desk: Desk, shared: Arc<Work>, mut rng: Rng) -> Result<(), Error> {
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= shared.count {
            return Ok(());
        }
        // Closed where no more is to be done.
        let Ok(permit) = shared.permits.acquire().await else { return Ok(()) };
        permit.forget();
        match shared.load {
            Load::Approvals => approval(&mut desk, &mut rng, number).await?,
            Load::Jobs => job(&mut desk, &mut rng, number).await?,
            Load::Both if number.is_multiple_of(JOB_EACH) => {
                job(&mut desk, &mut rng, number).await?;
            }
            Load::Both => approval(&mut desk, &mut rng, number).await?,
        }
    }
}

/// Begins a job and releases it, at once or when its steps wait for that.
async fn job(desk: &mut Desk, rng: &mut Rng, number: u32) -> Result<(), Error> {
    let items = if number.is_multiple_of(LONG_EACH) { ITEMS.0 } else { ITEMS.1 };
    let ends = if (number / LONG_EACH).is_multiple_of(FAILS_EACH) { "fails" } else { "ends" };
    let instance = format!("{JOBS}/j-{number}-{items}-{ends}");
    let plain = |kind: Kind| Invocation { kind, instance: instance.clone(), choice: None };
    if desk.perform(plain(Kind::Job)).await?.is_none() {
        return Ok(());
    }
    if rng.bool() {
        released(desk, &instance).await?;
    }
    desk.perform(plain(Kind::Release)).await?;
    Ok(())
}

/// Waits until nothing but the release is missing; a job that never comes there is left to the
/// checker.
async fn released(desk: &mut Desk, instance: &str) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let engine = desk.engine().await?;
        if let Ok(detail) = engine.instance(instance).await
            && detail.steps.current_step == ["released"]
        {
            return Ok(());
        }
        desk.pause().await;
    }
    Ok(())
}

async fn approval(desk: &mut Desk, rng: &mut Rng, number: u32) -> Result<(), Error> {
    if number.is_multiple_of(5) {
        let timer = format!("crash_timer/t-{number}");
        desk.perform(Invocation { kind: Kind::Timer, instance: timer, choice: None }).await?;
    }
    let instance = format!("crash_approval/a-{number}");
    let plain = |kind: Kind| Invocation { kind, instance: instance.clone(), choice: None };
    if desk.perform(plain(Kind::Submit)).await?.is_none() {
        return Ok(());
    }
    // While the document is validated notes are deferred; afterwards they are taken at once.
    if rng.bool() {
        desk.perform(plain(Kind::Note)).await?;
    }
    reviewable(desk, &instance).await?;
    if rng.u8(..3) == 0
        && let Some(op) = desk.perform(plain(Kind::Published)).await?
    {
        applied(desk, &instance, &op).await?;
    }
    if rng.u8(..8) == 0 {
        desk.perform(plain(Kind::Nonsense)).await?;
    }
    if rng.bool() {
        desk.perform(plain(Kind::Note)).await?;
    }
    let choice = if rng.u8(..4) == 0 { "reject" } else { "approve" };
    let kind = if rng.bool() { Kind::Event } else { Kind::Decide };
    let choice = Some(choice.to_owned());
    desk.perform(Invocation { kind, instance: instance.clone(), choice }).await?;
    Ok(())
}

/// Waits until what was published was applied, or long enough: then the checker says so.
async fn applied(desk: &mut Desk, instance: &str, op: &str) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let engine = desk.engine().await?;
        if let Ok(detail) = engine.instance(instance).await
            && let Some(list) = detail.vars.get("applied").and_then(Value::as_array)
            && list.iter().any(|noted| noted == op)
        {
            return Ok(());
        }
        desk.pause().await;
    }
    Ok(())
}

/// Waits until the instance can be decided; one that never can is left to the checker.
async fn reviewable(desk: &mut Desk, instance: &str) -> Result<(), Error> {
    let wait = Wait::State("review".to_owned());
    let end = Instant::now() + PATIENCE * 2;
    while Instant::now() < end {
        let engine = desk.engine().await?;
        match engine.wait_for(instance, &wait, LOOK).await {
            Ok(waited) if waited.reached => return Ok(()),
            Ok(waited) if waited.instance.summary.status == Status::Stuck => return Ok(()),
            Ok(_) | Err(_) => desk.pause().await,
        }
    }
    Ok(())
}
