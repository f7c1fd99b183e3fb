//! `archive`: keeps approved documents under the digest of their content.
//!
//! `<digest>.md` is the content, `<id>.json` says which content a document has and which call
//! put it there. A repeated call finds its own id and changes nothing.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, Plugin, State, schemars};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::files;

/// The folders, one call at a time.
#[derive(Clone)]
struct Archive(Arc<Mutex<Folders>>);

struct Folders {
    documents: PathBuf,
    archive: PathBuf,
}

pub(super) fn plugin(documents: &Path, archive: &Path) -> Plugin {
    let folders = Folders { documents: documents.to_owned(), archive: archive.to_owned() };
    Plugin::new("archive", "1.0.0")
        .operation("store", store)
        .operation("remove", remove)
        .state(Archive(Arc::new(Mutex::new(folders))))
}

#[derive(Deserialize, JsonSchema)]
struct Approved {
    /// The document's id.
    id: String,
    title: Option<String>,
    approved_by: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// The document's id.
    id: String,
}

/// What is stored of a document, and by which call.
#[derive(Deserialize, Serialize)]
struct Entry {
    call_id: String,
    sha256: String,
    bytes: usize,
    title: Option<String>,
    approved_by: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Stored {
    sha256: String,
    bytes: usize,
}

#[derive(Serialize, JsonSchema)]
struct Removed {
    removed: bool,
}

async fn store(
    State(Archive(folders)): State<Archive>,
    ctx: Context,
    Approved { id, title, approved_by }: Approved,
) -> Result<Stored, Failure> {
    let folders = folders.lock().await;
    let entry_path = files::inside(&folders.archive, &id, "json")?;
    let source = files::inside(&folders.documents, &id, "md")?;
    let earlier: Option<Entry> = files::read_json(&entry_path).await?;
    if let Some(Entry { call_id, sha256, bytes, .. }) = &earlier {
        // The answer of the first attempt, though the document may be another one by now.
        if !ctx.call_id.is_empty() && *call_id == ctx.call_id {
            return Ok(Stored { sha256: sha256.clone(), bytes: *bytes });
        }
    }
    let content = match tokio::fs::read(&source).await {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::permanent(format!("there is no document `{id}`")).code(404));
        }
        Err(error) => return Err(error.into()),
    };
    let (sha256, bytes) = (digest(&content), content.len());
    // The content first: an entry never points at nothing.
    files::write(&content_path(&folders.archive, &sha256), &content).await?;
    let entry = Entry { call_id: ctx.call_id, sha256: sha256.clone(), bytes, title, approved_by };
    files::write_json(&entry_path, &entry).await?;
    if let Some(earlier) = earlier {
        forget_unused(&folders.archive, &earlier.sha256).await?;
    }
    Ok(Stored { sha256, bytes })
}

async fn remove(
    State(Archive(folders)): State<Archive>,
    _: Context,
    Named { id }: Named,
) -> Result<Removed, Failure> {
    let folders = folders.lock().await;
    let entry_path = files::inside(&folders.archive, &id, "json")?;
    let Some(entry) = files::read_json::<Entry>(&entry_path).await? else {
        return Ok(Removed { removed: false });
    };
    files::remove(&entry_path).await?;
    forget_unused(&folders.archive, &entry.sha256).await?;
    Ok(Removed { removed: true })
}

/// Removes content no document has any more.
async fn forget_unused(archive: &Path, sha256: &str) -> Result<(), Failure> {
    if !is_used(archive, sha256).await? {
        files::remove(&content_path(archive, sha256)).await?;
    }
    Ok(())
}

/// Does a document have this content?
async fn is_used(archive: &Path, sha256: &str) -> Result<bool, Failure> {
    let mut listing = tokio::fs::read_dir(archive).await?;
    while let Some(found) = listing.next_entry().await? {
        let path = found.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(entry) = files::read_json::<Entry>(&path).await?
            && entry.sha256 == sha256
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn content_path(archive: &Path, sha256: &str) -> PathBuf {
    archive.join(format!("{sha256}.md"))
}

fn digest(content: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}
