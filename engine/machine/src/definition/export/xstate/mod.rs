//! XState: the JSON of a machine as version 5 of that library reads it.
//!
//! Guards, actions and actors are references with parameters: whoever runs the machine there
//! provides `cel`, `set`, `publish` and the others. What has no word there stands under
//! `meta.gearshift`.

mod actions;
mod events;
mod invokes;
mod machine;
mod routes;
mod transitions;

pub use machine::xstate;
