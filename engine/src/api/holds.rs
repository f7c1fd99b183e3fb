//! Pauses of a plugin or a definition as a whole.

use gearshift_machine::machine::Principal;
use gearshift_protocol::command::{Hold as Order, HoldReply};
use gearshift_protocol::view::{CallView, Why};
use gearshift_protocol::{OperationRef, Problem, ProblemKind};

use super::why::say_once;
use super::{Reply, problem, reply};
use crate::runtime::{Error, Handle, Held, Hold};

/// Pauses what is meant.
pub(super) async fn hold(handle: &Handle, order: Order, by: Principal) -> Reply {
    let what = meant(&order)?;
    if let Held::Definition(name, version) = &what
        && !handle.knows(name, *version).await?
    {
        let version = version.map_or_else(String::new, |version| format!("@{version}"));
        return Err(Error::UnknownWorkflow { name: format!("{name}{version}") }.into());
    }
    let since = handle.config().clock.now();
    let hold = Hold { by: by.user.to_string(), reason: order.reason, since };
    let changed = handle.hold(&what, hold).await?;
    told(handle, &what, true, changed).await
}

/// Lets it go on.
pub(super) async fn release(handle: &Handle, order: Order) -> Reply {
    let what = meant(&order)?;
    let changed = handle.release(&what).await?;
    told(handle, &what, false, changed).await
}

/// What the order names.
fn meant(order: &Order) -> Result<Held, Box<Problem>> {
    let refused = |told: String| problem(ProblemKind::BadRequest, told);
    // Both are tokens of subjects, so that they can be parts of a key.
    let is_token =
        |name: &str| format!("{name}.x").parse::<OperationRef>().is_ok_and(|it| it.plugin == name);
    let (held, name) = match (&order.plugin, &order.workflow, order.version) {
        (Some(plugin), None, None) => (Held::Plugin(plugin.clone()), plugin),
        (None, Some(name), version) => (Held::Definition(name.clone(), version), name),
        (Some(_), _, _) | (None, None, _) => {
            return Err(refused("name a plugin or a workflow".to_owned()));
        }
    };
    if is_token(name) { Ok(held) } else { Err(refused(format!("`{name}` is no name"))) }
}

async fn told(handle: &Handle, what: &Held, paused: bool, changed: bool) -> Reply {
    let mocked = match what {
        Held::Plugin(plugin) => handle.config().mocks_of(plugin),
        Held::Definition(..) => false,
    };
    let running = match what {
        Held::Plugin(plugin) => {
            let services = handle.bus().requests().discover().await.unwrap_or_default();
            let running = services.iter().filter(|service| service.name == *plugin).count();
            Some(u32::try_from(running).unwrap_or(u32::MAX))
        }
        Held::Definition(..) => None,
    };
    reply(&HoldReply { paused, changed, running, mocked })
}

/// What is paused, for whoever asks whether all is well.
pub(super) fn warnings(handle: &Handle) -> Vec<String> {
    handle.holds().iter().map(|(what, hold)| hold.words(what)).collect()
}

/// Why calls under way wait.
pub(super) fn why(handle: &Handle, calls: &[CallView], why: &mut Why) {
    for (what, hold) in handle.holds() {
        let Held::Plugin(plugin) = &what else { continue };
        let is_its = |call: &CallView| {
            call.operation.parse::<OperationRef>().is_ok_and(|it| it.plugin == *plugin)
        };
        if calls.iter().any(is_its) {
            say_once(why, hold.words(&what));
            why.try_this.push(format!("gearshift resume --plugin {plugin}"));
        }
    }
}
