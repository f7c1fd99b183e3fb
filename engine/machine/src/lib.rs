//! Workflow definitions, the state machine and the partition: pure.
//!
//! Nothing here awaits, reads a clock, draws a random number, does I/O or iterates a hash map.
//! Reading order: [`value`] (what JSON, MessagePack and expressions share), [`definition`] (what a
//! workflow is), [`machine`] (what happens), [`partition`] (who remembers); [`convert`] reads other
//! formats.

pub mod convert;
pub mod definition;
pub mod machine;
pub mod partition;
pub mod value;
