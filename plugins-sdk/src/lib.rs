//! Write a Gearshift plugin out of plain async functions.
//!
//! A whole plugin:
//!
//! ```no_run
//! use gearshift_plugins_sdk::{Context, Error, Failure, JsonSchema, Plugin, schemars};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, JsonSchema)] struct Document { title: String }
//! #[derive(Serialize, JsonSchema)]   struct Verdict  { valid: bool, words: usize }
//!
//! async fn validate_document(ctx: Context, doc: Document) -> Result<Verdict, Failure> {
//!     if doc.title.is_empty() { return Err(Failure::permanent("title is missing")); }
//!     tracing::info!(instance = %ctx.instance_id, attempt = ctx.attempt);
//!     Ok(Verdict { valid: true, words: doc.title.split_whitespace().count() })
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let validator = Plugin::new("validator", "1.2.0");
//!     validator.operation("validate_document", validate_document).run().await
//! }
//! ```
//!
//! and the test of one, which needs no bus:
//!
//! ```
//! # use gearshift_plugins_sdk::{Failure, JsonSchema, Plugin, schemars};
//! # #[derive(serde::Deserialize, JsonSchema)] struct Document { title: String }
//! # async fn count_words(doc: Document) -> Result<usize, Failure> {
//! #     Ok(doc.title.split_whitespace().count())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let test = Plugin::new("validator", "1.2.0").operation("count_words", count_words).test();
//! let output = test.call("count_words", serde_json::json!({"title": "a b"})).await;
//! assert_eq!(output.unwrap(), serde_json::json!(2));
//! # });
//! ```
//!
//! An operation is an async function of its input, of [`Context`] and input, or of [`State`],
//! [`Context`] and input. Its input and output are ordinary types of serde; their JSON Schema
//! is told to whoever discovers the plugin. It may be called more than once for one call
//! ([`Context::call_id`] stays the same), so it is idempotent by that id.
//!
//! A plugin is a process of its own: [`Plugin::run`] in its `main` serves it over NATS, as often as
//! there are processes of it. Its life has hooks ([`Plugin::on_initialize`]) and a state
//! ([`PluginState`]), and may need other plugins ([`Plugin::requires`]).
//!
//! An operation that cannot be idempotent says so by [`OperationOptions`]: it is asked once, and
//! where its answer is lost, a person decides how to go on. One that takes long says so as well
//! ([`OperationOptions::long`]): the result then comes later, and signs of life until then.
//!
//! `?` on any error, [`OrFailure`] for boxed ones, fails the attempt and the definition's `retry:`
//! decides what follows;
//! [`Failure::permanent`] says that another attempt is useless. A handler that panics fails its
//! attempt and nothing else.

mod answer;
mod bodies;
mod context;
mod desk;
mod error;
mod failure;
mod handler;
mod health;
mod hooks;
mod inflight;
mod life;
mod long;
mod options;
mod outlet;
mod pace;
mod plugin;
mod replies;
mod requires;
mod run;
mod running;
mod testing;

pub use context::{Context, State};
pub use error::Error;
pub use failure::{Failure, OrFailure};
/// Servers and login for [`Plugin::run_on`].
pub use gearshift_bus::NatsOptions;
/// What [`Context::heartbeat`] told, and how far a plugin is in its life.
pub use gearshift_protocol::{Heartbeat, PluginState};
pub use handler::Handler;
pub use options::OperationOptions;
pub use outlet::Emitted;
pub use plugin::Plugin;
pub use run::nats_from_environment;
pub use running::Running;
/// JSON Schema of inputs and outputs: `use gearshift_plugins_sdk::{JsonSchema, schemars};`.
pub use schemars;
pub use schemars::JsonSchema;
pub use testing::TestPlugin;
