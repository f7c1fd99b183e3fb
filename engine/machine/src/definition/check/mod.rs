//! Tree → [`Definition`](super::model::Definition), or every problem at once.
//!
//! Reading order: `keys` (which keys exist), `context` (what every check needs), `outline` and
//! `step_names` (names first: variables, states, steps, actions), `states`, `transitions`,
//! `actions` (the content of each), `steps`, `step`, `needs`, `fanout`, `order` (graphs of steps),
//! `lower` (calls become sequences and hidden states), `number` (ids resolved), `lints`.

mod actions;
mod approvals;
mod cache;
mod calls;
mod context;
mod draft;
mod events;
mod fanout;
mod graph;
mod invokes;
mod keys;
mod keys_plugins;
mod keys_route;
mod keys_schedule;
mod lints;
mod lints_dead_ends;
mod lints_engine;
mod lints_events;
mod lints_regions;
mod lower;
mod nearest;
mod needs;
mod number;
mod order;
mod outline;
mod plugins;
mod races;
mod root;
mod routes;
mod schedules;
mod secrets;
mod states;
mod step;
mod step_names;
mod steps;
mod transactions;
mod transitions;
mod values;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use keys::{Field, Shape, TABLES};
pub(crate) use root::{Checked, check};
