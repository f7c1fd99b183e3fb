//! Ids as people write them: `workflow/key`, a key, or the unique end of one.

use gearshift_machine::machine::{InstanceKey, TRANSACTION};
use gearshift_protocol::command::DeadLetterOrder;
use gearshift_protocol::{Problem, ProblemKind};

use super::{problem, transactions};
use crate::runtime::{DeadLetterFilter, Handle};

/// Candidates named in a complaint about an ambiguous id.
const NAMED_MAX: usize = 5;
/// The shortest end of a key that is taken for it.
const SUFFIX_MIN: usize = 4;

/// Finds the instance that `id` names (row E20: never a random pick).
pub(super) async fn instance(handle: &Handle, id: &str) -> Result<InstanceKey, Box<Problem>> {
    if let Ok(full) = InstanceKey::parse(id)
        && handle.contains(&full).await?
    {
        return Ok(full);
    }
    let exact = candidates(id, handle)?;
    for key in &exact {
        if handle.contains(key).await? {
            return unique(handle, id, &exact).await;
        }
    }
    // What has a `/` looks like a full id: the end of another one would be a surprise.
    if id.contains('/') || id.len() < SUFFIX_MIN {
        return Err(unknown(id));
    }
    one_of(id, meant(handle.keys_ending_with(id, NAMED_MAX + 1).await?))
}

/// What a bare key means where instances and a transaction have it, as they do after `begin` with
/// the key as the name: the instances. The transaction is `transaction/NAME`, or what the commands
/// of transactions name.
fn meant(found: Vec<InstanceKey>) -> Vec<InstanceKey> {
    let is_transaction = |key: &InstanceKey| key.workflow() == TRANSACTION;
    let (transactions, instances): (Vec<_>, Vec<_>) = found.into_iter().partition(is_transaction);
    if instances.is_empty() { transactions } else { instances }
}

/// The shortest name that a command line takes for the instance, as a shell takes it: its key, or
/// the full id where the key names others as well or looks like an option.
pub(super) async fn shortest(handle: &Handle, key: &InstanceKey) -> String {
    let found = match key.key().starts_with('-') {
        true => None,
        false => instance(handle, key.key()).await.ok(),
    };
    match found {
        Some(found) if found == *key => transactions::quoted(key.key()).into_owned(),
        Some(_) | None => transactions::quoted(&key.to_string()).into_owned(),
    }
}

/// The key in every deployed workflow and among transactions; a key may hold a `/`.
fn candidates(id: &str, handle: &Handle) -> Result<Vec<InstanceKey>, Box<Problem>> {
    let refused = |reason: String| problem(ProblemKind::BadRequest, reason);
    let registry = handle.definitions().registry();
    let mut names = registry.iter().map(|known| known.name.to_string()).collect::<Vec<_>>();
    names.push(TRANSACTION.to_owned());
    names.sort();
    names.dedup();
    let keys = names.iter().map(|name| InstanceKey::new(name, id));
    if InstanceKey::parse(id).is_ok() {
        // With the workflow in front it may be longer than a key.
        return Ok(keys.flatten().collect());
    }
    keys.map(|key| key.map_err(refused)).collect()
}

async fn unique(
    handle: &Handle,
    id: &str,
    candidates: &[InstanceKey],
) -> Result<InstanceKey, Box<Problem>> {
    let mut found = Vec::new();
    for key in candidates {
        if handle.contains(key).await? {
            found.push(key.clone());
        }
    }
    one_of(id, meant(found))
}

fn one_of(id: &str, mut found: Vec<InstanceKey>) -> Result<InstanceKey, Box<Problem>> {
    if found.len() > 1 {
        let named = found.iter().take(NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>();
        return Err(Box::new(
            Problem::new(
                ProblemKind::Conflict,
                format!("`{id}` names several instances: {}", named.join(", ")),
            )
            .with_code("GS4015", "ambiguous"),
        ));
    }
    found.pop().ok_or_else(|| unknown(id))
}

pub(super) fn unknown(id: &str) -> Box<Problem> {
    if let Some((TRANSACTION, name)) = id.split_once('/') {
        return transactions::unknown(name);
    }
    let detail = format!("no instance is called `{id}`");
    Box::new(Problem::new(ProblemKind::NotFound, detail).with_code("GS4002", "unknown_instance"))
}

/// The dead letters that an order names: by id, or by workflow and cause.
pub(super) async fn dead_letters(
    handle: &Handle,
    order: &DeadLetterOrder,
) -> Result<Vec<(u16, u64)>, Box<Problem>> {
    if !order.ids.is_empty() {
        let mut list = Vec::with_capacity(order.ids.len());
        for id in &order.ids {
            list.push(dead_letter(handle, id).await?);
        }
        return Ok(list);
    }
    if order.workflow.is_none() && order.cause.is_none() {
        return Err(problem(
            ProblemKind::BadRequest,
            "name dead letters by id, or all of a workflow or cause",
        ));
    }
    let (workflow, cause) = (order.workflow.clone(), order.cause.clone());
    let wanted = DeadLetterFilter { workflow, cause, ..Default::default() };
    let mut found = Vec::new();
    for partition in 0..handle.config().partitions {
        let letters = handle.dead_letters(partition, &wanted, None, usize::MAX).await?;
        found.extend(letters.into_iter().map(|(number, _)| (partition, number)));
    }
    Ok(found)
}

/// `partition-number` of a dead letter that exists.
pub(super) async fn dead_letter(handle: &Handle, id: &str) -> Result<(u16, u64), Box<Problem>> {
    let unknown = || {
        let detail = format!("no dead letter is called `{id}`");
        Box::new(Problem::new(ProblemKind::NotFound, detail))
    };
    let parsed = id.split_once('-').and_then(|(partition, number)| {
        Some((partition.parse::<u16>().ok()?, number.parse::<u64>().ok()?))
    });
    let (partition, number) = parsed.ok_or_else(unknown)?;
    if partition >= handle.config().partitions {
        return Err(unknown());
    }
    let known = handle.dead_letter(partition, number).await?.is_some();
    if known { Ok((partition, number)) } else { Err(unknown()) }
}
