//! The system from outside.
//!
//! [`world`] starts engines, in this process and in others; [`load`] is what clients do while
//! engines are killed; [`checker`] judges what they saw, without any code of the engine; [`sim`]
//! drives the pure core by hand.

pub mod checker;
pub mod load;
pub mod sim;
pub mod world;
