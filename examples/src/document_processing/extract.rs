//! `document_ingestion`, `format_detection`, `content_extraction`: what is in a document?

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

/// The largest document.
const BYTES_MAX: usize = 64 * 1_024;

/// A document by its path.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Named {
    document: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Ingested {
    document: String,
    bytes: usize,
    sha256: String,
}

pub(super) async fn ingest(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Named,
) -> Result<Ingested, Failure> {
    let bytes = files::read(&folder, &named.document).await?;
    if bytes.len() > BYTES_MAX {
        let message = format!("a document of {} bytes exceeds {BYTES_MAX}", bytes.len());
        return Err(Failure::permanent(message).code("too_large"));
    }
    let sha256 = files::digest(&bytes);
    Ok(Ingested { document: named.document, bytes: bytes.len(), sha256 })
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Detected {
    format: String,
    has_images: bool,
}

pub(super) async fn detect(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Named,
) -> Result<Detected, Failure> {
    let text = files::read_text(&folder, &named.document).await?;
    let is_marked = text.lines().any(|line| line.starts_with("# ")) || !pictures(&text).is_empty();
    let format = if is_marked { "markdown" } else { "plain" };
    Ok(Detected { format: format.to_owned(), has_images: !pictures(&text).is_empty() })
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Content {
    text: String,
    headings: Vec<String>,
    images: Vec<String>,
}

pub(super) async fn extract(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Named,
) -> Result<Content, Failure> {
    let text = files::read_text(&folder, &named.document).await?;
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let headings = headings.map(|line| line.trim_start_matches('#').trim().to_owned()).collect();
    let plain = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("!["));
    let plain = plain.collect::<Vec<_>>().join("\n").trim().to_owned();
    Ok(Content { text: plain, headings, images: pictures(&text) })
}

/// The files behind `![…](file)`.
fn pictures(text: &str) -> Vec<String> {
    let after = text.split("![").skip(1).filter_map(|rest| rest.split_once("]("));
    after.filter_map(|(_, rest)| rest.split_once(')')).map(|(path, _)| path.to_owned()).collect()
}
