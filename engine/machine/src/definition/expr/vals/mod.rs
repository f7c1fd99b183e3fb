//! Values as cel sees them: scalars are its own, lists and maps are ours and shared.

mod convert;
mod equality;
mod list;
mod map;
mod member;

pub(super) use convert::{failure, limit, own, to_val, to_value};
pub(super) use equality::same_vals;
pub(super) use list::ListVal;
pub(super) use map::MapVal;
pub(super) use member::{ActiveVal, RegexVal};
