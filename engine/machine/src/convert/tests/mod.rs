//! Text in, text out; and what is refused, where.

mod refused;
mod scxml;
