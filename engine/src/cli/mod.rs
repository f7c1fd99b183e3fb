//! The `gearshift` commands: flags in, data on stdout, everything else on stderr, an exit code.
//!
//! Reading order: [`main`] (parse, run, exit code), `args` (flags that every command has),
//! `output` and `failure` (what people and programs read), `connect` (which engine), `login` and
//! `contexts` (who we are at NATS servers), then one file per group of commands.

mod entry;

mod args;
mod failure;
mod output;
mod words;

mod connect;
mod contexts;
mod data;
mod ids;
mod items;
mod login;
mod sources;

mod bench;
mod bulk;
mod bus;
mod cache;
mod check;
mod conformance;
mod control;
mod convert;
mod definitions;
mod deploy;
mod detail;
mod dev;
mod diff;
mod dlq;
mod doors;
mod drive;
mod durability;
mod explain;
mod finding;
mod fork;
mod further;
mod graph;
mod ground;
mod health;
mod joining;
mod literal;
mod live;
mod lock;
mod look;
mod migrate;
mod mocks;
mod play;
mod plugin;
mod plugin_shown;
mod providers;
mod reload;
mod repair;
mod run;
mod schedule;
mod script;
mod serve;
mod session;
mod signals;
mod stage;
mod start;
mod steps;
mod test;
mod timeline;
mod timer;
mod traced;
mod transaction;
mod verdicts;
mod watch;

pub use entry::{LoadedPlugins, PluginFuture, PluginLoader, main};
