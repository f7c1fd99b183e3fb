//! `play`: a definition stepped through by hand, at a terminal or from a pipe.

mod command;
mod folding;
mod instances;
mod line;
mod loading;
mod shown;

pub(super) use command::{PlayArgs, play};
