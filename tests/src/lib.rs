//! The system from outside.
//!
//! [`world`] starts engines, in this process and in others; [`nats`] starts clusters of servers
//! and stands between them and engines; [`load`] is what clients do while engines are killed;
//! [`chaos`] makes everything fail; [`checker`] judges what was seen, without any code of the
//! engine; [`leaks`] counts what processes and servers hold; [`journal`] reads raw journals with
//! code of its own; [`sim`] drives the pure core by hand; [`scxml`] lets the W3C suite judge it.

pub mod chaos;
pub mod checker;
pub mod journal;
pub mod leaks;
pub mod load;
pub mod nats;
pub mod scxml;
pub mod sim;
pub mod world;
