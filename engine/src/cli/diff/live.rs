//! Which instances live on the former definition.

use std::collections::BTreeMap;

use gearshift_client::Client;
use gearshift_client::protocol::query::Instances;
use gearshift_machine::definition::model::Definition;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::ids::complete;
use crate::cli::words::states;

/// Instances asked for per page.
const PAGE: u32 = 1_000;
/// Pages read at most: beyond, how many more there are is of no interest here.
const PAGES_MAX: usize = 100;

/// Instances that live on a definition.
#[derive(Debug, Default, Serialize)]
pub(super) struct Living {
    /// How many.
    pub(super) instances: usize,
    /// How many in each state, or set of states.
    pub(super) states: BTreeMap<String, usize>,
    /// There are more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) more: bool,
}

/// Those of one version.
pub(super) async fn living(client: &Client, of: &Definition) -> Result<Living, Failure> {
    let (name, version) = (&of.name, of.version);
    let alive = "status != 'done' && status != 'failed' && status != 'cancelled'";
    let mut ask = Instances {
        filter: Some(format!("workflow == '{name}' && version == {version} && {alive}")),
        workflow: Some(name.to_string()),
        limit: Some(PAGE),
        after: None,
    };
    let mut living = Living::default();
    for _ in 0..PAGES_MAX {
        let page = client.instances(&ask).await?;
        complete(&page.missing)?;
        for item in &page.items {
            living.instances += 1;
            *living.states.entry(states(&item.active)).or_default() += 1;
        }
        ask.after = page.next;
        if ask.after.is_none() {
            return Ok(living);
        }
    }
    living.more = true;
    Ok(living)
}
