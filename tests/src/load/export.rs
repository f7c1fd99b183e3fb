//! What the engine says in the end, by the commands that people use.

use std::io::Error;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::checker::journal_file;
use crate::nats::journals;
use crate::world::{Dev, Launch};

/// Writes instances, histories and dead letters into `folder`.
pub(super) async fn export(launch: &Launch, engine: &Dev, folder: &Path) -> Result<(), Error> {
    let list = tell(launch, engine, &["ls", "--all", "-o", "jsonl"], "").await?;
    let mut ids = String::new();
    for line in list.lines() {
        let one = serde_json::from_str::<Value>(line)?;
        let id = one.get("id").and_then(Value::as_str);
        ids.push_str(id.ok_or_else(|| Error::other(format!("`{line}` has no id")))?);
        ids.push('\n');
    }
    let details = tell(launch, engine, &["show", "-", "-o", "jsonl"], &ids).await?;
    std::fs::write(folder.join("instances.jsonl"), details)?;
    let histories = tell(launch, engine, &["history", "-", "-o", "json"], &ids).await?;
    let histories = serde_json::from_str::<Vec<Value>>(&histories)?;
    let lines = histories.iter().map(|one| format!("{one}\n")).collect::<String>();
    std::fs::write(folder.join("histories.jsonl"), lines)?;
    let letters = ["dlq", "ls", "--limit", "10000", "-o", "jsonl"];
    let letters = tell(launch, engine, &letters, "").await?;
    std::fs::write(folder.join("dead-letters.jsonl"), letters)
}

async fn tell(
    launch: &Launch,
    engine: &Dev,
    arguments: &[&str],
    input: &str,
) -> Result<String, Error> {
    let ran = engine.command(launch, arguments, input).await?;
    if ran.code == Some(0) {
        return Ok(ran.stdout);
    }
    Err(Error::other(format!("{arguments:?} ended with {:?}: {}", ran.code, ran.stderr)))
}

/// Writes the raw journals, as the server keeps them, into `folder`.
pub(crate) async fn export_raw(client: &async_nats::Client, folder: &Path) -> Result<(), Error> {
    for (partition, messages) in journals(client).await?.iter().enumerate() {
        write_lines(&folder.join(journal_file(partition)), messages)?;
    }
    Ok(())
}

/// Writes a file of lines of JSON.
pub(crate) fn write_lines<T: Serialize>(path: &Path, list: &[T]) -> Result<(), Error> {
    let mut text = Vec::new();
    for one in list {
        serde_json::to_writer(&mut text, one)?;
        text.push(b'\n');
    }
    std::fs::write(path, text)
}
