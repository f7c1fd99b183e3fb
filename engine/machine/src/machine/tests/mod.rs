//! The machine's tests: text in, text out, named after the rules of 02-semantics.md.

mod actions;
mod approval_steps;
mod approvals;
mod by_hand;
mod calls;
mod check;
mod checkpoints;
mod commands;
mod control;
mod deferral;
mod errors;
mod events;
mod fan;
mod fork;
mod gate;
mod graph;
mod graph_bounds;
mod invoke;
mod last_replies;
mod migrate;
mod mutants;
mod once;
mod outputs;
mod pending;
mod property;
mod rollback;
mod room;
mod routes;
mod script;
mod selection;
mod starting;
mod states;
mod timers;

use check::check;
