//! `pipelines`: what is done with each kind of document.

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

#[derive(Deserialize, JsonSchema)]
pub(super) struct Document {
    document: String,
}

/// A document in which nobody is named.
#[derive(Serialize, JsonSchema)]
pub(super) struct Redacted {
    file: String,
    redacted: usize,
}

/// Replaces addresses of people.
pub(super) async fn legal(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Document,
) -> Result<Redacted, Failure> {
    let text = files::read_text(&folder, &named.document).await?;
    let mut redacted = 0;
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end();
        if !bare.trim_matches('.').contains('@') {
            return word.to_owned();
        }
        redacted += 1;
        word.replace(bare, "[redacted]")
    });
    let text: String = words.collect();
    let name = named.document.rsplit('/').next().unwrap_or_default();
    let file = format!("output/redacted-{name}");
    files::write(&files::below(&folder, &file)?, text.as_bytes()).await?;
    Ok(Redacted { file, redacted })
}

/// What an invoice comes to.
#[derive(Serialize, JsonSchema)]
pub(super) struct Sum {
    positions: usize,
    cents: u64,
}

/// Adds up lines that end in an amount such as `12.50`.
pub(super) async fn financial(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Document,
) -> Result<Sum, Failure> {
    let text = files::read_text(&folder, &named.document).await?;
    let amount = |line: &str| {
        let (whole, part) = line.split_whitespace().last()?.split_once('.')?;
        let part = Some(part).filter(|part| part.len() == 2)?.parse::<u64>().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part)
    };
    let amounts: Vec<u64> = text.lines().filter_map(amount).collect();
    Ok(Sum { positions: amounts.len(), cents: amounts.iter().sum() })
}

/// What a technical text holds.
#[derive(Serialize, JsonSchema)]
pub(super) struct Parts {
    code_lines: usize,
    text_lines: usize,
}

/// Counts lines of code, which are indented, and of text.
pub(super) async fn technical(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Document,
) -> Result<Parts, Failure> {
    let text = files::read_text(&folder, &named.document).await?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let (code, plain): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("    "));
    Ok(Parts { code_lines: code.len(), text_lines: plain.len() })
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Counted {
    words: usize,
}

pub(super) async fn general(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Document,
) -> Result<Counted, Failure> {
    let text = files::read_text(&folder, &named.document).await?;
    Ok(Counted { words: text.split_whitespace().count() })
}
