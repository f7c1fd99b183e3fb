//! `validator`: is a document fit for review?

use std::io;
use std::path::{Path, PathBuf};

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, Plugin, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files;

/// Fewest and most words of a document.
const WORDS: std::ops::RangeInclusive<usize> = 10..=5_000;

/// What must not be in a document that is handed in for approval.
const FORBIDDEN: [&str; 3] = ["lorem ipsum", "tbd", "top secret"];

/// The folder with the documents.
#[derive(Clone)]
struct Documents(PathBuf);

pub(super) fn plugin(documents: &Path) -> Plugin {
    Plugin::new("validator", "1.2.0")
        .operation("validate_document", validate_document)
        .state(Documents(documents.to_owned()))
}

/// The event `document.submitted`, as far as it matters here.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Submitted {
    document_id: String,
    title: String,
}

#[derive(Serialize, JsonSchema)]
struct Report {
    valid: bool,
    words: usize,
}

async fn validate_document(
    State(Documents(folder)): State<Documents>,
    _: Context,
    submitted: Submitted,
) -> Result<Report, Failure> {
    let path = files::inside(&folder, &submitted.document_id, "md")?;
    let text = match tokio::fs::read_to_string(&path).await {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no document `{}`", submitted.document_id);
            return Err(Failure::permanent(message).code(404));
        }
        Err(error) => return Err(error.into()),
    };
    let words = text.split_whitespace().count();
    let faults = faults(&submitted.title, &text, words);
    if faults.is_empty() {
        return Ok(Report { valid: true, words });
    }
    Err(Failure::permanent(faults.join("; ")))
}

/// All that is wrong with the document, in words.
fn faults(title: &str, text: &str, words: usize) -> Vec<String> {
    let mut faults = Vec::new();
    let heading = text.lines().find_map(|line| line.strip_prefix("# ")).map(str::trim);
    match heading {
        _ if title.trim().is_empty() => faults.push("title is missing".to_owned()),
        Some(heading) if heading == title.trim() => {}
        Some(heading) => faults.push(format!("title `{title}` differs from heading `{heading}`")),
        None => faults.push("the document has no heading".to_owned()),
    }
    if !WORDS.contains(&words) {
        let (least, most) = (WORDS.start(), WORDS.end());
        faults.push(format!("document of {words} words is not within {least} to {most}"));
    }
    // Words are compared with single spaces and without punctuation between them.
    let separator = |c: char| !c.is_alphanumeric();
    let plain: Vec<_> = text.split(separator).filter(|word| !word.is_empty()).collect();
    let plain = format!(" {} ", plain.join(" ").to_lowercase());
    for word in FORBIDDEN {
        if plain.contains(&format!(" {word} ")) {
            faults.push(format!("`{word}` is not allowed"));
        }
    }
    faults
}
