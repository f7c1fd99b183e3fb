//! Text in, text out; and what is refused, where.

mod ecmascript;
mod refused;
mod scxml;
mod there_and_back;
mod together;
mod told;
