//! The machine's tests: text in, text out, named after the rules of 02-semantics.md.

mod actions;
mod approvals;
mod calls;
mod check;
mod commands;
mod deferral;
mod errors;
mod events;
mod gate;
mod invoke;
mod migrate;
mod mutants;
mod once;
mod property;
mod script;
mod selection;
mod starting;
mod states;
mod timers;

use check::check;
