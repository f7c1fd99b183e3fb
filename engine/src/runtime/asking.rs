//! Asking: one attempt of a call, from when it waits for something until the partition is told what
//! came of it. Waiting costs the journal two frames, however long it is (decision 0047).

use std::pin::pin;
use std::time::Duration;

use gearshift_machine::machine::{CallRequest, NEXT_ATTEMPT, Outcome};
use gearshift_machine::partition::PartitionInput;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::dispatch::tell;
use super::providers::{Asked, Attempt, Open};

/// How soon a partition that is too busy to be told is told again.
const AGAIN: Duration = Duration::from_millis(200);

/// An attempt that was held back.
enum Held {
    /// It is sent now, as the machine has it by now.
    Goes(Box<CallRequest>, Open),
    /// This came of it, and it is not sent.
    Ended(Asked),
}

/// Makes an attempt that may have to wait for something, and tells what came of it. `told`: it is
/// known that it is held back. What is held back is not under way, and keeps nobody from a stop.
pub(super) async fn ask(
    attempt: Attempt,
    stop: CancellationToken,
    (token, told): (TaskTrackerToken, bool),
) {
    let calls = token.task_tracker().clone();
    let mut under_way = Some(token).filter(|_| !told);
    let held = {
        let made = made(&attempt, &stop, &mut under_way);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            given_up = attempt.given_up() => Held::Ended(given_up),
            held = made => held,
        }
    };
    let (attempt, asked) = match held {
        Held::Ended(asked) => (attempt, asked),
        Held::Goes(call, open) => {
            under_way = Some(calls.token());
            let attempt = Attempt { call: *call, ..attempt };
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                given_up = attempt.given_up() => given_up,
                asked = attempt.make(open) => asked,
            };
            (attempt, asked)
        }
    };
    if let Some(input) = attempt.input(asked) {
        tell(&attempt.shared, attempt.partition, input, &stop).await;
    }
    drop(under_way);
}

/// The attempt as it was decided, unless it is held back for so long that the machine has to hear
/// of it.
async fn made(
    attempt: &Attempt,
    stop: &CancellationToken,
    under_way: &mut Option<TaskTrackerToken>,
) -> Held {
    let waits = attempt.waits();
    // Rare, so that its size is not every call's.
    let mut opens = pin!(Box::pin(attempt.opens(&waits)));
    while under_way.is_some() {
        let soon = Box::pin(attempt.opens_soon(&waits, opens.as_mut())).await;
        match soon {
            Some(Ok(open)) => return Held::Ended(attempt.make(open).await),
            Some(Err(asked)) => return Held::Ended(asked),
            None => {}
        }
        // Else it is free by now.
        if let Some(held) = attempt.is_held(&waits) {
            tell(&attempt.shared, attempt.partition, held, stop).await;
            *under_way = None;
        }
    }
    match opens.await {
        Ok(open) => goes(attempt, open).await,
        // What is wrong with it by now ends the attempt that it is then.
        Err(asked) => match let_go(attempt).await {
            Some(_) => Held::Ended(asked),
            None => Held::Ended(Asked::Nothing),
        },
    }
}

/// Nothing holds it back any more.
async fn goes(attempt: &Attempt, open: Open) -> Held {
    let passed = attempt.passed(&open);
    match let_go(attempt).await {
        // The definition may have been another one since.
        Some(call) if call.operation == attempt.call.operation => {
            passed.goes();
            Held::Goes(Box::new(call), open)
        }
        Some(_) => Held::Ended(attempt.anew()),
        None => Held::Ended(Asked::Nothing),
    }
}

/// Tells the partition that the attempt is sent now; `None` where nobody waits for it any more.
async fn let_go(attempt: &Attempt) -> Option<CallRequest> {
    let (shared, partition) = (&attempt.shared, attempt.partition);
    let (key, call) = (&attempt.key, attempt.call.call);
    loop {
        let input = PartitionInput::CallStarted { key: key.clone(), call, attempt: NEXT_ATTEMPT };
        let told = shared.ask_in_order(partition, attempt.session, input).await.ok()?;
        match told.await.ok()?.outcome {
            Outcome::Done | Outcome::Transitioned { .. } => break,
            Outcome::Busy { .. } => tokio::time::sleep(AGAIN).await,
            Outcome::Started { .. }
            | Outcome::Deferred
            | Outcome::Ignored { .. }
            | Outcome::Duplicate { .. }
            | Outcome::IdReuse { .. }
            | Outcome::Rejected { .. }
            | Outcome::Denied { .. }
            | Outcome::DeadLettered { .. }
            | Outcome::Stuck { .. }
            | Outcome::NotFound { .. } => return None,
        }
    }
    let (key, index) = (key.clone(), shared.definitions.index());
    let look = move |partition: &gearshift_machine::partition::Partition| {
        partition.call_under_way(&index.definitions, &key, call)
    };
    shared.look_here(partition, look).await?
}
