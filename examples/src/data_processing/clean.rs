//! `data_cleaner`: removes what is there twice and fills in what is missing.

use std::collections::BTreeSet;

use gearshift_plugins_sdk::{Failure, JsonSchema, schemars};
use serde::{Deserialize, Serialize};

use crate::table::{Table, number};

/// A table and what to do with it.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Clean {
    data: Table,
    remove_duplicates: bool,
    handle_missing: Missing,
}

/// What becomes of empty fields in columns of numbers.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Missing {
    /// They stay empty.
    Keep,
    /// Their rows go.
    Drop,
    /// They get what lies between their neighbours.
    Interpolate,
}

/// The clean table.
#[derive(Serialize, JsonSchema)]
pub(super) struct Cleaned {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    duplicates: usize,
    filled: usize,
    dropped: usize,
}

pub(super) async fn clean_dataset(clean: Clean) -> Result<Cleaned, Failure> {
    let mut data = clean.data;
    let before = data.rows.len();
    if clean.remove_duplicates {
        let mut seen = BTreeSet::new();
        data.rows.retain(|row| seen.insert(row.clone()));
    }
    let duplicates = before - data.rows.len();
    let before = data.rows.len();
    let mut filled = 0;
    match clean.handle_missing {
        Missing::Keep => {}
        Missing::Drop => data.rows.retain(|row| row.iter().all(|field| !field.is_empty())),
        Missing::Interpolate => {
            for column in 0..data.columns.len() {
                filled += interpolate(&mut data, column);
            }
        }
    }
    let dropped = before - data.rows.len();
    let Table { columns, rows } = data;
    Ok(Cleaned { columns, rows, duplicates, filled, dropped })
}

/// Fills the gaps of a column of numbers; how many there were.
fn interpolate(data: &mut Table, column: usize) -> usize {
    let known: Vec<(usize, f64)> = data
        .fields(column)
        .enumerate()
        .filter_map(|(at, field)| Some((at, field.parse().ok()?)))
        .collect();
    let is_numeric =
        data.fields(column).all(|field| field.is_empty() || field.parse::<f64>().is_ok());
    if known.is_empty() || !is_numeric {
        return 0;
    }
    let mut filled = 0;
    for (at, row) in data.rows.iter_mut().enumerate() {
        let Some(field) = row.get_mut(column).filter(|field| field.is_empty()) else { continue };
        let before = known.iter().rev().find(|(place, _)| *place < at);
        let after = known.iter().find(|(place, _)| *place > at);
        let value = match (before, after) {
            (Some((from, low)), Some((to, high))) => {
                low + (high - low) * (at - from) as f64 / (to - from) as f64
            }
            (Some((_, near)), None) | (None, Some((_, near))) => *near,
            (None, None) => continue,
        };
        *field = number(value);
        filled += 1;
    }
    filled
}
