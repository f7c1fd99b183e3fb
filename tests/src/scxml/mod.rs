//! The documents of the W3C suite as a judge of the machine.
//!
//! [`find`] looks for documents, [`resolved`] replaces what the suite leaves to the data model,
//! the product's own converter makes definitions of the result, its own loader reads them, and
//! [`Stage`] runs them in one partition under a virtual clock; [`crash`] runs them on the engine.
//! Nothing here knows a document.

mod conditions;
mod constructs;
pub mod crash;
mod document;
mod find;
pub mod folders;
mod judge;
mod resolve;
mod stage;
mod written;

pub use document::Document;
pub use find::{Found, find};
pub use judge::{Verdict, judge, judge_yaml, yaml};
pub use resolve::{Resolved, resolved};
pub use stage::{Ending, Stage};
