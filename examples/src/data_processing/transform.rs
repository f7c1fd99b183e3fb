//! `data_transformer`: brings numbers to one scale and words to numbers.

use std::collections::BTreeSet;

use gearshift_plugins_sdk::{Failure, JsonSchema, schemars};
use serde::Deserialize;

use crate::table::{Table, number};

/// A table and what to do with it, in order.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Apply {
    data: Table,
    transformations: Vec<Transformation>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Transformation {
    /// From 0 for the least to 1 for the greatest.
    Normalize { columns: Vec<String> },
    /// Each word becomes its place in the order of all of them.
    Encode { column: String },
}

pub(super) async fn apply_transformations(apply: Apply) -> Result<Table, Failure> {
    let mut data = apply.data;
    for transformation in &apply.transformations {
        match transformation {
            Transformation::Normalize { columns } => {
                for column in columns {
                    normalize(&mut data, column)?;
                }
            }
            Transformation::Encode { column } => encode(&mut data, column)?,
        }
    }
    Ok(data)
}

fn normalize(data: &mut Table, name: &str) -> Result<(), Failure> {
    let column = data.column(name)?;
    let numbers = data.numbers(column);
    if numbers.len() != data.rows.len() {
        let message = format!("column `{name}` holds more than numbers");
        return Err(Failure::permanent(message).code("not_numbers"));
    }
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = greatest - least;
    for (row, value) in data.rows.iter_mut().zip(numbers) {
        if let Some(field) = row.get_mut(column) {
            *field = number(if width > 0.0 { (value - least) / width } else { 0.0 });
        }
    }
    Ok(())
}

fn encode(data: &mut Table, name: &str) -> Result<(), Failure> {
    let column = data.column(name)?;
    let words: BTreeSet<String> = data.fields(column).map(str::to_owned).collect();
    for row in &mut data.rows {
        if let Some(field) = row.get_mut(column) {
            let place = words.iter().position(|word| word == field);
            *field = place.unwrap_or_default().to_string();
        }
    }
    Ok(())
}
