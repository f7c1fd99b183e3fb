//! The durable engine around the machine: definitions in, events in, effects out.
//!
//! Reading order: [`runtime`] (intake → drive → journal → dispatch), [`api`] (the same requests for
//! every door), [`http`] (the door of the embedded mode), [`cli`] (the `gearshift` commands).
//! [`builder`] writes definitions in Rust; [`testing`] is a whole engine for tests.

pub mod api;
pub mod cli;
pub mod http;
pub mod runtime;
pub mod testing;

pub use gearshift_machine::definition::builder;
pub use runtime::{Clock, Engine, EngineConfig, Error, Handle, Mocked};
