//! What it costs to pick the instance that gets a call.

use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::definition::model::Balance;
use gearshift_protocol::Load;

use super::busy::Busy;
use super::catalogue::Candidate;
use super::instances::Pool;
use super::shapes::Shapes;
use crate::runtime::clock::monotonic;

/// Every way to pick, with how long one pick took of so many instances, each with calls under way
/// and a load that it told.
///
/// # Errors
/// No pool can be made, or nobody was picked.
pub(crate) fn picking(
    instances: u32,
    picks: u32,
) -> Result<Vec<(&'static str, Duration)>, &'static str> {
    let candidate = |number: u32| Candidate {
        id: number.to_string(),
        subject: format!("gearshift.plugin.bench.v1.check.{number}"),
        weight: 1 + number % 3,
        capacity: Some(64),
        score: 0,
        gives: None,
    };
    let candidates: Vec<_> = (0..instances).map(candidate).collect();
    let busy = |id: &str| {
        let busy = Arc::<Busy>::default();
        busy.tell_load(Load::new(id.parse().map_or(0, |number: u32| number % 32), 64));
        busy
    };
    let pool = Pool::new(&candidates, busy, &Shapes::default()).ok().flatten();
    let pool = pool.ok_or("no instance to pick")?;
    let mut took = Vec::new();
    for (word, balance) in Balance::WORDS {
        let began = monotonic();
        for _ in 0..picks {
            pool.pick(balance).ok_or("nobody was picked")?;
        }
        took.push((word, began.elapsed() / picks.max(1)));
    }
    Ok(took)
}
