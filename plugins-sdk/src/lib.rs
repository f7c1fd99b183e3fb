//! Write a Gearshift plugin out of plain async functions.
//!
//! A whole plugin, and its test:
//!
//! ```
//! use gearshift_plugins_sdk::{Context, Failure, JsonSchema, Plugin, schemars};
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
//! fn validator() -> Plugin {
//!     Plugin::new("validator", "1.2.0").operation("validate_document", validate_document)
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let test = validator().test();
//! let output = test.call("validate_document", serde_json::json!({"title": "a b"})).await;
//! assert_eq!(output.unwrap(), serde_json::json!({"valid": true, "words": 2}));
//! # });
//! ```
//!
//! An operation is an async function of its input, of [`Context`] and input, or of [`State`],
//! [`Context`] and input. Its input and output are ordinary types of serde; their JSON Schema
//! is told to whoever discovers the plugin. It may be called more than once for one call
//! ([`Context::call_id`] stays the same), so it is idempotent by that id.
//!
//! A plugin is a process of its own: `validator().run().await` in its `main` serves it over NATS
//! ([`Plugin::run`]), as often as there are processes of it.
//!
//! An operation that cannot be idempotent says so by [`OperationOptions`]: it is asked once, and
//! where its answer is lost, a person decides how to go on.
//!
//! `?` on any error fails the attempt and the definition's `retry:` decides what follows;
//! [`Failure::permanent`] says that another attempt is useless. A handler that panics fails its
//! attempt and nothing else.

mod answer;
mod context;
mod error;
mod failure;
mod handler;
mod inflight;
mod options;
mod plugin;
mod run;
mod running;
mod testing;

pub use context::{Context, State};
pub use error::Error;
pub use failure::Failure;
/// Servers and login for [`Plugin::run_on`].
pub use gearshift_bus::NatsOptions;
pub use handler::Handler;
pub use options::OperationOptions;
pub use plugin::Plugin;
pub use run::nats_from_environment;
pub use running::Running;
/// JSON Schema of inputs and outputs: `use gearshift_plugins_sdk::{JsonSchema, schemars};`.
pub use schemars;
pub use schemars::JsonSchema;
pub use testing::TestPlugin;
