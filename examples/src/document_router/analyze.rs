//! `document_analyzer`: what is a document about?

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

/// Words that tell of a kind of document, and the kind.
const TELLING: [(&str, &[&str]); 3] = [
    ("legal", &["contract", "agreement", "party", "clause"]),
    ("financial", &["invoice", "receipt", "amount", "total"]),
    ("technical", &["interface", "module", "protocol", "firmware"]),
];

#[derive(Deserialize, JsonSchema)]
pub(super) struct Named {
    document: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Analysis {
    document: String,
    document_type: String,
    keywords: Vec<String>,
    /// Telling words of this type, of all telling words.
    confidence: f64,
}

pub(super) async fn analyze(
    State(Folder(folder)): State<Folder>,
    _: Context,
    named: Named,
) -> Result<Analysis, Failure> {
    let text = files::read_text(&folder, &named.document).await?.to_lowercase();
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let mut keywords = Vec::new();
    let mut best = ("general", 0_usize);
    let mut telling = 0;
    for (kind, list) in TELLING {
        let found = words.iter().filter(|word| list.contains(word)).count();
        telling += found;
        if found > best.1 {
            best = (kind, found);
        }
        let named = list.iter().filter(|word| words.contains(word));
        keywords.extend(named.map(|word| (*word).to_owned()));
    }
    let (kind, found) = best;
    let confidence = if telling == 0 { 0.0 } else { found as f64 / telling as f64 };
    let confidence = (confidence * 100.0).round() / 100.0;
    let document_type = kind.to_owned();
    Ok(Analysis { document: named.document, document_type, keywords, confidence })
}
