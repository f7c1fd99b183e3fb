//! What the engines say in the end, and what the brokers keep.

use std::io::Error;
use std::path::Path;

use gearshift_client::Client;
use gearshift_client::protocol::query::{DeadLetters, Instances};

use crate::load::{export_raw, write_lines};
use crate::nats::Cluster;

/// Entries asked for at once.
const PAGE: u32 = 500;

/// Writes instances, histories, dead letters and raw journals into `folder`.
pub(super) async fn export(client: &Client, cluster: &Cluster, folder: &Path) -> Result<(), Error> {
    let mut list = Instances { limit: Some(PAGE), ..Instances::default() };
    let (mut details, mut histories) = (Vec::new(), Vec::new());
    loop {
        let page = client.instances(&list).await.map_err(Error::other)?;
        for one in &page.items {
            details.push(client.instance(&one.id).await.map_err(Error::other)?);
            histories.push(client.history(&one.id).await.map_err(Error::other)?.items);
        }
        list.after = page.next;
        if list.after.is_none() {
            break;
        }
    }
    write_lines(&folder.join("instances.jsonl"), &details)?;
    write_lines(&folder.join("histories.jsonl"), &histories)?;
    let mut list = DeadLetters { limit: Some(PAGE), ..DeadLetters::default() };
    let mut letters = Vec::new();
    loop {
        let page = client.dead_letters(&list).await.map_err(Error::other)?;
        letters.extend(page.items);
        list.after = page.next;
        if list.after.is_none() {
            break;
        }
    }
    write_lines(&folder.join("dead-letters.jsonl"), &letters)?;
    export_raw(&cluster.client().await?, folder).await
}
