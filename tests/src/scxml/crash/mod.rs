//! The crash matrix: documents on the real engine, which is dropped at every frame.
//!
//! [`Story`] is a document ready to run; [`Trial`] runs it on files, without a crash or with one;
//! what the journals say afterwards are its [`Decisions`]. [`Matrix`] holds the runs with a crash
//! against the one without.

mod decisions;
mod life;
mod matrix;
mod story;
mod trial;

pub use decisions::Decisions;
pub use matrix::{Matrix, Report};
pub use story::Story;
pub use trial::{Crash, Trial};
