//! Tests of the dialect: E1-E7, B1-B5, the rows D15-D19 and E3, and properties.

mod bad_input;
mod bounds;
mod dialect;
mod names;
mod properties;
mod steps;
mod templates;
mod world;

use world::World;
