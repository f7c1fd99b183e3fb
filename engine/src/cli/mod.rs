//! The `gearshift` commands: flags in, data on stdout, everything else on stderr, an exit code.
//!
//! Reading order: [`main`] (parse, run, exit code), `args` (flags that every command has),
//! `output` and `failure` (what people and programs read), `connect` (which engine), then one file
//! per group of commands.

mod entry;

mod args;
mod failure;
mod output;
mod words;

mod connect;
mod data;
mod ids;
mod sources;

mod bench;
mod check;
mod definitions;
mod deploy;
mod dev;
mod dlq;
mod drive;
mod explain;
mod graph;
mod look;
mod mocks;
mod providers;
mod reload;
mod repair;
mod run;
mod script;
mod session;
mod timeline;
mod verdicts;
mod watch;

pub use entry::{LoadedPlugins, PluginFuture, PluginLoader, main};
