//! `text_analysis`, `metadata_generation`, `image_processing`: three looks at one document.

use std::collections::BTreeMap;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

/// Words shorter than this say nothing.
const LETTERS_MIN: usize = 5;
/// So many words say what it is about.
const KEYWORDS: usize = 3;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Text {
    text: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Analysis {
    words: usize,
    sentences: usize,
    keywords: Vec<String>,
}

pub(super) async fn text(input: Text) -> Result<Analysis, Failure> {
    let words: Vec<String> = input
        .text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words.iter().filter(|word| word.chars().count() >= LETTERS_MIN) {
        *counts.entry(word).or_default() += 1;
    }
    let mut counted: Vec<_> = counts.into_iter().collect();
    counted.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
    Ok(Analysis {
        words: words.len(),
        sentences: input.text.matches(['.', '!', '?']).count(),
        keywords: counted.iter().take(KEYWORDS).map(|(word, _)| (*word).to_owned()).collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct About {
    document: String,
    headings: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Metadata {
    title: String,
    sections: usize,
}

pub(super) async fn metadata(about: About) -> Result<Metadata, Failure> {
    let sections = about.headings.len();
    let title = about.headings.into_iter().next().unwrap_or(about.document);
    Ok(Metadata { title, sections })
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Images {
    images: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Image {
    file: String,
    width: u32,
    height: u32,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Seen {
    images: Vec<Image>,
}

/// Reads how large each picture (PPM) is.
pub(super) async fn images(
    State(Folder(folder)): State<Folder>,
    _: Context,
    input: Images,
) -> Result<Seen, Failure> {
    let mut seen = Seen { images: Vec::new() };
    for file in input.images {
        let text = files::read_text(&folder, &format!("documents/{file}")).await?;
        let mut words = text.split_whitespace();
        let is_picture = words.next() == Some("P3");
        let sizes = words.next().zip(words.next());
        let sizes = sizes.and_then(|(width, height)| width.parse().ok().zip(height.parse().ok()));
        let Some((width, height)) = sizes.filter(|_| is_picture) else {
            return Err(Failure::permanent(format!("`{file}` is no picture")).code("bad_image"));
        };
        seen.images.push(Image { file, width, height });
    }
    Ok(seen)
}
