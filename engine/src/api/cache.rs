//! Results of calls that are kept, and having them forgotten.

use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::Principal;
use gearshift_protocol::command::{ClearCache, ClearCacheReply, KeptResults};
use gearshift_protocol::{Problem, ProblemKind};

use super::commands::value_of;
use super::{Reply, problem, reply};
use crate::runtime::{Error, Handle, Wanted};

/// Forgets what is meant, or counts it.
pub(super) async fn clear(handle: &Handle, order: ClearCache, by: &Principal) -> Reply {
    let refused = |told| Err(problem(ProblemKind::BadRequest, told));
    match (&order.workflow, &order.step, &order.key) {
        (None, Some(_), _) | (None, None, Some(_)) => {
            return refused("name the workflow of the results as well");
        }
        (Some(_), None, Some(_)) => return refused("name the step that has this key as well"),
        (None, None, None) | (Some(_), None, None) | (Some(_), Some(_), _) => {}
    }
    let key = order.key.as_ref().map(value_of).transpose()?;
    let mocked = Some(handle.config().mocked.clone());
    let wanted = Wanted { workflow: order.workflow, step: order.step, key, mocked };
    let forgotten = handle.forget_results(&wanted, order.dry_run).await?;
    if forgotten.is_empty() {
        // What is not deployed any more may be kept; what is neither was misspelled.
        named(handle, &wanted).await?;
    }
    let results = forgotten.into_iter().map(|one| KeptResults {
        workflow: one.workflow,
        step: one.step,
        operation: one.operation,
        count: one.count,
    });
    let told = ClearCacheReply { results: results.collect(), dry_run: order.dry_run };
    if !told.dry_run && told.count() > 0 {
        let (count, user, reason) = (told.count(), &by.user, &order.reason);
        tracing::info!(count, %user, %reason, ?wanted, "kept results are forgotten");
    }
    reply(&told)
}

/// Refuses the name of a workflow or step that there is not.
async fn named(handle: &Handle, wanted: &Wanted) -> Result<(), Box<Problem>> {
    let Some(workflow) = &wanted.workflow else { return Ok(()) };
    if !handle.knows(workflow, None).await? {
        return Err(Error::UnknownWorkflow { name: workflow.clone() }.into());
    }
    let Some(step) = &wanted.step else { return Ok(()) };
    let registry = handle.definitions().registry();
    let mut of_workflow = registry.iter().filter(|known| *known.name == **workflow);
    let has = |known: &Definition| {
        known.step_named(step).is_some() || known.states.iter().any(|state| *state.id == **step)
    };
    if of_workflow.any(|known| has(known)) {
        return Ok(());
    }
    let step = step.escape_debug();
    let told = format!("no version of `{workflow}` has a step or a state `{step}`");
    Err(problem(ProblemKind::NotFound, told))
}
