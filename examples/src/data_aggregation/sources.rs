//! `catalog` knows the sources, `source` reads one of them.

use std::collections::BTreeMap;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};

use crate::files::{self, Folder};

/// A source, as the catalog has it.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Source {
    name: String,
    file: String,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct List {
    catalog: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Listed {
    sources: Vec<Source>,
}

pub(super) async fn list(
    State(Folder(folder)): State<Folder>,
    _: Context,
    list: List,
) -> Result<Listed, Failure> {
    let text = files::read_text(&folder, &list.catalog).await?;
    let sources = serde_json::from_str(&text)
        .map_err(|error| Failure::permanent(error.to_string()).code("bad_catalog"))?;
    Ok(Listed { sources })
}

/// Pieces by article.
type Stock = BTreeMap<String, u32>;

#[derive(Serialize, JsonSchema)]
pub(super) struct Totals {
    source: String,
    pieces: u32,
}

pub(super) async fn totals(
    State(Folder(folder)): State<Folder>,
    _: Context,
    source: Source,
) -> Result<Totals, Failure> {
    let stock = read(&folder, &source).await?;
    let pieces = stock.values().fold(0_u32, |sum, pieces| sum.saturating_add(*pieces));
    Ok(Totals { source: source.name, pieces })
}

pub(super) async fn stock(
    State(Folder(folder)): State<Folder>,
    _: Context,
    source: Source,
) -> Result<BTreeMap<String, Stock>, Failure> {
    let stock = read(&folder, &source).await?;
    Ok(BTreeMap::from([(source.name, stock)]))
}

async fn read(folder: &std::path::Path, source: &Source) -> Result<Stock, Failure> {
    let text = files::read_text(folder, &source.file).await?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::permanent(format!("`{}`: {error}", source.file)).code("bad_source")
    })
}
