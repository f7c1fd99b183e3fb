//! Text in, problems or shapes out.

mod actions;
mod cache;
mod catalogue;
mod catalogue_values;
mod events;
mod examples;
mod extend;
mod invokes;
mod lints;
mod lints_regions;
mod lowering;
mod plugins;
mod problems;
mod races;
mod refused;
mod rendering;
mod routes;
mod states;
mod steps;
mod steps_refused;
mod transactions;

pub(crate) use problems::{check_json, check_problems};
