//! What a breakpoint stops.

use std::pin::pin;

use futures_util::future::{Either, select};
use gearshift_bus::{Appended, Breakpoint, Stop};

use crate::log::{fill, frame};
use crate::world::{Outcome, World};

pub async fn a_stopped_append_is_not_stored(world: &World) -> Outcome {
    stopped(world, Stop::Before, 3).await
}

pub async fn an_append_stopped_afterwards_is_stored_and_not_answered(world: &World) -> Outcome {
    stopped(world, Stop::After, 4).await
}

/// Stops the second append from the third entry on; `last` is the last entry then.
async fn stopped(world: &World, stop: Stop, last: u64) -> Outcome {
    let breakpoint = Breakpoint::default();
    let bus = world.open().await?.with_breakpoint(breakpoint.clone());
    let (log, other) = (bus.log("l").await?, bus.log("other").await?);
    fill(&log, 2).await?;
    assert_eq!(breakpoint.seen(), 2);
    breakpoint.stop_at(2, stop);
    assert_eq!(log.append(2, frame(3)).await?, Appended::Stored(3));
    let append = pin!(log.append(3, frame(4)));
    match select(append, pin!(breakpoint.stopped())).await {
        Either::Left((answer, _)) => panic!("answered: {answer:?}"),
        Either::Right(((), _)) => assert_eq!(log.tail().await?.last, last),
    }
    let append = pin!(other.append(0, frame(1)));
    match select(append, pin!(breakpoint.stopped())).await {
        Either::Left((answer, _)) => panic!("answered: {answer:?}"),
        Either::Right(((), _)) => assert_eq!(other.tail().await?.last, 0, "it came afterwards"),
    }
    Ok(())
}
