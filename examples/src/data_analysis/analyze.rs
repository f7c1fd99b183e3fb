//! `simple_processor` reads the whole file at once; `advanced_processor` in parts, one task each,
//! and puts together what they found.

use std::collections::BTreeMap;

use gearshift_plugins_sdk::{Context, Failure, JsonSchema, State, schemars};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::inspect::table;
use crate::files::Folder;

/// Rows that one task looks at.
const PART: usize = 250;

/// What to analyze, and how.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Analyze {
    file: String,
    columns: Vec<String>,
    algorithm: String,
}

/// What can be said of a column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// What was found, by column.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Findings {
    pub(super) algorithm: String,
    /// Tasks that worked at it.
    pub(super) parts: usize,
    pub(super) summaries: BTreeMap<String, Summary>,
}

impl Summary {
    fn of(numbers: &[f64]) -> Option<Self> {
        let count = u64::try_from(numbers.len()).ok().filter(|count| *count > 0)?;
        Some(Self {
            count,
            mean: numbers.iter().sum::<f64>() / count as f64,
            min: numbers.iter().copied().fold(f64::INFINITY, f64::min),
            max: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    /// Both together.
    fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        let sum = self.mean * self.count as f64 + other.mean * other.count as f64;
        Self {
            count,
            mean: sum / count as f64,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

pub(super) async fn quick_analysis(
    State(Folder(folder)): State<Folder>,
    _: Context,
    analyze: Analyze,
) -> Result<Findings, Failure> {
    let table = table(&folder, &analyze.file).await?;
    let mut summaries = BTreeMap::new();
    for name in analyze.columns {
        let numbers = table.numbers(table.column(&name)?);
        summaries.extend(Summary::of(&numbers).map(|summary| (name, summary)));
    }
    Ok(Findings { algorithm: analyze.algorithm, parts: 1, summaries })
}

pub(super) async fn distributed_analysis(
    State(Folder(folder)): State<Folder>,
    _: Context,
    analyze: Analyze,
) -> Result<Findings, Failure> {
    let table = table(&folder, &analyze.file).await?;
    let mut tasks = JoinSet::new();
    let mut parts = 0;
    for name in analyze.columns {
        let numbers = table.numbers(table.column(&name)?);
        for (at, part) in numbers.chunks(PART).enumerate() {
            let (name, part) = (name.clone(), part.to_vec());
            tasks.spawn(async move { (name, at, Summary::of(&part)) });
            parts += 1;
        }
    }
    // In the order of the parts, whichever task was first: sums of doubles depend on it.
    let mut found = BTreeMap::new();
    while let Some(part) = tasks.join_next().await {
        let (name, at, summary) = part?;
        found.extend(summary.map(|summary| ((name, at), summary)));
    }
    let mut summaries: BTreeMap<String, Summary> = BTreeMap::new();
    for ((name, _), summary) in found {
        let both = summaries.get(&name).map_or(summary, |known| known.and(summary));
        summaries.insert(name, both);
    }
    Ok(Findings { algorithm: analyze.algorithm, parts, summaries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_together_are_the_whole() {
        let of = |numbers: &[f64]| Summary::of(numbers);
        let both = of(&[1.0, 2.0]).zip(of(&[6.0])).map(|(a, b)| a.and(b));
        assert_eq!(both, of(&[1.0, 2.0, 6.0]));
        assert_eq!(of(&[]), None);
    }
}
