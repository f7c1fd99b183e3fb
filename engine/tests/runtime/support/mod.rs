//! A world of the test's own: an engine, its bus, its clock, its plugin.

mod counter;
mod flow;
mod plugin;
mod press;
mod wait;
mod world;

pub(crate) use counter::{COUNTER, Counter};
pub(crate) use flow::{Asking, FLOW, flow, is_in, on_each_bus, on_nats};
pub(crate) use plugin::{Answer, Recorded, Seen, tails};
pub(crate) use press::{Order, PRESS, Press, begun};
pub(crate) use wait::{PATIENCE, eventually, eventually_async, seeds};
pub(crate) use world::{World, assert_same, event, incoming, key, outcome_of};
