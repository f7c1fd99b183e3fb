//! A whole engine for tests: plugins, a clock that only the test moves, and faults where it wants
//! them. It needs no server and no file.
//!
//! ```
//! use std::time::Duration;
//! use gearshift_engine::testing::Harness;
//! use gearshift_plugins_sdk::{Failure, JsonSchema, Plugin, schemars};
//! use serde_json::json;
//!
//! #[derive(serde::Deserialize, JsonSchema)]
//! struct Order { total: u64 }
//!
//! async fn charge(order: Order) -> Result<u64, Failure> {
//!     Ok(order.total)
//! }
//!
//! let payments = Plugin::new("payments", "1.0.0").operation("charge", charge);
//! Harness::embedded()
//!     .plugin(payments)
//!     .deploy_text(r#"
//! workflow: order
//! version: 1
//! correlate: data.id
//! events: { order.placed: { start: true } }
//! vars: { paid: 0 }
//! initial: charging
//! states:
//!   charging:
//!     entry: { call: payments.charge, with: { total: "${ data.total }" }, set: { paid: output } }
//!     done: waiting
//!   waiting: { after: { 24h: over } }
//!   over: { final: true }
//! "#)
//!     .send("order.placed", json!({"id": "o-1", "total": 12}))
//!     .assert_state("waiting")
//!     .assert_called("payments.charge", 1)
//!     .advance(Duration::from_secs(24 * 3600))
//!     .assert_state("over");
//! ```

mod fault;
mod harness;
mod quiet;
mod stand_in;

pub use fault::Fault;
pub use harness::Harness;
pub use stand_in::Called;
