//! `bus`: the NATS servers beneath, looked at and configured.

mod api;
mod command;
mod config;
mod doctor;
mod engine_checks;
mod role_checks;
mod server_checks;
mod stream_checks;

pub(super) use command::{BusArgs, bus};
