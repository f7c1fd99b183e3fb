//! Remote: engines hand each other partition inputs and looks, so that any engine may be asked.

mod door;
mod look;
mod packed;
mod reads;
mod route;
mod search;
mod stored;
#[cfg(test)]
mod tests;
mod waiter;
mod wire;

pub(crate) use door::OwnerDoor;
pub use look::DeadLetterFilter;
pub use waiter::InstanceWaiter;
pub use wire::Standing;
