//! What a workflow is: text → tree with spans → checked, immutable [`model::Definition`].

pub mod builder;
mod check;
mod child;
pub mod codes;
pub mod duration;
pub mod export;
pub mod expr;
mod extend;
mod load;
pub mod model;
mod parse;
mod places;
mod problem;
mod problem_render;
mod schema;

pub use child::Child;
pub use extend::{DERIVED_MIN, Extended, Further, extend};
pub use load::{Dated, Format, Loaded, from_canonical, load, load_all, load_all_dated};
pub(crate) use load::{parsed, parsed_all};
pub use parse::decode;
pub(crate) use parse::{Key, Kind, Node, Plain, plain};
pub use places::{WrittenCall, WrittenDocument, written_documents};
pub use problem::{Problem, Severity, Span};
pub use schema::schema;
