//! From cel's tree to one that knows our names: paths, patterns and constants become lookups.

mod calls;
mod compiled;
mod constant;
mod loops;
mod lowering;
mod names;

pub(super) use compiled::{Compiled, Plan, Tables};
pub(super) use loops::{Loop, Range};
pub(super) use lowering::Lowering;
