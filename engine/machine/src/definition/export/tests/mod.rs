//! Definitions in other notations.

mod pictures;
mod xstate;
